//! The time of the next poll: an estimate of the changes of a connection, learned from its polls and webhooks.
//!
//! **Rate.** A connection's changes come at `changes per day x hour of the week x burst`:
//! - changes per day: a Gamma-Poisson estimate whose evidence fades (`Policy::keep`), so that a new pattern is adopted
//!   after a few days. It fades with ordinary time, not clock time: a weekend in which no change was expected and none
//!   came proves little, and removes little;
//! - hour of the week: `profile.rs`, learned, and even until something is known;
//! - burst: the changes of the last hour or so against the expected ones. Work comes in sessions, so that a change
//!   makes further changes likely; the factor returns to one within hours.
//!
//! **Interval.** `plan.rs` weighs a request against the changes that wait for it, the square of their wait against the
//! contract's interval, and chooses the interval at which both together cost least per second. For an even rate that is
//! a cube-root law. The square root law, which weighs the plain wait, has a slightly shorter mean and a much longer
//! tail.
//!
//! **Webhooks.** A connection whose webhooks come is polled only to reconcile, and when it has been silent for so long that a
//! rate as it was would explain that in one case of a hundred. If such a poll finds changes without a webhook, webhooks
//! are suspect and the connection is polled as if it had none, until one comes.
//!
//! Invariants, held by the tests for any input, stored nonsense and clocks that go backwards included: every number stays
//! finite and bounded; a connection that is polled never waits longer than its contract. What a provider's rate limit, a
//! budget, a breaker or a failed run postpones is planned by the sync engine and not here.

mod plan;
mod profile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

pub use plan::Plan;
pub use profile::Profile;

use profile::walk;

/// A poll that finds more counts as so many: an import of thousands is one event of one day, not the rate of the next week.
const MAX_CHANGES_PER_POLL: u64 = 50;
/// The time in which a burst fades, in hours.
const BURST_HOURS: f64 = 1.0;
/// The number of expected changes at which half of a burst is believed: little, because work comes in sessions.
const BURST_PRIOR: f64 = 0.5;
/// Evidence from before this is not walked through hour by hour; it has faded anyway.
const MAX_HISTORY: SignedDuration = SignedDuration::from_hours(24 * 60);
/// The largest step back of a clock that counts as disorder; a larger one means that the clock was wrong before.
const MAX_DISORDER: SignedDuration = SignedDuration::from_hours(24);
/// Silence that is less likely than this is an alarm: -ln 0.01.
const SILENCE_ALARM: f64 = 4.605;
/// The cost of a request, for contracts up to half an hour and for longer ones. Chosen on other loads than those of the
/// proof, so that savings and costs stay clear of their targets.
const K_SHORT: f64 = 375.0;
const K_LONG: f64 = 425.0;
const HALF_AN_HOUR: i64 = 1800;
/// Days of ordinary time until a connection is no longer new.
const NEW: f64 = 1.0;
/// The upper bound of every count and rate, whatever is stored or passed.
const MOST: f64 = 1e6;

/// The prior knowledge and the targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The longest interval between two polls.
    pub contract: SignedDuration,
    /// The shortest interval between two polls.
    pub floor: SignedDuration,
    /// The cost of a request: that of one change that waits for the root of half of this times the contract (14 minutes
    /// of an hour, 10 of half an hour). A larger one saves requests.
    pub k_seconds: f64,
    /// Changes a day of a connection of which nothing is known yet.
    pub prior_per_day: f64,
    /// The time constant of evidence, in ordinary time: evidence of this age counts by a third.
    pub keep: SignedDuration,
    /// The interval between two polls of a connection whose webhooks work, limited to 6 to 24 hours.
    pub reconcile: SignedDuration,
}

impl Policy {
    /// The measured one for a contract: `cargo xtask prove freshness`.
    #[must_use]
    pub const fn new(contract: SignedDuration) -> Self {
        Self {
            contract,
            floor: SignedDuration::from_mins(5),
            k_seconds: if contract.as_secs() <= HALF_AN_HOUR { K_SHORT } else { K_LONG },
            prior_per_day: 5.0,
            keep: SignedDuration::from_hours(24 * 4),
            reconcile: SignedDuration::from_hours(12),
        }
    }
}

/// The way in which the changes of a connection become known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// By polls: there are no webhooks, or none has come yet.
    #[default]
    Polled,
    /// By webhooks, which have been seen to come.
    Webhooks,
    /// By polls: webhooks came once, and then a poll found a change for which none had come.
    Suspect,
}

/// The knowledge of a connection's changes, stored with it; a missing field counts as not known yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// The number of changes, fading with time.
    #[serde(deserialize_with = "finite")]
    a: f64,
    /// Days of ordinary time in which they came, fading likewise.
    #[serde(deserialize_with = "finite")]
    b: f64,
    /// Changes of the last hour or so.
    #[serde(deserialize_with = "finite")]
    recent: f64,
    /// The number of changes that were expected then.
    #[serde(deserialize_with = "finite")]
    expected: f64,
    /// Up to when changes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<Timestamp>,
    /// The begin of the last finished poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    polled_at: Option<Timestamp>,
    /// The time of the last webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_at: Option<Timestamp>,
    /// A part of the stored form, always zero: the runs that fail are counted and planned by the sync engine.
    failures: u32,
    /// The way in which the changes of the connection become known.
    feed: Feed,
    /// The hours of the week in which they come.
    profile: Profile,
}

impl Rate {
    /// After a finished poll: `changed` is what it found new, changed or gone that was not known, `from` up to when everything
    /// was known before, `to` when the poll began. The first poll of a connection reads what there is and teaches nothing.
    pub fn learn(&mut self, policy: &Policy, from: Timestamp, to: Timestamp, changed: u64) {
        let first = self.polled_at.is_none();
        if !first && changed > 0 && self.feed == Feed::Webhooks && self.is_silent(policy, to) {
            self.feed = Feed::Suspect;
        }
        if !first {
            self.count(policy, from, to, changed);
        }
        self.seen(to);
        self.polled_at = Some(to);
        self.failures = 0;
    }

    /// Records webhooks of `events` changes at `at`: webhooks work, whatever was believed before.
    pub fn record_webhooks(&mut self, policy: &Policy, at: Timestamp, events: u64) {
        if let Some(from) = self.last_at {
            self.count(policy, from, at, events);
        }
        self.seen(at);
        self.heard_at = Some(at);
        self.feed = Feed::Webhooks;
    }

    /// The way in which changes become known.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed
    }

    /// The time of the last webhook.
    #[must_use]
    pub fn heard_at(&self) -> Option<Timestamp> {
        self.heard_at
    }

    /// Changes a day, averaged over the week.
    #[must_use]
    pub fn per_day(&self, policy: &Policy) -> f64 {
        let prior = bounded(policy.prior_per_day).max(0.01);
        (bounded(self.a) + 1.0) / (bounded(self.b) + 1.0 / prior)
    }

    /// Whether no change was known for so long that it needs an explanation.
    #[must_use]
    pub fn is_silent(&self, policy: &Policy, now: Timestamp) -> bool {
        let Some(from) = self.last_at else { return false };
        let weights = self.profile.weights();
        let (from, to) = within_history(from, now);
        let ordinary: f64 = walk(from, to).map(|part| part.ordinary_hours(&weights)).sum();
        self.per_day(policy) * ordinary / 24.0 >= SILENCE_ALARM
    }

    /// The factor by which more changes come now than usually at this hour.
    fn burst(&self) -> f64 {
        (BURST_PRIOR + bounded(self.recent)) / (BURST_PRIOR + bounded(self.expected))
    }

    fn count(&mut self, policy: &Policy, from: Timestamp, to: Timestamp, changed: u64) {
        // What was counted already is not counted twice, and what lies too far back has faded.
        let (from, to) =
            within_history(self.last_at.map_or(from, |last| if last <= to { from.max(last) } else { to }), to);
        let changes = u32::try_from(changed.min(MAX_CHANGES_PER_POLL)).map_or(0.0, f64::from);
        let weights = self.profile.weights();
        let ordinary: f64 = walk(from, to).map(|part| part.ordinary_hours(&weights)).sum();
        let before = self.per_day(policy);

        let gap = to.duration_since(from).as_secs_f64() / 3600.0;
        let fade = (-gap / BURST_HOURS).exp();
        // The remainder, at the end of the gap, of something that is spread evenly over it.
        let left = if gap > 0.0 { (1.0 - fade) * BURST_HOURS / gap } else { 1.0 };
        self.recent = stored(bounded(self.recent) * fade + changes * left);
        self.expected = stored(bounded(self.expected) * fade + before * ordinary / 24.0 * left);

        let keep = (policy.keep.as_secs_f64() / 86_400.0).max(0.1);
        let fade = (-ordinary / 24.0 / keep).exp();
        self.a = stored(bounded(self.a) * fade + changes);
        self.b = stored(bounded(self.b) * fade + keep * (1.0 - fade));
        self.profile.learn(from, to, changes, &weights);
    }

    /// Advances the time up to which changes are known. Somewhat older news comes out of order; much older news means
    /// that the clock was wrong before.
    fn seen(&mut self, at: Timestamp) {
        let last = self.last_at.filter(|last| last.duration_since(at) < MAX_DISORDER);
        self.last_at = Some(last.map_or(at, |last| last.max(at)));
    }
}

/// A stretch of time that runs forwards and is not too long.
fn within_history(from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
    let first = to.saturating_sub(MAX_HISTORY).unwrap_or(to);
    (from.clamp(first, to), to)
}

/// A number within the bounds of the calculation, whatever is stored.
fn bounded(number: f64) -> f64 {
    if number.is_finite() { number.clamp(0.0, MOST) } else { 0.0 }
}

fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    f64::deserialize(deserializer).map(bounded)
}

/// The stored form of a number: bounded, and rounded.
fn stored(number: f64) -> f64 {
    (bounded(number) * 1e6).round() / 1e6
}
