//! The port of applicant tracking systems: building requests, and parsing the replies to them.
//!
//! A provider sends nothing itself. A place in its lists is a **cursor**: a text of the provider's own format, which is stored in
//! a run's checkpoint, so that another process can resume the run. [`Ats::build_request`] makes a request of a cursor and
//! [`Ats::parse_page`] makes a [`Page`] of the reply, which may name further cursors.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::{Kind, ObjectRef, Observation, Origin};
use domain::connection::LoginMethod;
use domain::write_back::{Change, ChangeKind};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::cause::Cause;
use crate::info::ProviderInfo;
use crate::transport::access::{AccessError, Host, Hosts};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json::InvalidJson;
use crate::transport::webhook::WebhookSource;

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
    pub fn get(&self, name: &str) -> Result<&SecretString, AtsError> {
        self.0.get(name).ok_or_else(|| AtsError::Unauthorised(format!("this connection has no `{name}`").into()))
    }
}

/// The values from which a request is built.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The origin of the objects and their ids.
    pub origin: &'a Origin,
    /// The hosts of the provider.
    pub hosts: &'a Hosts,
    /// The organisation's account name at the provider (company, tenant, site, board); empty where there is none.
    pub account: &'a str,
    /// The connection's settings by name.
    pub settings: &'a BTreeMap<String, String>,
    /// The login of the connection.
    pub login: LoginMethod,
    pub credentials: &'a Credentials,
    /// The access token, where the login method needs one.
    pub token: Option<&'a SecretString>,
    /// The time of the request, and so the latest time of the objects in its reply.
    pub now: Timestamp,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    pub method: LoginMethod,
    /// The names of its secrets.
    pub secrets: &'static [&'static str],
}

/// A setting of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub name: &'static str,
    /// Whether there must be one.
    pub required: bool,
    /// A description for people.
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
    /// a lookup by id ([`Ats::lookup_cursors`]) confirms it, where the provider has one.
    pub complete: &'static [Kind],
}

/// An access token and what came with it.
#[derive(Clone)]
pub struct TokenResponse {
    /// The token. Never printed.
    pub access_token: SecretString,
    /// The end of the token's lifetime, by our clock.
    pub expires_at: Timestamp,
    /// The refresh token that replaces the one used; none where that stays good.
    pub refresh_token: Option<SecretString>,
}

/// The content of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects as they are.
    pub observations: Vec<Observation>,
    /// Objects that are not there any more.
    pub gone: Vec<ObjectRef>,
    /// Objects that exist and could not be read: they do not count as gone.
    pub present: Vec<ObjectRef>,
    /// The reasons why rows were left out, a sentence each, without personal data.
    pub skipped: Vec<String>,
    /// The continuation of the list.
    pub next: Next,
    /// The cursors that are read before the list continues, such as the details of its rows. At most 1,000.
    pub follow: Vec<String>,
    /// The provider's time at its response, which begins the next window. None where it is not stated.
    pub server_time: Option<Timestamp>,
    /// The wait before the next request, because the provider's limit is reached.
    pub pause: Option<Duration>,
}

/// The continuation of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Next {
    /// Nowhere: that was the last page.
    #[default]
    End,
    More(String),
    /// At this cursor, but an incremental run may stop when nothing on this page was new: the latest changes come first.
    MoreWhileNew(String),
}

/// Why there is no page. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AtsError {
    /// The provider asked to wait.
    #[error("ask the provider: it asked to wait {} s", .wait.as_secs())]
    RateLimited {
        /// The wait. Where the provider did not state it, callers let it grow with each try.
        wait: Duration,
        /// Whether the provider stated the wait; otherwise it is our guess.
        stated: bool,
    },
    /// The access token or the credentials are not accepted.
    #[error("ask the provider: the credentials were refused")]
    Unauthorised(#[source] Cause),
    /// The grant was withdrawn (`invalid_grant`): a person has to authorise the connection again.
    #[error("ask the provider: it has to be authorised again")]
    ReauthorizationRequired(#[source] Cause),
    /// The provider refused the request; asking again will not help.
    #[error("ask the provider: it refused")]
    Refused(#[source] Cause),
    /// The cursor is not good any more; the window has to be read from its beginning.
    #[error("ask the provider: the place in the list is lost")]
    CursorExpired(#[source] Cause),
    /// The provider does not answer or failed; asking again may help.
    #[error("ask the provider")]
    Unavailable(#[source] Cause),
    /// The reply does not have the documented shape.
    #[error("read the reply")]
    InvalidResponse(#[source] Cause),
}

impl From<AccessError> for AtsError {
    fn from(error: AccessError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<InvalidJson> for AtsError {
    fn from(error: InvalidJson) -> Self {
        Self::InvalidResponse(error.into())
    }
}

/// The progress of a change after one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeProgress {
    /// It is as it should be; objects that this touched, to be read again.
    Done(Vec<ObjectRef>),
    /// This step is next.
    Next(String),
}

/// The requests that one connection may make to a provider, by all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub requests: u32,
    /// in each window of this length.
    pub window: Duration,
}

/// The way in which changes become known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMethod {
    /// By webhooks; polls find the changes that no webhook reported.
    Webhook {
        /// The longest time between two polls while its webhooks arrive.
        reconcile: SignedDuration,
        /// The longest time between two polls while they do not.
        contract: SignedDuration,
    },
    /// We poll the provider.
    Polled {
        /// The longest time between two polls.
        contract: SignedDuration,
    },
}

/// An applicant tracking system as the registry lists it.
pub struct AtsProvider {
    pub info: ProviderInfo,
    pub api: &'static dyn Ats,
    /// The way in which changes become known.
    pub sync: SyncMethod,
    pub hosts: &'static [Host],
    /// Verifies and parses its webhooks. None where it sends none.
    pub webhooks: Option<&'static dyn WebhookSource>,
}

/// An applicant tracking system: its lists are read page by page. What only some can do are traits of their own.
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

    /// Fetches the access tokens of connections that sign in in this way. None where each request is signed with the
    /// credentials themselves.
    fn token_grant(&self, _login: LoginMethod) -> Option<&dyn TokenGrant> {
        None
    }

    /// Makes changes at the provider. None where records are only read.
    fn write_back(&self) -> Option<&dyn WriteBack> {
        None
    }

    /// Creates webhooks at the provider. None where a person does that in the provider's settings, or it has none.
    fn webhook_subscriptions(&self) -> Option<&dyn WebhookSubscriptions> {
        None
    }

    /// The lists to be read, what others refer to first.
    fn streams(&self, settings: &BTreeMap<String, String>) -> Vec<Stream>;

    /// The first cursor of a list: of all of it, or of what changed since then (overlap included). None when the list cannot be
    /// read in that way; a list without an incremental form is read in complete passes only.
    fn first_cursor(
        &self,
        stream: &Stream,
        settings: &BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> Option<String>;

    /// Cursors that look up exactly these objects, all of one kind, by id; the pages hold them or say that they are
    /// gone. None when the provider has no lookup for this kind.
    fn lookup_cursors(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>>;

    /// The cursor of a cheap request that fails when the credentials do not do.
    fn check_cursor(&self, settings: &BTreeMap<String, String>) -> String;

    /// Builds the request of a cursor.
    ///
    /// # Errors
    /// When the cursor is none of this provider's, or a secret or setting is missing.
    fn build_request(&self, context: &Context<'_>, cursor: &str) -> Result<HttpRequest, AtsError>;

    /// Parses the reply to the request of a cursor. One row that cannot be read is skipped and reported; it never fails its page.
    ///
    /// # Errors
    /// When the reply is an error or does not have the documented shape.
    fn parse_page(&self, context: &Context<'_>, cursor: &str, reply: &Reply) -> Result<Page, AtsError>;
}

/// An ATS whose requests carry an access token that is fetched with the connection's credentials.
pub trait TokenGrant: Sync {
    /// Builds the request for an access token.
    ///
    /// # Errors
    /// When a secret or setting is missing.
    fn token_request(&self, context: &Context<'_>) -> Result<HttpRequest, AtsError>;

    /// Parses the reply to it.
    ///
    /// # Errors
    /// When it holds no token; `invalid_grant` is [`AtsError::ReauthorizationRequired`].
    fn parse_token(&self, context: &Context<'_>, reply: &Reply) -> Result<TokenResponse, AtsError>;
}

/// An ATS that accepts changes.
pub trait WriteBack: Sync {
    /// Kinds of change that can be made at the provider.
    fn changes(&self) -> &'static [ChangeKind];

    /// Builds the request of a step of a change; the first step is `""`. Where the provider has a lookup for the
    /// change, the first step looks it up, so that a repetition has no second effect.
    ///
    /// # Errors
    /// When this change cannot be made.
    fn change_request(&self, context: &Context<'_>, change: &Change, step: &str) -> Result<HttpRequest, AtsError>;

    /// Parses the reply to a step of a change.
    ///
    /// # Errors
    /// When it was not made.
    fn parse_change(
        &self,
        context: &Context<'_>,
        change: &Change,
        step: &str,
        reply: &Reply,
    ) -> Result<ChangeProgress, AtsError>;
}

/// An ATS whose webhooks we create ourselves, one subscription for each event.
pub trait WebhookSubscriptions: Sync {
    /// The events to subscribe to. Their order is fixed, and new ones are appended: the number of stored secrets shows
    /// which subscriptions exist.
    fn events(&self) -> &'static [&'static str];

    /// Builds the request that subscribes `url` to an event.
    ///
    /// # Errors
    /// When a secret or setting is missing.
    fn subscription_request(&self, context: &Context<'_>, event: &str, url: &str) -> Result<HttpRequest, AtsError>;

    /// Parses the reply: the secret that signs the subscription's deliveries, which no later reply repeats.
    ///
    /// # Errors
    /// When no subscription was created.
    fn parse_subscription(&self, context: &Context<'_>, reply: &Reply) -> Result<SecretString, AtsError>;
}
