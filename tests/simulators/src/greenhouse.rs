//! Greenhouse: Harvest v3 ([`harvest`], [`write`]), its tokens ([`token`]), the job board ([`board`]) and webhooks.
//!
//! Each account is a world that changes ([`step`]); its name is in its credentials: client `local-greenhouse-<account>`, secret
//! `local-greenhouse-secret-<account>`, user `1`, first refresh token `local-greenhouse-refresh-<account>`, key of the board
//! `local-greenhouse-board-<account>`. Source of the shapes: the schemas of Greenhouse's public reference of Harvest v3, its
//! webhook samples, and recorded calls. Not verified on a real wire, and modelled after the schemas' descriptions: an ended
//! application stands in no stage; a converted prospect stays as a row and a new one is made; a merge stamps the applications
//! that it moves; renaming a department or office, filling an opening and changing a post stamp these and not their job.
//!
//! The signature of a webhook is `Signature: sha256 <hex of HMAC-SHA256(secret, body as sent)>`, the body carries Ruby's JSON
//! escapes, and a second delivery of an event has the same `Greenhouse-Event-ID`. Source: the webhook pages of Greenhouse's
//! public API documentation and a recorded ping.

pub mod account;
pub mod board;
pub mod control_routes;
pub mod harvest;
pub mod hiring;
pub mod limit;
pub mod list;
pub mod planning;
pub mod sample;
pub mod seed;
pub mod send;
pub mod state;
pub mod step;
pub mod table;
pub mod token;
pub mod truth;
pub mod webhook;
pub mod write;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use account::{Account, World};
pub use sample::new_candidate_application;

use crate::{
    Simulator, clock,
    control::{Control, Refused, parse},
    world::Clock,
};

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

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that the caller holds as well.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let of_reset = Arc::clone(&world);
    let control = Control::new(|_| None, move || of_reset.clear());
    let sender = Sender { control: Arc::clone(&control), events: Arc::default() };
    Simulator {
        name: "greenhouse",
        about: "Greenhouse: Harvest v3, tokens, job board; a sender of signed webhooks, whose journal lists what it sent",
        wire: Router::new()
            .route("/auth/token", post(token::token))
            .route("/boards/v1/boards/{board}/jobs/{post}", post(board::apply))
            .with_state(Arc::clone(&world))
            .nest("/harvest/v3", harvest::routes(Arc::clone(&world)))
            .fallback(|| async { harvest::not_found() })
            .layer(middleware::map_response_with_state(Arc::clone(&world), dated)),
        extra: Router::new().route("/deliver", post(deliver)).with_state(sender).merge(control_routes::routes(world)),
        extra_index: &control_routes::INDEX,
        control,
    }
}

/// Tells the world's time with every answer.
async fn dated(State(world): State<Arc<World>>, mut response: Response) -> Response {
    let printed = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&world.now());
    if let Some(date) = printed.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

#[derive(Clone)]
struct Sender {
    control: Arc<Control>,
    events: Arc<AtomicU64>,
}

async fn deliver(State(sender): State<Sender>, body: Bytes) -> Result<impl IntoResponse, Refused> {
    let delivery: Delivery = parse(&body)?;
    let event_id = delivery.event_id.clone().unwrap_or_else(|| {
        let number = sender.events.fetch_add(1, Ordering::Relaxed);
        new_event_id(&format!("{}/{number}", clock::now()))
    });
    let (signature, responses) = send::send(&sender.control, delivery, &event_id).await?;
    Ok(Json(json!({"event_id": event_id, "signature": signature, "responses": responses})))
}

fn new_event_id(seed: &str) -> String {
    let hash = hex::encode(Sha256::digest(seed.as_bytes()));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

/// The value of the `Signature` header for these bytes.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    // HMAC takes a key of every length, so the error of this constructor cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256 {}", hex::encode(mac.finalize().into_bytes()))
}

/// JSON as a Ruby on Rails application writes it: `<`, `>`, `&` and everything beyond ASCII as `\uXXXX`.
#[must_use]
pub fn escape(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0_u16; 2];
    for sign in text.chars() {
        // Outside of strings JSON has none of these signs, so the whole text may be treated alike.
        if sign.is_ascii() && !matches!(sign, '<' | '>' | '&') {
            escaped.push(sign);
        } else {
            for unit in sign.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_an_own_vector_is_known() {
        // printf '{"action":"ping"}' | openssl dgst -sha256 -hmac local-webhook-secret-gh-acme
        let known = "sha256 1e9aa5d8030eb4a40ff41e3407b82eb97ee5e6264c0492b419f8e9a3dd3256c4";
        assert_eq!(sign("local-webhook-secret-gh-acme", br#"{"action":"ping"}"#), known);
    }

    #[test]
    fn escapes_are_those_of_ruby_and_parse_to_the_same_value() {
        for (value, text) in [
            (json!("a<b>&c"), r#""a\u003cb\u003e\u0026c""#),
            (json!({"é": "Łódź"}), r#"{"\u00e9":"\u0141\u00f3d\u017a"}"#),
            (json!(["😀", "\u{2028}"]), r#"["\ud83d\ude00","\u2028"]"#),
            (json!("tab\tquote\" back\\"), r#""tab\tquote\" back\\""#),
            (json!(12.5), "12.5"),
        ] {
            let escaped = escape(&value);
            assert_eq!(escaped, text);
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap_or_default(), value);
        }
    }

    #[test]
    fn an_event_id_looks_like_one_and_differs() {
        let (one, two) = (new_event_id("1"), new_event_id("2"));
        assert_eq!(one.len(), 36);
        assert_ne!(one, two);
    }
}
