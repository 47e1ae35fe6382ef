//! Sends the deliveries of one order and collects what the receiver answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, header};
use reqwest::Client;
use serde::Serialize;
use tokio::task::JoinSet;
use url::Url;

use super::{Delivery, escape, sign};
use crate::{
    clock,
    control::{Control, Refused},
    journal::{self, Entry},
    loopback::{chain, client},
};

/// The documented pauses before the attempts 2 to 7, in minutes.
pub const RETRY_MINUTES: [f64; 6] = [1.0, 15.0, 60.0, 120.0, 240.0, 480.0];
/// The longest that all pauses of one delivery may take together.
const PAUSES_MAX: Duration = Duration::from_secs(600);
const TIMES_MAX: u64 = 1_000;

/// What came of one attempt of one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// 1 to `times`.
    pub delivery: u64,
    /// 1 to 7.
    pub attempt: usize,
    /// Null when there was no answer.
    pub status: Option<u16>,
    pub body: String,
    pub ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

struct Message {
    client: Client,
    control: Arc<Control>,
    url: Url,
    headers: HeaderMap,
    body: String,
    pauses: Vec<Duration>,
}

/// Sends all deliveries; answers the signature and the attempts, in the order in which they ended.
///
/// # Errors
/// The order cannot be done; the sentence names the field.
pub async fn send(control: &Arc<Control>, order: Delivery, event_id: &str) -> Result<(String, Vec<Attempt>), Refused> {
    if !(1..=TIMES_MAX).contains(&order.times) {
        return Err(Refused(format!("times: must be 1 to {TIMES_MAX}")));
    }
    let url: Url = order.url.parse().map_err(|error| Refused(format!("url: {error}")))?;
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
    let message = Arc::new(Message {
        client: client(&url, "ca_file", order.ca_file.as_deref())?,
        control: Arc::clone(control),
        headers: headers(&signature, event_id)?,
        url,
        body,
        pauses: if order.retry { pauses(order.retry_scale)? } else { Vec::new() },
    });
    let mut attempts = Vec::new();
    let mut running = JoinSet::new();
    for delivery in 1..=order.times {
        running.spawn(deliver(Arc::clone(&message), delivery));
        if !order.concurrently {
            collect(&mut running, &mut attempts).await?;
        }
    }
    collect(&mut running, &mut attempts).await?;
    Ok((signature, attempts))
}

async fn collect(running: &mut JoinSet<Vec<Attempt>>, attempts: &mut Vec<Attempt>) -> Result<(), Refused> {
    while let Some(ended) = running.join_next().await {
        attempts.extend(ended.map_err(|error| Refused(format!("delivery: {error}")))?);
    }
    Ok(())
}

fn headers(signature: &str, event_id: &str) -> Result<HeaderMap, Refused> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("signature", HeaderValue::try_from(signature).map_err(|error| Refused(format!("secret: {error}")))?);
    let event_id = HeaderValue::try_from(event_id).map_err(|error| Refused(format!("event_id: {error}")))?;
    headers.insert("greenhouse-event-id", event_id);
    Ok(headers)
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

async fn deliver(message: Arc<Message>, delivery: u64) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut pauses = message.pauses.iter();
    loop {
        let attempt = attempt(&message, delivery, attempts.len() + 1).await;
        let accepted = attempt.status == Some(200);
        attempts.push(attempt);
        match pauses.next() {
            Some(pause) if !accepted => clock::sleep(*pause).await,
            Some(_) | None => return attempts,
        }
    }
}

async fn attempt(message: &Message, delivery: u64, attempt: usize) -> Attempt {
    let (at, begun) = (clock::now(), Instant::now());
    let number = message.control.journal().push(Entry {
        at,
        method: "POST".to_owned(),
        path: message.url.path().to_owned(),
        query: message.url.query().map(journal::redacted_query),
        headers: journal::redacted_headers(&message.headers),
        body: journal::body(message.body.as_bytes()),
        status: None,
    });
    let request = message.client.post(message.url.clone()).headers(message.headers.clone()).body(message.body.clone());
    let answered = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    let (status, body, error) = match answered.await {
        Ok((status, body)) => (Some(status), body, None),
        Err(error) => (None, String::new(), Some(chain(&error))),
    };
    if let Some(status) = status {
        message.control.journal().answered(number, at, status);
    }
    Attempt { delivery, attempt, status, body, ms: begun.elapsed().as_millis(), error }
}
