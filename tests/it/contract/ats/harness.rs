//! One connection to one simulator: what the engine does with a provider's file, in the smallest form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ats::{ObjectRef, Origin};
use domain::connection::LoginMethod;
use domain::stage::Stage;
use domain::write_back::Change;
use jiff::Timestamp;
use providers::ats::port::{
    Ats, AtsError, AtsProvider, ChangeProgress, Context, Credentials, Next, TokenGrant, TokenResponse,
    WebhookSubscriptions, WriteBack,
};
use providers::transport::access::Hosts;
use providers::transport::http::{HttpRequest, Outbound, Reply};
use secrecy::SecretString;
use serde_json::Value;
use simulators::Simulator;
use simulators::control::Control;
use simulators::faults::Spec as Fault;
use simulators::world::Truth;

use crate::worlds::compare::fields_that_differ;

/// Most pages of one pass: a list that goes round is found out.
const PAGES_MAX: usize = 5_000;
/// Most steps of one change.
const STEPS_MAX: usize = 20;

/// How a connection signs in, and to what.
pub(crate) struct Connection {
    pub(crate) account: &'static str,
    pub(crate) login: LoginMethod,
    pub(crate) secrets: Vec<(&'static str, &'static str)>,
    pub(crate) settings: Vec<(&'static str, &'static str)>,
}

pub(crate) struct Harness {
    pub(crate) ats: &'static dyn Ats,
    pub(crate) provider: &'static AtsProvider,
    pub(crate) origin: Origin,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) control: Arc<Control>,
    pub(crate) token: Option<SecretString>,
    pub(crate) credentials: Credentials,
    pub(crate) connection: Connection,
    pub(crate) settings: BTreeMap<String, String>,
    hosts: Hosts,
    http: Outbound,
}

/// The result of a pass through the lists: `<kind>/<provider id>` -> the record.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) gone: BTreeSet<ObjectRef>,
    pub(crate) skipped: Vec<String>,
    /// The provider's time at the first page.
    pub(crate) began: Option<Timestamp>,
    pub(crate) requests: usize,
}

/// `<kind>/<provider id>` of an object.
pub(crate) fn place(object: &ObjectRef) -> String {
    format!("{}/{}", object.kind.as_str(), object.provider_id)
}

impl Harness {
    /// Serves a simulator on a port of this machine and connects to it.
    pub(crate) async fn start(id: &str, simulator: Simulator, clock: Arc<AtomicI64>, connection: Connection) -> Self {
        let provider = providers::ats::find(id).expect("an ATS");
        let control = Arc::clone(&simulator.control);
        let app = simulators::app_of(vec![simulator]);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let settings: BTreeMap<String, String> =
            connection.settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let at = (connection.account, settings.get("host").map(String::as_str));
        let hosts = Hosts::resolve(Stage::Local, (provider.info.id, provider.hosts), at, Some(&base)).expect("hosts");
        let secrets = connection.secrets.iter();
        let secrets = secrets.map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
        Self {
            ats: provider.api,
            provider,
            origin: Origin {
                org: "acme".parse().expect("slug"),
                provider: id.to_owned(),
                connection: "contract".parse().expect("slug"),
            },
            clock,
            control,
            token: None,
            credentials: Credentials::new(secrets),
            connection,
            settings,
            hosts,
            http: Outbound::new().expect("a client"),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            origin: &self.origin,
            hosts: &self.hosts,
            account: self.connection.account,
            settings: &self.settings,
            login: self.connection.login,
            credentials: &self.credentials,
            token: self.token.as_ref(),
            now: Timestamp::from_millisecond(self.clock.load(Ordering::SeqCst)).expect("a time"),
        }
    }

    pub(crate) fn pass_time(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).expect("a short time"), Ordering::SeqCst);
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.control.faults().clear();
        self.control.faults().add(fault).expect("a fault");
    }

    /// Another value of a secret.
    pub(crate) fn secret(&mut self, name: &str, value: &str) {
        self.credentials = self.credentials.with(name, SecretString::from(value));
    }

    pub(crate) async fn send(&self, call: HttpRequest) -> Result<Reply, AtsError> {
        let sent = self.http.send(call, Duration::from_secs(10)).await;
        sent.map_err(|error| AtsError::Unavailable(error.into()))
    }

    pub(crate) fn token_grant(&self) -> &'static dyn TokenGrant {
        self.ats.token_grant(self.connection.login).expect("tokens")
    }

    pub(crate) fn write_back(&self) -> &'static dyn WriteBack {
        self.ats.write_back().expect("changes")
    }

    pub(crate) fn subscriptions(&self) -> &'static dyn WebhookSubscriptions {
        self.ats.webhook_subscriptions().expect("subscriptions")
    }

    /// Fetches a token where one is needed; a refresh token that came with it replaces the old one.
    pub(crate) async fn sign_in(&mut self) -> Result<Option<TokenResponse>, AtsError> {
        let Some(token_grant) = self.ats.token_grant(self.context().login) else { return Ok(None) };
        let call = token_grant.token_request(&self.context())?;
        let reply = self.send(call).await?;
        let granted = token_grant.parse_token(&self.context(), &reply)?;
        if let Some(token) = &granted.refresh_token {
            self.credentials = self.credentials.with("refresh_token", token.clone());
        }
        self.token = Some(granted.access_token.clone());
        Ok(Some(granted))
    }

    pub(crate) async fn read(&self, cursor: &str) -> Result<providers::ats::port::Page, AtsError> {
        let call = self.ats.build_request(&self.context(), cursor)?;
        let reply = self.send(call).await?;
        self.ats.parse_page(&self.context(), cursor, &reply)
    }

    /// The cheap request that checks the credentials.
    pub(crate) async fn check(&self) -> Result<(), AtsError> {
        self.read(&self.ats.check_cursor(&self.settings)).await.map(|_page| ())
    }

    /// Walks through all lists, or what changed in them since then.
    pub(crate) async fn pass(&self, since: Option<Timestamp>) -> Result<Passed, AtsError> {
        let mut passed = Passed::default();
        for stream in self.ats.streams(&self.settings) {
            let mut cursors: Vec<String> = self.ats.first_cursor(&stream, &self.settings, since).into_iter().collect();
            while let Some(cursor) = cursors.pop() {
                passed.requests += 1;
                assert!(passed.requests < PAGES_MAX, "{} does not end", stream.name);
                let page = self.read(&cursor).await?;
                passed.began = passed.began.or(page.server_time);
                for seen in page.observations {
                    let id = seen.record.provider_id().expect("an id").to_owned();
                    let record = serde_json::to_value(&seen.record).expect("JSON");
                    passed.objects.insert(format!("{}/{id}", seen.record.kind().as_str()), record);
                }
                passed.gone.extend(page.gone);
                passed.skipped.extend(page.skipped);
                match page.next {
                    Next::End => {}
                    Next::More(next) | Next::MoreWhileNew(next) => cursors.push(next),
                }
                cursors.extend(page.follow);
            }
        }
        Ok(passed)
    }

    /// Makes a change, step by step.
    pub(crate) async fn make(&self, change: &Change) -> Result<Vec<ObjectRef>, AtsError> {
        let mut step = String::new();
        for _ in 0..STEPS_MAX {
            let call = self.write_back().change_request(&self.context(), change, &step)?;
            let reply = self.send(call).await?;
            match self.write_back().parse_change(&self.context(), change, &step, &reply)? {
                ChangeProgress::Done(touched) => return Ok(touched),
                ChangeProgress::Next(next) => step = next,
            }
        }
        panic!("the change does not end")
    }

    /// What differs from what the provider has, a line each.
    pub(crate) fn differences(&self, objects: &BTreeMap<String, Value>, truth: &Truth) -> Vec<String> {
        let mut found: Vec<String> = objects
            .keys()
            .filter(|place| !truth.contains_key(*place))
            .map(|place| format!("{place} is not there"))
            .collect();
        for (place, fields) in truth {
            match objects.get(place) {
                None => found.push(format!("{place} is missing")),
                Some(record) => found.extend(fields_that_differ(&self.origin, place, fields, record)),
            }
        }
        found
    }
}
