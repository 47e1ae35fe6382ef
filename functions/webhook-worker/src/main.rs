//! The process of the webhook worker.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<webhook_worker::WebhookWorker>().await
}
