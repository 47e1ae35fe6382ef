//! Sends the deliveries of one order and collects what the receiver answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Json, http::HeaderMap};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::signature::{escape, new_event_id, sign};
use crate::{
    clock,
    control::{Control, Refused, parse},
    journal::{self, Entry},
    sender::{Attempt, Receiver, check_times},
    wire::with,
    world,
};

/// Events that this process made an id for: the clock alone may show the same time twice.
static EVENTS: AtomicU64 = AtomicU64::new(0);
/// The documented pauses before the attempts 2 to 7, in minutes.
pub const RETRY_MINUTES: [f64; 6] = [1.0, 15.0, 60.0, 120.0, 240.0, 480.0];
/// The longest that all pauses of one delivery may take together.
const PAUSES_MAX: Duration = Duration::from_secs(600);

/// Body of `POST /_control/greenhouse/deliver`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// `http` or `https` on this machine; any other host is refused.
    pub url: String,
    pub secret: String,
    /// The bytes to sign and send; either this or `event`.
    #[serde(default)]
    pub body: Option<String>,
    /// JSON that is serialised with [`escape`].
    #[serde(default)]
    pub event: Option<Value>,
    /// Made up when absent; the same for every delivery of this order.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Deliveries of the same event, 1 to 1,000.
    #[serde(default = "once")]
    pub times: u64,
    /// All at once instead of one after the other.
    #[serde(default)]
    pub concurrently: bool,
    /// Changes the body after it was signed: a space is added, so a receiver that parses first does not notice.
    #[serde(default)]
    pub tamper: bool,
    /// PEM file with the CA to trust, instead of those of the system.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Up to seven attempts until a 200, with the documented pauses.
    #[serde(default)]
    pub retry: bool,
    /// Factor on the pauses of 1, 15, 60, 120, 240 and 480 minutes.
    #[serde(default = "ten_thousandth")]
    pub retry_scale: f64,
}

const fn once() -> u64 {
    1
}

const fn ten_thousandth() -> f64 {
    0.0001
}

/// Sends all deliveries; answers the signature and the attempts, in the order in which they ended.
///
/// # Errors
/// The order cannot be done; the sentence names the field.
pub async fn deliver(control: Arc<Control>, body: Bytes) -> Result<Json<Value>, Refused> {
    let order: Delivery = parse(&body)?;
    check_times(order.times)?;
    let event_id = order.event_id.clone().unwrap_or_else(|| {
        let number = EVENTS.fetch_add(1, Ordering::Relaxed);
        new_event_id(&format!("{}/{number}", clock::now()))
    });
    let receiver = Receiver::open(&order.url, "ca_file", order.ca_file.as_deref())?;
    let mut body = match (&order.body, &order.event) {
        (Some(body), None) => body.clone(),
        (None, Some(event)) => escape(event),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refused("body: exactly one of body and event is required".to_owned()));
        }
    };
    let signature = sign(&order.secret, body.as_bytes());
    if order.tamper {
        body.push(' ');
    }
    let headers = [("signature", signature.clone()), ("greenhouse-event-id", event_id.clone())];
    let delivery = world::Delivery::json(&headers, body);
    let pauses = if order.retry { pauses(order.retry_scale)? } else { Vec::new() };
    let at_once = if order.concurrently { usize::try_from(order.times).unwrap_or(usize::MAX) } else { 1 };
    let deliveries =
        stream::iter(1..=order.times).map(|number| attempts(&control, &receiver, &delivery, &pauses, number));
    let responses: Vec<Vec<Value>> = deliveries.buffer_unordered(at_once).collect().await;
    Ok(Json(json!({"event_id": event_id, "signature": signature, "responses": responses.concat()})))
}

async fn attempts(
    control: &Control,
    receiver: &Receiver,
    delivery: &world::Delivery,
    pauses: &[Duration],
    number: u64,
) -> Vec<Value> {
    let mut attempts = Vec::new();
    let mut pauses = pauses.iter();
    loop {
        let done = attempt(control, receiver, delivery).await;
        let accepted = done.status == Some(200);
        attempts.push(with(json!({"delivery": number, "attempt": attempts.len() + 1}), json!(done)));
        match pauses.next() {
            Some(pause) if !accepted => clock::sleep(*pause).await,
            Some(_) | None => return attempts,
        }
    }
}

/// One attempt, which the journal lists.
async fn attempt(control: &Control, receiver: &Receiver, delivery: &world::Delivery) -> Attempt {
    let at = clock::now();
    let headers: HeaderMap =
        delivery.headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
    let number = control.journal().push(Entry {
        at,
        method: "POST".to_owned(),
        path: receiver.url.path().to_owned(),
        query: receiver.url.query().map(journal::redacted_query),
        headers: journal::redacted_headers(&headers),
        body: journal::body(&delivery.body),
        status: None,
    });
    let done = receiver.send(delivery).await;
    if let Some(status) = done.status {
        control.journal().answered(number, at, status);
    }
    done
}

fn pauses(scale: f64) -> Result<Vec<Duration>, Refused> {
    let pauses: Result<Vec<Duration>, _> =
        RETRY_MINUTES.iter().map(|minutes| Duration::try_from_secs_f64(minutes * 60.0 * scale)).collect();
    let pauses = pauses.map_err(|error| Refused(format!("retry_scale: {error}")))?;
    if pauses.iter().sum::<Duration>() > PAUSES_MAX {
        return Err(Refused(format!("retry_scale: the pauses must take {} s at most", PAUSES_MAX.as_secs())));
    }
    Ok(pauses)
}
