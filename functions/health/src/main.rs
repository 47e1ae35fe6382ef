//! Wires the health check.

use std::time::Instant;

use health::Health;
use platform::clients::{Aws, preconnect};
use platform::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let begin = Instant::now();
    telemetry::init();
    let aws = Aws::from_environment()?;
    let health = Health::from_environment(&aws)?;
    preconnect(health.preconnect()).await;
    telemetry::started(begin);
    lambda_http::run(web::app(health.routes())).await
}
