//! The process of the sync scheduler.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run_scheduled::<sync_scheduler::Scheduler>().await
}
