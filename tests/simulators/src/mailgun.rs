//! Mailgun, `POST /mailgun/v3/{domain}/messages`, Basic `api:KEY`, urlencoded form.
//!
//! Faithful where a client gets it wrong: a path that does not exist is a 200 with a text, a wrong key a 401 with a text, one
//! invalid recipient refuses the whole message, and nothing is recognised as sent before. The key `invalid` is refused, the
//! domain `unknown.example` is not known, recipients at `refused.example` are invalid, senders at `unverified.example` are
//! of a domain that is not verified. Source of the shapes: Mailgun's public client libraries and recorded answers.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Simulator,
    control::Control,
    mailbox::{self, Mail, Mailbox, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
};

const UNKNOWN_DOMAIN: &str = "unknown.example";

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let mailbox = Arc::new(Mailbox::default());
    let of_reset = Arc::clone(&mailbox);
    Simulator {
        name: "mailgun",
        about: "Mailgun v3: messages",
        wire: Router::new()
            .route("/v3/{domain}/messages", post(send))
            .fallback(|| async { "Mailgun Magnificent API" })
            .with_state(Arc::clone(&mailbox)),
        extra: mailbox::routes(mailbox),
        extra_index: &mailbox::INDEX,
        control: Control::new(|_| Some(json!({"message": "simulated fault"})), move || of_reset.clear()),
    }
}

#[derive(Debug)]
struct Error(StatusCode, Value);

impl Error {
    fn new(status: StatusCode, message: &str) -> Self {
        Self(status, json!({"message": message}))
    }

    fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self.1 {
            Value::String(text) => (self.0, text).into_response(),
            body => (self.0, Json(body)).into_response(),
        }
    }
}

/// The password of a Basic header whose user is `api`.
fn key(headers: &HeaderMap) -> Option<String> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.strip_prefix("api:").map(str::to_owned)
}

async fn send(
    State(mailbox): State<Arc<Mailbox>>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Error> {
    if key(&headers).is_none_or(|key| key.is_empty() || key == "invalid") {
        return Err(Error(StatusCode::UNAUTHORIZED, json!("Forbidden")));
    }
    if domain == UNKNOWN_DOMAIN {
        return Err(Error::new(StatusCode::NOT_FOUND, &format!("Domain not found: {domain}")));
    }
    let mail = read(&headers, &body)?;
    let accepted = mailbox.accept(|number| {
        let id = mail.message_id.clone().unwrap_or_else(|| format!("<sim{number:019}@{domain}>"));
        Mail { id, ..mail }
    });
    Ok(Json(json!({"id": accepted.id, "message": "Queued. Thank you."})))
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Mail, Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Error::bad("this simulator reads application/x-www-form-urlencoded only"));
    }
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body).into_owned() {
        fields.entry(name).or_default().push(value);
    }
    let first =
        |name: &str| fields.get(name).and_then(|values| values.first()).filter(|text| !text.is_empty()).cloned();
    let from = first("from").ok_or_else(|| Error::bad("from parameter is missing"))?;
    if !is_address(&from) {
        return Err(Error::bad("from parameter is not a valid address. please check documentation"));
    }
    if from.ends_with(UNVERIFIED_DOMAIN) {
        let message = "The domain is unverified and requires DNS configuration. Log in to your control panel to view required DNS records.";
        return Err(Error::new(StatusCode::FORBIDDEN, message));
    }
    let recipients = fields.get("to").cloned().unwrap_or_default();
    let to: Vec<String> = recipients.iter().flat_map(|list| list.split(',')).map(|one| one.trim().to_owned()).collect();
    if to.is_empty() {
        return Err(Error::bad("to parameter is missing"));
    }
    if to.iter().any(|one| !is_address(one) || one.ends_with(REFUSED_DOMAIN)) {
        return Err(Error::bad("to parameter is not a valid address. please check documentation"));
    }
    let (text, html) = (first("text"), first("html"));
    if text.is_none() && html.is_none() {
        let message = "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified";
        return Err(Error::bad(message));
    }
    Ok(Mail {
        at: Timestamp::now(),
        id: String::new(),
        from,
        to,
        subject: first("subject").unwrap_or_default(),
        text: text.unwrap_or_default(),
        html: html.unwrap_or_default(),
        message_id: first("h:Message-Id"),
        correlation: first("v:reference"),
    })
}
