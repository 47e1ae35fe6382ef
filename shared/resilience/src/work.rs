//! Idempotent work: a lease by a conditional write, an effect, and a result that only the holder can record.
//!
//! Invariants, guarded by the condition expressions below:
//! - at any time at most one holder has an unexpired lease on a piece of work;
//! - a final state is never overwritten;
//! - a worker that outlived its lease can record nothing (the fence names owner and state).
//!
//! Success costs two writes and no read: the claim returns the whole item.

use std::time::Duration;

/// A person's decision about work whose outcome is unknown (`:open` is its state). Guards: it is decided once, and no
/// active or finished work is touched.
pub const DECIDE: &str = "#state = :open";

/// Attribute names that the conditions use; an item of work has all three while it is held.
pub const STATE: &str = "state";
/// The holder's random token.
pub const OWNER: &str = "owner";
/// The end of the lease, in milliseconds since 1970 UTC.
pub const LEASE: &str = "lease_until";
/// The number of claims.
pub const ATTEMPTS: &str = "attempts";

/// Claim of work that was recorded before (`:ready` is its waiting state, `:held` its held state).
/// Guards: only waiting work, or work whose holder's lease has passed, gets a new holder.
pub const CLAIM_RECORDED: &str =
    "attribute_exists(pk) AND (#state = :ready OR (#state = :held AND #lease_until < :now))";

/// The same where a passed lease leaves open whether the effect happened: only waiting work gets a holder.
pub const CLAIM_WAITING: &str = "attribute_exists(pk) AND #state = :ready";

/// Claim of work that the claim itself records: a first arrival, or one whose holder's lease has passed.
pub const CLAIM_FIRST: &str = "attribute_not_exists(pk) OR (#state = :held AND #lease_until < :now)";

/// Every later write of a holder. Guards: no final state is overwritten, and who outlived the lease writes nothing.
pub const FENCE: &str = "#state = :held AND #owner = :owner AND #lease_until >= :now";

/// The lease of an item as a refused claim found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseStatus {
    /// Whether the item is in its held state.
    pub held: bool,
    /// The lease's end, in milliseconds since the epoch.
    pub lease_until_ms: Option<i64>,
}

/// The reason why a claim was refused, which decides about the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such work: the message names nothing.
    Missing,
    /// Another worker holds it; repeat the claim after this time, when the lease has passed. The message stays, because
    /// it may be the only one left if the holder dies.
    Busy(Duration),
    /// It reached a final state: the message is a duplicate.
    Finished,
    /// The holder's lease passed and the work may not be taken over: it is unknown whether its effect happened.
    Abandoned,
}

/// The refusal that follows from the lease of the item; no status means that there is no item.
#[must_use]
pub fn refusal(status: Option<LeaseStatus>, now_ms: i64) -> Refusal {
    match status {
        None => Refusal::Missing,
        Some(LeaseStatus { held: false, .. }) => Refusal::Finished,
        Some(LeaseStatus { held: true, lease_until_ms }) => {
            let left = lease_until_ms.unwrap_or(now_ms).saturating_sub(now_ms);
            match u64::try_from(left) {
                Ok(left) => Refusal::Busy(Duration::from_millis(left.saturating_add(1))),
                Err(_) => Refusal::Abandoned,
            }
        }
    }
}

/// The result of a write that only the holder of a lease may make; it has to be checked.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced {
    /// The write was made.
    Written,
    /// The lease had passed, or another owner has it: nothing was written.
    LeaseLost,
}

/// Whether a request that names recorded work is the one that recorded it: `recorded` is the hash of that request.
/// Another request with the same key is refused; it must not get the response of the first.
#[must_use]
pub fn same_request(recorded: Option<&str>, request: &str) -> bool {
    recorded == Some(request)
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_request() {
        assert!(same_request(Some("a"), "a"));
        assert!(!same_request(Some("a"), "b"));
        assert!(!same_request(None, "a"), "a record without a hash is nobody's repetition");
    }

    #[test]
    fn a_refusal_separates_duplicates_held_and_abandoned_work() {
        let held = |lease_until_ms| Some(LeaseStatus { held: true, lease_until_ms });
        assert_eq!(refusal(None, 100), Refusal::Missing);
        assert_eq!(refusal(Some(LeaseStatus { held: false, lease_until_ms: Some(500) }), 100), Refusal::Finished);
        assert_eq!(refusal(held(Some(500)), 100), Refusal::Busy(Duration::from_millis(401)));
        assert_eq!(refusal(held(Some(100)), 100), Refusal::Busy(Duration::from_millis(1)));
        assert_eq!(refusal(held(Some(99)), 100), Refusal::Abandoned);
        assert_eq!(refusal(held(None), 100), Refusal::Busy(Duration::from_millis(1)));
    }
}
