//! The process of the webhook receiver.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let api = aws::function::start::<webhook_receiver::Receiver>().await?;
    lambda_http::run(web::app(api.routes())).await
}
