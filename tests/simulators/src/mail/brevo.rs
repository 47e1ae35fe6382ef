//! Brevo, `POST /brevo/v3/smtp/email`, `GET /brevo/v3/smtp/statistics/events`, key in `api-key`, and the webhook.
//!
//! Faithful in the errors' codes and in the idempotency key inside of the body's `headers`: within its time a second request
//! with the same key sends nothing. What the second one is answered is not documented; here it is `duplicate_request`, the
//! harder case for a client. The key `invalid` is refused, recipients at `refused.example` are invalid, senders at
//! `unverified.example` not valid. The report names events otherwise than the webhook does, is asked by a JSON
//! list of tags, and leaves its list out when it is empty. Webhooks are not signed: they carry a bearer token. Source of the
//! shapes: Brevo's public client libraries and guides.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock,
    control::Refused,
    mail::events::{Message, Proof},
    mail::mailbox::{Event, Mail, Mailbox, Outcome, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
    simulator::Simulator,
    wire::Refusal,
};

/// The shorter of the two documented times for which a key is remembered.
pub const KEY_REMEMBERED: SignedDuration = SignedDuration::from_mins(15);

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let about = "Brevo v3: smtp/email, smtp/statistics/events, webhook";
    let wire = Router::new()
        .route("/v3/smtp/email", post(send))
        .route("/v3/smtp/statistics/events", get(report))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "document_not_found", "Not found") });
    Simulator::of_mailbox(("brevo", about), Arc::default(), wire, Some(webhooks), |status| {
        Some(json!({"code": "simulated_fault", "message": format!("simulated fault {status}")}))
    })
}

fn refused(status: StatusCode, code: &str, message: &str) -> Refusal {
    Refusal(status, json!({"code": code, "message": message}))
}

fn missing(field: &str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, "missing_parameter", &format!("{field} is missing"))
}

fn invalid(message: &str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, "invalid_parameter", message)
}

fn check_key(headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers.get("api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key == "invalid" {
        return Err(refused(StatusCode::UNAUTHORIZED, "unauthorized", "Key not found"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Wanted {
    tags: Option<String>,
    email: Option<String>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    days: Option<i64>,
    #[serde(rename = "startDate")]
    start_date: Option<String>,
    limit: Option<usize>,
}

async fn report(
    State(mailbox): State<Arc<Mailbox>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    check_key(&headers)?;
    let Wanted { tags, email, message_id, days, start_date, limit } = wanted;
    if days.is_some() && start_date.is_some() {
        return Err(invalid("days is not compatible with startDate and endDate"));
    }
    let days = days.unwrap_or(30);
    if !(1..=90).contains(&days) {
        return Err(invalid("days must be 1 to 90"));
    }
    let tags = tags.map(|tags| serde_json::from_str::<Vec<String>>(&tags)).transpose();
    let tags = tags.map_err(|_| invalid("tags must be a list"))?;
    let now = clock::now();
    let found = mailbox.visible(|mail| {
        tags.as_ref().is_none_or(|tags| tags.iter().any(|tag| mail.tags.contains(tag)))
            && email.as_ref().is_none_or(|email| mail.to.contains(email))
            && message_id.as_ref().is_none_or(|id| mail.id == *id)
    });
    let recent = |event: &&Event| now.duration_since(event.at) < SignedDuration::from_hours(24 * days);
    let events: Vec<Value> = found
        .iter()
        .flat_map(|mail| mail.events.iter().filter(recent).map(|event| reported(mail, event)))
        .take(limit.unwrap_or(2500))
        .collect();
    Ok(Json(if events.is_empty() { json!({}) } else { json!({"events": events}) }))
}

/// The names of an event: the report's, the webhook's, and the reason.
fn names(event: Outcome) -> (&'static str, &'static str, &'static str) {
    match event {
        Outcome::Accepted => ("requests", "request", ""),
        Outcome::Deferred => ("deferred", "deferred", "451 4.7.1 Try again later"),
        Outcome::Delivered => ("delivered", "delivered", ""),
        Outcome::Bounced => ("hardBounces", "hard_bounce", "550 5.1.1 No such user"),
        Outcome::Refused => ("blocked", "blocked", "blocked : due to blacklist user"),
        Outcome::Complained => ("spam", "spam", ""),
    }
}

fn reported(mail: &Mail, event: &Event) -> Value {
    let (name, _, reason) = names(event.event);
    json!({
        "email": mail.to.first(), "date": format!("{:.3}", event.at), "subject": mail.subject, "messageId": mail.id,
        "event": name, "reason": reason, "tag": mail.tags.first(), "from": mail.from,
    })
}

/// One webhook for each event.
fn webhooks(mail: &Mail, events: &[Event], proof: Proof<'_>, _now: Timestamp) -> Result<Vec<Message>, Refused> {
    let headers = match proof {
        Proof::Good(token) => vec![("authorization", format!("Bearer {token}"))],
        Proof::Tampered(token) => vec![("authorization", format!("Bearer {token}x"))],
        Proof::None => Vec::new(),
    };
    let report = |event: &Event| {
        let (_, name, reason) = names(event.event);
        json!({
            "event": name, "email": mail.to.first(), "id": 9_999_999, "message-id": mail.id, "subject": mail.subject,
            "date": event.at.strftime("%Y-%m-%d %H:%M:%S").to_string(), "ts": event.at.as_second(),
            "ts_event": event.at.as_second(), "ts_epoch": event.at.as_millisecond(), "reason": reason,
            "X-Mailin-custom": mail.correlation, "tag": json!(mail.tags).to_string(), "tags": mail.tags,
            "template_id": 0, "sending_ip": "127.0.0.1",
        })
    };
    Ok(events.iter().map(|event| Message { headers: headers.clone(), body: report(event).to_string() }).collect())
}

async fn send(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    check_key(&headers)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| refused(StatusCode::BAD_REQUEST, "bad_request", "Input must be a valid JSON object"))?;
    let mail = read(&body)?;
    let now = clock::now();
    let key = body.pointer("/headers/idempotencyKey").and_then(Value::as_str);
    let make = |number| Mail { id: format!("<sim.{number}@smtp-relay.mailin.fr>"), at: now, ..mail };
    let accepted = mailbox.accept_once(key, KEY_REMEMBERED, make).ok_or_else(|| {
        let message = "A request with this idempotency key was processed before";
        refused(StatusCode::BAD_REQUEST, "duplicate_request", message)
    })?;
    Ok((StatusCode::CREATED, Json(json!({"messageId": accepted.id}))).into_response())
}

fn read(body: &Value) -> Result<Mail, Refusal> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let from = text("/sender/email").ok_or_else(|| missing("sender"))?;
    if !is_address(from) || from.ends_with(UNVERIFIED_DOMAIN) {
        return Err(invalid("valid sender email required"));
    }
    let recipients = body.get("to").and_then(Value::as_array).filter(|list| !list.is_empty());
    let mut to = Vec::new();
    for one in recipients.ok_or_else(|| missing("to"))? {
        let address = one.get("email").and_then(Value::as_str).unwrap_or_default();
        if !is_address(address) || address.ends_with(REFUSED_DOMAIN) {
            return Err(invalid("email is not valid in to"));
        }
        to.push(address.to_owned());
    }
    let subject = text("/subject").ok_or_else(|| missing("subject"))?;
    let html = text("/htmlContent").ok_or_else(|| missing("htmlContent"))?;
    let tags = body.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(Mail {
        from: from.to_owned(),
        to,
        subject: subject.to_owned(),
        text: text("/textContent").unwrap_or_default().to_owned(),
        html: html.to_owned(),
        message_id: text("/headers/Message-ID").map(str::to_owned),
        correlation: text("/headers/X-Mailin-custom").map(str::to_owned),
        tags: tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ..Mail::default()
    })
}
