//! The next poll: the best interval, then the guards.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::profile::{hour_of, walk};
use super::{Feed, NEW, Policy, Rate, SILENCE_ALARM, within_history};

/// Intervals are compared minute by minute, or coarser when the contract is longer than a day.
const STEP: f64 = 60.0;
const STEPS: f64 = 1440.0;
/// Jitter up or down, as a part of the interval.
const JITTER: f64 = 0.1;
/// Jitter at the contract's interval, where it can only go down and costs requests all night.
const JITTER_AT_CONTRACT: f64 = 0.03;
/// From this part of the contract on an interval is as long as it gets.
const LONGEST: f64 = 0.95;
/// A due time is never one that has been worked already, and those are whole seconds.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);
const RECONCILE: [SignedDuration; 2] = [SignedDuration::from_hours(6), SignedDuration::from_hours(24)];

/// The time of the next poll.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The time, in whole seconds: it is an index key and is compared as text.
    pub at: Timestamp,
    /// The time until then.
    pub interval: SignedDuration,
    /// The reason for the time, in words for recruiting staff.
    pub reason: String,
}

impl Rate {
    /// Decides when to poll next after a finished poll. `jitter` is a random number in 0..1, so that connections made together
    /// do not poll together.
    ///
    /// Webhooks that come later are not in the plan: see `wants_poll`.
    #[must_use]
    pub fn plan(&self, now: Timestamp, policy: &Policy, jitter: f64) -> Plan {
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
        let (at, reason) = match self.feed() {
            Feed::Webhooks => self.reconcile(now, policy, jitter),
            Feed::Polled | Feed::Suspect => self.adapted(now, policy, jitter),
        };
        Plan { at, interval: at.duration_since(now), reason }
    }

    /// Whether a poll that was planned after the last one is still wanted when it is due. For a connection whose webhooks work
    /// it is not when some came meanwhile and it is not time to reconcile: then it is planned anew, and not polled.
    #[must_use]
    pub fn wants_poll(&self, now: Timestamp, policy: &Policy) -> bool {
        let reconciled = self.polled_at.filter(|polled| *polled <= now);
        let soonest = seconds(reconcile_every(policy).as_secs_f64() * (1.0 - JITTER));
        self.feed() != Feed::Webhooks
            || reconciled.is_none_or(|polled| now.duration_since(polled) >= soonest)
            || self.is_silent(policy, now)
    }

    /// The time of the next poll of a connection without working webhooks.
    fn adapted(&self, now: Timestamp, policy: &Policy, jitter: f64) -> (Timestamp, String) {
        let contract = contract(policy);
        let best = self.best_interval(now, policy);
        let longest = contract.as_secs_f64();
        let quiet = best >= longest * LONGEST;
        let jittered = if quiet {
            best * (1.0 - JITTER_AT_CONTRACT * jitter)
        } else {
            best * (1.0 + JITTER * (2.0 * jitter - 1.0))
        };
        // From the beginning of the poll before, so that a long run does not stretch the contract.
        let since = self.polled_at.filter(|polled| *polled <= now && later(*polled, contract) > now).unwrap_or(now);
        let floor = floor(policy);
        let at = later(since, seconds(jittered.min(longest)).max(floor));
        let at = at.max(later(now, floor)).min(no_later(now, contract));
        let reason = match (self.feed(), quiet) {
            (Feed::Suspect, _) => "no webhook for longer than expected, so it is polled".to_owned(),
            _ if self.b < NEW => "new, its busy hours are being learned".to_owned(),
            (_, true) => format!("quiet, at most every {}", length(contract)),
            (_, false) => "busy hours".to_owned(),
        };
        (at, reason)
    }

    /// The time of the next poll of a connection whose webhooks work.
    fn reconcile(&self, now: Timestamp, policy: &Policy, jitter: f64) -> (Timestamp, String) {
        let every = reconcile_every(policy);
        let most = no_later(now, every);
        let soon = later(now, floor(policy)).min(most);
        let since = self.polled_at.filter(|polled| *polled <= now).unwrap_or(now);
        let due = later(since, seconds(every.as_secs_f64() * (1.0 - JITTER * jitter))).clamp(soon, most);
        match self.alarm_at(policy, due) {
            Some(alarm) if alarm <= now => (soon, "no webhook for longer than expected".to_owned()),
            Some(alarm) if alarm < due => {
                let at = alarm.max(soon);
                (at, format!("webhooks work; checked at {} unless one comes", clock_time(now, at)))
            }
            _ => (due, format!("webhooks work; checked every {}", length(every))),
        }
    }

    /// The time at which silence becomes an alarm, if it does so before `until`.
    fn alarm_at(&self, policy: &Policy, until: Timestamp) -> Option<Timestamp> {
        let weights = self.profile.weights();
        let (mut at, until) = within_history(self.last_at?, until);
        let mut left = SILENCE_ALARM / self.per_day(policy) * 24.0;
        for part in walk(at, until) {
            let ordinary = part.ordinary_hours(&weights);
            if ordinary >= left {
                return Some(later(at, seconds(part.hours * 3600.0 * left / ordinary)));
            }
            left -= ordinary;
            at = later_exactly(at, seconds(part.hours * 3600.0));
        }
        None
    }

    /// The interval in seconds at which the request and the changes that wait for it cost least per second.
    fn best_interval(&self, now: Timestamp, policy: &Policy) -> f64 {
        let longest = contract(policy).as_secs_f64();
        let shortest = floor(policy).as_secs_f64();
        let step = STEP.max(longest / STEPS);
        let request = if policy.k_seconds.is_finite() { policy.k_seconds.max(1.0) / 2.0 } else { longest };
        let per_second = self.per_day(policy) / 86_400.0;
        let burst = self.burst();
        let weights = self.profile.weights();
        // The moments of the expected changes over the time at which they come, in contract intervals.
        let mut moments = [0.0; 3];
        let mut best = (f64::INFINITY, longest);
        let mut at = 0.0;
        while at < longest {
            let length = step.min(longest - at);
            let middle = at + length / 2.0;
            let fading = 1.0 + (burst - 1.0) * (-middle / 3600.0 / super::BURST_HOURS).exp();
            let second = now.as_second().saturating_add(seconds(at).as_secs());
            let changes = per_second * weights.at(hour_of(second)) * fading * length;
            let mut power = changes;
            for moment in &mut moments {
                *moment += power;
                power *= middle / longest;
            }
            at += length;
            if at >= shortest {
                let [zeroth, first, other] = moments;
                let end = at / longest;
                let waiting = (zeroth * end - 2.0 * first) * end + other;
                let cost = (request + waiting * longest) / at;
                if cost < best.0 {
                    best = (cost, at);
                }
            }
        }
        best.1.clamp(shortest, longest)
    }
}

fn contract(policy: &Policy) -> SignedDuration {
    policy.contract.clamp(SignedDuration::from_mins(1), SignedDuration::from_hours(24 * 7))
}

fn floor(policy: &Policy) -> SignedDuration {
    policy.floor.clamp(AT_ONCE, contract(policy))
}

fn reconcile_every(policy: &Policy) -> SignedDuration {
    let [shortest, longest] = RECONCILE;
    policy.reconcile.clamp(shortest, longest)
}

fn seconds(number: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(number).unwrap_or(SignedDuration::ZERO)
}

fn later_exactly(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(at)
}

/// In whole seconds, rounded up: what must be waited for is over.
fn later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    let exact = later_exactly(at, wait);
    let second = exact.as_second();
    let whole = if exact.subsec_nanosecond() > 0 { second.saturating_add(1) } else { second };
    Timestamp::from_second(whole).unwrap_or(Timestamp::MAX)
}

/// The same rounded down: what must not be exceeded is not.
fn no_later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    Timestamp::from_second(later_exactly(at, wait).as_second()).unwrap_or(at)
}

/// A time of day in UTC, with the day when it is another one.
fn clock_time(now: Timestamp, at: Timestamp) -> String {
    let (today, then) = (now.to_zoned(TimeZone::UTC), at.to_zoned(TimeZone::UTC));
    let pattern = if today.date() == then.date() { "%H:%M UTC" } else { "%-d %b %H:%M UTC" };
    then.strftime(pattern).to_string()
}

/// A length of time in the largest unit that says it without a fraction, or nearly.
fn length(wait: SignedDuration) -> String {
    let seconds = wait.as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}
