//! What the worlds of the ATS have in common: a clock that a test can set, chance that a seed repeats, and the truth that a
//! client's copy is compared with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::control::{Refused, parse};

/// The time of a simulator: this machine's, or what a test has set.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// This machine's.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands still until it is set; milliseconds since 1970 UTC.
    #[must_use]
    pub fn manual(now_ms: Arc<AtomicI64>) -> Self {
        Self(Some(now_ms))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => clock::now(),
            Some(ms) => Timestamp::from_millisecond(ms.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// Chance that a seed repeats (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same chance.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        if bound == 0 { 0 } else { usize::try_from(self.draw() % bound).unwrap_or(0) }
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these; none when there are none.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// All objects that there are, as a client should have them: `<kind>/<provider id>` and fields in the product's words.
///
/// Kinds: `job`, `candidate`, `application`, `interview`, `offer`, `scorecard`, `department`, `office`, `user`. References are
/// provider ids, times RFC 3339. A field that this provider does not tell is not there; one that it tells as nothing is null.
pub type Truth = BTreeMap<String, Map<String, Value>>;

/// A webhook delivery, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Headers, the signature among them where it is one.
    pub headers: Vec<(String, String)>,
    /// The bytes as they are signed.
    pub body: Vec<u8>,
}

/// One customer of an ATS: a world that changes.
pub trait Account: Send + Sync {
    /// Adds objects until there are about so many.
    fn grow(&self, chance: &mut Chance, objects: usize);
    /// Changes something: creates, changes or deletes. Says what, for the log of a failed test.
    fn step(&self, chance: &mut Chance) -> String;
    /// What there is.
    fn truth(&self) -> Truth;
    /// The webhooks that the changes since the last call bring, oldest first, signed with this secret. Empty for a provider
    /// that has none.
    fn deliveries(&self, secret: &str) -> Vec<Delivery>;
}

/// Opens an account of a simulator by its name; none when there are too many.
pub type Open = Arc<dyn Fn(&str) -> Option<Arc<dyn Account>> + Send + Sync>;

/// Control routes that every ATS has.
pub const INDEX: [&str; 4] = [
    "POST {base}/{account}/grow",
    "POST {base}/{account}/step",
    "GET {base}/{account}/truth",
    "POST {base}/{account}/deliveries",
];

/// Most objects and steps of one order.
const MOST: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    seed: u64,
    count: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: String,
}

/// The routes of [`INDEX`], to be merged into a simulator's own control routes.
pub fn routes(open: Open) -> Router {
    Router::new()
        .route("/{account}/grow", post(grow))
        .route("/{account}/step", post(step))
        .route("/{account}/truth", get(truth))
        .route("/{account}/deliveries", post(deliveries))
        .with_state(open)
}

fn ordered(body: &Bytes) -> Result<Order, Refused> {
    let order: Order = parse(body)?;
    if order.count > MOST { Err(Refused(format!("count: must be at most {MOST}"))) } else { Ok(order) }
}

fn opened(open: &Open, name: &str) -> Result<Arc<dyn Account>, Refused> {
    open(name).ok_or_else(|| Refused("account: there are too many accounts".to_owned()))
}

async fn grow(State(open): State<Open>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Order { seed, count } = ordered(&body)?;
    opened(&open, &name)?.grow(&mut Chance::new(seed), count);
    Ok(StatusCode::NO_CONTENT)
}

async fn step(State(open): State<Open>, Path(name): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let Order { seed, count } = ordered(&body)?;
    let account = opened(&open, &name)?;
    let mut chance = Chance::new(seed);
    let done: Vec<String> = (0..count).map(|_| account.step(&mut chance)).collect();
    Ok(Json(json!({"done": done})).into_response())
}

async fn truth(State(open): State<Open>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!(opened(&open, &name)?.truth())))
}

async fn deliveries(State(open): State<Open>, Path(name): Path<String>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Secret { secret } = parse(&body)?;
    let deliveries = opened(&open, &name)?.deliveries(&secret).into_iter();
    let items: Vec<Value> = deliveries
        .map(|Delivery { headers, body }| {
            let headers: BTreeMap<String, String> = headers.into_iter().collect();
            json!({"headers": headers, "body": String::from_utf8_lossy(&body)})
        })
        .collect();
    Ok(Json(json!({"items": items})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_chance_and_a_set_clock_stands() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            [chance.below(10), chance.below(1_000), chance.below(0)]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let ms = Arc::new(AtomicI64::new(1_000));
        let clock = Clock::manual(Arc::clone(&ms));
        assert_eq!(clock.now_ms(), 1_000);
        ms.store(2_500, Ordering::SeqCst);
        assert_eq!(clock.now().to_string(), "1970-01-01T00:00:02.5Z");
    }
}
