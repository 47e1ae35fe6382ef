//! Takes webhook deliveries: verify the raw bytes, enqueue, answer.
//!
//! One SQS send a delivery, and one read of the secret a minute. What must never be here: a table, a third party, or any
//! parsing before the signature has been verified.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::FORMAT_VERSION;
use domain::id::{ConnectionId, OrgId};
use domain::message::WebhookDelivery;
use platform::clock;
use platform::queue::Queue;
use platform::secrets::Secrets;
use serde_json::json;
use web::body::bytes_up_to;
use web::problem::Problem;

/// Most bytes of a delivery: in base64 and with its envelope it fits into one queue message (1 MiB).
const BODY_LIMIT: usize = 512 * 1024;
/// After how many seconds a sender may try again when the queue did not take the delivery.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The receiver and what it needs.
#[derive(Debug, Clone)]
pub struct Receiver {
    secrets: Secrets,
    queue: Queue,
}

impl Receiver {
    /// A receiver that reads these secrets and sends to this queue.
    #[must_use]
    pub fn new(secrets: Secrets, queue: Queue) -> Self {
        Self { secrets, queue }
    }

    /// Opens both connections.
    pub async fn preconnect(&self) {
        let _ignored = tokio::join!(self.secrets.read("orgs/-/connections/-/webhook_secret"), self.queue.waiting());
    }

    /// The routes.
    pub fn routes(self) -> Router {
        Router::new().route("/api/webhooks/{provider}/{organisation}/{connection}", post(receive)).with_state(self)
    }
}

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
    let Some((spec, source)) = providers::find(&provider).and_then(|spec| Some((spec, spec.webhooks?))) else {
        return Err(refused());
    };
    let headers = request.headers().clone();
    let body = bytes_up_to(request, BODY_LIMIT).await?;
    let secret = receiver.secrets.of_connection(&org, &connection, source.secret()).await.map_err(|error| {
        tracing::error!(%org, %connection, %error, "the webhook secret could not be read");
        Problem::unavailable("the delivery cannot be checked now; send it again", RETRY_AFTER_SECONDS)
    })?;
    let secret = secret.ok_or_else(refused)?;
    let Ok(event_id) = source.verify(&headers, &body, &secret) else {
        tracing::warn!(%org, %connection, provider = spec.id, "a delivery with a wrong signature was refused");
        return Err(refused());
    };
    let delivery = WebhookDelivery {
        v: FORMAT_VERSION,
        org,
        provider: spec.id.to_owned(),
        connection,
        event_id,
        received_at: clock::now(),
        body_base64: STANDARD.encode(&body),
    };
    receiver.queue.send(&delivery).await.map_err(|error| {
        tracing::error!(org = %delivery.org, connection = %delivery.connection, %error, "a delivery could not be enqueued");
        Problem::unavailable("the delivery was not taken; send it again", RETRY_AFTER_SECONDS)
    })?;
    // Greenhouse counts 200 as success, and nothing else.
    Ok(axum::Json(json!({"status": "accepted", "event_id": delivery.event_id})).into_response())
}
