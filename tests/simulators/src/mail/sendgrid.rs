//! SendGrid, `POST /sendgrid/v3/mail/send`, `POST /sendgrid/v3/logs`, `GET /sendgrid/v3/logs/{sg_message_id}`, all with
//! `Authorization: Bearer KEY`, and the signed event webhook.
//!
//! Faithful in the 202 with an empty body and `X-Message-Id`, in the list of errors with their fields, and in that nothing is
//! recognised as sent before. The key `invalid` is refused; recipients at `refused.example` are invalid, senders at
//! `unverified.example` not verified. Of the logs' query only `categories IN ('..', ..)` is understood. Webhooks come
//! as a list with a line break behind it, which is signed, too. Source of the shapes: SendGrid's public OpenAPI documents, a
//! published signature and recorded answers.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    clock,
    control::Refused,
    mail::events::{Message, Proof},
    mail::mailbox::{Event, Mail, Mailbox, Outcome, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
    simulator::Simulator,
    wire::{Refusal, bearer, with},
};

const CATEGORIES_MAX: usize = 10;
const CATEGORY_CHARS_MAX: usize = 255;
/// What SendGrid adds to the answered id for each recipient.
const OF_RECIPIENT: &str = ".recvd-sim0000000-00000-1-00000000-1.0";
/// How many mails the logs list when nothing is said.
const LISTED: u64 = 10;

/// A key for webhooks, the private one as PKCS#8, the public one as SPKI, both in base64. It is published here and protects
/// nothing.
pub const TEST_KEYS: (&str, &str) = (
    include_str!("../../sendgrid_test_key").trim_ascii_end(),
    include_str!("../../sendgrid_test_key.pub").trim_ascii_end(),
);

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let about = "SendGrid v3: mail/send, logs, event webhook";
    let wire = Router::new()
        .route("/v3/mail/send", post(send))
        .route("/v3/logs", post(list))
        .route("/v3/logs/{id}", get(show))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, None, "not found") });
    let fault = |status| Some(refused(status, None, "simulated fault").1);
    Simulator::of_mailbox(("sendgrid", about), Arc::default(), wire, Some(webhooks), fault)
}

fn refused(status: StatusCode, field: Option<&str>, message: &str) -> Refusal {
    Refusal(status, json!({"errors": [{"message": message, "field": field, "help": null}]}))
}

fn bad(field: &str, message: &str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, Some(field), message)
}

fn not_json() -> Refusal {
    refused(StatusCode::BAD_REQUEST, None, "Bad Request")
}

fn check_key(headers: &HeaderMap) -> Result<(), Refusal> {
    match bearer(headers) {
        Some("invalid") => {
            let message = "The provided authorization grant is invalid, expired, or revoked";
            Err(refused(StatusCode::UNAUTHORIZED, None, message))
        }
        Some(key) if !key.is_empty() => Ok(()),
        _ => Err(refused(StatusCode::UNAUTHORIZED, None, "Permission denied, wrong credentials")),
    }
}

async fn send(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    check_key(&headers)?;
    let mail = read(&body)?;
    let accepted = mailbox.accept(|number| Mail { id: format!("sim{number:019}"), ..mail });
    let id = HeaderValue::try_from(accepted.id).map_err(|_| bad("id", "cannot be sent"))?;
    Ok((StatusCode::ACCEPTED, [("x-message-id", id)]).into_response())
}

async fn list(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    check_key(&headers)?;
    let order: Value = serde_json::from_slice(&body).map_err(|_| not_json())?;
    let wanted = categories(&text(&order, "/query")).ok_or_else(|| bad("query", "invalid query"))?;
    let limit = order.get("limit").map_or(Some(LISTED), Value::as_u64).filter(|limit| (1..=1000).contains(limit));
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.ok_or_else(|| bad("limit", "limit must be between 1 and 1000"))?;
    let found = mailbox.visible(|mail| mail.tags.iter().any(|tag| wanted.contains(tag)));
    let messages: Vec<Value> = found
        .iter()
        .rev()
        .take(limit)
        .map(|mail| {
            let further = json!({"reason": "", "sg_message_id_created_at": mail.at.to_string()});
            with(head(mail), further)
        })
        .collect();
    Ok(Json(json!({"messages": messages})))
}

async fn show(
    State(mailbox): State<Arc<Mailbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    check_key(&headers)?;
    let found = mailbox.visible(|mail| id.strip_suffix(OF_RECIPIENT) == Some(mail.id.as_str()));
    let mail = found.first().ok_or_else(|| refused(StatusCode::NOT_FOUND, None, "message not found"))?;
    let with_args = |event: &Event| with(wire(mail, event), json!({"custom_args": {"reference": mail.correlation}}));
    let further = json!({
        "api_key_id": "sim", "client_ip": "127.0.0.1", "category": mail.tags,
        "custom_args": {"reference": mail.correlation},
        "events": mail.events.iter().map(with_args).collect::<Vec<_>>(),
    });
    Ok(Json(with(head(mail), further)))
}

/// What the list and the single mail have in common.
fn head(mail: &Mail) -> Value {
    json!({
        "from_email": mail.from, "sg_message_id": format!("{}{OF_RECIPIENT}", mail.id), "subject": mail.subject,
        "to_email": mail.to.first(), "status": status(&mail.events),
    })
}

/// The categories of a query. None for any other query.
fn categories(query: &str) -> Option<Vec<String>> {
    let list = query.trim().strip_prefix("categories IN (")?.strip_suffix(')')?;
    list.split(',').map(|one| Some(one.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned())).collect()
}

/// A complaint leaves the status as it is: the mail was delivered.
fn status(events: &[Event]) -> &'static str {
    let last = events.iter().rev().find(|event| event.event != Outcome::Complained).map(|event| event.event);
    match last {
        Some(Outcome::Deferred) => "deferred",
        Some(Outcome::Delivered) => "delivered",
        Some(Outcome::Bounced) => "bounced",
        Some(Outcome::Refused) => "dropped",
        Some(Outcome::Accepted | Outcome::Complained) | None => "processed",
    }
}

/// An event, without the custom arguments, whose place is not the same everywhere.
fn wire(mail: &Mail, event: &Event) -> Value {
    let Event { id, event, at } = event;
    let name = match event {
        Outcome::Accepted => "processed",
        Outcome::Deferred => "deferred",
        Outcome::Delivered => "delivered",
        Outcome::Bounced => "bounce",
        Outcome::Refused => "dropped",
        Outcome::Complained => "spamreport",
    };
    let wire = json!({
        "email": mail.to.first(), "timestamp": at.as_second(), "event": name, "category": mail.tags,
        "smtp-id": format!("<{}@geopod-ismtpd-sim>", mail.id), "sg_event_id": id,
        "sg_message_id": format!("{}{OF_RECIPIENT}", mail.id),
    });
    let further = match event {
        Outcome::Accepted | Outcome::Complained => json!({}),
        Outcome::Deferred => json!({"response": "451 4.7.1 Try again later", "attempt": "1"}),
        Outcome::Delivered => json!({"response": "250 2.0.0 OK", "ip": "127.0.0.1", "tls": 1}),
        Outcome::Bounced => {
            json!({"type": "bounce", "reason": "550 5.1.1 No such user", "status": "5.1.1", "ip": "127.0.0.1"})
        }
        Outcome::Refused => json!({"reason": "Bounced Address"}),
    };
    with(wire, further)
}

/// One list of all events.
fn webhooks(mail: &Mail, events: &[Event], proof: Proof<'_>, now: Timestamp) -> Result<Vec<Message>, Refused> {
    let with_args = |event: &Event| with(wire(mail, event), json!({"reference": mail.correlation}));
    let mut body = format!("{}\r\n", Value::Array(events.iter().map(with_args).collect()));
    let mut headers = Vec::new();
    if let Proof::Good(key) | Proof::Tampered(key) = proof {
        let timestamp = now.as_second().to_string();
        let signature = sign(key, &timestamp, body.as_bytes())?;
        headers.push(("x-twilio-email-event-webhook-signature", signature));
        headers.push(("x-twilio-email-event-webhook-timestamp", timestamp));
    }
    if matches!(proof, Proof::Tampered(_)) {
        body.push(' ');
    }
    Ok(vec![Message { headers, body }])
}

/// The value of the signature's header for a time and a body; the key is PKCS#8 in base64.
///
/// # Errors
/// It is no such key.
pub fn sign(key: &str, timestamp: &str, body: &[u8]) -> Result<String, Refused> {
    let refused = || Refused("secret: a P-256 key as PKCS#8 in base64 is expected".to_owned());
    let key = BASE64_STANDARD.decode(key).map_err(|_| refused())?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key).map_err(|_| refused())?;
    let signed = [timestamp.as_bytes(), body].concat();
    let signature = pair.sign(&SystemRandom::new(), &signed).map_err(|_| refused())?;
    Ok(BASE64_STANDARD.encode(signature.as_ref()))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn read(body: &[u8]) -> Result<Mail, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|_| not_json())?;
    let personalizations = body.get("personalizations").and_then(Value::as_array).filter(|list| !list.is_empty());
    let Some(personalizations) = personalizations else {
        let message = "The personalizations field is required and must have at least one personalization.";
        return Err(bad("personalizations", message));
    };
    let mut to = Vec::new();
    for (place, personalization) in personalizations.iter().enumerate() {
        let list = personalization.get("to").and_then(Value::as_array).filter(|list| !list.is_empty());
        let field = format!("personalizations.{place}.to");
        let list = list.ok_or_else(|| bad(&field, "The to array is required for all personalization objects."))?;
        for (number, one) in list.iter().enumerate() {
            let address = text(one, "/email");
            if !is_address(&address) || address.ends_with(REFUSED_DOMAIN) {
                return Err(bad(&format!("{field}.{number}.email"), "Does not contain a valid address."));
            }
            to.push(address);
        }
    }
    let from = text(&body, "/from/email");
    if !is_address(&from) {
        return Err(bad("from.email", "The from email does not contain a valid address."));
    }
    if from.ends_with(UNVERIFIED_DOMAIN) {
        let message = "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.";
        return Err(refused(StatusCode::FORBIDDEN, Some("from"), message));
    }
    let subject = text(&body, "/subject");
    if subject.is_empty() {
        return Err(bad("subject", "The subject is required."));
    }
    let content = body.get("content").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_type = |kind: &str| content.iter().position(|part| text(part, "/type") == kind);
    let part = |place: Option<usize>| place.and_then(|place| content.get(place)).map(|part| text(part, "/value"));
    let (plain, html) = (of_type("text/plain"), of_type("text/html"));
    if content.iter().any(|part| text(part, "/value").is_empty()) || content.is_empty() {
        return Err(bad("content", "The content value must be a string at least one character in length."));
    }
    if let (Some(plain), Some(html)) = (plain, html)
        && html < plain
    {
        let message = "If present, text/plain and text/html may only be provided in that order.";
        return Err(bad("content", message));
    }
    let categories = body.get("categories").and_then(Value::as_array).cloned().unwrap_or_default();
    let long = |one: &Value| one.as_str().is_none_or(|one| one.chars().count() > CATEGORY_CHARS_MAX);
    if categories.len() > CATEGORIES_MAX || categories.iter().any(long) {
        return Err(bad("categories", "There are too many categories, or one is longer than 255 characters."));
    }
    Ok(Mail {
        at: clock::now(),
        from,
        to,
        subject,
        text: part(plain).unwrap_or_default(),
        html: part(html).unwrap_or_default(),
        message_id: body.pointer("/headers/Message-ID").and_then(Value::as_str).map(str::to_owned),
        correlation: body.pointer("/custom_args/reference").and_then(Value::as_str).map(str::to_owned),
        tags: categories.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ..Mail::default()
    })
}
