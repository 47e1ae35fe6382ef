//! The process of the outbox sweep.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run_scheduled::<maintenance::Sweep>().await
}
