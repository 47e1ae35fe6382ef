//! A connection to Lever's simulator, with the requests that only these tests need.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use domain::ats::{Kind, ObjectRef, Observation};
use domain::connection::LoginMethod;
use domain::write_back::Change;
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{AtsError, ChangeProgress, Credentials, Next, Page};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulators::lever::{Company, World, simulator_of};
use simulators::world::{Account as _, Chance, Clock, Truth};

use crate::contract::ats::harness::{Connection, Harness, place};
use crate::worlds::compare::fields_that_differ;

/// Monday, 2026-11-02 08:00 UTC.
const BEGIN_MS: i64 = 1_793_606_400_000;
/// More pages than any of these worlds has.
const PAGES_MAX: usize = 20_000;
/// The overlap of windows, as the engine has it.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);
/// The credentials of the account `acme`.
pub(super) const KEYS: [(&str, &str); 2] =
    [("api_key", "local-lever-key-acme"), ("postings_key", "local-lever-postings-key-acme")];

/// A connection to a simulated Lever account.
pub(super) struct Lever(Harness);

impl Deref for Lever {
    type Target = Harness;

    fn deref(&self) -> &Harness {
        &self.0
    }
}

impl DerefMut for Lever {
    fn deref_mut(&mut self) -> &mut Harness {
        &mut self.0
    }
}

impl From<Lever> for Harness {
    fn from(Lever(harness): Lever) -> Self {
        harness
    }
}

/// The content of some pages together; the last one on an object counts.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// `<kind>/<provider id>` -> the record.
    pub(super) records: BTreeMap<String, Value>,
    pub(super) gone: BTreeSet<ObjectRef>,
    pub(super) present: BTreeSet<ObjectRef>,
    pub(super) skipped: Vec<String>,
    /// The provider's time when it answered the first page.
    pub(super) begun: Option<Timestamp>,
    pub(super) requests: usize,
}

/// A connection to an account of about so many objects, without a limit.
pub(super) async fn lever(objects: usize) -> (Lever, Arc<Company>) {
    let now = Arc::new(AtomicI64::new(BEGIN_MS));
    let world = World::new(Clock::manual(Arc::clone(&now)));
    let acme = world.account("acme").expect("an account");
    acme.set_limit(None);
    acme.grow(&mut Chance::new(7), objects);
    let secrets = KEYS.to_vec();
    let connection = Connection { account: "acme", login: LoginMethod::ApiKey, secrets, settings: vec![] };
    (Lever(Harness::start("lever", simulator_of(world), now, connection).await), acme)
}

impl Lever {
    /// Signs in in this way from now on.
    pub(super) fn with_login(&mut self, login: LoginMethod, secrets: &[(&str, &str)]) {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from((*value).to_owned()));
        (self.connection.login, self.token) = (login, None);
        self.credentials = Credentials::new(secrets.iter().map(secret).collect());
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context().now
    }

    /// Reads all lists, whole or since then, as the engine does.
    pub(super) async fn pass_through(&self, since: Option<Timestamp>) -> Collected {
        let since = since.map(|at| at.checked_sub(OVERLAP).expect("a time"));
        let mut collected = Collected::default();
        for stream in self.ats.streams(&self.settings) {
            let mut next = self.ats.first_cursor(&stream, &self.settings, since);
            while let Some(cursor) = next {
                let page = self.take(&mut collected, &cursor).await.expect("a page");
                let mut follow = page.follow;
                while !follow.is_empty() {
                    let cursor = follow.remove(0);
                    let page = self.take(&mut collected, &cursor).await.expect("a followed page");
                    assert_eq!(page.next, Next::End, "the engine does not go on in this way: {cursor}");
                    follow.extend(page.follow);
                }
                next = match page.next {
                    Next::End => None,
                    Next::More(cursor) | Next::MoreWhileNew(cursor) => Some(cursor),
                };
            }
        }
        collected
    }

    /// Looks objects up by their ids. None where the provider has no lookup for that kind.
    pub(super) async fn look_up(&self, kind: Kind, ids: &[&str]) -> Option<Result<Collected, AtsError>> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut cursors = self.ats.lookup_cursors(kind, &ids)?;
        let mut collected = Collected::default();
        while let Some(cursor) = cursors.pop() {
            match self.take(&mut collected, &cursor).await {
                Ok(page) => {
                    assert_eq!(page.next, Next::End, "the engine does not go on in this way: {cursor}");
                    cursors.extend(page.follow);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(collected))
    }

    async fn take(&self, collected: &mut Collected, cursor: &str) -> Result<Page, AtsError> {
        assert!(collected.requests < PAGES_MAX, "the pages do not end: {cursor}");
        let page = self.read(cursor).await?;
        collected.requests += 1;
        collected.begun = collected.begun.or(page.server_time);
        for Observation { record, .. } in &page.observations {
            let object = ObjectRef::new(record.kind(), record.provider_id().expect("an id"));
            collected.gone.remove(&object);
            collected.records.insert(place(&object), json!(record));
        }
        for object in &page.gone {
            collected.records.remove(&place(object));
            collected.gone.insert(object.clone());
        }
        collected.present.extend(page.present.iter().cloned());
        collected.skipped.extend(page.skipped.iter().cloned());
        Ok(page)
    }

    /// Makes a change, step by step. Returns the touched objects, and the number of requests that change something.
    pub(super) async fn change(&self, change: &Change) -> Result<(Vec<ObjectRef>, usize), AtsError> {
        let (mut step, mut writes) = (String::new(), 0);
        // No more than the engine makes.
        for _ in 0..6 {
            let call = self.write_back().change_request(&self.context(), change, &step)?;
            writes += usize::from(!call.method.is_safe());
            let reply = self.send(call).await?;
            match self.write_back().parse_change(&self.context(), change, &step, &reply)? {
                ChangeProgress::Done(touched) => return Ok((touched, writes)),
                ChangeProgress::Next(next) => step = next,
            }
        }
        panic!("the change takes more steps than the engine makes: {step}")
    }

    /// What differs from what Lever has of these kinds, a line each.
    pub(super) fn unequal(&self, records: &BTreeMap<String, Value>, truth: &Truth, kinds: &[Kind]) -> Vec<String> {
        let of_kinds = |place: &&String| kinds.iter().any(|kind| place.split('/').next() == Some(kind.as_str()));
        let mut found: Vec<String> = records
            .keys()
            .filter(of_kinds)
            .filter(|place| !truth.contains_key(*place))
            .map(|place| format!("{place} is not there"))
            .collect();
        for (place, fields) in truth.iter().filter(|(place, _)| of_kinds(place)) {
            match records.get(place) {
                None => found.push(format!("{place} is missing")),
                Some(record) => found.extend(fields_that_differ(&self.origin, place, fields, record)),
            }
        }
        found
    }
}
