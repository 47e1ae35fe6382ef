//! Sends deliveries: those that wait, or a given one, also in the ways in which they must be refused or seen through.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::Company,
    hook::{EVENTS, delivery, sign},
    state::{Event, State},
    table::{Row, Table},
};
use crate::{
    control::Refused,
    sender::{Receiver, check_times, once},
    wire::with,
    world::Delivery,
};

/// Attempts after the first one.
const RETRIES: u32 = 5;
const DAY_S: i64 = 86_400;

/// Body of `POST /_control/lever/deliver`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverRequest {
    pub account: String,
    /// `http` or `https` on this machine; when absent, the URLs of the webhooks that were created over the API.
    #[serde(default)]
    pub url: Option<String>,
    /// The signature token; when absent, those of the webhooks that were created over the API for the event.
    #[serde(default)]
    pub secret: Option<String>,
    /// This event; when absent, all that wait, which then do not wait any more.
    #[serde(default)]
    pub event: Option<String>,
    /// Data of that event.
    #[serde(default)]
    pub data: Option<Value>,
    #[serde(default)]
    pub variant: Variant,
    /// With `stale`: how old, a day when absent.
    #[serde(default)]
    pub age_s: Option<i64>,
    /// How often the very same delivery is sent, 1 to 1,000.
    #[serde(default = "once")]
    pub times: u64,
    /// Up to five more attempts until a 2xx, with growing pauses.
    #[serde(default)]
    pub retry: bool,
    #[serde(default = "once")]
    pub retry_ms: u64,
    /// PEM file with the CA to trust, instead of those of the system.
    #[serde(default)]
    pub ca_file: Option<String>,
}

/// In which way a delivery is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    #[default]
    Valid,
    /// Another `opportunityId` and a further field, after it was signed: the signature is good all the same.
    Tampered,
    /// Token, time and signature of the delivery that was sent before.
    Replayed,
    /// Signed with a time of long ago.
    Stale,
    /// What the button in Lever's settings sends: `candidateHired` without data.
    Test,
    /// Of a webhook that has no signature token.
    Unsigned,
    /// Signed with another key.
    Forged,
}

struct Letter {
    event: String,
    url: String,
    delivery: Delivery,
}

fn letter(
    state: &mut State,
    order: &DeliverRequest,
    event: &Event,
    secret: &str,
    url: &str,
) -> Result<Letter, Refused> {
    let at = match order.variant {
        Variant::Stale => event.at.saturating_sub(order.age_s.unwrap_or(DAY_S).saturating_mul(1_000)),
        _ => event.at,
    };
    let key = if order.variant == Variant::Forged { "not-the-signature-token" } else { secret };
    let signed = (event.token.clone(), at, sign(key, &event.token, at));
    let (token, at, signature) = match order.variant {
        Variant::Replayed => {
            state.vendor.last_sent.clone().ok_or_else(|| Refused("variant: nothing was sent before".to_owned()))?
        }
        _ => signed,
    };
    let data = match order.variant {
        Variant::Tampered => with(event.data.clone(), json!({"opportunityId": "tampered", "tampered": true})),
        Variant::Test => json!({}),
        _ => event.data.clone(),
    };
    let name = if order.variant == Variant::Test { "candidateHired" } else { event.name };
    let proof = (order.variant != Variant::Unsigned).then_some((token.as_str(), signature.as_str()));
    let delivery = delivery(name, &data, at, proof);
    state.vendor.last_sent = Some((token, at, signature));
    Ok(Letter { event: name.to_owned(), url: url.to_owned(), delivery })
}

fn letters(state: &mut State, order: &DeliverRequest) -> Result<Vec<Letter>, Refused> {
    let events = match (&order.event, order.variant) {
        (None, Variant::Test) => vec![made(state, "candidateHired", json!({}))],
        (None, _) => state.events.drain(..).collect(),
        (Some(name), _) => {
            let known = EVENTS.into_iter().find(|(known, _)| known == name);
            let (name, _) = known.ok_or_else(|| Refused(format!("event: there is no event `{name}`")))?;
            vec![made(state, name, order.data.clone().unwrap_or_else(|| json!({})))]
        }
    };
    let mut letters = Vec::new();
    for event in &events {
        let to: Vec<(String, String)> = match (&order.secret, &order.url) {
            (Some(secret), Some(url)) => vec![(secret.clone(), url.clone())],
            (Some(_), None) => return Err(Refused("url: is required with a secret".to_owned())),
            (None, url) => {
                let hooks = state.store.rows(Table::Webhooks).values().filter(|row| wants(row, event));
                let text = |row: &Row, name| row.text(name).unwrap_or_default().to_owned();
                hooks.map(|row| (text(row, "_token"), url.clone().unwrap_or_else(|| text(row, "url")))).collect()
            }
        };
        for (secret, url) in to {
            letters.push(letter(state, order, event, &secret, &url)?);
        }
    }
    Ok(letters)
}

/// Whether a webhook was created for an event, and for the origin of its opportunity.
fn wants(hook: &Row, event: &Event) -> bool {
    let origin = event.origin.as_deref().filter(|_| !hook.get("_origins").is_null());
    hook.text("event") == Some(event.name)
        && origin.is_none_or(|origin| hook.texts("_origins").any(|one| one == origin))
}

fn made(state: &mut State, name: &'static str, data: Value) -> Event {
    let (at, token) = (state.now_ms(), state.hex(48));
    Event { name, at, origin: None, token, data }
}

/// Sends what is ordered, one after the other.
///
/// # Errors
/// The order cannot be done; the sentence names the field.
pub async fn send(company: &Company, order: &DeliverRequest) -> Result<Vec<Value>, Refused> {
    check_times(order.times)?;
    let mut attempts = Vec::new();
    let pause = |number| order.retry_ms.saturating_mul(2_u64.saturating_pow(number)).min(60_000);
    let pauses = (0..RETRIES).filter(|_| order.retry).map(|number| Duration::from_millis(pause(number)));
    let pauses: Vec<Duration> = pauses.collect();
    for Letter { event, url, delivery } in company.with(|state| letters(state, order))? {
        let receiver = Receiver::open(&url, "ca_file", order.ca_file.as_deref())?;
        for _ in 0..order.times {
            // Lever takes only a 2xx for delivered, not a redirect.
            let sent = receiver.send_until((&delivery, None), &pauses, |status| (200..300).contains(&status)).await;
            attempts.extend(sent.into_iter().map(|(attempt, delivered, done)| {
                with(json!({"event": event, "attempt": attempt, "delivered": delivered}), json!(done))
            }));
        }
    }
    Ok(attempts)
}
