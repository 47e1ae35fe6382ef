//! The records of connections, and how a session is made of one.

use std::collections::BTreeMap;

use aws::clock;
use aws::error::AwsError;
use aws::secrets::Secrets;
use domain::ats::{Origin, content_hash};
use domain::connection::{Connection, ConnectionKey, ConnectionStatus};
use domain::stage::Stage;
use providers::ats::port::Credentials;
use providers::transport::access::Hosts;
use secrecy::{ExposeSecret as _, SecretString};
use store::records::Records;

use crate::error::{Detail, SyncError};
use crate::session::ConnectionSession;

/// Name of the parameter with a connection's credentials: the JSON of an object of texts.
pub const CREDENTIALS: &str = "credentials";

/// The connections of all organisations.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) records: Records,
    pub(crate) secrets: Secrets,
    /// Decides which hosts may be called.
    pub(crate) stage: Stage,
    /// The base URL of the simulators of the providers, in stage `local` only.
    pub(crate) replacement: Option<String>,
}

/// Whether events and changes of a connection can be worked on.
pub(crate) enum Availability {
    /// The connection is active.
    Ready(Box<ConnectionSession>),
    /// The connection is not active, for this reason.
    Inactive(&'static str),
}

impl Connections {
    /// The connection's record, unless the connection was removed. One call.
    pub(crate) async fn load(&self, key: &ConnectionKey) -> Result<Option<Connection>, AwsError> {
        let found: Option<Connection> = self.records.get(&key.org, key.connection.as_str()).await?;
        Ok(found.filter(|found| found.status != ConnectionStatus::Deleted))
    }

    /// Opens a session on a connection.
    pub(crate) async fn open(
        &self,
        key: &ConnectionKey,
        connection: Connection,
    ) -> Result<ConnectionSession, SyncError> {
        let provider = providers::ats::find(&connection.provider).ok_or_else(|| {
            let detail = format!("`{}` is not a provider that this version can ask", connection.provider);
            SyncError::Failed(detail.into())
        })?;
        let account = connection.account.as_deref().unwrap_or_default();
        let host = connection.settings.get("host").map(String::as_str);
        let place = (provider.info.id, provider.hosts);
        let hosts = Hosts::resolve(self.stage, place, (account, host), self.replacement.as_deref())
            .map_err(|error| SyncError::Failed(Detail::failed_to(error)))?;
        // New credentials are read afresh, because this process may have cached the old ones.
        let secret = if connection.status == ConnectionStatus::Checking {
            self.secrets.fresh_of_connection(key, CREDENTIALS).await?
        } else {
            let cached = self.secrets.of_connection(key, CREDENTIALS).await;
            cached.map_err(|error| SyncError::Unavailable(Detail::failed_to(error)))?
        };
        let (credentials, fingerprint) = match secret {
            Some(text) => (credentials(&text)?, content_hash(&text.expose_secret())),
            None => (Credentials::default(), String::new()),
        };
        let ConnectionKey { org, connection: id } = key.clone();
        let origin = Origin { org, provider: connection.provider.clone(), connection: id };
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

    /// Opens a connection to which events or changes are to be applied.
    pub(crate) async fn open_active(&self, key: &ConnectionKey) -> Result<Availability, SyncError> {
        let Some(connection) = self.load(key).await? else {
            return Ok(Availability::Inactive("the connection was removed"));
        };
        Ok(match connection.status {
            ConnectionStatus::Active | ConnectionStatus::Checking => {
                Availability::Ready(Box::new(self.open(key, connection).await?))
            }
            ConnectionStatus::Paused => Availability::Inactive("the connection is paused"),
            ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
                Availability::Inactive("the provider does not let this connection in")
            }
            ConnectionStatus::Deleted | ConnectionStatus::Unknown => {
                Availability::Inactive("the connection does not work")
            }
        })
    }

    /// Sets the status of a connection, unless a person changed it since it was loaded; returns the status that it has
    /// then.
    pub(crate) async fn set_status(
        &self,
        session: &mut ConnectionSession,
        status: ConnectionStatus,
        detail: Option<&str>,
    ) -> Result<ConnectionStatus, AwsError> {
        let (key, change) = (session.key(), (session.connection.status, status));
        if self.records.change_connection(&key, change, detail, clock::now()).await? {
            session.connection.status = status;
            return Ok(status);
        }
        let status = self.load(&key).await?.map_or(ConnectionStatus::Deleted, |connection| connection.status);
        session.connection.status = status;
        Ok(status)
    }
}

fn credentials(text: &SecretString) -> Result<Credentials, SyncError> {
    // The text is secret, and the parser's error may quote it.
    let parsed: Result<BTreeMap<String, String>, _> = serde_json::from_str(text.expose_secret());
    let parsed =
        parsed.map_err(|_| SyncError::Failed("the stored credentials cannot be read; enter them again".into()))?;
    Ok(Credentials::new(parsed.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect()))
}
