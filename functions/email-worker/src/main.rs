//! Wires the e-mail worker.

use std::time::Instant;

use aws::batch::SourceQueues;
use aws::bulkhead::Bulkhead;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use email_worker::{Worker, mailer::Mailers, settling};
use mail_templates::Templates;
use store::delivery::Deliveries;
use store::records::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let queues = SourceQueues::from_environment(&aws)?.with_priority(&aws)?;
    let deliveries = Deliveries::new(Records::new(aws.table("RECORDS_TABLE")?));
    let mailers = Mailers::from_environment(aws.secrets()?, aws.table("CONTROL_TABLE")?)?;
    let calls = Bulkhead::from_environment("mail", "POOL_MAIL")?;
    let worker = Worker::new(deliveries, mailers, Templates::built_in()?, calls, settling()?);
    preconnect(async { _ = tokio::join!(worker.preconnect(), queues.preconnect()) }).await;
    telemetry::started(begin);
    queues.serve(|job, turn| worker.handle(job, turn)).await
}
