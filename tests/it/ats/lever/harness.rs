//! What a contract test needs of a provider: its simulator on a port, a connection to it, and somebody who sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ats::{Kind, ObjectRef, Observation, Origin};
use domain::connection::LoginMethod;
use domain::stage::Stage;
use domain::write_back::Change;
use jiff::Timestamp;
use providers::access::Hosts;
use providers::ats::{Acted, Ats, Call, CallError, Context, Credentials, Granted, Next, Page};
use providers::http::{Outbound, Reply};
use providers::spec::Spec;
use secrecy::SecretString;
use serde_json::{Value, json};
use simulators::control::Control;
use simulators::faults::Spec as Fault;
use simulators::world::{Clock, Truth};
use simulators::{Simulator, app_of};

use crate::worlds::compare::fields_that_differ;

/// Monday, 2026-11-02 08:00 UTC.
const BEGIN_MS: i64 = 1_793_606_400_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// More pages than any of these worlds has.
const PAGES_MAX: usize = 20_000;
/// What is asked again of the time before a window, as the engine does.
const OVERLAP_MS: i64 = 120_000;

/// A clock that a test sets, for a world and for us.
pub(crate) fn clock() -> (Clock, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(BEGIN_MS));
    (Clock::manual(Arc::clone(&now)), now)
}

/// One connection to a simulator.
pub(crate) struct Harness {
    pub(crate) spec: &'static Spec,
    pub(crate) ats: &'static dyn Ats,
    pub(crate) origin: Origin,
    pub(crate) control: Arc<Control>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) token: Option<SecretString>,
    now: Arc<AtomicI64>,
    base: String,
    account: String,
    login: LoginMethod,
    credentials: Credentials,
    http: Outbound,
}

/// What some pages told together; the last word on an object counts.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// By kind and provider id, as our records have them.
    pub(crate) records: BTreeMap<(Kind, String), Value>,
    pub(crate) gone: BTreeSet<ObjectRef>,
    pub(crate) present: BTreeSet<ObjectRef>,
    pub(crate) skipped: Vec<String>,
    /// The provider's time when it answered the first page.
    pub(crate) begun: Option<Timestamp>,
    pub(crate) requests: usize,
}

impl Harness {
    /// Serves a simulator and connects the account `acme` of it.
    pub(crate) async fn start(simulator: Simulator, now: Arc<AtomicI64>) -> Self {
        let spec = providers::find(simulator.name).expect("a provider of that name");
        let control = Arc::clone(&simulator.control);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = app_of(vec![simulator]);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (org, connection) = ("acme".parse().expect("slug"), "contract".parse().expect("slug"));
        Self {
            spec,
            ats: spec.ats.expect("an ATS"),
            origin: Origin { org, provider: spec.id.to_owned(), connection },
            control,
            settings: BTreeMap::new(),
            token: None,
            now,
            base,
            account: "acme".to_owned(),
            login: LoginMethod::ApiKey,
            credentials: Credentials::default(),
            http: Outbound::new().expect("a client"),
        }
    }

    /// Signs in in this way from now on.
    pub(crate) fn with_login(&mut self, login: LoginMethod, secrets: &[(&str, &str)]) {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from((*value).to_owned()));
        (self.login, self.token) = (login, None);
        self.credentials = Credentials::new(secrets.iter().map(secret).collect());
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst)).expect("a time")
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.now.fetch_add(i64::try_from(time.as_millis()).expect("short"), Ordering::SeqCst);
    }

    /// Works with what requests are made from.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let place = (self.account.as_str(), self.settings.get("host").map(String::as_str));
        let hosts = Hosts::resolve(Stage::Local, (self.spec.id, self.spec.hosts), place, Some(&self.base));
        work(&Context {
            origin: &self.origin,
            hosts: &hosts.expect("hosts"),
            account: &self.account,
            settings: &self.settings,
            login: self.login,
            credentials: &self.credentials,
            token: self.token.as_ref(),
            now: self.now(),
        })
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Reply, CallError> {
        let Call { method, url, headers, body } = call;
        let request = self.http.client().request(method, url).headers(headers).body(body);
        let reply = self.http.send(request, TIMEOUT).await;
        reply.map_err(|error| CallError::Unavailable(error.to_string()))
    }

    /// Asks for the page of a cursor.
    pub(crate) async fn read(&self, cursor: &str) -> Result<Page, CallError> {
        let call = self.with(|context| self.ats.call(context, cursor))?;
        let reply = self.send(call).await?;
        self.with(|context| self.ats.read(context, cursor, &reply))
    }

    /// Whether the credentials do.
    pub(crate) async fn check(&self) -> Result<(), CallError> {
        self.read(&self.ats.check(&self.settings)).await.map(|_| ())
    }

    /// Fetches an access token and uses it from now on.
    pub(crate) async fn sign_in(&mut self) -> Result<Granted, CallError> {
        let call = self.with(|context| self.ats.grant(context))?.expect("this way to sign in takes a token");
        let reply = self.send(call).await?;
        let granted = self.with(|context| self.ats.granted(context, &reply))?;
        self.token = Some(granted.access_token.clone());
        Ok(granted)
    }

    /// Reads all lists, whole or since then, as the engine does.
    pub(crate) async fn pass_through(&self, since: Option<Timestamp>) -> Collected {
        let since = since.map(|at| Timestamp::from_millisecond(at.as_millisecond() - OVERLAP_MS).expect("a time"));
        let mut collected = Collected::default();
        for stream in self.ats.streams(&self.settings) {
            let mut next = self.ats.first(&stream, &self.settings, since);
            while let Some(cursor) = next {
                let page = self.take(&mut collected, &cursor).await.expect("a page");
                let mut follow = page.follow;
                while !follow.is_empty() {
                    let cursor = follow.remove(0);
                    follow.extend(self.take(&mut collected, &cursor).await.expect("a followed page").follow);
                }
                next = match page.next {
                    Next::End => None,
                    Next::More(cursor) | Next::MoreWhileNew(cursor) => Some(cursor),
                };
            }
        }
        collected
    }

    /// Asks for objects by their ids. None where the provider cannot be asked for that kind.
    pub(crate) async fn look_up(&self, kind: Kind, ids: &[&str]) -> Option<Result<Collected, CallError>> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut cursors = self.ats.lookup(kind, &ids)?;
        let mut collected = Collected::default();
        while let Some(cursor) = cursors.pop() {
            match self.take(&mut collected, &cursor).await {
                Ok(page) => cursors.extend(page.follow),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(collected))
    }

    async fn take(&self, collected: &mut Collected, cursor: &str) -> Result<Page, CallError> {
        assert!(collected.requests < PAGES_MAX, "the pages do not end: {cursor}");
        let page = self.read(cursor).await?;
        collected.requests += 1;
        collected.begun = collected.begun.or(page.server_time);
        for Observation { record, .. } in &page.observations {
            let id = record.provider_id().expect("an object of a provider has its id").to_owned();
            collected.gone.remove(&ObjectRef::new(record.kind(), &id));
            collected.records.insert((record.kind(), id), json!(record));
        }
        for object in &page.gone {
            collected.records.remove(&(object.kind, object.provider_id.clone()));
            collected.gone.insert(object.clone());
        }
        collected.present.extend(page.present.iter().cloned());
        collected.skipped.extend(page.skipped.iter().cloned());
        Ok(page)
    }

    /// Makes a change, step by step. Gives what it touched, and how many of its requests were no question.
    pub(crate) async fn change(&self, change: &Change) -> Result<(Vec<ObjectRef>, usize), CallError> {
        let (mut step, mut writes) = (String::new(), 0);
        for _ in 0..6 {
            let call = self.with(|context| self.ats.act(context, change, &step))?;
            writes += usize::from(!call.method.is_safe());
            let reply = self.send(call).await?;
            match self.with(|context| self.ats.acted(context, change, &step, &reply))? {
                Acted::Done(touched) => return Ok((touched, writes)),
                Acted::Next(next) => step = next,
            }
        }
        panic!("the change takes more steps than the engine makes: {step}")
    }

    /// Lets the next requests meet a fault.
    pub(crate) fn fault(&self, fault: Fault) {
        let mut faults = self.control.faults();
        faults.clear();
        faults.add(fault).expect("a fault");
    }
}

/// What the records are not as the truth has them, a line each.
pub(crate) fn differences(
    origin: &Origin,
    records: &BTreeMap<(Kind, String), Value>,
    truth: &Truth,
    kinds: &[Kind],
) -> Vec<String> {
    let mut left = records.clone();
    left.retain(|(kind, _), _| kinds.contains(kind));
    let mut found = Vec::new();
    for (place, fields) in truth {
        let (word, id) = place.split_once('/').expect("kind/id");
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word).expect("a kind");
        if !kinds.contains(&kind) {
            continue;
        }
        match left.remove(&(kind, id.to_owned())) {
            None => found.push(format!("{place} is missing")),
            Some(record) => found.extend(fields_that_differ(origin, place, fields, &record)),
        }
    }
    found.extend(left.keys().map(|(kind, id)| format!("{}/{id} is not at the provider", kind.as_str())));
    found
}
