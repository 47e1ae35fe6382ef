//! Receives webhook deliveries: verifies the raw bytes, enqueues them, responds.
//!
//! One SQS send a delivery, and one read of the secret a minute. What must never be here: a table, a third party, or any
//! parsing before the signature has been verified.

use aws::clients::Aws;
use aws::clock;
use aws::function::{Function, StartError};
use aws::queue::Queue;
use aws::secrets::Secrets;
use aws::telemetry::chain;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::FORMAT_VERSION;
use domain::connection::ConnectionKey;
use domain::id::{ConnectionId, OrgId};
use domain::message::{Sender, WebhookDelivery};
use providers::transport::webhook::event_id;
use serde_json::json;
use tracing::field::display;
use web::body::bytes_up_to;
use web::problem::Problem;

/// The most bytes of a delivery: in base64 and with its envelope it fits into one queue message (1 MiB).
const BODY_LIMIT: usize = 512 * 1024;
/// The seconds after which a sender may retry a delivery that was not accepted.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The receiver of webhook deliveries.
#[derive(Debug, Clone)]
pub struct Receiver {
    secrets: Secrets,
    queue: Queue,
}

impl Function for Receiver {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        Ok(Self { secrets: aws.secrets()?, queue: aws.queue("WEBHOOK_QUEUE_URL")? })
    }

    async fn warm_up(&self) {
        let _ignored = tokio::join!(self.secrets.read("orgs/-/connections/-/webhook_secret"), self.queue.waiting());
    }
}

impl Receiver {
    pub fn routes(self) -> Router {
        Router::new()
            .route("/api/webhooks/{provider}/{organisation}/{connection}", post(receive))
            .route("/api/webhooks/mail/{provider}", post(receive_mail_events))
            .with_state(self)
    }
}

/// Receives the webhooks of a connection.
async fn receive(
    State(receiver): State<Receiver>,
    Path((provider, org, connection)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    // An unknown provider, organisation or connection and a wrong signature look the same from outside.
    let refused = || Problem::unauthenticated("the delivery's signature does not fit this address");
    let (Ok(org), Ok(connection)) = (org.parse::<OrgId>(), connection.parse::<ConnectionId>()) else {
        return Err(refused());
    };
    let key = ConnectionKey { org, connection };
    let ConnectionKey { org, connection } = &key;
    let Some((id, source)) = providers::ats::webhook_verifier(&provider) else {
        return Err(refused());
    };
    let headers = request.headers().clone();
    let body = bytes_up_to(request, BODY_LIMIT).await?;
    let secret = receiver.secrets.of_connection(&key, source.secret()).await.map_err(|error| {
        tracing::error!(%org, %connection, error = %chain(&error), "the webhook secret could not be read");
        Problem::unavailable("the delivery cannot be checked now; send it again", RETRY_AFTER_SECONDS)
    })?;
    let secret = secret.ok_or_else(refused)?;
    let Ok(event_id) = source.verify(&headers, &body, &secret, clock::now()) else {
        tracing::warn!(%org, %connection, provider = id, "a delivery with a wrong signature was refused");
        return Err(refused());
    };
    receiver.accept(id, Sender::Connection(key), event_id, &body).await
}

/// Receives the events of a mail provider about the deployment's mails.
async fn receive_mail_events(
    State(receiver): State<Receiver>,
    Path(provider): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    // An unknown provider, and one without events over this route, look like a wrong signature.
    let refused = || Problem::unauthenticated("the delivery's signature does not fit this address");
    let Some((id, source)) = providers::mail::event_source(&provider) else {
        return Err(refused());
    };
    let headers = request.headers().clone();
    let body = bytes_up_to(request, BODY_LIMIT).await?;
    let mut secrets = Vec::with_capacity(source.secrets().len());
    for name in source.secrets() {
        let secret = receiver.secrets.read(name).await.map_err(|error| {
            tracing::error!(mail.provider = id, error = %chain(&error), "a secret of mail events could not be read");
            Problem::unavailable("the delivery cannot be checked now; send it again", RETRY_AFTER_SECONDS)
        })?;
        secrets.push(secret.ok_or_else(refused)?);
    }
    if source.verify(&headers, &body, &secrets, clock::now()).is_err() {
        tracing::warn!(mail.provider = id, "mail events with a wrong signature were refused");
        return Err(refused());
    }
    receiver.accept(id, Sender::Deployment, event_id(None, &body), &body).await
}

impl Receiver {
    /// Enqueues a verified delivery and responds.
    async fn accept(&self, provider: &str, sender: Sender, event_id: String, body: &[u8]) -> Result<Response, Problem> {
        let (v, received_at) = (FORMAT_VERSION, clock::now());
        let provider = provider.to_owned();
        let delivery = WebhookDelivery { v, sender, provider, event_id, received_at, body: body.to_vec() };
        self.queue.send(&delivery).await.map_err(|error| {
            let (org, connection) = match &delivery.sender {
                Sender::Connection(ConnectionKey { org, connection }) => (Some(display(org)), Some(display(connection))),
                Sender::Deployment => (None, None),
            };
            tracing::error!(provider = delivery.provider, org, connection, error = %chain(&error), "a delivery could not be enqueued");
            Problem::unavailable("the delivery was not taken; send it again", RETRY_AFTER_SECONDS)
        })?;
        // Greenhouse counts 200 as success, and nothing else.
        Ok(axum::Json(json!({"status": "accepted", "event_id": delivery.event_id})).into_response())
    }
}
