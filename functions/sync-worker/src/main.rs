//! Wires the sync worker.

use std::time::Instant;

use aws::batch::SourceQueues;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use sync::Engine;
use sync_worker::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let queues = SourceQueues::from_environment(&aws)?;
    let worker = Worker::new(Engine::from_environment(&aws)?);
    preconnect(async { _ = tokio::join!(worker.preconnect(), queues.preconnect()) }).await;
    telemetry::started(begin);
    queues.serve(|job, turn| worker.handle(job, turn)).await
}
