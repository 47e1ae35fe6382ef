//! What is due, and when to poll next.
//!
//! A connection without webhooks is due when its `next_at` has passed. After a run the next time follows from how the run
//! ended and from the interval of the provider's contract, which is the longest wait ever.

use jiff::{SignedDuration, Timestamp};

/// Number of partitions (`due#0`, `due#1`, …) of the index that lists what is due; the scheduler asks for each.
pub const DUE_SHARDS: u8 = 4;

/// How long the scheduler pushes a due time when it has enqueued the run. If the run never happens, the connection is due
/// again after this time; it must be longer than a run may take.
pub const ENQUEUED_GRACE: SignedDuration = SignedDuration::from_mins(15);

/// Claim of a connection. Guards: one worker at a time asks a provider for a connection.
pub const CLAIM: &str = "attribute_exists(pk) AND (attribute_not_exists(#owner) OR #lease_until < :now)";

/// Every later write of the worker. Guards: one that outlived its lease moves neither checkpoint nor due time.
pub const FENCE: &str = "#owner = :owner AND #lease_until >= :now";

/// The scheduler's push of a due time. Guards: a run that ended meanwhile has set its own next time, which stays.
pub const PUSH_DUE: &str = "#next_at = :seen";

/// Shown while a message is on its way to a worker.
pub const ON_ITS_WAY: &str = "a run is on its way";
/// Shown while a worker is at work.
pub const AT_WORK: &str = "a run is at work";

/// Whether a connection is due.
#[must_use]
pub fn is_due(next_at: Timestamp, now: Timestamp) -> bool {
    next_at <= now
}

/// How a run ended, as far as it matters for the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything was read.
    Complete,
    /// The provider named a time to wait.
    RateLimited {
        /// How long, as the provider said.
        wait: SignedDuration,
    },
    /// Our own budget of requests to the provider is used up.
    BudgetSpent {
        /// Until there is more.
        wait: SignedDuration,
    },
    /// It failed, or cannot work until somebody acts.
    Failed,
}

/// The next poll and why then, in words for recruiting staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPoll {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Decides when to poll next. `contract` is the provider's longest interval; `jitter` is a random number in 0..1 that takes
/// up to a tenth off, so that connections made together do not poll together.
#[must_use]
pub fn next_poll(now: Timestamp, contract: SignedDuration, ended: &Ended, jitter: f64) -> NextPoll {
    let minutes = contract.as_mins();
    let spread = contract.as_secs_f64() * 0.1 * jitter.clamp(0.0, 1.0);
    let regular = contract - SignedDuration::try_from_secs_f64(spread).unwrap_or(SignedDuration::ZERO);
    let (wait, reason) = match ended {
        Ended::Complete => (regular, format!("regular, at most every {minutes} min")),
        Ended::RateLimited { wait } => (*wait, "the provider asked to wait".to_owned()),
        Ended::BudgetSpent { wait } => (*wait, "this connection's requests of the minute are used up".to_owned()),
        Ended::Failed => (regular, format!("the last run failed; next try within {minutes} min")),
    };
    let at = now.saturating_add(wait.max(SignedDuration::ZERO)).unwrap_or(now);
    // Whole seconds: the time is an index key and is compared as text.
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    NextPoll { at, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_mins(60);

    #[test]
    fn the_contract_interval_is_the_longest_wait_and_jitter_only_shortens_it() {
        let now = Timestamp::UNIX_EPOCH;
        for step in 0..=10 {
            let next = next_poll(now, HOUR, &Ended::Complete, f64::from(step) / 10.0);
            assert!(next.at <= now + HOUR && next.at >= now + SignedDuration::from_mins(54), "{next:?}");
        }
    }

    #[test]
    fn what_the_provider_asked_for_is_kept_to_the_second() {
        let now = Timestamp::UNIX_EPOCH;
        let wait = SignedDuration::from_secs(17);
        let next = next_poll(now, HOUR, &Ended::RateLimited { wait }, 1.0);
        assert_eq!(next.at, now + wait);
        assert_eq!(next_poll(now, HOUR, &Ended::BudgetSpent { wait }, 1.0).at, now + wait);
    }

    #[test]
    fn due_is_a_matter_of_the_clock() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(is_due(now, now));
        assert!(!is_due(now + SignedDuration::from_secs(1), now));
    }
}
