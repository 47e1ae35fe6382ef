//! Leases on stored work: the DynamoDB side of `resilience::work`.

use std::time::Duration;

use domain::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use resilience::outbox::{self, WAITING_SHARD, WAITING_SINCE};
use resilience::work::{self, ATTEMPTS, Fenced, LEASE, LeaseStatus, OWNER, Refusal, STATE};
use serde::de::DeserializeOwned;

use crate::error::AwsError;
use crate::fault;
use crate::random;
use crate::table::{Item, Key, Table, Write, Written, from_item, map, null, number, text, to_item};

/// What a claim asks for.
#[derive(Debug)]
pub struct Terms {
    /// One of the claim conditions of `resilience::work`.
    pub condition: &'static str,
    /// The waiting state; not used by a claim that records the work itself.
    pub ready: Option<&'static str>,
    /// The held state.
    pub held: &'static str,
    /// When the lease ends.
    pub lease_until: Timestamp,
    /// Further attributes that the claim sets.
    pub set: Item,
    /// And those that the first claim sets, and no later one.
    pub once: Item,
}

/// A lease. Whoever has it may record the result, until it has passed.
#[derive(Debug)]
pub struct Hold {
    key: Key,
    owner: String,
    held: &'static str,
    ready: Option<&'static str>,
}

impl Hold {
    /// The key of the work.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim<T> {
    /// The work is ours; the item as it is now.
    Held(Hold, T),
    /// It is not.
    Refused(Refusal),
}

/// What became of a claim, with the item as it stood where it was refused.
#[derive(Debug)]
pub enum Attempt {
    /// The work is ours; the item as it is now.
    Held(Hold, Item),
    /// It is not; the item, if there is one.
    Refused(Option<Item>),
}

/// The end of a piece of work: what it sets, and what it adds to the work's history.
#[derive(Debug, Default)]
pub struct Ending {
    /// Attributes, the new state among them.
    pub set: Item,
    /// An entry of the history.
    pub history: Option<Item>,
}

impl From<Item> for Ending {
    fn from(set: Item) -> Self {
        Self { set, history: None }
    }
}

/// Claims a piece of work; what waited leaves the index `waiting` by the same write. One write.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn claim<T: DeserializeOwned>(
    table: &Table,
    key: Key,
    terms: Terms,
    now: Timestamp,
) -> Result<Claim<T>, AwsError> {
    let held = terms.held;
    match attempt(table, key, terms, now).await? {
        Attempt::Held(hold, item) => Ok(Claim::Held(hold, from_item(item)?)),
        Attempt::Refused(None) => Ok(Claim::Refused(work::refusal(None, now.as_millisecond()))),
        Attempt::Refused(Some(item)) => {
            let status = LeaseStatus { held: is_text(&item, STATE, held), lease_until_ms: number_in(&item, LEASE) };
            Ok(Claim::Refused(work::refusal(Some(status), now.as_millisecond())))
        }
    }
}

/// The same, for work whose item says more than that it is held or not. One write.
///
/// # Errors
/// When the table cannot be reached.
pub async fn attempt(table: &Table, key: Key, terms: Terms, now: Timestamp) -> Result<Attempt, AwsError> {
    let Terms { condition, ready, held, lease_until, set, once } = terms;
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
        Written::Applied(item) => Ok(Attempt::Held(Hold { key, owner, held, ready }, item)),
        // The SDK repeats a call whose reply was lost; then the claim that "somebody" holds is our own.
        Written::Refused(Some(item)) if is_text(&item, OWNER, &owner) && is_text(&item, STATE, held) => {
            Ok(Attempt::Held(Hold { key, owner, held, ready }, item))
        }
        Written::Refused(item) => Ok(Attempt::Refused(item)),
    }
}

/// What the end of work sets: its state, and why it has no result, or that it has one.
///
/// # Errors
/// Never in practice: a failure is an item.
pub fn ending(state: &str, failure: Option<&Failure>) -> Result<Item, AwsError> {
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
pub async fn finish(table: &Table, hold: &Hold, ending: impl Into<Ending>, now: Timestamp) -> Result<Fenced, AwsError> {
    let write = fenced(hold, ending.into(), now).remove(LEASE);
    fault::point(fault::FINISHING, &hold.key.sk).await;
    match table.update(&hold.key, write, false).await? {
        Written::Applied(_) => {
            fault::point(fault::FINISHED, &hold.key.sk).await;
            Ok(Fenced::Written)
        }
        // The reply to our own first try was lost: the owner stays in the finished item for this comparison.
        Written::Refused(Some(item)) if is_text(&item, OWNER, &hold.owner) && !is_text(&item, STATE, hold.held) => {
            Ok(Fenced::Written)
        }
        Written::Refused(_) => Ok(Fenced::LeaseLost),
    }
}

/// Gives work back to its waiting state after a try that failed; `set` says why, and the message comes again after the given
/// time. The work is in the index `waiting` again by the same write, as from that time: the sweep must not be faster than
/// the message. One write.
///
/// # Errors
/// When the table cannot be reached, or the claim of this work named no waiting state.
pub async fn give_back(
    table: &Table,
    hold: &Hold,
    ending: impl Into<Ending>,
    after: Duration,
    now: Timestamp,
) -> Result<Fenced, AwsError> {
    let Some(ready) = hold.ready else {
        let detail = "this work has no waiting state".to_owned();
        return Err(AwsError::Refused { operation: "give work back", detail });
    };
    let delay = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let mut ending = ending.into();
    ending.set.extend(waiting(&hold.key.sk, now, delay));
    ending.set.insert(STATE.to_owned(), text(ready));
    finish(table, hold, ending, now).await
}

/// Records a step of work that continues under the same lease. One write. After a lost lease the work must stop.
///
/// # Errors
/// When the table cannot be reached.
pub async fn go_on(table: &Table, hold: &Hold, step: Ending, now: Timestamp) -> Result<Fenced, AwsError> {
    Ok(table.update(&hold.key, fenced(hold, step, now), false).await?.into())
}

fn fenced(hold: &Hold, ending: Ending, now: Timestamp) -> Write {
    let Ending { set, history } = ending;
    let write = Write::when(work::FENCE)
        .value("held", text(hold.held))
        .value("owner", text(hold.owner.clone()))
        .value("now", number(now.as_millisecond()))
        .set_all(set)
        .set("updated_at", text(now.to_string()));
    match history {
        Some(entry) => write.append("history", map(entry)),
        None => write,
    }
}

/// A person decided that work is to be done again: from the state `open` it goes back to its waiting state `ready`, with all its
/// tries before it, and is in the index `waiting`; `entry` is what its history says of it. One write. The item as it is now; none when it was not in that state.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn send_back<T: DeserializeOwned>(
    table: &Table,
    key: &Key,
    open: &'static str,
    ready: &'static str,
    entry: Item,
    now: Timestamp,
) -> Result<Option<T>, AwsError> {
    let write = decided(open, ending(ready, None)?, entry, false, now)
        .set_all(waiting(&key.sk, now, SignedDuration::ZERO))
        .set(ATTEMPTS, number(0))
        .remove(OWNER);
    applied(table.update(key, write, true).await?)
}

/// A person decided how work ended: from the state `open` it goes to the final state `end`. One write. The item as it is now;
/// none when it was not in that state.
///
/// # Errors
/// When the table cannot be reached or the item is not readable.
pub async fn close<T: DeserializeOwned>(
    table: &Table,
    key: &Key,
    open: &'static str,
    end: &'static str,
    entry: Item,
    now: Timestamp,
) -> Result<Option<T>, AwsError> {
    let write = decided(open, ending(end, None)?, entry, true, now);
    applied(table.update(key, write, true).await?)
}

fn decided(open: &'static str, set: Item, entry: Item, end: bool, now: Timestamp) -> Write {
    let write = Write::when(work::DECIDE).value("open", text(open)).set_all(set);
    // It waits for no person any more; `send_back` puts it among what waits for a worker.
    let write = if end { write.remove(WAITING_SHARD).remove(WAITING_SINCE) } else { write };
    write.append("history", map(entry)).set("updated_at", text(now.to_string()))
}

fn applied<T: DeserializeOwned>(written: Written) -> Result<Option<T>, AwsError> {
    match written {
        Written::Applied(item) => from_item(item).map(Some),
        Written::Refused(_) => Ok(None),
    }
}

/// A number of an item.
pub fn number_in(item: &Item, name: &str) -> Option<i64> {
    item.get(name).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok())
}

fn is_text(item: &Item, name: &str, value: &str) -> bool {
    item.get(name).and_then(|v| v.as_s().ok()).is_some_and(|text| text == value)
}

/// Gives back work that its own claim recorded: the next delivery need not wait until the lease has passed. One write,
/// fenced.
///
/// # Errors
/// When the table cannot be reached; then the lease has to pass.
pub async fn release(table: &Table, hold: &Hold, now: Timestamp) -> Result<(), AwsError> {
    let write = Write::when(work::FENCE)
        .value("held", text(hold.held))
        .value("now", number(now.as_millisecond()))
        .value("owner", text(hold.owner.clone()))
        .set(LEASE, number(0));
    table.update(&hold.key, write, false).await.map(|_| ())
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
