//! The process of the sync worker.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<sync_worker::SyncWorker>().await
}
