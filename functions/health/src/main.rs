//! Wires the health check.

use std::time::Instant;

use aws::clients::{Aws, preconnect};
use aws::telemetry;
use health::Health;

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
