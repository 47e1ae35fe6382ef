//! The table `Control`: webhook events and the sync state of polled connections. What may expire has a TTL.

use domain::FORMAT_VERSION;
use domain::connection::WebhookEvent;
use domain::id::{ConnectionId, OrgId};
use domain::message::WebhookDelivery;
use domain::sync::{Checkpoint, LastRun, SyncState};
use jiff::{SignedDuration, Timestamp};
use resilience::poll::{self, NextPoll};
use resilience::work::{self, LEASE, OWNER};

use crate::clock::{self, sortable};
use crate::error::PlatformError;
use crate::records::{Cursor, newest_first};
use crate::table::{self, Item, Key, Page, Query, Table, Write, Written, from_item, number, text, to_item};
use crate::work::{Claim, Hold, Terms, claim, finish};

/// How long webhook events are kept, and so how late a repeated delivery is still recognised.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The held and final states of an event.
const EVENT_HELD: &str = "running";
const EVENT_DONE: &str = "done";

/// The table `Control`.
#[derive(Debug, Clone)]
pub struct Control {
    table: Table,
}

/// A lease on a sync run.
#[derive(Debug)]
pub struct RunHold {
    key: Key,
    owner: String,
}

/// What became of the claim of a run.
#[derive(Debug)]
pub enum RunClaim {
    /// The run is ours, with the state as it is now.
    Held(RunHold, Box<SyncState>),
    /// Another worker polls this connection until then (milliseconds since 1970 UTC).
    Busy(i64),
    /// This due time was worked already, or the connection is gone.
    Finished,
}

impl Control {
    /// Control items in the given table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table itself.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Claims the work on a webhook event; the claim is what recognises a repeated delivery. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn claim_event(
        &self,
        (org, connection): (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Claim<WebhookEvent>, PlatformError> {
        let key = Key { pk: events_of(org, connection), sk: delivery.event_id.clone() };
        let event = WebhookEvent {
            v: FORMAT_VERSION,
            event_id: delivery.event_id.clone(),
            action: None,
            outcome: None,
            detail: None,
            received_at: delivery.received_at,
        };
        let expires_at = now.saturating_add(EVENTS_KEPT).unwrap_or(Timestamp::MAX).as_second();
        let mut set = to_item(&event)?;
        set.insert("expires_at".to_owned(), number(expires_at));
        set.insert("listed_at".to_owned(), text(format!("{}#{}", sortable(delivery.received_at), delivery.event_id)));
        let terms =
            Terms { condition: work::CLAIM_FIRST, ready: None, held: EVENT_HELD, lease_until, set, once: Item::new() };
        claim(&self.table, key, terms, now).await
    }

    /// Records what became of an event. One write, fenced.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_event(&self, hold: &Hold, event: &WebhookEvent, now: Timestamp) -> Result<bool, PlatformError> {
        let mut set = to_item(event)?;
        set.insert(work::STATE.to_owned(), text(EVENT_DONE));
        finish(&self.table, hold, set, now).await
    }

    /// A page of a connection's events, newest first. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn events(
        &self,
        org: &OrgId,
        connection: &ConnectionId,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<WebhookEvent>, Option<Cursor>), PlatformError> {
        let page = self.table.query(newest_first(events_of(org, connection), limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        Ok((page.items, next))
    }

    /// The sync state of a connection. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn sync_state(&self, org: &OrgId, connection: &ConnectionId) -> Result<Option<SyncState>, PlatformError> {
        self.table.get(&sync_key(org, connection)).await
    }

    /// The sync states of all connections of an organisation, by connection. One call; an organisation has few.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn sync_states(&self, org: &OrgId) -> Result<Vec<SyncState>, PlatformError> {
        let query = Query {
            index: None,
            partition: ("pk", sync_of(org)),
            up_to: None,
            ascending: true,
            limit: 1000,
            after: None,
        };
        Ok(self.table.query(query).await?.items)
    }

    /// A page of what is due in one partition of the index, longest due first, across organisations. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn due(&self, shard: u8, now: Timestamp, after: Option<Item>) -> Result<Page<SyncState>, PlatformError> {
        self.table
            .query(Query {
                index: Some("due"),
                partition: ("due_shard", format!("due#{shard}")),
                up_to: Some(("next_at", whole_second(now).to_string())),
                ascending: true,
                limit: 100,
                after,
            })
            .await
    }

    /// Pushes a due time after its run was enqueued, unless it has moved already. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn push_due(&self, state: &SyncState, now: Timestamp) -> Result<bool, PlatformError> {
        let until = whole_second(now.saturating_add(poll::ENQUEUED_GRACE).unwrap_or(now));
        let write = Write::when(poll::PUSH_DUE)
            .value("seen", text(state.next_at.to_string()))
            .set("next_at", text(until.to_string()))
            .set("reason", text("a run is on its way"));
        let written = self.table.update(&sync_key(&state.org, &state.connection), write, false).await?;
        Ok(matches!(written, Written::Applied(_)))
    }

    /// Claims the run of one due time. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn claim_run(
        &self,
        org: &OrgId,
        connection: &ConnectionId,
        due_at: Timestamp,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<RunClaim, PlatformError> {
        let key = sync_key(org, connection);
        let owner = clock::owner_token();
        let write = Write::when(poll::CLAIM_RUN)
            .value("now", number(now.as_millisecond()))
            .value("due_at", number(due_at.as_millisecond()))
            .set(OWNER, text(owner.clone()))
            .set(LEASE, number(lease_until.as_millisecond()))
            .add("attempts", 1);
        match self.table.update(&key, write, true).await? {
            Written::Applied(item) => Ok(RunClaim::Held(RunHold { key, owner }, Box::new(from_item(item)?))),
            Written::Refused(None) => Ok(RunClaim::Finished),
            Written::Refused(Some(item)) => {
                let holder = item.get(OWNER).and_then(|v| v.as_s().ok()).cloned();
                let lease: Option<i64> = item.get(LEASE).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok());
                match (holder, lease) {
                    (Some(holder), _) if holder == owner => {
                        Ok(RunClaim::Held(RunHold { key, owner }, Box::new(from_item(item)?)))
                    }
                    (Some(_), Some(until)) if until >= now.as_millisecond() => Ok(RunClaim::Busy(until)),
                    _ => Ok(RunClaim::Finished),
                }
            }
        }
    }

    /// Moves the checkpoint after a page and prolongs the lease; a page applied is progress, so the attempts begin anew. One
    /// write, fenced. False when the run is no longer ours.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn checkpoint(
        &self,
        hold: &RunHold,
        checkpoint: &Checkpoint,
        lease_until: Timestamp,
    ) -> Result<bool, PlatformError> {
        let write = Self::fenced(hold)
            .set_all(Item::from([("checkpoint".to_owned(), table::map(to_item(checkpoint)?))]))
            .set("attempts", number(0))
            .set(LEASE, number(lease_until.as_millisecond()));
        self.write_run(hold, write).await
    }

    /// Gives a run back: the next claim of the same due time goes on at the checkpoint. One write, fenced.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn release_run(&self, hold: &RunHold) -> Result<bool, PlatformError> {
        self.write_run(hold, Self::fenced(hold).remove(OWNER).remove(LEASE)).await
    }

    /// Gives a run back that ran out of time: it is due at once and goes on at the checkpoint, with a message of its own, so
    /// that a long run burns no receives. One write, fenced.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn continue_run(&self, hold: &RunHold, now: Timestamp) -> Result<bool, PlatformError> {
        let write = Self::fenced(hold)
            .set("next_at", text(whole_second(now).to_string()))
            .set("reason", text("a long run goes on"))
            .remove(OWNER)
            .remove(LEASE);
        self.write_run(hold, write).await
    }

    /// Records the end of a run and when to poll next. `keep` is a checkpoint at which the next run goes on. One write,
    /// fenced.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_run(
        &self,
        hold: &RunHold,
        due_at: Timestamp,
        last_run: &LastRun,
        next: &NextPoll,
        keep: Option<&Checkpoint>,
    ) -> Result<bool, PlatformError> {
        let mut write = Self::fenced(hold)
            .set("last_run", table::map(to_item(last_run)?))
            .set("next_at", text(next.at.to_string()))
            .set("reason", text(next.reason.clone()))
            .set("done_due_at", number(due_at.as_millisecond()))
            .set("attempts", number(0))
            .remove(OWNER)
            .remove(LEASE);
        write = match keep {
            Some(checkpoint) => write.set("checkpoint", table::map(to_item(checkpoint)?)),
            None => write.remove("checkpoint"),
        };
        self.write_run(hold, write).await
    }

    fn fenced(hold: &RunHold) -> Write {
        let now = clock::now().as_millisecond();
        Write::when(poll::FENCE_RUN).value("owner", text(hold.owner.clone())).value("now", number(now))
    }

    async fn write_run(&self, hold: &RunHold, write: Write) -> Result<bool, PlatformError> {
        Ok(matches!(self.table.update(&hold.key, write, false).await?, Written::Applied(_)))
    }
}

/// Due times are index keys and are compared as text, so they all have whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn events_of(org: &OrgId, connection: &ConnectionId) -> String {
    format!("ORG#{org}#event#{connection}")
}

fn sync_of(org: &OrgId) -> String {
    format!("ORG#{org}#sync")
}

fn sync_key(org: &OrgId, connection: &ConnectionId) -> Key {
    Key { pk: sync_of(org), sk: connection.to_string() }
}
