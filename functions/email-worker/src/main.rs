//! The process of the e-mail worker.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<email_worker::EmailWorker>().await
}
