//! The audit: the actions of people on the machinery, and their outcome.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The state of an action in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditState {
    /// It was about to be carried out; an entry that stays so leaves open whether it was.
    Requested,
    /// It was carried out.
    Done,
    /// The action was refused or failed.
    Failed,
}

/// One action. It is written before the action is executed, so that none is without its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The version of the stored format.
    pub v: u8,
    /// The id of the entry; ids sort by time.
    pub id: Uuid,
    /// The time of the request.
    pub at: Timestamp,
    /// The actor: the subject of the token.
    pub subject: String,
    /// The action, for example `breaker.force-open`.
    pub action: String,
    /// Of what, for example `deployment/model`.
    pub target: String,
    /// The reason, in the person's own words.
    pub reason: String,
    /// The state of the action.
    pub state: AuditState,
    /// The state of the target before, in a word; none until the action was carried out.
    pub before: Option<String>,
    /// The state of the target after, in a word; none until the action was carried out.
    pub after: Option<String>,
}
