//! Wires the worker of intakes: one function, two queues.

use std::time::Instant;

use aws::batch::SourceQueues;
use aws::cache::Cache;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use intake_worker::Worker;
use store::records::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let queues = SourceQueues::from_environment(&aws)?.with_priority(&aws)?;
    let worker = Worker::new(Records::new(aws.table("RECORDS_TABLE")?), Cache::from_environment()?)?;
    preconnect(async { _ = tokio::join!(worker.preconnect(), queues.preconnect()) }).await;
    telemetry::started(begin);
    queues.serve(|job, turn| worker.handle(job, turn)).await
}
