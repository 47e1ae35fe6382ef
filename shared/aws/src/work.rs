//! Leases on stored work: the DynamoDB side of `resilience::work`.

pub mod lease;

use std::time::Duration;

use domain::failure::Failure;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use resilience::outbox::{self, WAITING_SHARD, WAITING_SINCE};
use resilience::work::{self, ATTEMPTS, Fenced, LEASE, LeaseStatus, OWNER, Refusal, STATE};
use serde::de::DeserializeOwned;

use crate::error::AwsError;
use crate::fault;
use crate::random;
use crate::table::{Item, Key, Table, Write, Written, from_item, map, null, number, text, to_item};

/// The condition and the attributes of a claim.
#[derive(Debug)]
pub struct ClaimTerms {
    /// One of the claim conditions of `resilience::work`.
    pub condition: &'static str,
    /// The waiting state; not used by a claim that records the work itself.
    pub ready: Option<&'static str>,
    /// The state while the lease is held.
    pub held: &'static str,
    /// The end of the lease.
    pub lease_until: Timestamp,
    /// Further attributes that every claim sets.
    pub set: Item,
    /// Attributes that the first claim sets, and no later one.
    pub once: Item,
}

/// A lease on a piece of work: its holder may record the result until it has passed.
#[derive(Debug)]
pub struct HeldLease {
    key: Key,
    owner: String,
    held: &'static str,
    ready: Option<&'static str>,
}

impl HeldLease {
    /// The key of the work.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claim<T> {
    /// The lease, with the item as it is now.
    Held(HeldLease, T),
    /// The reason why there is no lease.
    Refused(Refusal),
}

/// The result of a claim, with the item as it was found where it was refused.
#[derive(Debug)]
pub enum ItemClaim {
    /// The lease, with the item as it is now.
    Held(HeldLease, Item),
    /// The item that refused the claim, if there is one.
    Refused(Option<Item>),
}

/// The attributes that the holder of a lease sets, and the entry that it adds to the work's history.
#[derive(Debug, Default)]
pub struct LeaseUpdate {
    /// Attributes, the new state among them where it changes.
    pub set: Item,
    /// The new entry of the history.
    pub history: Option<Item>,
}

impl From<Item> for LeaseUpdate {
    fn from(set: Item) -> Self {
        Self { set, history: None }
    }
}

/// Claims many pieces of work, each with its own result, in their order. One write each, concurrently.
pub async fn claim_many<T: DeserializeOwned>(
    table: &Table,
    claims: Vec<(Key, ClaimTerms)>,
    now: Timestamp,
) -> Vec<Result<Claim<T>, AwsError>> {
    join_all(claims.into_iter().map(|(key, terms)| claim(table, key, terms, now))).await
}

/// Claims a piece of work; what waited leaves the index `waiting` by the same write. One write.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn claim<T: DeserializeOwned>(
    table: &Table,
    key: Key,
    terms: ClaimTerms,
    now: Timestamp,
) -> Result<Claim<T>, AwsError> {
    let held = terms.held;
    match claim_item(table, key, terms, now).await? {
        ItemClaim::Held(lease, item) => Ok(Claim::Held(lease, from_item(item)?)),
        ItemClaim::Refused(None) => Ok(Claim::Refused(work::refusal(None, now.as_millisecond()))),
        ItemClaim::Refused(Some(item)) => {
            let status = LeaseStatus { held: is_text(&item, STATE, held), lease_until_ms: number_in(&item, LEASE) };
            Ok(Claim::Refused(work::refusal(Some(status), now.as_millisecond())))
        }
    }
}

/// The same, for work whose item says more than that it is held or not. One write.
///
/// # Errors
/// When the table cannot be reached.
pub async fn claim_item(table: &Table, key: Key, terms: ClaimTerms, now: Timestamp) -> Result<ItemClaim, AwsError> {
    let ClaimTerms { condition, ready, held, lease_until, set, once } = terms;
    let owner = random::owner_token();
    let mut write = Write::when(condition)
        .set_all(set)
        .set_all_once(once)
        .set(STATE, text(held))
        .set(OWNER, text(owner.clone()))
        .set(LEASE, number(lease_until.as_millisecond()))
        .set("updated_at", text(now.to_string()))
        .add(ATTEMPTS, 1);
    if let Some(ready) = ready {
        write = write.value("ready", text(ready)).remove(WAITING_SHARD).remove(WAITING_SINCE);
    }
    if condition.contains(":held") {
        write = write.value("held", text(held));
    }
    if condition.contains(":now") {
        write = write.value("now", number(now.as_millisecond()));
    }
    fault::point(fault::CLAIMING, &key.sk).await;
    let written = table.update(&key, write, true).await?;
    if matches!(written, Written::Applied(_)) {
        fault::point(fault::CLAIMED, &key.sk).await;
    }
    match written {
        Written::Applied(item) => Ok(ItemClaim::Held(HeldLease { key, owner, held, ready }, item)),
        // The SDK repeats a call whose reply was lost; then the claim that refused the second attempt is our own.
        Written::Refused(Some(item)) if is_text(&item, OWNER, &owner) && is_text(&item, STATE, held) => {
            Ok(ItemClaim::Held(HeldLease { key, owner, held, ready }, item))
        }
        Written::Refused(item) => Ok(ItemClaim::Refused(item)),
    }
}

/// The attributes of a state: its name, and the failure that led to it or that there is none.
///
/// # Errors
/// Never in practice: a failure is an item.
pub fn state_attributes(state: &str, failure: Option<&Failure>) -> Result<Item, AwsError> {
    let failure = match failure {
        Some(failure) => map(to_item(failure)?),
        None => null(),
    };
    Ok(Item::from([(STATE.to_owned(), text(state)), ("failure".to_owned(), failure)]))
}

/// Records the end of the work: `set` must contain the new state. One write.
///
/// # Errors
/// When the table cannot be reached.
pub async fn finish(
    table: &Table,
    lease: &HeldLease,
    ending: impl Into<LeaseUpdate>,
    now: Timestamp,
) -> Result<Fenced, AwsError> {
    let write = fenced(lease, ending.into(), now).remove(LEASE);
    fault::point(fault::FINISHING, &lease.key.sk).await;
    match table.update(&lease.key, write, false).await? {
        Written::Applied(_) => {
            fault::point(fault::FINISHED, &lease.key.sk).await;
            Ok(Fenced::Written)
        }
        // The reply to our own first attempt was lost: the owner stays in the finished item for this comparison.
        Written::Refused(Some(item)) if is_text(&item, OWNER, &lease.owner) && !is_text(&item, STATE, lease.held) => {
            Ok(Fenced::Written)
        }
        Written::Refused(_) => Ok(Fenced::LeaseLost),
    }
}

/// Releases work to its waiting state after a failed attempt; the message comes again after the given time. The same
/// write puts the work into the index `waiting`, as from that time: maintenance must not be faster than the message.
/// One write.
///
/// # Errors
/// When the table cannot be reached, or the claim of this work named no waiting state.
pub async fn release(
    table: &Table,
    lease: &HeldLease,
    ending: impl Into<LeaseUpdate>,
    after: Duration,
    now: Timestamp,
) -> Result<Fenced, AwsError> {
    let Some(ready) = lease.ready else {
        let detail = "this work has no waiting state".to_owned();
        return Err(AwsError::refused("release work", detail));
    };
    let delay = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let mut ending = ending.into();
    ending.set.extend(waiting(&lease.key.sk, now, delay));
    ending.set.insert(STATE.to_owned(), text(ready));
    finish(table, lease, ending, now).await
}

/// The end of a lease.
#[derive(Debug)]
pub enum LeaseEnd {
    /// The work is finished: see [`finish`].
    Finish(LeaseUpdate),
    /// The work is released until its next attempt after the given time: see [`release`].
    Release(LeaseUpdate, Duration),
}

/// Records the ends of many leases, each with its own result, in their order. One write each, concurrently.
pub async fn record_many(
    table: &Table,
    ends: Vec<(&HeldLease, LeaseEnd)>,
    now: Timestamp,
) -> Vec<Result<Fenced, AwsError>> {
    join_all(ends.into_iter().map(|(lease, end)| async move {
        match end {
            LeaseEnd::Finish(update) => finish(table, lease, update, now).await,
            LeaseEnd::Release(update, after) => release(table, lease, update, after, now).await,
        }
    }))
    .await
}

/// Records a step of work that continues under the same lease. One write. After a lost lease the work must stop.
///
/// # Errors
/// When the table cannot be reached.
pub async fn checkpoint(
    table: &Table,
    lease: &HeldLease,
    step: LeaseUpdate,
    now: Timestamp,
) -> Result<Fenced, AwsError> {
    Ok(table.update(&lease.key, fenced(lease, step, now), false).await?.into())
}

fn fenced(lease: &HeldLease, ending: LeaseUpdate, now: Timestamp) -> Write {
    let LeaseUpdate { set, history } = ending;
    let write = Write::when(work::FENCE)
        .value("held", text(lease.held))
        .value("owner", text(lease.owner.clone()))
        .value("now", number(now.as_millisecond()))
        .set_all(set)
        .set("updated_at", text(now.to_string()));
    match history {
        Some(entry) => write.append("history", map(entry)),
        None => write,
    }
}

/// Requeues work by a person's decision: from the state `open` it returns to its waiting state `ready`, with all its
/// attempts left, and into the index `waiting`; `entry` is added to its history. One write. Returns the changed item;
/// none when it was not in that state.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn requeue<T: DeserializeOwned>(
    table: &Table,
    key: &Key,
    open: &'static str,
    ready: &'static str,
    entry: Item,
    now: Timestamp,
) -> Result<Option<T>, AwsError> {
    let write = decided(open, state_attributes(ready, None)?, entry, false, now)
        .set_all(waiting(&key.sk, now, SignedDuration::ZERO))
        .set(ATTEMPTS, number(0))
        .remove(OWNER);
    applied(table.update(key, write, true).await?)
}

/// Resolves work by a person's decision: from the state `open` it goes to the final state `end`. One write. The item as it is
/// now; none when it was not in that state.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn resolve<T: DeserializeOwned>(
    table: &Table,
    key: &Key,
    open: &'static str,
    end: &'static str,
    entry: Item,
    now: Timestamp,
) -> Result<Option<T>, AwsError> {
    let write = decided(open, state_attributes(end, None)?, entry, true, now);
    applied(table.update(key, write, true).await?)
}

fn decided(open: &'static str, set: Item, entry: Item, end: bool, now: Timestamp) -> Write {
    let write = Write::when(work::DECIDE).value("open", text(open)).set_all(set);
    // It leaves the index of what waits for a person; `requeue` puts it among what waits for a worker.
    let write = if end { write.remove(WAITING_SHARD).remove(WAITING_SINCE) } else { write };
    write.append("history", map(entry)).set("updated_at", text(now.to_string()))
}

fn applied<T: DeserializeOwned>(written: Written) -> Result<Option<T>, AwsError> {
    match written {
        Written::Applied(item) => from_item(item).map(Some),
        Written::Refused(_) => Ok(None),
    }
}

/// The number in an attribute of an item, if it is there and is one.
pub fn number_in(item: &Item, name: &str) -> Option<i64> {
    item.get(name).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok())
}

fn is_text(item: &Item, name: &str, value: &str) -> bool {
    item.get(name).and_then(|v| v.as_s().ok()).is_some_and(|text| text == value)
}

/// Expires the lease of work that its own claim recorded: the next delivery need not wait for the lease's end. One write.
///
/// # Errors
/// When the table cannot be reached; then the lease has to pass.
pub async fn expire(table: &Table, lease: &HeldLease, now: Timestamp) -> Result<(), AwsError> {
    let write = Write::when(work::FENCE)
        .value("held", text(lease.held))
        .value("now", number(now.as_millisecond()))
        .value("owner", text(lease.owner.clone()))
        .set(LEASE, number(0));
    table.update(&lease.key, write, false).await.map(|_| ())
}

/// The attributes of a record that waits for a worker, in the sparse index `waiting`; its own message comes after the given
/// delay.
pub fn waiting(id: &str, now: Timestamp, delay: SignedDuration) -> Item {
    Item::from([
        (WAITING_SHARD.to_owned(), text(format!("waiting#{}", outbox::shard_of(id)))),
        (WAITING_SINCE.to_owned(), text(outbox::waiting_since(now, delay).to_string())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a1b2-0000-7000-8000-000000000000";

    #[test]
    fn the_attributes_are_those_of_the_index() {
        let item = waiting(ID, Timestamp::UNIX_EPOCH, SignedDuration::from_secs(90));
        assert_eq!(item.get("waiting_since"), Some(&text("1970-01-01T00:01:30Z")));
        let shard = item.get("waiting_shard").and_then(|v| v.as_s().ok()).cloned();
        assert_eq!(shard, Some(format!("waiting#{}", outbox::shard_of(ID))));
        assert_eq!(item.len(), 2);
    }
}
