//! An open session on a connection: the provider's hosts, the credentials, and the use of this invocation.

use domain::ats::Origin;
use domain::connection::{Connection, ConnectionKey, LoginMethod};
use jiff::Timestamp;
use providers::ats::port::{Ats, AtsProvider, Context, Credentials};
use providers::transport::access::Hosts;
use secrecy::SecretString;

/// A session on a connection. Deliberately without `Debug`: it holds secrets.
pub(crate) struct ConnectionSession {
    pub(crate) connection: Connection,
    pub(crate) provider: &'static AtsProvider,
    pub(crate) ats: &'static dyn Ats,
    pub(crate) origin: Origin,
    pub(crate) hosts: Hosts,
    pub(crate) credentials: Credentials,
    /// Hash of the credentials as they were entered: tokens that came from other credentials have another one.
    pub(crate) fingerprint: String,
    pub(crate) token: Option<SecretString>,
    /// No request is sent before: the provider said that its limit is reached.
    pub(crate) pause_until: Option<Timestamp>,
    /// The number of requests that were sent.
    pub(crate) requests: u64,
}

impl ConnectionSession {
    /// The context of a request.
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

    pub(crate) fn key(&self) -> ConnectionKey {
        self.origin.connection_key()
    }

    /// Whether requests to the provider are possible.
    pub(crate) fn has_login(&self) -> bool {
        self.connection.login != LoginMethod::WebhookOnly
    }
}
