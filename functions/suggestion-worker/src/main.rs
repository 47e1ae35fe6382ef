//! The process of the suggestion worker.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::function::run::<suggestion_worker::SuggestionWorker>().await
}
