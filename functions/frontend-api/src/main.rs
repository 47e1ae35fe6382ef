//! Wires the frontend's API.

use std::sync::Arc;
use std::time::Instant;

use frontend_api::Api;
use mail_templates::Templates;
use platform::audit::Audit;
use platform::breaker::{self, SharedBreaker};
use platform::cache::Cache;
use platform::clients::{Aws, preconnect};
use platform::control::Control;
use platform::email_queues::EmailQueues;
use platform::records::Records;
use platform::telemetry;
use resilience::breaker::POLICY;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let breaker = SharedBreaker::of_deployment(aws.table("CONTROL_TABLE")?, breaker::MODEL, POLICY);
    let api = Api {
        model_breaker: Arc::new(breaker),
        audit: Audit::new(aws.table("CONTROL_TABLE")?),
        cache: Cache::from_environment()?,
        records: Records::new(aws.table("RECORDS_TABLE")?),
        control: Control::new(aws.table("CONTROL_TABLE")?),
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
