//! Wires the webhook worker.

use std::time::Instant;

use aws::batch::SourceQueues;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use store::control::Control;
use store::email_queues::EmailQueues;
use sync::Engine;
use webhook_worker::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let queues = SourceQueues::from_environment(&aws)?;
    let (engine, control) = (Engine::from_environment(&aws)?, Control::new(aws.table("CONTROL_TABLE")?));
    let emails = EmailQueues::from_environment(&aws)?;
    let worker = Worker::new(engine, control, aws.queue("SUGGESTION_QUEUE_URL")?, emails);
    preconnect(async { _ = tokio::join!(worker.preconnect(), queues.preconnect()) }).await;
    telemetry::started(begin);
    queues.serve(|delivery, turn| worker.handle(delivery, turn)).await
}
