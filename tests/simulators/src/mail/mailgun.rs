//! Mailgun, `POST /mailgun/v3/{domain}/messages` as an urlencoded form, `GET /mailgun/v3/{domain}/events`, Basic `api:KEY`, and
//! the signed webhook.
//!
//! Faithful where a client gets it wrong: a path that does not exist is a 200 with a text, a wrong key a 401 with a text, one
//! invalid recipient refuses the whole message, and nothing is recognised as sent before. The key `invalid` is refused, the
//! domain `unknown.example` is not known, recipients at `refused.example` are invalid, senders at `unverified.example` are
//! of a domain that is not verified. Each page of events names the next one, and the last one
//! is empty. The webhook's signature covers its time and token only. Source of the shapes: Mailgun's public client libraries
//! and recorded answers and webhooks.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    clock,
    control::Refused,
    mail::events::{Message, Proof},
    mail::mailbox::{Event, Mail, Mailbox, Outcome, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
    simulator::Simulator,
    wire::{Refusal, basic, hmac_sha256, with},
};

const UNKNOWN_DOMAIN: &str = "unknown.example";

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let wire = Router::new()
        .route("/v3/{domain}/messages", post(send))
        .route("/v3/{domain}/events", get(first_page))
        .route("/v3/{domain}/events/{page}", get(further_page))
        .fallback(|| async { "Mailgun Magnificent API" });
    let of = ("mailgun", "Mailgun v3: messages, events, webhook");
    Simulator::of_mailbox(of, Arc::default(), wire, Some(webhooks), |_| Some(json!({"message": "simulated fault"})))
}

fn refused(status: StatusCode, message: &str) -> Refusal {
    Refusal(status, json!({"message": message}))
}

fn bad(message: &str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, message)
}

fn check(headers: &HeaderMap, domain: &str) -> Result<(), Refusal> {
    if !basic(headers).is_some_and(|(user, key)| user == "api" && !key.is_empty() && key != "invalid") {
        return Err(Refusal(StatusCode::UNAUTHORIZED, json!("Forbidden")));
    }
    if domain == UNKNOWN_DOMAIN {
        return Err(refused(StatusCode::NOT_FOUND, &format!("Domain not found: {domain}")));
    }
    Ok(())
}

/// What is asked for; the address of a further page carries all of it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Wanted {
    #[serde(rename = "message-id")]
    message_id: Option<String>,
    begin: Option<f64>,
    event: Option<String>,
    limit: Option<usize>,
    offset: usize,
}

async fn first_page(
    State(mailbox): State<Arc<Mailbox>>,
    Path(domain): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    check(&headers, &domain)?;
    page(&mailbox, &domain, &headers, wanted)
}

async fn further_page(
    State(mailbox): State<Arc<Mailbox>>,
    Path((domain, page_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    check(&headers, &domain)?;
    let wanted = BASE64_URL_SAFE_NO_PAD.decode(page_id).ok().and_then(|json| serde_json::from_slice(&json).ok());
    page(&mailbox, &domain, &headers, wanted.ok_or_else(|| bad("this is no page"))?)
}

fn page(mailbox: &Mailbox, domain: &str, headers: &HeaderMap, wanted: Wanted) -> Result<Json<Value>, Refusal> {
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=300).contains(&limit) {
        return Err(bad("limit must be 1 to 300"));
    }
    let found = mailbox.visible(|mail| wanted.message_id.as_ref().is_none_or(|id| unbracketed(mail) == id));
    let events = found.iter().flat_map(|mail| mail.events.iter().map(|event| wire(mail, event)));
    let since = wanted.begin.unwrap_or(0.0);
    let events = events.filter(|event| event.get("timestamp").and_then(Value::as_f64).is_some_and(|at| at >= since));
    let named = |event: &Value| wanted.event.as_ref().is_none_or(|name| event.get("event") == Some(&json!(name)));
    let items: Vec<Value> = events.filter(named).skip(wanted.offset).take(limit).collect();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let page = Wanted { offset: wanted.offset + items.len(), ..wanted };
    let page = BASE64_URL_SAFE_NO_PAD.encode(json!(page).to_string());
    let url = format!("http://{host}/mailgun/v3/{domain}/events");
    Ok(Json(json!({"items": items, "paging": {"next": format!("{url}/{page}"), "first": url}})))
}

/// The Message-ID as events have it.
fn unbracketed(mail: &Mail) -> &str {
    mail.id.trim_matches(['<', '>'])
}

fn wire(mail: &Mail, event: &Event) -> Value {
    let Event { id, event, at } = event;
    let (name, severity, reason, code, message) = match event {
        Outcome::Accepted => ("accepted", None, None, None, ""),
        Outcome::Deferred => ("failed", Some("temporary"), Some("generic"), Some(451), "4.7.1 Try again later"),
        Outcome::Delivered => ("delivered", None, None, Some(250), "OK"),
        Outcome::Bounced => ("failed", Some("permanent"), Some("bounce"), Some(550), "5.1.1 No such user"),
        Outcome::Refused => {
            let message = "Not delivering to previously bounced address";
            ("failed", Some("permanent"), Some("suppress-bounce"), Some(605), message)
        }
        Outcome::Complained => ("complained", None, None, None, ""),
    };
    let headers = json!({
        "to": mail.to.first(), "message-id": unbracketed(mail), "from": mail.from, "subject": mail.subject,
    });
    let wire = json!({
        "tags": mail.tags, "timestamp": at.as_duration().as_secs_f64(), "id": id, "event": name,
        "log-level": if severity == Some("permanent") { "error" } else { "info" },
        "recipient": mail.to.first(),
        "recipient-domain": mail.to.first().and_then(|to| to.rsplit_once('@')).map(|(_, domain)| domain),
        "storage": {"url": "https://sw.api.mailgun.net/v3/domains/sim/messages/sim", "key": "sim"},
        "campaigns": [],
        "user-variables": {"reference": mail.correlation},
        "flags": {"is-routed": false, "is-authenticated": true, "is-system-test": false, "is-test-mode": false},
        "envelope": {
            "sending-ip": "127.0.0.1", "sender": mail.from, "transport": "smtp", "targets": mail.to.first(),
        },
        "message": {"headers": headers, "attachments": [], "size": mail.text.len() + mail.html.len()},
    });
    let status = code.map(|code| {
        json!({"delivery-status": {
            "tls": true, "mx-host": "localhost", "attempt-no": 1, "description": "", "session-seconds": 0.5, "utf8": true,
            "code": code, "message": message, "certificate-verified": true,
        }})
    });
    let failure = severity.zip(reason).map(|(severity, reason)| json!({"severity": severity, "reason": reason}));
    status.into_iter().chain(failure).fold(wire, with)
}

/// One webhook for each event.
fn webhooks(mail: &Mail, events: &[Event], proof: Proof<'_>, now: Timestamp) -> Result<Vec<Message>, Refused> {
    let signed = |event: &Event| {
        let timestamp = now.as_second().to_string();
        // A token is fifty random characters.
        let mut token = hex::encode(Sha256::digest(format!("{} {now}", event.id).as_bytes()));
        token.truncate(50);
        let body = json!({"event-data": wire(mail, event)});
        let signature = match proof {
            Proof::Good(key) | Proof::Tampered(key) => sign(key, &timestamp, &token),
            Proof::None => return Message { headers: Vec::new(), body: body.to_string() },
        };
        if matches!(proof, Proof::Tampered(_)) {
            token.replace_range(..1, "g");
        }
        let signature = json!({"signature": {"timestamp": timestamp, "token": token, "signature": signature}});
        Message { headers: Vec::new(), body: with(signature, body).to_string() }
    };
    Ok(events.iter().map(signed).collect())
}

/// The signature of a webhook's time and token.
pub fn sign(key: &str, timestamp: &str, token: &str) -> String {
    hmac_sha256(key, &[timestamp.as_bytes(), token.as_bytes()])
}

async fn send(
    State(mailbox): State<Arc<Mailbox>>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    check(&headers, &domain)?;
    let mail = read(&headers, &body)?;
    let accepted = mailbox.accept(|number| {
        let id = mail.message_id.clone().unwrap_or_else(|| format!("<sim{number:019}@{domain}>"));
        Mail { id, ..mail }
    });
    Ok(Json(json!({"id": accepted.id, "message": "Queued. Thank you."})))
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Mail, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(bad("this simulator reads application/x-www-form-urlencoded only"));
    }
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body).into_owned() {
        fields.entry(name).or_default().push(value);
    }
    let first =
        |name: &str| fields.get(name).and_then(|values| values.first()).filter(|text| !text.is_empty()).cloned();
    let from = first("from").ok_or_else(|| bad("from parameter is missing"))?;
    if !is_address(&from) {
        return Err(bad("from parameter is not a valid address. please check documentation"));
    }
    if from.ends_with(UNVERIFIED_DOMAIN) {
        let message = "The domain is unverified and requires DNS configuration. Log in to your control panel to view required DNS records.";
        return Err(refused(StatusCode::FORBIDDEN, message));
    }
    let recipients = fields.get("to").cloned().unwrap_or_default();
    let to: Vec<String> = recipients.iter().flat_map(|list| list.split(',')).map(|one| one.trim().to_owned()).collect();
    if to.is_empty() {
        return Err(bad("to parameter is missing"));
    }
    if to.iter().any(|one| !is_address(one) || one.ends_with(REFUSED_DOMAIN)) {
        return Err(bad("to parameter is not a valid address. please check documentation"));
    }
    let (text, html) = (first("text"), first("html"));
    if text.is_none() && html.is_none() {
        let message = "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified";
        return Err(bad(message));
    }
    Ok(Mail {
        at: clock::now(),
        from,
        to,
        subject: first("subject").unwrap_or_default(),
        text: text.unwrap_or_default(),
        html: html.unwrap_or_default(),
        message_id: first("h:Message-Id"),
        correlation: first("v:reference"),
        tags: fields.get("o:tag").cloned().unwrap_or_default(),
        ..Mail::default()
    })
}
