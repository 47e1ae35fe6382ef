//! Wires the worker of changes at providers.

use std::time::Instant;

use action_worker::Worker;
use platform::batch::Batches;
use platform::bulkhead::Bulkhead;
use platform::cache::Cache;
use platform::clients::{Aws, preconnect};
use platform::environment;
use platform::records::Records;
use platform::telemetry;
use providers::http::Outbound;
use sync::{Engine, Outside};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let batches = Batches::from_environment(&aws)?;
    let outside = Outside {
        http: Outbound::new()?,
        calls: Bulkhead::from_environment("ats", "POOL_ATS")?,
        stage: environment::stage()?,
        replacement: environment::optional("PROVIDER_BASE_URL"),
    };
    let (records, control) = (Records::new(aws.table("RECORDS_TABLE")?), aws.table("CONTROL_TABLE")?);
    let worker = Worker::new(Engine::new(records, control, Cache::from_environment()?, aws.secrets()?, outside));
    preconnect(async { _ = tokio::join!(worker.preconnect(), batches.preconnect()) }).await;
    telemetry::started(begin);
    batches.serve(|job, turn| worker.handle(job, turn)).await
}
