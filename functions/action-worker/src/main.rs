//! The process of the action worker.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<action_worker::ActionWorker>().await
}
