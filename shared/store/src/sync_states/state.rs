//! The stored state of a connection's runs.

use std::collections::BTreeMap;

use domain::FORMAT_VERSION;
use domain::connection::ConnectionKey;
use domain::id::{ConnectionId, OrgId};
use domain::sync::{CountsByKind, Mode, Run};
use jiff::Timestamp;
use resilience::adaptive::Rate;
use serde::{Deserialize, Serialize};

/// The progress of a pass through the provider's lists. A pass may take several runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The pass: names the lists of what it has seen.
    pub pass: String,
    /// The begin of the pass, in milliseconds since 1970 UTC.
    pub began_ms: i64,
    /// The run that is at work, or was the last one.
    pub run: Run,
    /// Whether a worker is at work on it. When the lease has passed meanwhile, that worker died.
    pub running: bool,
    /// The list that is read, by name.
    pub stream: String,
    /// The cursor of the next page; none before the first page.
    pub next: Option<String>,
    /// The cursors that are read before that one, the first one first.
    #[serde(default)]
    pub follow: Vec<String>,
    /// Whether the list was read to its end, and what it did not have is being looked for.
    #[serde(default)]
    pub sweeping: bool,
    /// The provider's time when the first page of this list was read.
    #[serde(default)]
    pub begun_ms: Option<i64>,
    /// Whether a page of this list was left out: then nothing is tombstoned, and the next window begins as early.
    #[serde(default)]
    pub incomplete: bool,
    /// The number of lists of seen objects.
    #[serde(default)]
    pub seen_lists: u32,
    /// Failures in a row at this place.
    #[serde(default)]
    pub failures: u32,
    /// The number of restarts of this list after an expired cursor.
    #[serde(default)]
    pub restarts: u32,
}

impl Progress {
    /// The counts of the finished pass.
    #[must_use]
    pub fn counts(&self) -> &CountsByKind {
        &self.run.counts
    }
}

/// A request to sync a connection now.
#[derive(Debug, Clone, Copy)]
pub struct SyncRequest {
    /// The mode of the run; none for the mode that is due anyway.
    pub mode: Option<Mode>,
    /// The reason why the connection is due now, in words for recruiting staff.
    pub reason: &'static str,
    /// Whether the wait after failures ends, because a person acted. A wait that the provider requires does not end.
    pub unpark: bool,
}

/// The sync state of one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncState {
    /// The version of the stored format.
    pub v: u8,
    /// The organisation of the connection.
    pub org: OrgId,
    pub connection: ConnectionId,
    /// The provider's id in the registry.
    pub provider: String,
    /// The time of the next run or check.
    pub next_at: Timestamp,
    /// The reason for that time, in words for recruiting staff.
    pub reason: String,
    /// What happens now, in the same words: a run is on its way, or at work. None when the connection waits.
    #[serde(default, skip_serializing)]
    pub activity: Option<String>,
    /// The due time of the next incremental pass; none before the first one.
    #[serde(default)]
    pub poll_at: Option<Timestamp>,
    /// The reason for that due time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_reason: Option<String>,
    /// The due time of the next full pass; none before the first one.
    #[serde(default)]
    pub full_at: Option<Timestamp>,
    /// The end of a wait that the provider requires.
    #[serde(default)]
    pub parked_until: Option<Timestamp>,
    /// The reason for that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_reason: Option<String>,
    /// The pass through everything that is under way.
    #[serde(default)]
    pub full: Option<Progress>,
    /// The window of changes that is under way.
    #[serde(default)]
    pub incremental: Option<Progress>,
    /// The mode that ran last.
    #[serde(default, rename = "last_turn")]
    pub last_mode: Option<Mode>,
    /// For each list, the provider's time up to which everything that changed is here; milliseconds since 1970 UTC.
    #[serde(default)]
    pub marks: BTreeMap<String, i64>,
    /// For each list, the number of consecutive windows that left something out.
    #[serde(default)]
    pub left_out: BTreeMap<String, u32>,
    /// The rate of the connection's changes.
    #[serde(default, deserialize_with = "or_default")]
    pub rate: Rate,
    /// The begin of the last poll that was complete.
    #[serde(default)]
    pub polled_at: Option<Timestamp>,
    /// Runs in a row that failed.
    #[serde(default)]
    pub failures: u32,
    /// The last run that ended.
    #[serde(default)]
    pub last_run: Option<Run>,
    /// Runs that have ended and may not be in the history yet: that they ended is written with the state that they left.
    #[serde(default)]
    pub ended: Vec<Run>,
    /// The last run that succeeded ended then.
    #[serde(default)]
    pub succeeded_at: Option<Timestamp>,
    /// Until when a worker is believed to be at work, in milliseconds since 1970 UTC.
    #[serde(default, skip_serializing)]
    pub lease_until: Option<i64>,
    /// The mode that a person requested.
    #[serde(default, skip_serializing)]
    pub requested: Option<Mode>,
}

impl SyncState {
    /// The state of a connection that has just been made: due at once.
    #[must_use]
    pub fn new(connection: ConnectionKey, provider: &str, now: Timestamp) -> Self {
        let ConnectionKey { org, connection } = connection;
        Self {
            v: FORMAT_VERSION,
            org,
            connection,
            provider: provider.to_owned(),
            next_at: whole_second(now),
            reason: "new connection".to_owned(),
            activity: None,
            poll_at: None,
            poll_reason: None,
            full_at: None,
            parked_until: None,
            parked_reason: None,
            full: None,
            incremental: None,
            last_mode: None,
            marks: BTreeMap::new(),
            left_out: BTreeMap::new(),
            rate: Rate::default(),
            polled_at: None,
            failures: 0,
            last_run: None,
            ended: vec![],
            succeeded_at: None,
            lease_until: None,
            requested: None,
        }
    }

    #[must_use]
    pub fn connection_key(&self) -> ConnectionKey {
        ConnectionKey::new(&self.org, &self.connection)
    }

    /// The attribute of the pass of that mode.
    pub(super) const fn attribute(mode: Mode) -> &'static str {
        mode.as_str()
    }

    /// The pass of that mode.
    pub fn progress(&mut self, mode: Mode) -> &mut Option<Progress> {
        match mode {
            Mode::Full => &mut self.full,
            Mode::Incremental => &mut self.incremental,
        }
    }
}

/// Due times are index keys and are compared as text, so they all have whole seconds.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A rate that is not known yet may be stored as null.
fn or_default<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
