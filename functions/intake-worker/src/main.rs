//! The process of the intake worker: one function, two queues.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<intake_worker::IntakeWorker>().await
}
