//! What the worlds of the ATS have in common: a clock that a test can set, chance that a seed repeats, and the truth that a
//! client's copy is compared with.

mod accounts;
pub mod state;
pub mod store;
pub mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use accounts::{ACCOUNTS_MAX, Account, Customer, Locked, World};

use crate::clock;

/// The time of a simulator: this machine's, or what a test has set.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands still until it is set; milliseconds since 1970 UTC.
    pub fn manual(now_ms: Arc<AtomicI64>) -> Self {
        Self(Some(now_ms))
    }

    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => clock::now(),
            Some(ms) => Timestamp::from_millisecond(ms.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// Chance that a seed repeats (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same chance.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The same name gives the same chance.
    pub fn of_name(name: &str) -> Self {
        Self(Sha256::digest(name.as_bytes()).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

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

    /// A number below `bound`; 0 when that is 0.
    pub fn number(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A number from `from` on and below `until`.
    pub fn between(&mut self, from: i64, until: i64) -> i64 {
        let width = usize::try_from(until.saturating_sub(from)).unwrap_or(0);
        from.saturating_add(i64::try_from(self.below(width)).unwrap_or(0))
    }

    /// One of these by its weight.
    pub fn weighted<'a, T>(&mut self, list: &'a [(usize, T)]) -> Option<&'a T> {
        let mut at = self.below(list.iter().map(|(weight, _)| weight).sum());
        let chosen = list.iter().find(|(weight, _)| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        });
        chosen.map(|(_, one)| one)
    }

    /// One of these; the default when there are none.
    pub fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        self.of(list).copied().unwrap_or_default()
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

/// The fields of an object in a [`Truth`].
pub fn fields(object: Value) -> Map<String, Value> {
    if let Value::Object(fields) = object { fields } else { Map::new() }
}

/// The stamps of an account's changes: each is later than the one before, while the clock stands as well.
#[derive(Debug, Clone, Default)]
pub struct Stamps {
    /// The last one, in milliseconds since 1970 UTC.
    pub last: i64,
}

impl Stamps {
    /// The time of a change that is made at this time.
    pub fn next(&mut self, now_ms: i64) -> i64 {
        self.last = now_ms.max(self.last + 1);
        self.last
    }
}

/// A webhook delivery, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Headers, the signature among them where it is one.
    pub headers: Vec<(String, String)>,
    /// The bytes as they are signed.
    pub body: Vec<u8>,
}

impl Delivery {
    /// A delivery of JSON with these headers.
    pub fn json(headers: &[(&str, String)], body: String) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Self { headers: std::iter::once(kind).chain(headers).collect(), body: body.into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_chance_and_a_set_clock_is_still() {
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
