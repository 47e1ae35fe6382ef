//! Keeps our records equal to those of applicant tracking systems.
//!
//! A connection has one worker at a time ([`store::sync_states`]). It reads the provider's lists page by page: everything (a full
//! pass, which also finds what is gone) or what changed since the last time; the two take turns, so that neither waits for the
//! end of the other. Each page is applied with writes that decide by what stands there ([`store::observed`]), and then the
//! checkpoint moves: whoever goes on repeats at most one page, which changes nothing. Webhooks are applied beside that by the same
//! rules. Every run ends with an outcome; one whose worker died is found out by its lease.
//!
//! Architecture invariants: nothing here knows one provider; what is asked and how replies are read is the provider's file.

mod apply;
mod ask;
mod change;
mod check;
mod error;
mod events;
mod pass;
mod pending;
mod plan;
mod poll;
mod runs;
mod sweep;
mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use aws::breaker::SharedBreaker;
use aws::bulkhead::Bulkhead;
use aws::cache::{Cache, CacheError};
use aws::clients::Aws;
use aws::dependency::Dependency;
use aws::environment::{self, EnvironmentError};
use aws::error::AwsError;
use aws::limit::SharedLimiter;
use aws::secrets::Secrets;
use aws::table::Table;
use domain::ats::{Origin, content_hash};
use domain::connection::{Connection, ConnectionKey, ConnectionStatus, LoginMethod};
use domain::id::OrgId;
use domain::stage::Stage;
use jiff::Timestamp;
use providers::ats::port::{Ats, AtsError, AtsProvider, Context, Credentials};
use providers::transport::access::Hosts;
use providers::transport::http::{Outbound, SendError};
use resilience::breaker::POLICY;
use secrecy::{ExposeSecret as _, SecretString};
use store::records::Records;
use store::sync_states::SyncStates;

pub use crate::change::Changed;
pub use crate::error::SyncError;
pub use crate::events::AppliedEvent;
use crate::tokens::Tokens;

/// Name of the budget of requests to a provider, in the table.
pub const BUDGET_NAME: &str = "outbound";
/// Name of the parameter with a connection's credentials: the JSON of an object of texts.
pub const CREDENTIALS: &str = "credentials";
/// The longest window of a budget: how long a process remembers what was admitted.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// The engine and what it needs.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Business data.
    pub records: Records,
    /// Sync states and runs.
    pub syncs: SyncStates,
    /// Is told what was written.
    pub cache: Cache,
    /// Credentials of connections.
    pub secrets: Secrets,
    /// How many runs ask a provider at once.
    pub calls: Bulkhead,
    /// The way out.
    pub http: Outbound,
    /// Decides which hosts may be called.
    pub stage: Stage,
    /// A stand-in for the providers, in stage `local` only.
    pub replacement: Option<String>,
    budget: SharedLimiter,
    tokens: Tokens,
}

/// Where the engine asks from.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The way out.
    pub http: Outbound,
    /// How many runs ask a provider at once.
    pub calls: Bulkhead,
    /// Decides which hosts may be called.
    pub stage: Stage,
    /// A stand-in for the providers, in stage `local` only.
    pub replacement: Option<String>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum SetUpError {
    /// A setting is missing or wrong.
    Environment(#[from] EnvironmentError),
    /// The cache cannot be used.
    Cache(#[from] CacheError),
    /// There is no way out.
    Http(#[from] SendError),
}

/// A connection that can be asked.
pub(crate) struct ConnectionSession {
    pub(crate) connection: Connection,
    pub(crate) provider: &'static AtsProvider,
    pub(crate) ats: &'static dyn Ats,
    pub(crate) origin: Origin,
    hosts: Hosts,
    credentials: Credentials,
    /// Hash of the credentials as they were entered: tells tokens that came from them from those of others.
    fingerprint: String,
    token: Option<SecretString>,
    /// Nothing is asked before: the provider said that its limit is reached.
    pause_until: Option<Timestamp>,
    /// Requests that were made.
    pub(crate) requests: u64,
}

impl Engine {
    /// The engine of a function, as its environment says.
    ///
    /// # Errors
    /// When a setting is missing or wrong, or TLS cannot be set up.
    pub fn from_environment(aws: &Aws) -> Result<Self, SetUpError> {
        let outside = Outside {
            http: Outbound::new()?,
            calls: Bulkhead::from_environment("ats", "POOL_ATS")?,
            stage: environment::stage()?,
            replacement: environment::optional("PROVIDER_BASE_URL"),
        };
        let (records, control) = (Records::new(aws.table("RECORDS_TABLE")?), aws.table("CONTROL_TABLE")?);
        Ok(Self::new(records, control, Cache::from_environment()?, aws.secrets()?, outside))
    }

    /// An engine on these tables.
    #[must_use]
    pub fn new(records: Records, control: Table, cache: Cache, secrets: Secrets, outside: Outside) -> Self {
        let Outside { http, calls, stage, replacement } = outside;
        let budget = SharedLimiter::new(control.clone(), BUDGET_NAME, LONGEST_WINDOW).waiting();
        let tokens = Tokens::new(control.clone(), secrets.clone());
        let syncs = SyncStates::new(control);
        Self { records, syncs, cache, secrets, calls, http, stage, replacement, budget, tokens }
    }

    /// Opens the connections: both tables are one service, so one call is enough for them.
    pub async fn preconnect(&self) {
        tokio::join!(self.records.table().preconnect(), self.cache.preconnect());
    }

    /// A connection's provider behind its bulkhead and the connection's breaker.
    #[must_use]
    pub fn dependency(&self, connection: &ConnectionKey) -> Dependency {
        let breaker = SharedBreaker::of_connection(self.syncs.table().clone(), connection, POLICY);
        Dependency::new(breaker, self.calls.clone())
    }

    /// The connection's record. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn load_connection(&self, key: &ConnectionKey) -> Result<Option<Connection>, AwsError> {
        let found: Option<Connection> = self.records.get(&key.org, key.connection.as_str()).await?;
        Ok(found.filter(|found| found.status != ConnectionStatus::Deleted))
    }

    /// Makes a connection ready to be asked.
    pub(crate) async fn open(&self, org: &OrgId, connection: Connection) -> Result<ConnectionSession, SyncError> {
        let provider = providers::ats::find(&connection.provider).ok_or_else(|| {
            SyncError::Failed(format!("`{}` is not a provider that this version can ask", connection.provider))
        })?;
        let account = connection.account.as_deref().unwrap_or_default();
        let host = connection.settings.get("host").map(String::as_str);
        let hosts = Hosts::resolve(
            self.stage,
            (provider.info.id, provider.hosts),
            (account, host),
            self.replacement.as_deref(),
        )
        .map_err(|error| SyncError::Failed(format!("failed to {error}")))?;
        let key = ConnectionKey::new(org, &connection.id);
        // New credentials are tried as they are now, not as this process may remember them.
        let secret = if connection.status == ConnectionStatus::Checking {
            self.secrets.fresh_of_connection(&key, CREDENTIALS).await?
        } else {
            let kept = self.secrets.of_connection(&key, CREDENTIALS).await;
            kept.map_err(|error| SyncError::Unavailable(format!("failed to {error}")))?
        };
        let (credentials, fingerprint) = match secret {
            Some(text) => (credentials(&text)?, content_hash(&text.expose_secret())),
            None => (Credentials::default(), String::new()),
        };
        let origin =
            Origin { org: org.clone(), provider: connection.provider.clone(), connection: connection.id.clone() };
        Ok(ConnectionSession {
            connection,
            provider,
            ats: provider.api,
            origin,
            hosts,
            credentials,
            fingerprint,
            token: None,
            pause_until: None,
            requests: 0,
        })
    }
}

fn credentials(text: &SecretString) -> Result<Credentials, SyncError> {
    // What stands there is secret: the error says nothing of it.
    let parsed: Result<BTreeMap<String, String>, _> = serde_json::from_str(text.expose_secret());
    let parsed =
        parsed.map_err(|_| SyncError::Failed("the stored credentials cannot be read; enter them again".to_owned()))?;
    Ok(Credentials::new(parsed.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect()))
}

impl ConnectionSession {
    /// What a request is made from.
    pub(crate) fn context(&self, now: Timestamp) -> Context<'_> {
        Context {
            origin: &self.origin,
            hosts: &self.hosts,
            account: self.connection.account.as_deref().unwrap_or_default(),
            settings: &self.connection.settings,
            login: self.connection.login,
            credentials: &self.credentials,
            token: self.token.as_ref(),
            now,
        }
    }

    /// Whether the provider can be asked at all.
    pub(crate) fn can_ask(&self) -> bool {
        self.connection.login != LoginMethod::WebhookOnly
    }
}

impl From<AtsError> for SyncError {
    fn from(error: AtsError) -> Self {
        let detail = format!("failed to {error}");
        match error {
            AtsError::RateLimited { wait, .. } => Self::RateLimited { wait, ours: false },
            AtsError::ReauthorizationRequired(_) => Self::ReauthorizationRequired(detail),
            AtsError::Unauthorised(_) | AtsError::Refused(_) => Self::Failed(detail),
            AtsError::CursorExpired(_) => Self::CursorExpired(detail),
            AtsError::Unavailable(_) => Self::Unavailable(detail),
            AtsError::InvalidResponse(_) => Self::InvalidResponse(detail),
        }
    }
}
