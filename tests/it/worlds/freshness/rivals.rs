//! The policies that are compared: the planner of the product, and other known rules.

use jiff::SignedDuration;
use resilience::adaptive::{Policy, Rate};

use super::load::{Connection, count, float, time};
use super::replay::{Poller, Seen};

/// The planner of the product, called as the sync engine calls it.
pub(super) struct Own {
    policy: Policy,
    rate: Rate,
}

impl Own {
    pub(super) fn new(contract: f64) -> Self {
        let contract = SignedDuration::try_from_secs_f64(contract).unwrap_or_default();
        Self { policy: Policy::new(contract), rate: Rate::default() }
    }
}

impl Poller for Own {
    fn next(&mut self, seen: &Seen<'_>, jitter: f64) -> f64 {
        let now = time(seen.now);
        let changed = u64::try_from(seen.changed).unwrap_or(u64::MAX);
        self.rate.learn(&self.policy, seen.from.map_or(now, time), now, changed);
        self.rate.plan(now, &self.policy, jitter).interval.as_secs_f64()
    }
}

/// The same interval for ever, in seconds.
pub(super) struct Fixed(pub(super) f64);

impl Poller for Fixed {
    fn next(&mut self, _: &Seen<'_>, _: f64) -> f64 {
        self.0
    }
}

/// Half the interval after a change, longer by a quarter of an hour after none.
pub(super) struct Aimd {
    pub(super) interval: f64,
    pub(super) contract: f64,
}

impl Poller for Aimd {
    fn next(&mut self, seen: &Seen<'_>, _: f64) -> f64 {
        let next = if seen.changed > 0 { self.interval / 2.0 } else { self.interval + 900.0 };
        self.interval = next.clamp(300.0, self.contract);
        self.interval
    }
}

/// What Apache Nutch does: a fifth shorter after a change, two fifths longer after none, ten minutes at least.
pub(super) struct Nutch {
    pub(super) interval: f64,
    pub(super) contract: f64,
}

impl Poller for Nutch {
    fn next(&mut self, seen: &Seen<'_>, _: f64) -> f64 {
        let next = self.interval * if seen.changed > 0 { 0.8 } else { 1.4 };
        self.interval = next.clamp(600.0, self.contract);
        self.interval
    }
}

/// The square root law on a Gamma-Poisson rate with an hourly profile: the interval I at which I times the expected changes
/// reaches K.
pub(super) struct Root {
    k: f64,
    contract: f64,
    offset: i64,
    a: f64,
    b: f64,
    changes: [f64; 48],
    watched: [f64; 48],
    born: Option<i64>,
    total: f64,
}

/// Seconds in which the evidence fades, and changes a day of which nothing is known yet.
const FADE: f64 = 2.0 * 86_400.0;
const PRIOR: f64 = 5.0;

impl Root {
    pub(super) fn new(k: f64, contract: f64, connection: &Connection) -> Self {
        let (changes, watched) = ([0.0; 48], [0.0; 48]);
        let offset = i64::from(connection.believed.seconds());
        Self { k, contract, offset, a: 0.0, b: 0.0, changes, watched, born: None, total: 0.0 }
    }

    fn hour(&self, at: i64) -> usize {
        let hours = (at + self.offset).div_euclid(3600);
        let hour = usize::try_from(hours.rem_euclid(24)).unwrap_or(0);
        if (hours.div_euclid(24) + 3).rem_euclid(7) >= 5 { hour + 24 } else { hour }
    }

    /// The weight of each hour; one until there are three days and ten changes.
    fn weights(&self, now: i64) -> [f64; 48] {
        let mut weights = [1.0; 48];
        if self.total >= 10.0 && self.born.is_some_and(|born| now - born >= 3 * 86_400) {
            let mean = self.changes.iter().sum::<f64>() / self.watched.iter().sum::<f64>();
            for (weight, (changes, watched)) in weights.iter_mut().zip(self.changes.iter().zip(self.watched)) {
                *weight = ((changes + 1.0) / (watched * mean + 1.0)).max(0.05);
            }
        }
        weights
    }
}

impl Poller for Root {
    fn next(&mut self, seen: &Seen<'_>, jitter: f64) -> f64 {
        self.born.get_or_insert(seen.now);
        let from = seen.from.unwrap_or(seen.now);
        let weights = self.weights(seen.now);
        let weight = |hour: usize| weights.get(hour).copied().unwrap_or(1.0);
        let gap = float(u32::try_from(seen.now - from).unwrap_or(0));
        let mut expected = 0.0;
        let mut at = from;
        while at < seen.now {
            let hour = self.hour(at);
            expected += 60.0 * weight(hour);
            if let (Some(watched), Some(changes)) = (self.watched.get_mut(hour), self.changes.get_mut(hour)) {
                *watched += 60.0;
                *changes += if seen.times.is_none() { count(seen.changed) * 60.0 / gap } else { 0.0 };
            }
            at += 60;
        }
        for at in seen.times.unwrap_or(&[]) {
            let hour = self.hour(*at);
            if let Some(changes) = self.changes.get_mut(hour) {
                *changes += 1.0;
            }
        }
        let fade = (-gap / FADE).exp();
        self.a = self.a * fade + count(seen.changed);
        self.b = self.b * fade + expected;
        self.total += count(seen.changed);
        let rate = (self.a + 1.0) / (self.b + 86_400.0 / PRIOR);
        let (mut interval, mut waiting, mut at) = (0.0, 0.0, seen.now);
        while interval < self.contract && interval * waiting < self.k {
            waiting += rate * weight(self.hour(at)) * 60.0;
            interval += 60.0;
            at += 60;
        }
        (interval.clamp(300.0, self.contract) * (0.9 + 0.2 * jitter)).min(self.contract)
    }
}
