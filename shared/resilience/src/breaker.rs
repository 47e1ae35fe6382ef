//! The circuit breaker of one external API, shared by all processes through one stored item.
//!
//! Closed: every process calls; failures in a row are counted across the fleet, a success resets the count. Open: no process
//! calls until the probe time. Half open: one process holds the probe lease and calls once; its success closes the breaker, its
//! failure opens it again for longer, and its death frees the probe when the lease has passed. An answer by which every call
//! will fail until a person acts (credentials, suspension, quota) opens it without counting.
//!
//! An operator may force it open or closed, lift that, or reset it; a forced state overrides the phase, and a call that began
//! before it can change nothing after it.
//!
//! Invariants, guarded by the conditions below and explored exhaustively in the tests:
//! - at most one unexpired probe is in flight;
//! - only the holder of the probe settles it, and only in the epoch in which it was given;
//! - an open breaker is never stranded: after the wait, or after the lease, a probe is possible;
//! - failures are counted across the fleet: once the threshold is reached, no process that reads the item begins a call;
//! - while it is forced open no process that reads the item calls or takes the probe.
//!
//! Cost: a success in the closed state writes nothing; while open nothing is read or written until the probe time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The phase of the breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Calls are made, and failures are counted.
    #[default]
    Closed,
    /// No calls are made.
    Open,
    /// One call is made.
    HalfOpen,
}

impl Phase {
    /// The phase as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A state that an operator forces, until it is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// No calls are made.
    Open,
    /// Calls are made, and nothing is counted.
    Closed,
}

impl Forced {
    /// The state as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A command of an operator. Each is one write under [`COMMAND`] that begins a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Forces it open or closed; phase and counts stay as they are beneath.
    Force(Forced),
    /// Lifts the force: the phase beneath counts again.
    Lift,
    /// Closes it and forgets everything, the force too.
    Reset,
}

impl Command {
    /// The command for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Force(Forced::Open) => "force-open",
            Self::Force(Forced::Closed) => "force-closed",
            Self::Lift => "lift",
            Self::Reset => "reset",
        }
    }
}

/// The stored item. One that does not exist is a closed breaker without failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Breaker {
    /// The phase beneath a forced state.
    pub phase: Phase,
    /// Grows with every change of phase; a write names the epoch that it read.
    pub epoch: u64,
    /// Failures in a row while closed.
    pub failures: u32,
    /// The number of times that it opened again without having been closed.
    pub reopened: u32,
    /// The time of the next probe, in milliseconds since 1970 UTC; meaningful while open.
    pub next_probe_ms: i64,
    /// The token of the prober; meaningful while half open.
    pub probe_owner: Option<String>,
    /// The end of the probe's lease, in milliseconds since 1970 UTC; meaningful while half open.
    pub probe_until_ms: i64,
    /// The state that an operator forces; it overrides the phase.
    pub forced: Option<Forced>,
}

/// The threshold for opening, and the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row, across the fleet, that open it.
    pub threshold: u32,
    /// The wait after the first opening.
    pub wait: Duration,
    /// The upper bound of every wait.
    pub longest: Duration,
}

/// Five failures in a row, a minute, at most a quarter of an hour.
pub const POLICY: Policy =
    Policy { threshold: 5, wait: Duration::from_secs(60), longest: Duration::from_secs(15 * 60) };

/// Counting a failure. Guards: only a closed breaker counts, and only in the epoch in which the call was allowed.
pub const COUNT: &str = "attribute_not_exists(pk) OR (#phase = :closed AND #epoch = :epoch)";

/// A success after failures. Guards: as for counting.
pub const RESET: &str = "#phase = :closed AND #epoch = :epoch";

/// The condition of opening. Guards: one process opens; a breaker that another process moved stays as it is.
pub const TRIP: &str = "#phase = :closed AND #epoch = :epoch";

/// The condition of opening at once, because every call will fail like this one until a person acts. Guards: as for counting.
pub const STOP: &str = "attribute_not_exists(pk) OR (#phase = :closed AND #epoch = :epoch)";

/// Taking the probe. Guards: the wait has passed, or the last prober's lease has, and no operator forces a state. It names no
/// epoch, so it has to name the forced state itself.
pub const CLAIM_PROBE: &str = "attribute_not_exists(#forced) AND \
     ((#phase = :open AND #next_probe_ms <= :now) OR (#phase = :half_open AND #probe_until_ms < :now))";

/// Settling the probe. Guards: only its holder, only in its epoch.
pub const SETTLE: &str = "#phase = :half_open AND #probe_owner = :owner AND #epoch = :epoch";

/// A command of an operator. Guards: the state is the one that the operator saw.
pub const COMMAND: &str = "attribute_not_exists(pk) OR #epoch = :epoch";

/// The time for which a forced-open breaker is cached before it is read again, in milliseconds.
pub const RECHECK_MS: i64 = 60_000;

/// The breaker's decision about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The call may be made.
    Allow,
    /// The caller may claim the probe, and call when it holds it.
    Probe,
    /// No call before this time, in milliseconds since the epoch.
    Refuse {
        /// The end of the refusal.
        until_ms: i64,
    },
}

impl Breaker {
    /// Decides whether a call may be made now.
    #[must_use]
    pub const fn admit(&self, now_ms: i64) -> Admission {
        match self.forced {
            Some(Forced::Closed) => return Admission::Allow,
            Some(Forced::Open) => return Admission::Refuse { until_ms: now_ms.saturating_add(RECHECK_MS) },
            None => (),
        }
        match self.phase {
            Phase::Closed => Admission::Allow,
            Phase::Open if self.next_probe_ms <= now_ms => Admission::Probe,
            Phase::Open => Admission::Refuse { until_ms: self.next_probe_ms },
            Phase::HalfOpen if self.probe_until_ms < now_ms => Admission::Probe,
            Phase::HalfOpen => Admission::Refuse { until_ms: self.probe_until_ms.saturating_add(1) },
        }
    }
}

impl Policy {
    /// The wait while it is open. The first wait is the plain one; later ones double to the cap, each drawn between the
    /// plain wait and its bound (`jitter` in 0..1), so that the processes of several regions do not probe in step.
    #[must_use]
    pub fn wait_after(&self, reopened: u32, jitter: f64) -> Duration {
        let bound = self.wait.saturating_mul(1 << reopened.min(16)).min(self.longest);
        self.wait.saturating_add(bound.saturating_sub(self.wait).mul_f64(jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_the_first_to_the_cap() {
        let seconds = |reopened, jitter| POLICY.wait_after(reopened, jitter).as_secs();
        assert_eq!([seconds(0, 1.0), seconds(1, 1.0), seconds(2, 1.0), seconds(3, 1.0)], [60, 120, 240, 480]);
        assert_eq!([seconds(4, 1.0), seconds(u32::MAX, 1.0), seconds(4, 0.0)], [900, 900, 60]);
    }

    #[test]
    fn a_forced_state_overrides_every_phase() {
        for phase in [Phase::Closed, Phase::Open, Phase::HalfOpen] {
            let forced = |forced| Breaker { phase, forced: Some(forced), ..Breaker::default() };
            assert_eq!(forced(Forced::Closed).admit(5), Admission::Allow, "{phase:?}");
            let until_ms = 5 + RECHECK_MS;
            assert_eq!(forced(Forced::Open).admit(5), Admission::Refuse { until_ms }, "{phase:?}");
        }
    }
}
