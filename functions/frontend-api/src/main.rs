//! The process of the frontend's API.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let api = aws::function::start::<frontend_api::Api>().await?;
    lambda_http::run(web::app(api.routes())).await
}
