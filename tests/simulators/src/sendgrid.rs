//! SendGrid, `POST /sendgrid/v3/mail/send`, `Authorization: Bearer KEY`.
//!
//! Faithful in the 202 with an empty body and `X-Message-Id`, in the list of errors with their fields, and in that nothing is
//! recognised as sent before. The key `invalid` is refused; recipients at `refused.example` are invalid, senders at
//! `unverified.example` not verified. Source of the shapes: SendGrid's public OpenAPI document and recorded answers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Simulator,
    control::Control,
    mailbox::{self, Mail, Mailbox, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
};

const CATEGORIES_MAX: usize = 10;
const CATEGORY_CHARS_MAX: usize = 255;

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let mailbox = Arc::new(Mailbox::default());
    let of_reset = Arc::clone(&mailbox);
    Simulator {
        name: "sendgrid",
        about: "SendGrid v3: mail/send",
        wire: Router::new()
            .route("/v3/mail/send", post(send))
            .fallback(|| async { Error::new(StatusCode::NOT_FOUND, None, "not found") })
            .with_state(Arc::clone(&mailbox)),
        extra: mailbox::routes(mailbox),
        extra_index: &mailbox::INDEX,
        control: Control::new(
            |status| Some(Error::new(status, None, "simulated fault").body()),
            move || of_reset.clear(),
        ),
    }
}

#[derive(Debug)]
struct Error {
    status: StatusCode,
    field: Option<String>,
    message: String,
}

impl Error {
    fn new(status: StatusCode, field: Option<&str>, message: &str) -> Self {
        Self { status, field: field.map(str::to_owned), message: message.to_owned() }
    }

    fn bad(field: &str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(field), message)
    }

    fn body(&self) -> Value {
        json!({"errors": [{"message": self.message, "field": self.field, "help": null}]})
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

async fn send(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()).unwrap_or_default();
    match key.strip_prefix("Bearer ") {
        Some("invalid") => {
            let message = "The provided authorization grant is invalid, expired, or revoked";
            return Err(Error::new(StatusCode::UNAUTHORIZED, None, message));
        }
        Some(key) if !key.is_empty() => {}
        _ => return Err(Error::new(StatusCode::UNAUTHORIZED, None, "Permission denied, wrong credentials")),
    }
    let mail = read(&body)?;
    let accepted = mailbox.accept(|number| Mail { id: format!("sim{number:019}"), ..mail });
    let id = HeaderValue::try_from(accepted.id).map_err(|_| Error::bad("id", "cannot be sent"))?;
    Ok((StatusCode::ACCEPTED, [("x-message-id", id)]).into_response())
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn read(body: &[u8]) -> Result<Mail, Error> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| Error::new(StatusCode::BAD_REQUEST, None, "Bad Request"))?;
    let personalizations = body.get("personalizations").and_then(Value::as_array).filter(|list| !list.is_empty());
    let Some(personalizations) = personalizations else {
        let message = "The personalizations field is required and must have at least one personalization.";
        return Err(Error::bad("personalizations", message));
    };
    let mut to = Vec::new();
    for (place, personalization) in personalizations.iter().enumerate() {
        let list = personalization.get("to").and_then(Value::as_array).filter(|list| !list.is_empty());
        let field = format!("personalizations.{place}.to");
        let list =
            list.ok_or_else(|| Error::bad(&field, "The to array is required for all personalization objects."))?;
        for (number, one) in list.iter().enumerate() {
            let address = text(one, "/email");
            if !is_address(&address) || address.ends_with(REFUSED_DOMAIN) {
                return Err(Error::bad(&format!("{field}.{number}.email"), "Does not contain a valid address."));
            }
            to.push(address);
        }
    }
    let from = text(&body, "/from/email");
    if !is_address(&from) {
        return Err(Error::bad("from.email", "The from email does not contain a valid address."));
    }
    if from.ends_with(UNVERIFIED_DOMAIN) {
        let message = "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.";
        return Err(Error::new(StatusCode::FORBIDDEN, Some("from"), message));
    }
    let subject = text(&body, "/subject");
    if subject.is_empty() {
        return Err(Error::bad("subject", "The subject is required."));
    }
    let content = body.get("content").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_type = |kind: &str| content.iter().position(|part| text(part, "/type") == kind);
    let part = |place: Option<usize>| place.and_then(|place| content.get(place)).map(|part| text(part, "/value"));
    let (plain, html) = (of_type("text/plain"), of_type("text/html"));
    if content.iter().any(|part| text(part, "/value").is_empty()) || content.is_empty() {
        return Err(Error::bad("content", "The content value must be a string at least one character in length."));
    }
    if let (Some(plain), Some(html)) = (plain, html)
        && html < plain
    {
        let message = "If present, text/plain and text/html may only be provided in that order.";
        return Err(Error::bad("content", message));
    }
    let categories = body.get("categories").and_then(Value::as_array).cloned().unwrap_or_default();
    let long = |one: &Value| one.as_str().is_none_or(|one| one.chars().count() > CATEGORY_CHARS_MAX);
    if categories.len() > CATEGORIES_MAX || categories.iter().any(long) {
        return Err(Error::bad("categories", "There are too many categories, or one is longer than 255 characters."));
    }
    Ok(Mail {
        at: Timestamp::now(),
        id: String::new(),
        from,
        to,
        subject,
        text: part(plain).unwrap_or_default(),
        html: part(html).unwrap_or_default(),
        message_id: body.pointer("/headers/Message-ID").and_then(Value::as_str).map(str::to_owned),
        correlation: body.pointer("/custom_args/reference").and_then(Value::as_str).map(str::to_owned),
    })
}
