//! Wires the e-mail worker.

use std::time::Instant;

use email_worker::{Worker, mailer::Mailers};
use mail_templates::Templates;
use platform::batch::Batches;
use platform::breaker::{self, SharedBreaker};
use platform::bulkhead::Bulkhead;
use platform::clients::{Aws, preconnect};
use platform::dependency::Dependency;
use platform::records::Records;
use platform::telemetry;
use resilience::breaker::POLICY;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let batches = Batches::from_environment(&aws)?;
    let records = Records::new(aws.table("RECORDS_TABLE")?);
    let breaker = SharedBreaker::of_deployment(aws.table("CONTROL_TABLE")?, breaker::MAIL, POLICY);
    let guard = Dependency::new(breaker, Bulkhead::from_environment(breaker::MAIL, "POOL_MAIL")?);
    let worker = Worker::new(records, Mailers::from_environment(aws.secrets()?)?, Templates::built_in()?, guard);
    preconnect(async { _ = tokio::join!(worker.preconnect(), batches.preconnect()) }).await;
    telemetry::started(begin);
    batches.serve(|job, turn| worker.handle(job, turn)).await
}
