//! Wires the sync scheduler.

use std::time::Instant;

use aws::clients::{Aws, preconnect};
use aws::telemetry;
use lambda_runtime::{LambdaEvent, service_fn};
use store::sync::Syncs;
use sync_scheduler::Scheduler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let scheduler = Scheduler::new(Syncs::new(aws.table("CONTROL_TABLE")?), aws.queue("SYNC_QUEUE_URL")?);
    preconnect(scheduler.preconnect()).await;
    telemetry::started(begin);
    let scheduler = &scheduler;
    lambda_runtime::run(service_fn(|_: LambdaEvent<serde_json::Value>| async move {
        Ok::<_, lambda_runtime::Error>(scheduler.tick().await?)
    }))
    .await
}
