//! Gmail API, `POST /gmail/gmail/v1/users/me/messages/send` and `GET …/messages?q=rfc822msgid:`, `Authorization: Bearer TOKEN`.
//!
//! Faithful in the errors with their reasons, in that nothing is recognised as sent before, and in that a mail is found by its
//! Message-ID, on request only after a while. Nobody is told what else became of it: outcomes that control orders are kept and
//! not answered. Tokens are those of [`crate::google`]; that of the refresh token `invalid` is
//! refused here. Recipients at `refused.example` are invalid, senders at `unverified.example` have no mailbox.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock,
    control::{Controls, Refused, parse},
    mail::google::TOKEN,
    mail::mailbox::{Mail, Mailbox, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
    mail::message::{self, Message},
    simulator::Simulator,
    wire::{Refusal, bearer},
};

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let (of, mailbox) = (("gmail", "Gmail API v1: messages.send, messages.list"), Arc::<Mailbox>::default());
    let wire = Router::new()
        .route("/gmail/v1/users/me/messages/send", post(send))
        .route("/gmail/v1/users/me/messages", get(list))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "notFound", "Not Found") });
    let fault = |status| Some(refused(status, "backendError", "simulated fault").1);
    let own = Controls::default().route("POST /scope", scope).with(Arc::clone(&mailbox));
    let simulator = Simulator::of_mailbox(of, mailbox, wire, None, fault);
    Simulator { controls: simulator.controls.merge(own), ..simulator }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    readonly: bool,
}

async fn scope(State(mailbox): State<Arc<Mailbox>>, body: Bytes) -> Result<StatusCode, Refused> {
    let Scope { readonly } = parse(&body)?;
    mailbox.set_write_only(!readonly);
    Ok(StatusCode::NO_CONTENT)
}

fn refused(status: StatusCode, reason: &str, message: &str) -> Refusal {
    let errors = json!([{"domain": "global", "reason": reason, "message": message}]);
    Refusal(status, json!({"error": {"code": status.as_u16(), "message": message, "errors": errors}}))
}

fn signed_in(headers: &HeaderMap) -> Result<(), Refusal> {
    match bearer(headers).and_then(|token| token.strip_prefix(TOKEN)) {
        Some(of) if !of.is_empty() && of != "invalid" => Ok(()),
        Some(_) | None => Err(refused(StatusCode::UNAUTHORIZED, "authError", "Invalid Credentials")),
    }
}

async fn send(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    signed_in(&headers)?;
    let mail = read(&body)?;
    let accepted = mailbox.accept(|number| Mail { id: format!("18c{number:013x}"), ..mail });
    Ok(Json(json!({"id": accepted.id, "threadId": accepted.id, "labelIds": ["SENT"]})))
}

fn read(body: &[u8]) -> Result<Mail, Refusal> {
    let bad = |message: &str| refused(StatusCode::BAD_REQUEST, "invalidArgument", message);
    let body: Value = serde_json::from_slice(body).map_err(|_| bad("Parse Error"))?;
    let raw = body.get("raw").and_then(Value::as_str).unwrap_or_default();
    let raw = BASE64_URL_SAFE.decode(raw).map_err(|_| bad("Invalid value for ByteString"))?;
    let message = message::read(&raw).map_err(|message| bad(&message))?;
    let Message { from, to, subject, text, html, message_id, notification } = message;
    if from.ends_with(UNVERIFIED_DOMAIN) {
        return Err(refused(StatusCode::BAD_REQUEST, "failedPrecondition", "Mail service not enabled"));
    }
    if to.iter().any(|one| !is_address(one) || one.ends_with(REFUSED_DOMAIN)) {
        return Err(bad("Invalid To header"));
    }
    Ok(Mail {
        at: clock::now(),
        from,
        to,
        subject,
        text,
        html,
        message_id,
        correlation: notification,
        by_notification: true,
        ..Mail::default()
    })
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

async fn list(
    State(mailbox): State<Arc<Mailbox>>,
    headers: HeaderMap,
    Query(Wanted { q }): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    signed_in(&headers)?;
    if mailbox.write_only() {
        let message = "Request had insufficient authentication scopes.";
        return Err(refused(StatusCode::FORBIDDEN, "insufficientPermissions", message));
    }
    let Some(wanted) = q.strip_prefix("rfc822msgid:") else {
        return Err(refused(StatusCode::BAD_REQUEST, "invalidArgument", "only rfc822msgid is simulated"));
    };
    let wanted = wanted.trim_matches(['<', '>']);
    let named = |mail: &Mail| mail.message_id.as_deref().is_some_and(|id| id.trim_matches(['<', '>']) == wanted);
    let visible = mailbox.visible(named);
    let found: Vec<Value> = visible.iter().map(|mail| json!({"id": mail.id, "threadId": mail.id})).collect();
    let estimate = found.len();
    // The real service leaves the list out when it is empty.
    if found.is_empty() {
        return Ok(Json(json!({"resultSizeEstimate": 0})));
    }
    Ok(Json(json!({"messages": found, "resultSizeEstimate": estimate})))
}
