//! A connection: one organisation at one provider.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ConnectionId;

/// Whether a connection works for its organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionStatus {
    /// Events and polls are applied.
    Active,
    /// Switched off: events are recorded as ignored, polls are skipped.
    Paused,
}

/// One organisation at one provider. Secrets are not here: they live in the parameter store, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Format version.
    pub v: u8,
    /// Unique within the organisation.
    pub id: ConnectionId,
    /// The provider's id in the registry.
    pub provider: String,
    /// Whether it works.
    pub status: ConnectionStatus,
    /// The organisation's account name at the provider (BambooHR: the company subdomain).
    #[serde(default)]
    pub account: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What became of one webhook delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventOutcome {
    /// Records were created, changed or found up to date.
    Applied,
    /// Understood and deliberately not acted on; the detail says why.
    Ignored,
    /// A test delivery of the provider.
    Answered,
}

/// One webhook delivery as the worker recorded it; kept 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// Format version.
    pub v: u8,
    /// The provider's event id, or a hash of the body where it has none.
    pub event_id: String,
    /// The provider's name of what happened.
    pub action: Option<String>,
    /// What became of it; none while it is worked on.
    pub outcome: Option<EventOutcome>,
    /// Why, in a sentence.
    pub detail: Option<String>,
    /// When it was accepted.
    pub received_at: Timestamp,
}
