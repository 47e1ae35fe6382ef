//! What people ordered of the machinery, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far an order came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditState {
    /// It was about to be carried out; when it stays so, nobody knows whether it was.
    Requested,
    /// It was carried out.
    Done,
    /// It was not.
    Failed,
}

/// One order. It is written before the order is carried out, so that none is without its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Format version.
    pub v: u8,
    /// Sorts by time.
    pub id: Uuid,
    /// When it was ordered.
    pub at: Timestamp,
    /// Who ordered: the subject of the token.
    pub subject: String,
    /// What, for example `breaker.force-open`.
    pub action: String,
    /// Of what, for example `deployment/model`.
    pub target: String,
    /// Why, in the person's own words.
    pub reason: String,
    /// How far it came.
    pub state: AuditState,
    /// How the target stood before, in a word; none until the order was carried out.
    pub before: Option<String>,
    /// How the target stood after, in a word; none until the order was carried out.
    pub after: Option<String>,
}
