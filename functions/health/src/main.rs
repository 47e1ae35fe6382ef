//! The process of the health check.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let api = aws::function::start::<health::Health>().await?;
    lambda_http::run(web::app(api.routes())).await
}
