//! What becomes of the mails that a provider has accepted, and the webhooks that tell it.
//!
//! Nothing happens to a mail by itself but that it is accepted: control says what else does. What happened is told alike to
//! who asks and by webhook, with ids that stay.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    routing::post,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::{
    clock,
    control::{Refused, parse},
    loopback::{chain, client},
    mailbox::{self, Mail, Mailbox},
};

/// Control routes of a mail provider that sends webhooks, for the index.
pub const INDEX: [&str; 5] =
    [mailbox::INDEX[0], mailbox::INDEX[1], mailbox::INDEX[2], mailbox::INDEX[3], "POST {base}/deliver"];
const TIMES_MAX: u64 = 1_000;
const LAG_MAX_MS: i64 = 3_600_000;

/// What can happen to a mail, in the same words for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Deferred,
    Delivered,
    Bounced,
    Refused,
    Complained,
}

/// Something that happened to a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The same whoever is told, and of no other event, not even of one before a reset.
    pub id: String,
    pub event: Outcome,
    pub at: Timestamp,
}

/// A webhook as it is sent.
pub struct Message {
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// By what a webhook shows who sends it.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// Made with this secret.
    Good(&'a str),
    /// Made with it, and then one character of what it covers is another one.
    Tampered(&'a str),
    None,
}

/// Writes events of a mail as a provider's webhooks.
pub type Format = fn(&Mail, &[Event], Proof<'_>, Timestamp) -> Result<Vec<Message>, Refused>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happened {
    correlation: String,
    event: Outcome,
    #[serde(default)]
    at: Option<Timestamp>,
}

/// Body of `POST /_control/<p>/deliver`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// `http` or `https` on this machine; any other host is refused.
    pub url: String,
    /// Of the newest mail with this correlation.
    pub correlation: String,
    /// Which of its events; all of them when absent.
    #[serde(default)]
    pub events: Option<Vec<Outcome>>,
    /// What the provider signs with.
    #[serde(default)]
    pub secret: String,
    /// How often all of it is sent, 1 to 1,000; each time it is signed anew.
    #[serde(default = "once")]
    pub times: u64,
    #[serde(default)]
    pub order: Order,
    /// PEM file with the CA to trust, instead of those of the system.
    #[serde(default)]
    pub ca: Option<String>,
    /// Sends no proof at all.
    #[serde(default)]
    pub unsigned: bool,
    /// Changes one character of what the proof covers.
    #[serde(default)]
    pub tamper: bool,
}

/// In which order events are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they happened.
    #[default]
    AsIs,
    Reversed,
}

const fn once() -> u64 {
    1
}

/// The routes that say what becomes of mails, which every mail provider has: they are among [`mailbox::routes`].
pub(crate) fn routes() -> Router<Arc<Mailbox>> {
    Router::new().route("/lag", post(set_lag)).route("/outcomes", post(happen))
}

/// The route that sends webhooks.
pub fn sender(mailbox: Arc<Mailbox>, format: Format) -> Router {
    let send = move |State(mailbox): State<Arc<Mailbox>>, body: Bytes| async move {
        deliver(&mailbox, format, parse(&body)?).await
    };
    Router::new().route("/deliver", post(send)).with_state(mailbox)
}

async fn set_lag(State(mailbox): State<Arc<Mailbox>>, body: Bytes) -> Result<StatusCode, Refused> {
    let Lag { ms } = parse(&body)?;
    if !(0..=LAG_MAX_MS).contains(&ms) {
        return Err(Refused(format!("ms: must be 0 to {LAG_MAX_MS}")));
    }
    mailbox.set_lag(SignedDuration::from_millis(ms));
    Ok(StatusCode::NO_CONTENT)
}

async fn happen(State(mailbox): State<Arc<Mailbox>>, body: Bytes) -> Result<(StatusCode, Json<Event>), Refused> {
    let Happened { correlation, event, at } = parse(&body)?;
    if event == Outcome::Accepted {
        return Err(Refused("event: that a mail was accepted is among its events from the start".to_owned()));
    }
    let event = mailbox.happened(&correlation, event, at.unwrap_or_else(clock::now));
    event.map(|event| (StatusCode::CREATED, Json(event))).ok_or_else(|| unknown(&correlation))
}

fn unknown(correlation: &str) -> Refused {
    Refused(format!("correlation: no mail was accepted with `{correlation}`"))
}

async fn deliver(mailbox: &Mailbox, format: Format, order: Delivery) -> Result<Json<Value>, Refused> {
    let Delivery { url, correlation, events: wanted, secret, times, order, ca, unsigned, tamper } = order;
    if !(1..=TIMES_MAX).contains(&times) {
        return Err(Refused(format!("times: must be 1 to {TIMES_MAX}")));
    }
    let proof = match (unsigned, tamper) {
        (true, true) => return Err(Refused("tamper: cannot be combined with unsigned".to_owned())),
        (true, false) => Proof::None,
        (false, _) if secret.is_empty() => return Err(Refused("secret: is required".to_owned())),
        (false, true) => Proof::Tampered(&secret),
        (false, false) => Proof::Good(&secret),
    };
    let url: Url = url.parse().map_err(|error| Refused(format!("url: {error}")))?;
    let client = client(&url, "ca", ca.as_deref())?;
    let mail = mailbox.newest(&correlation).ok_or_else(|| unknown(&correlation))?;
    let mut events = mail.events.clone();
    events.retain(|event| wanted.as_ref().is_none_or(|wanted| wanted.contains(&event.event)));
    if order == Order::Reversed {
        events.reverse();
    }
    let (mut statuses, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..times {
        for Message { headers, body } in format(&mail, &events, proof, clock::now())? {
            let mut request = client.post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            match request.send().await {
                Ok(answer) => statuses.push(Some(answer.status().as_u16())),
                Err(error) => {
                    statuses.push(None);
                    errors.push(chain(&error));
                }
            }
        }
    }
    Ok(Json(json!({"statuses": statuses, "errors": errors})))
}

/// A JSON object with further fields.
#[must_use]
pub fn with(mut object: Value, further: Value) -> Value {
    if let (Value::Object(fields), Value::Object(further)) = (&mut object, further) {
        fields.extend(further);
    }
    object
}
