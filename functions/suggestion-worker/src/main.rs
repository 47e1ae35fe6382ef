//! Wires the suggestion worker.

use std::time::Instant;

use aws::batch::SourceQueues;
use aws::breaker::{self, SharedBreaker};
use aws::bulkhead::Bulkhead;
use aws::clients::{Aws, preconnect};
use aws::dependency::Dependency;
use aws::telemetry;
use resilience::breaker::POLICY;
use store::records::Records;
use suggestion_worker::{Worker, model_from_environment, prompt::Prompts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let queues = SourceQueues::from_environment(&aws)?;
    let records = Records::new(aws.table("RECORDS_TABLE")?);
    let prompts = Prompts::built_in()?;
    let model = model_from_environment(prompts.provider())?;
    let breaker = SharedBreaker::of_deployment(aws.table("CONTROL_TABLE")?, breaker::MODEL, POLICY);
    let guard = Dependency::new(breaker, Bulkhead::from_environment(breaker::MODEL, "POOL_MODEL")?);
    let worker = Worker::new(records, aws.secrets()?, model, prompts, aws.queue("EMAIL_QUEUE_URL")?, guard);
    preconnect(async { _ = tokio::join!(worker.preconnect(), queues.preconnect()) }).await;
    telemetry::started(begin);
    queues.serve(|job, turn| worker.handle(job, turn)).await
}
