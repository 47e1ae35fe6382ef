//! Brevo, `POST /brevo/v3/smtp/email`, key in `api-key`.
//!
//! Faithful in the errors' codes and in the idempotency key inside of the body's `headers`: within its time a second request
//! with the same key sends nothing. What the second one is answered is not documented; here it is `duplicate_request`, the
//! harder case for a client. The key `invalid` is refused, recipients at `refused.example` are invalid, senders at
//! `unverified.example` not valid. Source of the shapes: Brevo's public client libraries and guides.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Simulator,
    control::{Control, lock},
    mailbox::{self, Mail, Mailbox, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
};

/// The shorter of the two documented times for which a key is remembered.
pub const KEY_REMEMBERED: SignedDuration = SignedDuration::from_mins(15);

#[derive(Default)]
struct World {
    mailbox: Arc<Mailbox>,
    keys: Mutex<BTreeMap<String, Timestamp>>,
}

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let world = Arc::new(World::default());
    let of_reset = Arc::clone(&world);
    Simulator {
        name: "brevo",
        about: "Brevo v3: smtp/email",
        extra: mailbox::routes(Arc::clone(&world.mailbox)),
        extra_index: &mailbox::INDEX,
        wire: Router::new()
            .route("/v3/smtp/email", post(send))
            .fallback(|| async { Error::new(StatusCode::NOT_FOUND, "document_not_found", "Not found") })
            .with_state(world),
        control: Control::new(
            |status| Some(json!({"code": "simulated_fault", "message": format!("simulated fault {status}")})),
            move || {
                of_reset.mailbox.clear();
                lock(&of_reset.keys).clear();
            },
        ),
    }
}

#[derive(Debug)]
struct Error {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Error {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned() }
    }

    fn missing(field: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "missing_parameter", &format!("{field} is missing"))
    }

    fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"code": self.code, "message": self.message}))).into_response()
    }
}

async fn send(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let key = headers.get("api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key == "invalid" {
        return Err(Error::new(StatusCode::UNAUTHORIZED, "unauthorized", "Key not found"));
    }
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| Error::new(StatusCode::BAD_REQUEST, "bad_request", "Input must be a valid JSON object"))?;
    let mail = read(&body)?;
    let now = Timestamp::now();
    // The keys stay locked until the mail is kept: of two requests at once one is the first.
    let mut keys = lock(&world.keys);
    if let Some(key) = body.pointer("/headers/idempotencyKey").and_then(Value::as_str) {
        keys.retain(|_, at| now.duration_since(*at) < KEY_REMEMBERED);
        if keys.insert(key.to_owned(), now).is_some() {
            let message = "A request with this idempotency key was processed before";
            return Err(Error::new(StatusCode::BAD_REQUEST, "duplicate_request", message));
        }
    }
    let accepted =
        world.mailbox.accept(|number| Mail { id: format!("<sim.{number}@smtp-relay.mailin.fr>"), at: now, ..mail });
    Ok((StatusCode::CREATED, Json(json!({"messageId": accepted.id}))).into_response())
}

fn read(body: &Value) -> Result<Mail, Error> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let from = text("/sender/email").ok_or_else(|| Error::missing("sender"))?;
    if !is_address(from) || from.ends_with(UNVERIFIED_DOMAIN) {
        return Err(Error::invalid("valid sender email required"));
    }
    let recipients = body.get("to").and_then(Value::as_array).filter(|list| !list.is_empty());
    let mut to = Vec::new();
    for one in recipients.ok_or_else(|| Error::missing("to"))? {
        let address = one.get("email").and_then(Value::as_str).unwrap_or_default();
        if !is_address(address) || address.ends_with(REFUSED_DOMAIN) {
            return Err(Error::invalid("email is not valid in to"));
        }
        to.push(address.to_owned());
    }
    let subject = text("/subject").ok_or_else(|| Error::missing("subject"))?;
    let html = text("/htmlContent").ok_or_else(|| Error::missing("htmlContent"))?;
    Ok(Mail {
        at: Timestamp::default(),
        id: String::new(),
        from: from.to_owned(),
        to,
        subject: subject.to_owned(),
        text: text("/textContent").unwrap_or_default().to_owned(),
        html: html.to_owned(),
        message_id: text("/headers/Message-ID").map(str::to_owned),
        correlation: text("/headers/X-Mailin-custom").map(str::to_owned),
    })
}
