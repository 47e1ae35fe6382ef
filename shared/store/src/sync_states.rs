//! The sync states of connections, in the table `Control`: leases, positions of runs, and due times.
//!
//! A connection has one item and one worker at a time. Every write of the worker is fenced by its lease, which each
//! page prolongs; the due time of the item is the end of the lease meanwhile, so that a connection whose worker died is
//! due again at once. A person's request (`requested`) is an attribute of its own, which the worker only removes.

mod commands;
mod runs;
mod state;

pub use state::{Progress, SyncRequest, SyncState};

use state::whole_second;

use domain::FORMAT_VERSION;
use domain::connection::ConnectionKey;
use domain::id::{ConnectionId, OrgId};
use domain::sync::{CountsByKind, Mode, Run, Trigger};
use jiff::{SignedDuration, Timestamp};
use resilience::poll::{self, DUE_SHARDS};
use resilience::work::{Fenced, LEASE, OWNER};

use aws::clock;

use aws::error::AwsError;
use aws::fault;
use aws::random;
use aws::table::{Item, Key, Page, Query, Table, Write, Written, from_item, map, number, text, to_item};

/// The lease of a worker, renewed with each page. A page takes at most half of it.
pub const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(90);

/// The attribute that says what happens now, and that ends with the lease: the reason of the next due time stays beside it.
const ACTIVITY: &str = "activity";
/// An organisation has few connections.
const MAX_LISTED: u16 = 1_000;

/// A lease on a connection.
#[derive(Debug)]
pub struct SyncLease {
    key: Key,
    owner: String,
}

/// The result of the claim of a connection.
#[derive(Debug)]
pub enum SyncClaim {
    /// It is ours, with the state as it is now.
    Held(SyncLease, Box<SyncState>),
    /// Another worker holds the lease until then (milliseconds since 1970 UTC).
    Busy(i64),
    /// There is no such connection.
    Missing,
}

/// Sync states and the history of runs.
#[derive(Debug, Clone)]
pub struct SyncStates {
    table: Table,
}

impl SyncStates {
    /// Those in the table `Control`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The sync state of a connection. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn state(&self, connection: &ConnectionKey) -> Result<Option<SyncState>, AwsError> {
        self.table.get(&key(connection)).await
    }

    /// The sync states of all connections of an organisation, by connection. One call; an organisation has few.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn states(&self, org: &OrgId) -> Result<Vec<SyncState>, AwsError> {
        let query = Query {
            index: None,
            partition: ("pk", of(org)),
            up_to: None,
            ascending: true,
            limit: MAX_LISTED,
            after: None,
        };
        Ok(self.table.query(query).await?.items)
    }

    /// Puts the state of a new connection; leaves one that is there. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn create(&self, state: &SyncState) -> Result<(), AwsError> {
        let Key { pk, sk } = key(&state.connection_key());
        let mut item = stored(state)?;
        item.insert("due_shard".to_owned(), text(due_shard(&state.connection)));
        item.insert("pk".to_owned(), text(pk));
        item.insert("sk".to_owned(), text(sk));
        self.table.create(item).await.map(|_| ())
    }

    /// Removes the state of a connection. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn remove(&self, connection: &ConnectionKey) -> Result<(), AwsError> {
        self.table.remove(&key(connection)).await
    }

    /// A page of what is due in one partition of the index, longest due first, across organisations. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn due(&self, shard: u8, now: Timestamp, after: Option<Item>) -> Result<Page<SyncState>, AwsError> {
        let query = Query {
            index: Some("due"),
            partition: ("due_shard", format!("due#{shard}")),
            up_to: Some(("next_at", whole_second(now).to_string())),
            ascending: true,
            limit: 100,
            after,
        };
        self.table.query(query).await
    }

    /// Pushes a due time after its message was sent, unless it has moved already. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn push_due(&self, state: &SyncState, now: Timestamp) -> Result<bool, AwsError> {
        let until = whole_second(now.saturating_add(poll::ENQUEUED_GRACE).unwrap_or(now));
        let write = Write::when(poll::PUSH_DUE)
            .value("seen", text(state.next_at.to_string()))
            .set("next_at", text(until.to_string()))
            .set(ACTIVITY, text(poll::RUN_ENQUEUED));
        let written = self.table.update(&key(&state.connection_key()), write, false).await?;
        Ok(matches!(written, Written::Applied(_)))
    }

    /// Claims a connection until its worker was silent for [`LEASE_DURATION`]. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn claim(&self, connection: &ConnectionKey, now: Timestamp) -> Result<SyncClaim, AwsError> {
        let (key, owner) = (key(connection), random::owner_token());
        let write = with_lease(Write::when(poll::CLAIM).value("now", number(now.as_millisecond())), now)
            .set(OWNER, text(owner.clone()))
            .set(ACTIVITY, text(poll::RUN_ACTIVE));
        match self.table.update(&key, write, true).await? {
            Written::Applied(item) => {
                fault::point(fault::CLAIMED, &key.sk).await;
                Ok(SyncClaim::Held(SyncLease { key, owner }, Box::new(from_item(item)?)))
            }
            Written::Refused(None) => Ok(SyncClaim::Missing),
            Written::Refused(Some(item)) => {
                let until = item.get(LEASE).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok());
                Ok(SyncClaim::Busy(until.unwrap_or_else(|| now.as_millisecond())))
            }
        }
    }

    /// Moves the checkpoint, which prolongs the lease. `running` is the progress of the pass that runs; it is written in the
    /// place of that in the state. `request_taken` says that the run that a person requested has begun. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn checkpoint(
        &self,
        lease: &SyncLease,
        state: &SyncState,
        running: Option<&Progress>,
        request_taken: bool,
    ) -> Result<Fenced, AwsError> {
        let now = clock::now();
        let mut item = stored(state)?;
        item.remove("next_at");
        item.remove("reason");
        if let Some(progress) = running {
            item.insert(SyncState::attribute(progress.run.mode).to_owned(), map(to_item(progress)?));
        }
        let mut write = with_lease(fenced(lease, now).set_all(item), now);
        if request_taken {
            write = write.remove("requested");
        }
        fault::point(fault::APPLIED, &lease.key.sk).await;
        let written = self.table.update(&lease.key, write, false).await?;
        fault::point(fault::SAVED, &lease.key.sk).await;
        Ok(written.into())
    }

    /// Releases the connection with its state, due when that says. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn release(&self, lease: &SyncLease, state: &SyncState) -> Result<Fenced, AwsError> {
        let mut item = stored(state)?;
        item.insert("next_at".to_owned(), text(whole_second(state.next_at).to_string()));
        let write = fenced(lease, clock::now()).set_all(item).remove(OWNER).remove(LEASE).remove(ACTIVITY);
        fault::point(fault::FINISHING, &lease.key.sk).await;
        let written = self.table.update(&lease.key, write, false).await?;
        fault::point(fault::FINISHED, &lease.key.sk).await;
        Ok(written.into())
    }

    /// Releases the connection without a change of its state: the next claim resumes at the last checkpoint. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn release_unchanged(&self, lease: &SyncLease) -> Result<Fenced, AwsError> {
        let write = fenced(lease, clock::now()).remove(OWNER).remove(LEASE).remove(ACTIVITY);
        Ok(self.table.update(&lease.key, write, false).await?.into())
    }
}

fn fenced(lease: &SyncLease, now: Timestamp) -> Write {
    Write::when(poll::FENCE).value("owner", text(lease.owner.clone())).value("now", number(now.as_millisecond()))
}

fn with_lease(write: Write, now: Timestamp) -> Write {
    let until = now.saturating_add(LEASE_DURATION).unwrap_or(now);
    // Whole seconds: the time is an index key and is compared as text. One more, so that the lease has passed by then.
    let due = whole_second(until.saturating_add(SignedDuration::from_secs(1)).unwrap_or(until));
    write.set(LEASE, number(until.as_millisecond())).set("next_at", text(due.to_string()))
}

fn requested(mode: Mode) -> aws::table::AttributeValue {
    text(mode.as_str())
}

fn stored(state: &SyncState) -> Result<Item, AwsError> {
    to_item(state)
}

/// The partition of the index `due` follows from a connection's name, so that the partitions have about the same size.
fn due_shard(connection: &ConnectionId) -> String {
    format!("due#{}", connection.as_str().bytes().fold(0_u8, u8::wrapping_add) % DUE_SHARDS)
}

fn of(org: &OrgId) -> String {
    format!("ORG#{org}#sync")
}

fn key(connection: &ConnectionKey) -> Key {
    Key { pk: of(&connection.org), sk: connection.connection.to_string() }
}

/// A run that begins.
#[must_use]
pub fn begin(mode: Mode, trigger: Trigger, now: Timestamp) -> Run {
    Run {
        v: FORMAT_VERSION,
        id: random::fresh_id().to_string(),
        mode,
        trigger,
        outcome: None,
        detail: None,
        until: None,
        resume_point: None,
        resumes: None,
        started_at: now,
        heartbeat_at: now,
        finished_at: None,
        requests: 0,
        counts: CountsByKind::new(),
        problems: vec![],
    }
}
