//! The engine: its parts, wired once in a process.

use aws::batch::Invocation;
use aws::breaker::{SharedBreaker, Verdict};
use aws::bulkhead::Bulkhead;
use aws::cache::{Cache, CacheError};
use aws::clients::Aws;
use aws::dependency::Dependency;
use aws::environment::{self, EnvironmentError};
use aws::error::AwsError;
use aws::secrets::Secrets;
use aws::table::Table;
use domain::connection::ConnectionKey;
use domain::message::SyncJob;
use domain::stage::Stage;
use domain::write_back::Change;
use jiff::Timestamp;
use providers::transport::http::{Outbound, SendError};
use providers::transport::webhook::Event;
use resilience::batch::Outcome;
use resilience::breaker::POLICY;
use store::control::Control;
use store::records::Records;
use store::sync_states::SyncStates;

use crate::changes::{ChangeMaker, ChangeOutcome};
use crate::check::ConnectionChecker;
use crate::client::Client;
use crate::connections::Connections;
use crate::error::SyncError;
use crate::events::{AppliedEvent, EventApplier};
use crate::objects::ObjectReader;
use crate::poll::PollPlanner;
use crate::requests::Requests;
use crate::runs::ConnectionRunner;
use crate::tokens::Tokens;
use crate::writer::RecordWriter;

/// The sync engine of a process.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The records of all organisations.
    pub records: Records,
    /// The sync states and runs of all connections.
    pub syncs: SyncStates,
    cache: Cache,
    calls: Bulkhead,
    runner: ConnectionRunner,
    events: EventApplier,
    changes: ChangeMaker,
}

/// The engine's access to the providers.
#[derive(Debug, Clone)]
pub struct ProviderAccess {
    pub http: Outbound,
    /// The bound on runs that make requests at the same time.
    pub calls: Bulkhead,
    /// The stage, which decides which hosts may be called.
    pub stage: Stage,
    /// The base URL of the simulators of the providers, in stage `local` only.
    pub replacement: Option<String>,
}

/// The reason for which no engine could be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum SetUpError {
    /// A setting is missing or wrong.
    Environment(#[from] EnvironmentError),
    /// The cache cannot be used.
    Cache(#[from] CacheError),
    /// The HTTP client cannot be set up.
    Http(#[from] SendError),
}

impl Engine {
    /// The engine of a function, as its environment says.
    ///
    /// # Errors
    /// When a setting is missing or wrong, or TLS cannot be set up.
    pub fn from_environment(aws: &Aws) -> Result<Self, SetUpError> {
        let access = ProviderAccess {
            http: Outbound::new()?,
            calls: Bulkhead::from_environment("ats", "POOL_ATS")?,
            stage: environment::stage()?,
            replacement: environment::optional("PROVIDER_BASE_URL"),
        };
        let (records, control) = (Records::new(aws.table("RECORDS_TABLE")?), aws.table("CONTROL_TABLE")?);
        Ok(Self::new(records, control, Cache::from_environment()?, aws.secrets()?, access))
    }

    /// An engine on these tables.
    #[must_use]
    pub fn new(records: Records, control: Table, cache: Cache, secrets: Secrets, access: ProviderAccess) -> Self {
        let ProviderAccess { http, calls, stage, replacement } = access;
        let requests = Requests::new(http, control.clone());
        let tokens = Tokens::new(requests.clone(), control.clone(), secrets.clone());
        let client = Client { requests, tokens };
        let connections = Connections { records: records.clone(), secrets, stage, replacement };
        let writer = RecordWriter { records: records.clone(), cache: cache.clone() };
        let objects = ObjectReader { client: client.clone(), writer: writer.clone() };
        let syncs = SyncStates::new(control.clone());
        let runner = ConnectionRunner {
            states: syncs.clone(),
            connections: connections.clone(),
            client: client.clone(),
            writer: writer.clone(),
            checker: ConnectionChecker { connections: connections.clone(), client: client.clone() },
            planner: PollPlanner { control: Control::new(control) },
        };
        let events = EventApplier { connections: connections.clone(), objects: objects.clone(), writer };
        let changes = ChangeMaker { connections, client, objects };
        Self { records, syncs, cache, calls, runner, events, changes }
    }

    /// Opens the HTTP connections: both tables are one service, so one call is enough for them.
    pub async fn preconnect(&self) {
        tokio::join!(self.records.table().preconnect(), self.cache.preconnect());
    }

    /// A connection's provider behind its bulkhead and the connection's breaker.
    #[must_use]
    pub fn dependency(&self, connection: &ConnectionKey) -> Dependency {
        let breaker = SharedBreaker::of_connection(self.syncs.table().clone(), connection, POLICY);
        Dependency::new(breaker, self.calls.clone())
    }

    /// Runs what is due of a connection.
    ///
    /// # Errors
    /// When a call to AWS fails; the connection is released where that is possible.
    pub async fn work(
        &self,
        job: &SyncJob,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<Outcome, AwsError> {
        self.runner.run(job, invocation, verdict).await
    }

    /// Applies a verified event.
    ///
    /// # Errors
    /// When it has to be applied again: a call to the provider or to AWS failed.
    pub async fn apply_event(
        &self,
        connection: &ConnectionKey,
        event: &Event,
        received_at: Timestamp,
        invocation: Invocation,
    ) -> Result<AppliedEvent, SyncError> {
        self.events.apply(connection, event, received_at, invocation).await
    }

    /// Makes a change. `maybe_made` says that an earlier attempt may have made it. It may be repeated after an error.
    ///
    /// # Errors
    /// When it was certainly not made and may be made later.
    pub async fn make_change(
        &self,
        connection: &ConnectionKey,
        change: &Change,
        maybe_made: bool,
        invocation: Invocation,
    ) -> Result<ChangeOutcome, SyncError> {
        self.changes.make(connection, change, maybe_made, invocation).await
    }
}
