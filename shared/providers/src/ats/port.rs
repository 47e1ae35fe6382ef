//! What an applicant tracking system must be able to do: say what to ask for, and read what it answers.
//!
//! A provider sends nothing itself. What is to be asked for is a **cursor**: a text in the provider's own words, which is kept in
//! a run's checkpoint, so that a run can go on in another process. `call` turns a cursor into a request and `read` turns the
//! reply into a [`Page`], which may name further cursors.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use domain::ats::{Kind, ObjectRef, Observation, Origin};
use domain::connection::LoginMethod;
use domain::write_back::{Change, ChangeKind};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::transport::access::Hosts;
use crate::transport::http::Reply;

/// A request to be sent.
#[derive(Clone)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// With which headers; credentials among them are marked sensitive.
    pub headers: HeaderMap,
    /// With what.
    pub body: Bytes,
}

impl fmt::Debug for Call {
    /// Without query and body: some providers take a key there, and what asks for a token is made of secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, body } = self;
        let mut call = formatter.debug_struct("Call");
        call.field("method", method).field("host", &url.host_str()).field("path", &url.path());
        call.field("headers", headers).field("body_bytes", &body.len()).finish()
    }
}

/// Secrets of one connection by name. Deliberately without `Debug`.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// The secrets of one connection.
    #[must_use]
    pub fn new(secrets: BTreeMap<String, SecretString>) -> Self {
        Self(secrets)
    }

    /// The same with another value for one of them.
    #[must_use]
    pub fn with(&self, name: &str, value: SecretString) -> Self {
        let mut secrets = self.0.clone();
        secrets.insert(name.to_owned(), value);
        Self(secrets)
    }

    /// One of them.
    ///
    /// # Errors
    /// When it is missing.
    pub fn get(&self, name: &str) -> Result<&SecretString, CallError> {
        self.0.get(name).ok_or_else(|| CallError::Unauthorised(format!("this connection has no `{name}`")))
    }
}

/// What a request is made from.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Whose objects, and their ids.
    pub origin: &'a Origin,
    /// Where the provider is.
    pub hosts: &'a Hosts,
    /// The organisation's account name at the provider (company, tenant, site, board); empty where there is none.
    pub account: &'a str,
    /// The connection's settings by name.
    pub settings: &'a BTreeMap<String, String>,
    /// How the connection signs in.
    pub login: LoginMethod,
    /// The connection's secrets.
    pub credentials: &'a Credentials,
    /// The access token, where the login method needs one.
    pub token: Option<&'a SecretString>,
    /// Our time when the request is made, and so the latest one of which its reply can tell.
    pub now: Timestamp,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// Which.
    pub method: LoginMethod,
    /// The secrets that it takes.
    pub secrets: &'static [&'static str],
}

/// A setting of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Whether there must be one.
    pub required: bool,
    /// What it is, for people.
    pub about: &'static str,
    /// Says what is wrong with a value.
    pub check: fn(&str) -> Result<(), String>,
}

/// A list of a provider that is read page by page, in the order of [`Ats::streams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Its name; stored with marks and checkpoints, so it stays.
    pub name: &'static str,
    /// The kinds of which a complete pass lists every object that there is. What it did not list is gone, once
    /// [`Ats::lookup`] says so, too (where it can be asked).
    pub complete: &'static [Kind],
}

/// An access token that was given out.
#[derive(Clone)]
pub struct Granted {
    /// The token. Never printed.
    pub access_token: SecretString,
    /// When it passes, by our clock.
    pub expires_at: Timestamp,
    /// The refresh token that replaces the one used; none where that stays good.
    pub refresh_token: Option<SecretString>,
}

/// What a reply says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects as they are.
    pub observations: Vec<Observation>,
    /// Objects that are not there any more.
    pub gone: Vec<ObjectRef>,
    /// Objects that are there and could not be read: they are not taken for gone.
    pub present: Vec<ObjectRef>,
    /// Why rows were left out, a sentence each, without personal data.
    pub skipped: Vec<String>,
    /// Where the list goes on.
    pub next: Next,
    /// What is to be asked before the list goes on, such as the details of its rows. At most 1,000.
    pub follow: Vec<String>,
    /// The provider's time when it answered: where the next window begins. None where it does not tell.
    pub server_time: Option<Timestamp>,
    /// For how long nothing more should be asked: the provider said that its limit is reached.
    pub pause: Option<Duration>,
}

/// Where a list goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Next {
    /// Nowhere: that was the last page.
    #[default]
    End,
    /// At this cursor.
    More(String),
    /// At this cursor, but an incremental run may stop when nothing on this page was new: the latest changes come first.
    MoreWhileNew(String),
}

/// Why there is no page. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The provider asked to wait.
    #[error("ask the provider: it asked to wait {} s", .wait.as_secs())]
    RateLimited {
        /// How long. None where it did not say: then the wait grows with each time.
        wait: Duration,
        /// Whether the provider said how long.
        told: bool,
    },
    /// The access token or the credentials are not accepted.
    #[error("ask the provider: the credentials were refused: {0}")]
    Unauthorised(String),
    /// The grant was withdrawn (`invalid_grant`): somebody has to authorise the connection again.
    #[error("ask the provider: it has to be authorised again: {0}")]
    Reauthorise(String),
    /// The provider refused the request; asking again will not help.
    #[error("ask the provider: it refused: {0}")]
    Refused(String),
    /// The cursor is not good any more; the window has to be read from its beginning.
    #[error("ask the provider: the place in the list is lost: {0}")]
    Restart(String),
    /// The provider does not answer or failed; asking again may help.
    #[error("ask the provider: {0}")]
    Unavailable(String),
    /// The reply does not have the documented shape.
    #[error("read the reply: {0}")]
    Malformed(String),
}

/// What became of a step of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// It is as it should be; objects that this touched, to be read again.
    Done(Vec<ObjectRef>),
    /// This step is next.
    Next(String),
}

/// How much may be asked of a provider for one connection, by all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// So many requests
    pub requests: u32,
    /// in each window of this length.
    pub window: Duration,
}

/// An applicant tracking system.
pub trait Ats: Sync {
    /// Ways to sign in, the preferred one first.
    fn logins(&self) -> &'static [Login];

    /// Whether the paths of its requests name the account.
    fn names_account(&self) -> bool {
        false
    }

    /// Settings of a connection.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Our budget of requests: the provider's documented limit with some room, or where it documents none, what does not
    /// harm it.
    fn budget(&self) -> Budget;

    /// The request for an access token; none where the login method signs each request with the credentials themselves.
    ///
    /// # Errors
    /// When a secret or setting is missing.
    fn grant(&self, _context: &Context<'_>) -> Result<Option<Call>, CallError> {
        Ok(None)
    }

    /// Reads the reply to that.
    ///
    /// # Errors
    /// When no token was given out; `invalid_grant` is [`CallError::Reauthorise`].
    fn granted(&self, _context: &Context<'_>, _reply: &Reply) -> Result<Granted, CallError> {
        Err(CallError::Refused("this provider gives out no tokens".to_owned()))
    }

    /// The lists to be read, what others refer to first.
    fn streams(&self, settings: &BTreeMap<String, String>) -> Vec<Stream>;

    /// Where a list begins: all of it, or what changed since then (overlap included). None when there is nothing to ask in
    /// that way; a list without an incremental form is read in complete passes only.
    fn first(&self, stream: &Stream, settings: &BTreeMap<String, String>, since: Option<Timestamp>) -> Option<String>;

    /// Cursors that ask for exactly these objects, all of one kind, by id; the pages tell them or say that they are gone.
    /// None when the provider cannot be asked for this kind by id.
    fn lookup(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>>;

    /// A cheap request that fails when the credentials do not do.
    fn check(&self, settings: &BTreeMap<String, String>) -> String;

    /// Builds the request of a cursor.
    ///
    /// # Errors
    /// When the cursor is none of this provider's, or a secret or setting is missing.
    fn call(&self, context: &Context<'_>, cursor: &str) -> Result<Call, CallError>;

    /// Reads the reply to the request of a cursor. One row that cannot be read is skipped and said; it never fails its page.
    ///
    /// # Errors
    /// When the reply is an error or does not have the documented shape.
    fn read(&self, context: &Context<'_>, cursor: &str, reply: &Reply) -> Result<Page, CallError>;

    /// Kinds of change that can be made at the provider.
    fn changes(&self) -> &'static [ChangeKind] {
        &[]
    }

    /// Builds the request of a step of a change; the first step is `""`. Where the provider can be asked, the first step looks
    /// whether the change is there already, so that making it twice makes it once.
    ///
    /// # Errors
    /// When this change cannot be made.
    fn act(&self, _context: &Context<'_>, _change: &Change, _step: &str) -> Result<Call, CallError> {
        Err(CallError::Refused("this provider takes no changes".to_owned()))
    }

    /// Reads the reply to a step of a change.
    ///
    /// # Errors
    /// When it was not made.
    fn acted(&self, _context: &Context<'_>, _change: &Change, _step: &str, _reply: &Reply) -> Result<Acted, CallError> {
        Err(CallError::Refused("this provider takes no changes".to_owned()))
    }

    /// Webhooks that we create ourselves, by event; none where a person does that in the provider's settings.
    fn subscriptions(&self) -> &'static [&'static str] {
        &[]
    }

    /// The request that creates one.
    ///
    /// # Errors
    /// When there are none.
    fn subscribe(&self, _context: &Context<'_>, _event: &str, _url: &str) -> Result<Call, CallError> {
        Err(CallError::Refused("this provider's webhooks are created by hand".to_owned()))
    }

    /// Reads the reply: the secret with which its deliveries are signed, which is told only here.
    ///
    /// # Errors
    /// When none was created.
    fn subscribed(&self, _context: &Context<'_>, _reply: &Reply) -> Result<SecretString, CallError> {
        Err(CallError::Refused("this provider's webhooks are created by hand".to_owned()))
    }
}
