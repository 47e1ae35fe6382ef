//! Wires the sync worker.

use std::time::Instant;

use aws::batch::Batches;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use sync::Engine;
use sync_worker::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let batches = Batches::from_environment(&aws)?;
    let worker = Worker::new(Engine::from_environment(&aws)?);
    preconnect(async { _ = tokio::join!(worker.preconnect(), batches.preconnect()) }).await;
    telemetry::started(begin);
    batches.serve(|job, turn| worker.handle(job, turn)).await
}
