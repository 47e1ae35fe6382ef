//! What becomes of the mails that a provider has accepted, and the webhooks that tell it.
//!
//! Nothing happens to a mail by itself but that it is accepted: control says what else does. What happened is told alike to
//! who asks and by webhook, with ids that stay.

use std::sync::Arc;

use axum::Json;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock,
    control::{Controls, Refused, parse},
    mail::mailbox::{Event, Mail, Mailbox, Outcome, unknown},
    sender::{Receiver, check_times, once},
    world::Delivery,
};

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

/// Body of `POST /_control/<p>/deliver`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverRequest {
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
    pub order: Sequence,
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
pub enum Sequence {
    #[default]
    AsIs,
    Reversed,
}

/// The control route of a mail provider that sends webhooks.
pub fn controls(mailbox: &Arc<Mailbox>, format: Format) -> Controls {
    let mailbox = Arc::clone(mailbox);
    Controls::default().route("POST /deliver", async move |body: Bytes| deliver(&mailbox, format, parse(&body)?).await)
}

async fn deliver(mailbox: &Mailbox, format: Format, order: DeliverRequest) -> Result<Json<Value>, Refused> {
    let DeliverRequest { url, correlation, events: wanted, secret, times, order, ca, unsigned, tamper } = order;
    check_times(times)?;
    let proof = match (unsigned, tamper) {
        (true, true) => return Err(Refused("tamper: cannot be combined with unsigned".to_owned())),
        (true, false) => Proof::None,
        (false, _) if secret.is_empty() => return Err(Refused("secret: is required".to_owned())),
        (false, true) => Proof::Tampered(&secret),
        (false, false) => Proof::Good(&secret),
    };
    let receiver = Receiver::open(&url, "ca", ca.as_deref())?;
    let mail = mailbox.newest(&correlation).ok_or_else(|| unknown(&correlation))?;
    let mut events = mail.events.clone();
    events.retain(|event| wanted.as_ref().is_none_or(|wanted| wanted.contains(&event.event)));
    if order == Sequence::Reversed {
        events.reverse();
    }
    let (mut statuses, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..times {
        for Message { headers, body } in format(&mail, &events, proof, clock::now())? {
            let sent = receiver.send(&Delivery::json(&headers, body)).await;
            statuses.push(sent.status);
            errors.extend(sent.error);
        }
    }
    Ok(Json(json!({"statuses": statuses, "errors": errors})))
}
