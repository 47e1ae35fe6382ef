//! The state of a polled connection: when it is due, who polls it, how far the run is, how the last one ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, OrgId};

/// What a run did, in records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that the provider sent.
    pub read: u64,
    /// Records that were not there before.
    pub created: u64,
    /// Records that changed.
    pub updated: u64,
    /// Records that were as they are.
    pub unchanged: u64,
}

/// How a run ended. A run that ended otherwise is `Interrupted`, never a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every page was applied.
    Succeeded,
    /// The provider asked to wait; the next run goes on at the checkpoint.
    RateLimited,
    /// It cannot go on; the detail says why.
    Failed,
}

/// The last finished run, as the integrations screen shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why, in a sentence; none for a success.
    pub detail: Option<String>,
    /// Begin.
    pub started_at: Timestamp,
    /// End.
    pub finished_at: Timestamp,
    /// What it did.
    pub counts: Counts,
}

/// How far an unfinished run is. It moves after each page that was applied whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The page to ask for next, in the provider's own words.
    pub page: String,
    /// When the run began.
    pub started_at: Timestamp,
    /// What it did so far.
    pub counts: Counts,
}

/// The sync state of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncState {
    /// Format version.
    pub v: u8,
    /// Whose connection.
    pub org: OrgId,
    /// Which.
    pub connection: ConnectionId,
    /// The provider's id in the registry.
    pub provider: String,
    /// When to poll next.
    pub next_at: Timestamp,
    /// Why then, in words for recruiting staff.
    pub reason: String,
    /// How often the present due time was tried.
    #[serde(default)]
    pub attempts: u32,
    /// Where an unfinished run goes on.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// How the last finished run ended.
    #[serde(default)]
    pub last_run: Option<LastRun>,
}
