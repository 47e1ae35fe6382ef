//! The process of the application intake.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let api = aws::function::start::<application_intake::Intakes>().await?;
    lambda_http::run(web::app(api.routes())).await
}
