//! Wires the intake of applications.

use std::time::{Duration, Instant};

use application_intake::{Intakes, POLICY_NAME};
use aws::clients::{Aws, preconnect};
use aws::limit::SharedLimiter;
use aws::{environment, telemetry};
use store::api_keys::ApiKeys;
use store::records::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let records = Records::new(aws.table("RECORDS_TABLE")?);
    let api = Intakes {
        keys: ApiKeys::new(records.clone()),
        limiter: SharedLimiter::new(aws.table("CONTROL_TABLE")?, POLICY_NAME, Duration::from_secs(60)),
        limit_per_minute: environment::number("EXTERNAL_LIMIT_PER_MINUTE")?,
        records,
        normal: aws.queue("INTAKE_QUEUE_URL")?,
        priority: aws.queue("INTAKE_PRIORITY_QUEUE_URL")?,
    };
    preconnect(api.preconnect()).await;
    telemetry::started(begin);
    lambda_http::run(web::app(api.routes())).await
}
