//! The stored side of `resilience::delivery`: one notification, one e-mail. What must never be here: a mail provider.

mod events;
mod review;

use std::time::Duration;

use domain::failure::Failure;
use domain::id::{NotificationId, OrgId};
use domain::notification::{HistoryEntry, Notification, NotificationState};
use jiff::{SignedDuration, Timestamp};
use resilience::delivery::{self, DeliveryStatus, MARK_UNKNOWN, RECORD_LOOKUP};
use resilience::outbox::{WAITING_SHARD, WAITING_SINCE};
use resilience::work::{self, Fenced, LEASE, OWNER};

pub use self::events::AppliedEvent;
use self::review::for_review;
use crate::records::{Records, key_of};
use aws::error::AwsError;
use aws::table::{Item, Write, Written, from_item, map, null, number, text, to_item};
use aws::work::{ClaimTerms, HeldLease, ItemClaim, LeaseUpdate, claim_item, number_in, state_attributes, waiting};

/// The attribute with the time of the next lookup, in milliseconds since the epoch.
const LOOKUP_AT: &str = "ask_at_ms";
/// The attribute with the number of lookups since the last attempt.
const LOOKUPS: &str = "asked";

/// A notification as it was when a claim was refused.
#[derive(Debug)]
pub struct DeliverySnapshot {
    pub notification: Notification,
    /// Its status, as it matters to a worker.
    pub status: DeliveryStatus,
    owner: Option<String>,
}

/// The outcome of claiming a notification.
#[derive(Debug)]
pub enum Claim {
    /// The claim holds, with the notification as it is now.
    Claimed(HeldLease, Box<Notification>),
    /// The claim was refused, for this notification.
    Refused(Box<DeliverySnapshot>),
    /// There is no such notification.
    Missing,
}

/// A transition of the protocol: the state it leads to, and its entry in the history.
#[derive(Debug)]
pub struct Transition {
    /// The state that the transition leads to.
    pub state: NotificationState,
    /// The failure, if there is one; its code is stable.
    pub failure: Option<Failure>,
    /// The entry that is appended to the history.
    pub entry: HistoryEntry,
    /// Further attributes that are written with it.
    pub set: Item,
}

impl Transition {
    fn ending(self) -> Result<LeaseUpdate, AwsError> {
        let Self { state, failure, entry, set } = self;
        let mut all = state_attributes(state.as_str(), failure.as_ref())?;
        all.extend(set);
        Ok(LeaseUpdate { set: all, history: Some(to_item(&entry)?) })
    }
}

/// Deliveries in the table `Records`.
#[derive(Debug, Clone)]
pub struct Deliveries {
    records: Records,
}

impl Deliveries {
    /// Deliveries in these records.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self { records }
    }

    /// The table of records, for other reads.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Claims a queued notification, to send it through this provider. The first claim sets the Message-ID for good:
    /// the mail may have to be looked up by it after the deployment's sender has changed. One write; it returns the
    /// whole item either way.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn claim(
        &self,
        org: &OrgId,
        id: NotificationId,
        provider: &str,
        message_id: &str,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Claim, AwsError> {
        let once = Item::from([("message_id".to_owned(), text(message_id))]);
        let set = Item::from([
            ("provider".to_owned(), text(provider)),
            ("provider_message_id".to_owned(), null()),
            ("tried_at".to_owned(), text(now.to_string())),
            (LOOKUPS.to_owned(), number(0)),
        ]);
        let (ready, held) = (Some(NotificationState::Queued.as_str()), NotificationState::Sending.as_str());
        let terms = ClaimTerms { condition: work::CLAIM_WAITING, ready, held, lease_until, set, once };
        let key = key_of::<Notification>(org, &id.to_string());
        match claim_item(self.records.table(), key, terms, now).await? {
            ItemClaim::Held(hold, item) => Ok(Claim::Claimed(hold, Box::new(from_item(item)?))),
            ItemClaim::Refused(None) => Ok(Claim::Missing),
            ItemClaim::Refused(Some(item)) => Ok(Claim::Refused(Box::new(snapshot(item, now)?))),
        }
    }

    /// Records which provider is called next under the same lease. One write. After a lost lease no
    /// provider may be called.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn switch(
        &self,
        hold: &HeldLease,
        provider: &str,
        entry: &HistoryEntry,
        now: Timestamp,
    ) -> Result<Fenced, AwsError> {
        let set = Item::from([("provider".to_owned(), text(provider))]);
        let update = LeaseUpdate { set, history: Some(to_item(entry)?) };
        aws::work::checkpoint(self.records.table(), hold, update, now).await
    }

    /// Records the end of an attempt. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish(
        &self,
        hold: &HeldLease,
        mut transition: Transition,
        now: Timestamp,
    ) -> Result<Fenced, AwsError> {
        transition.set.extend(for_review(&transition, &hold.key().pk, now));
        aws::work::finish(self.records.table(), hold, transition.ending()?, now).await
    }

    /// Releases a notification after an attempt that sent nothing; its message comes again after the given time. One
    /// write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn release(
        &self,
        hold: &HeldLease,
        transition: Transition,
        after: Duration,
        now: Timestamp,
    ) -> Result<Fenced, AwsError> {
        aws::work::release(self.records.table(), hold, transition.ending()?, after, now).await
    }

    /// Records that it is unknown whether an attempt sent a mail, and when to look it up. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_unknown(
        &self,
        hold: &HeldLease,
        id: NotificationId,
        mut transition: Transition,
        lookup_delay: Duration,
        now: Timestamp,
    ) -> Result<Fenced, AwsError> {
        transition.set.extend(lookup_waiting(id, 0, lookup_delay, now));
        self.finish(hold, transition, now).await
    }

    /// Records what follows from the death of a worker that was sending. One write. False when the item had changed.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn mark_unknown(
        &self,
        org: &OrgId,
        snapshot: &DeliverySnapshot,
        mut transition: Transition,
        lookup_delay: Option<Duration>,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let write = Write::when(MARK_UNKNOWN)
            .value("sending", text(NotificationState::Sending.as_str()))
            .value("now", number(now.as_millisecond()));
        let id = snapshot.notification.id;
        match lookup_delay {
            Some(after) => transition.set.extend(lookup_waiting(id, 0, after, now)),
            None => transition.set.extend(waiting_again(&transition, org, id, now)),
        }
        self.write(org, snapshot, write.remove(LEASE), transition, now).await
    }

    /// Records the result of a lookup. `next_lookup` is the delay of the next one, and whether this one counts. One write.
    /// False when the item had changed.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn record_lookup(
        &self,
        org: &OrgId,
        snapshot: &DeliverySnapshot,
        mut transition: Transition,
        next_lookup: Option<(Duration, bool)>,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let Notification { id, lookups, .. } = snapshot.notification;
        let mut write = Write::when(RECORD_LOOKUP)
            .value("unknown", text(NotificationState::Unknown.as_str()))
            .value("asked", number(i64::from(lookups)));
        match next_lookup {
            Some((after, counts)) => {
                transition.set.extend(lookup_waiting(id, lookups.saturating_add(u32::from(counts)), after, now));
            }
            None => {
                write = write.remove(LOOKUP_AT);
                let again = waiting_again(&transition, org, id, now);
                if again.is_empty() {
                    write = write.remove(WAITING_SHARD).remove(WAITING_SINCE);
                }
                transition.set.extend(again);
            }
        }
        self.write(org, snapshot, write, transition, now).await
    }

    async fn write(
        &self,
        org: &OrgId,
        snapshot: &DeliverySnapshot,
        write: Write,
        transition: Transition,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let LeaseUpdate { set, history } = transition.ending()?;
        let owner = snapshot.owner.clone().unwrap_or_default();
        let mut write = write.value("owner", text(owner)).set_all(set).set("updated_at", text(now.to_string()));
        if let Some(entry) = history {
            write = write.append("history", map(entry));
        }
        let key = key_of::<Notification>(org, &snapshot.notification.id.to_string());
        Ok(matches!(self.records.table().update(&key, write, false).await?, Written::Applied(_)))
    }
}

fn snapshot(item: Item, now: Timestamp) -> Result<DeliverySnapshot, AwsError> {
    let owner = item.get(OWNER).and_then(|v| v.as_s().ok()).cloned();
    let (lease, lookup_at) = (number_in(&item, LEASE), number_in(&item, LOOKUP_AT));
    let notification: Notification = from_item(item)?;
    let status = delivery::status(notification.state, lease, lookup_at, now.as_millisecond());
    Ok(DeliverySnapshot { notification, status, owner })
}

/// The attributes of an unknown mail that waits for its next lookup, in the index of what waits.
fn lookup_waiting(id: NotificationId, lookups: u32, after: Duration, now: Timestamp) -> Item {
    let delay = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let at = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
    let mut item = waiting(&id.to_string(), now, delay);
    item.insert(LOOKUP_AT.to_owned(), number(at.as_millisecond()));
    item.insert(LOOKUPS.to_owned(), number(i64::from(lookups)));
    item
}

/// A notification that returns to a waiting state enters the index of waiting work.
fn waiting_again(transition: &Transition, org: &OrgId, id: NotificationId, now: Timestamp) -> Item {
    match transition.state {
        NotificationState::Queued => waiting(&id.to_string(), now, SignedDuration::ZERO),
        _ => for_review(transition, &key_of::<Notification>(org, "").pk, now),
    }
}
