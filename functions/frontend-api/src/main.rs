//! Wires the frontend's API.

use std::sync::Arc;
use std::time::Instant;

use aws::breaker::{self, SharedBreaker};
use aws::cache::Cache;
use aws::clients::{Aws, preconnect};
use aws::telemetry;
use frontend_api::Api;
use mail_templates::Templates;
use resilience::breaker::POLICY;
use store::audit::Audit;
use store::control::Control;
use store::email_queues::EmailQueues;
use store::records::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let control = aws.table("CONTROL_TABLE")?;
    let api = Api {
        model_breaker: Arc::new(SharedBreaker::of_deployment(control.clone(), breaker::MODEL, POLICY)),
        audit: Audit::new(control.clone()),
        cache: Cache::from_environment()?,
        records: Records::new(aws.table("RECORDS_TABLE")?),
        control: Control::new(control),
        secrets: aws.secrets()?,
        sync_queue: aws.queue("SYNC_QUEUE_URL")?,
        webhook_queue: aws.queue("WEBHOOK_QUEUE_URL")?,
        suggestion_queue: aws.queue("SUGGESTION_QUEUE_URL")?,
        email_queues: EmailQueues::from_environment(&aws)?,
        action_queue: aws.queue("ACTION_QUEUE_URL")?,
        templates: Arc::new(Templates::built_in()?),
    };
    preconnect(api.preconnect()).await;
    telemetry::started(begin);
    lambda_http::run(web::app(api.routes())).await
}
