//! Wires the sync worker.

use std::time::{Duration, Instant};

use platform::batch::Batches;
use platform::bulkhead::Bulkhead;
use platform::cache::Cache;
use platform::clients::{Aws, preconnect};
use platform::control::Control;
use platform::environment;
use platform::limit::SharedLimiter;
use platform::records::Records;
use platform::telemetry;
use providers::http::Outbound;
use sync_worker::{BUDGET_NAME, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let batches = Batches::from_environment(&aws)?;
    let worker = Worker {
        records: Records::new(aws.table("RECORDS_TABLE")?),
        control: Control::new(aws.table("CONTROL_TABLE")?),
        cache: Cache::from_environment()?,
        secrets: aws.secrets()?,
        budget: SharedLimiter::new(aws.table("CONTROL_TABLE")?, BUDGET_NAME, Duration::from_secs(60)),
        calls: Bulkhead::from_environment("ats", "POOL_ATS")?,
        http: Outbound::new()?,
        stage: environment::stage()?,
        replacement: environment::optional("PROVIDER_BASE_URL"),
    };
    preconnect(async { _ = tokio::join!(worker.preconnect(), batches.preconnect()) }).await;
    telemetry::started(begin);
    batches.serve(|job, turn| worker.handle(job, turn)).await
}
