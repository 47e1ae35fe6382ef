//! A lease for a short piece of work that one process at a time may do.

use jiff::{SignedDuration, Timestamp};
use resilience::work::{LEASE, OWNER};

use crate::error::AwsError;
use crate::random;
use crate::table::{Key, Table, Write, Written, number, text};

/// Guards: no other owner has an unexpired lease.
const TAKE: &str = "attribute_not_exists(pk) OR #lease_until < :now";
/// Guards: the caller still owns the lease.
const OURS: &str = "#owner = :owner";

/// The owner's token of a lease that is held.
#[derive(Debug)]
pub struct Lease(String);

/// Takes the lease of that key for the given time; none while another owner has it. One write.
///
/// # Errors
/// When the table cannot be reached.
pub async fn take(table: &Table, key: &Key, length: SignedDuration, now: Timestamp) -> Result<Option<Lease>, AwsError> {
    let owner = random::owner_token();
    let until = now.saturating_add(length).unwrap_or(now);
    let write = Write::when(TAKE)
        .value("now", number(now.as_millisecond()))
        .set(OWNER, text(owner.clone()))
        .set(LEASE, number(until.as_millisecond()))
        .set("expires_at", number(until.as_second() + 3_600));
    Ok(match table.update(key, write, false).await? {
        Written::Applied(_) => Some(Lease(owner)),
        Written::Refused(_) => None,
    })
}

/// Releases a lease before its end. One write.
///
/// # Errors
/// When the table cannot be reached.
pub async fn release(table: &Table, key: &Key, lease: &Lease) -> Result<(), AwsError> {
    let write = Write::when(OURS).value("owner", text(lease.0.clone())).set(LEASE, number(0));
    table.update(key, write, false).await.map(|_| ())
}
