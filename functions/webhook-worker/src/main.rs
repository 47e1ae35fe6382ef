//! Wires the webhook worker.

use std::time::Instant;

use platform::batch::Batches;
use platform::bulkhead::Bulkhead;
use platform::cache::Cache;
use platform::clients::{Aws, preconnect};
use platform::control::Control;
use platform::email_queues::EmailQueues;
use platform::environment;
use platform::records::Records;
use platform::telemetry;
use providers::http::Outbound;
use sync::{Engine, Outside};
use webhook_worker::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let batches = Batches::from_environment(&aws)?;
    let (records, control) = (Records::new(aws.table("RECORDS_TABLE")?), aws.table("CONTROL_TABLE")?);
    let outside = Outside {
        http: Outbound::new()?,
        calls: Bulkhead::from_environment("ats", "POOL_ATS")?,
        stage: environment::stage()?,
        replacement: environment::optional("PROVIDER_BASE_URL"),
    };
    let engine = Engine::new(records, control.clone(), Cache::from_environment()?, aws.secrets()?, outside);
    let emails = EmailQueues::from_environment(&aws)?;
    let worker = Worker::new(engine, Control::new(control), aws.queue("SUGGESTION_QUEUE_URL")?, emails);
    preconnect(async { _ = tokio::join!(worker.preconnect(), batches.preconnect()) }).await;
    telemetry::started(begin);
    batches.serve(|delivery, turn| worker.handle(delivery, turn)).await
}
