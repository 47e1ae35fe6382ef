//! Due work: a connection whose `next_at` has passed. The time follows from `adaptive`.

use jiff::{SignedDuration, Timestamp};

/// The number of partitions (`due#0`, `due#1`, …) of the index of due connections; the scheduler reads each.
pub const DUE_SHARDS: u8 = 4;

/// The time by which the scheduler pushes a due time when it has enqueued the run. If the run never happens, the
/// connection is due again after this time; it must be longer than a run.
pub const ENQUEUED_GRACE: SignedDuration = SignedDuration::from_mins(15);

/// Claim of a connection. Guards: a connection has one worker at a time.
pub const CLAIM: &str = "attribute_exists(pk) AND (attribute_not_exists(#owner) OR #lease_until < :now)";

/// Every later write of the worker. Guards: one that outlived its lease moves neither checkpoint nor due time.
pub const FENCE: &str = "#owner = :owner AND #lease_until >= :now";

/// The scheduler's push of a due time. Guards: a run that ended meanwhile has set its own next time, which stays.
pub const PUSH_DUE: &str = "#next_at = :seen";

/// The activity while a message is on its way to a worker.
pub const RUN_ENQUEUED: &str = "a run is on its way";
/// The activity while a worker is at work.
pub const RUN_ACTIVE: &str = "a run is at work";

/// Whether a connection is due.
#[must_use]
pub fn is_due(next_at: Timestamp, now: Timestamp) -> bool {
    next_at <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_is_a_matter_of_the_clock() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(is_due(now, now));
        assert!(!is_due(now + SignedDuration::from_secs(1), now));
    }
}
