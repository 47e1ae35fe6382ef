//! Wires the webhook receiver.

use std::time::Instant;

use aws::clients::{Aws, preconnect};
use aws::telemetry;
use webhook_receiver::Receiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let receiver = Receiver::new(aws.secrets()?, aws.queue("WEBHOOK_QUEUE_URL")?);
    preconnect(receiver.preconnect()).await;
    telemetry::started(begin);
    lambda_http::run(web::app(receiver.routes())).await
}
