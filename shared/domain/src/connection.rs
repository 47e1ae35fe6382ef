//! A connection: one organisation at one provider.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, OrgId};

/// The setting that says where a provider sends whose webhooks we create.
pub const WEBHOOK_URL: &str = "webhook_url";

/// The full name of a connection: its own id is unique within its organisation only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// The organisation that owns the connection.
    pub org: OrgId,
    /// The id within that organisation.
    pub connection: ConnectionId,
}

impl ConnectionKey {
    /// The key of an organisation's connection.
    #[must_use]
    pub fn new(org: &OrgId, connection: &ConnectionId) -> Self {
        Self { org: org.clone(), connection: connection.clone() }
    }
}

/// Whether a connection works for its organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionStatus {
    /// The credentials are being checked; no other request is made.
    Checking,
    /// Events and polls are applied.
    Active,
    /// Switched off: events are recorded as ignored, polls are skipped.
    Paused,
    /// The provider refused the credentials when they were checked.
    Refused,
    /// The provider revoked the grant: a person has to authorise it again.
    NeedsReauthorisation,
    /// The connection is being removed.
    Deleted,
    /// Written by a later version.
    #[serde(other)]
    Unknown,
}

impl ConnectionStatus {
    /// The word for it, also as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Refused => "refused",
            Self::NeedsReauthorisation => "needs-reauthorisation",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// The login of a connection at its provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// None: the provider sends webhooks, and no request is made.
    #[default]
    WebhookOnly,
    /// A key with each request.
    ApiKey,
    /// A token for the client's own credentials (OAuth 2.0 client credentials).
    ClientCredentials,
    /// A token for a person's grant (OAuth 2.0 refresh token).
    RefreshToken,
    /// User and password with each request.
    UserPassword,
}

/// One organisation at one provider. Secrets are not here: they live in the parameter store, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The version of the stored format.
    pub v: u8,
    /// Unique within the organisation.
    pub id: ConnectionId,
    /// The provider's id in the registry.
    pub provider: String,
    /// The status of the connection.
    pub status: ConnectionStatus,
    /// The reason why it does not work, as a sentence.
    #[serde(default)]
    pub detail: Option<String>,
    /// The method of the login.
    #[serde(default)]
    pub login: LoginMethod,
    /// The organisation's account name at the provider (BambooHR: the company subdomain).
    #[serde(default)]
    pub account: Option<String>,
    /// Further settings that the provider needs, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The time at which it was created.
    pub created_at: Timestamp,
}

/// The outcome of one webhook delivery.
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

/// One webhook delivery as the worker recorded it, stored for 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// The version of the stored format.
    pub v: u8,
    /// The provider's event id, or a hash of the body where it has none.
    pub event_id: String,
    /// The provider's name of what happened.
    pub action: Option<String>,
    /// The outcome; none while it is being processed.
    pub outcome: Option<EventOutcome>,
    /// The reason, as a sentence.
    pub detail: Option<String>,
    /// The time at which it was accepted.
    pub received_at: Timestamp,
    /// Whether its body is stored, so that it can be replayed. False for one that is too long, or of a former version.
    #[serde(default)]
    pub replayable: bool,
    /// The raw body, in base64. None in lists.
    #[serde(default)]
    pub body: Option<String>,
}
