//! Requests and responses of connections, their runs and their webhook events. Data only: rendering is in `render.rs`.

use std::collections::BTreeMap;

use domain::connection::{ConnectionStatus, EventOutcome, LoginMethod};
use domain::id::ConnectionId;
use domain::sync::{CountsByKind, Mode, RunOutcome, Trigger};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::Reason;

/// The body of a request to create a connection. The provider decides what it must hold.
#[derive(Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateConnectionRequest {
    #[garde(skip)]
    #[serde(default)]
    pub(super) id: Option<ConnectionId>,
    #[garde(skip)]
    pub(super) provider: String,
    #[garde(skip)]
    pub(super) login: LoginMethod,
    #[garde(skip)]
    #[serde(default)]
    pub(super) account: Option<String>,
    #[garde(skip)]
    #[serde(default)]
    pub(super) settings: BTreeMap<String, String>,
    #[garde(skip)]
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    #[garde(dive)]
    #[serde(default)]
    pub(super) reason: Reason,
}

/// The body of a request to replace the secrets of a connection.
#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecretsRequest {
    #[garde(skip)]
    pub(super) secrets: BTreeMap<String, String>,
    #[garde(dive)]
    #[serde(default)]
    pub(super) reason: Reason,
}

/// The body of a request to sync a connection now.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SyncConnectionRequest {
    #[garde(skip)]
    pub(super) mode: Mode,
    #[garde(dive)]
    pub(super) reason: Reason,
}

impl Default for SyncConnectionRequest {
    fn default() -> Self {
        Self { mode: Mode::Incremental, reason: Reason::default() }
    }
}

/// A connection, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionResponse {
    pub(super) id: ConnectionId,
    pub(super) provider: String,
    pub(super) status: ConnectionStatus,
    /// The reason why the connection does not work.
    pub(super) detail: Option<String>,
    pub(super) login: LoginMethod,
    pub(super) account: Option<String>,
    pub(super) settings: BTreeMap<String, String>,
    /// The path of the provider's webhooks; null for a provider without webhooks.
    pub(super) webhook_url: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) sync: Option<SyncResponse>,
}

/// A connection with the secret that is returned only once.
#[derive(Serialize)]
pub(super) struct ConnectionCreated {
    #[serde(flatten)]
    pub(super) connection: ConnectionResponse,
    /// The secret that the provider must sign webhooks with; present only when this request generated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook_secret: Option<String>,
}

/// The state of a connection's sync, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct SyncResponse {
    /// The time of the next request to the provider; null while the connection does not work.
    pub(super) next_at: Option<Timestamp>,
    pub(super) reason: String,
    pub(super) poll_at: Option<Timestamp>,
    pub(super) full_at: Option<Timestamp>,
    pub(super) parked_until: Option<Timestamp>,
    pub(super) requested: Option<Mode>,
    pub(super) running: Option<RunningRunResponse>,
    pub(super) last_run: Option<RunResponse>,
    pub(super) last_success_at: Option<Timestamp>,
}

/// A run that has not ended, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct RunningRunResponse {
    pub(super) id: String,
    pub(super) mode: Mode,
    pub(super) trigger: Trigger,
    /// Null while the run makes progress; `interrupted` when its worker has stopped reporting.
    pub(super) outcome: Option<RunOutcome>,
    pub(super) started_at: Timestamp,
    pub(super) heartbeat_at: Timestamp,
    pub(super) counts: CountsByKind,
    pub(super) requests: u64,
    pub(super) position: Option<String>,
}

/// A run, as the list of runs shows it.
#[derive(Debug, Serialize)]
pub(super) struct RunResponse {
    pub(super) id: String,
    pub(super) mode: Mode,
    pub(super) trigger: Trigger,
    pub(super) outcome: Option<RunOutcome>,
    pub(super) detail: Option<String>,
    pub(super) until: Option<Timestamp>,
    pub(super) resume_point: Option<String>,
    pub(super) resumes: Option<String>,
    pub(super) started_at: Timestamp,
    pub(super) heartbeat_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) requests: u64,
    pub(super) counts: CountsByKind,
    pub(super) problems: Vec<String>,
}

/// A webhook event and its outcome, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct WebhookEventResponse {
    pub(super) event_id: String,
    pub(super) action: Option<String>,
    pub(super) outcome: Option<EventOutcome>,
    pub(super) detail: Option<String>,
    pub(super) received_at: Timestamp,
    /// Whether the event can be applied again.
    pub(super) replayable: bool,
}

/// The body of a request to apply the events of a time span again.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayEventsRequest {
    #[garde(skip)]
    pub(super) from: Timestamp,
    #[garde(skip)]
    pub(super) to: Timestamp,
    #[garde(dive)]
    #[serde(default)]
    pub(super) reason: Reason,
}

/// The result of the replay of one event.
#[derive(Debug, Serialize)]
pub(super) struct ReplayEventResponse {
    /// The id of the replay, under which the list of events will show its outcome.
    pub(super) event_id: String,
}

/// The result of the replay of the events of a time span.
#[derive(Debug, Default, Serialize)]
pub(super) struct ReplayEventsResponse {
    pub(super) enqueued: usize,
    /// The number of events without a body, and of events that are replays themselves.
    pub(super) skipped: usize,
    /// The begin of the next request; null when every event of the time span was replayed.
    pub(super) next_from: Option<Timestamp>,
}
