//! Wires the sweep of the outbox.

use std::time::Instant;

use aws::breaker::{self, SharedBreaker};
use aws::clients::{Aws, preconnect};
use aws::environment;
use aws::telemetry;
use lambda_runtime::{LambdaEvent, service_fn};
use maintenance::{Intakes, Queues, Sweep};
use providers::catalog::Spec;
use resilience::breaker::POLICY;
use store::email_queues::EmailQueues;
use store::records::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let records = Records::new(aws.table("RECORDS_TABLE")?);
    let control = aws.table("CONTROL_TABLE")?;
    let model = SharedBreaker::of_deployment(control.clone(), breaker::MODEL, POLICY);
    // With a fallback there is somebody to try while the first choice is left alone.
    let alone = environment::optional("MAIL_FALLBACK").is_none();
    let first = environment::required("MAIL_PROVIDER")?;
    let breaker = providers::catalog::find(&first).and_then(Spec::breaker).filter(|_| alone);
    let mail = breaker.map(|name| SharedBreaker::of_deployment(control.clone(), &name, POLICY));
    let intakes = Intakes { normal: aws.queue("INTAKE_QUEUE_URL")?, priority: aws.queue("INTAKE_PRIORITY_QUEUE_URL")? };
    let (suggestions, emails) = (aws.queue("SUGGESTION_QUEUE_URL")?, EmailQueues::from_environment(&aws)?);
    let queues = Queues { suggestions, emails, intakes, actions: aws.queue("ACTION_QUEUE_URL")? };
    let sweep = Sweep::new(records, control, queues, model, mail);
    preconnect(sweep.preconnect()).await;
    telemetry::started(begin);
    let sweep = &sweep;
    lambda_runtime::run(service_fn(|_: LambdaEvent<serde_json::Value>| async move {
        Ok::<_, lambda_runtime::Error>(sweep.tick().await?)
    }))
    .await
}
