//! Sends the deliveries of one order and collects what the receiver answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Json;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::signature::{escape, new_event_id, sign};
use crate::{
    clock,
    control::{Control, Refused, parse},
    sender::{Receiver, check_times, once},
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
    /// Factor on the pauses of 1, 15, 60, 120, 240 and 480 minutes, 0.0001 when absent.
    #[serde(default)]
    pub retry_scale: Option<f64>,
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
    let pauses = if order.retry { pauses(order.retry_scale.unwrap_or(0.0001))? } else { Vec::new() };
    let at_once = if order.concurrently { usize::try_from(order.times).unwrap_or(usize::MAX) } else { 1 };
    let deliveries = stream::iter(1..=order.times).map(|number| {
        let sent = receiver.send_until((&delivery, Some(&control)), &pauses, |status| status == 200);
        sent.map(move |attempts| {
            let said = |(attempt, _, done)| with(json!({"delivery": number, "attempt": attempt}), json!(done));
            attempts.into_iter().map(said).collect()
        })
    });
    let responses: Vec<Vec<Value>> = deliveries.buffer_unordered(at_once).collect().await;
    Ok(Json(json!({"event_id": event_id, "signature": signature, "responses": responses.concat()})))
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
