//! The accounts of one ATS, and the control routes that each of them has.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Chance, Clock, Delivery, Truth};
use crate::control::{Controls, Refused, lock, parse};

/// The accounts that are held at once; one is made when it is first named.
pub const ACCOUNTS_MAX: usize = 200;
/// Most objects and steps of one control request.
const COUNT_MAX: usize = 100_000;

/// One [`Customer`] of an ATS, shared by those who ask and those who control.
pub trait Account: Send + Sync + 'static {
    fn open(name: &str, clock: &Clock) -> Self
    where
        Self: Sized;
    fn grow(&self, chance: &mut Chance, objects: usize);
    fn step(&self, chance: &mut Chance) -> String;
    fn truth(&self) -> Truth;
    fn deliveries(&self, secret: &str) -> Vec<Delivery>;
}

/// The state of one customer: a hiring world that changes, in the form of its vendor.
pub trait Customer: Send + 'static {
    /// A customer with its initial data, which follows from its name.
    fn open(name: &str, clock: &Clock) -> Self;
    /// Adds objects until there are about so many.
    fn grow(&mut self, chance: &mut Chance, objects: usize);
    /// Makes one change: creates, changes or deletes. Answers a sentence about it, for the log of a failed test.
    fn step(&mut self, chance: &mut Chance) -> String;
    /// All objects as a client should have them.
    fn truth(&self) -> Truth;
    /// The webhooks of the changes since the last call, oldest first, signed with this secret.
    fn deliveries(&mut self, _secret: &str) -> Vec<Delivery> {
        Vec::new()
    }
}

/// A customer on whose state requests work one after the other.
#[derive(Debug)]
pub struct Locked<S>(Mutex<S>);

impl<S> Locked<S> {
    pub fn state(&self) -> MutexGuard<'_, S> {
        lock(&self.0)
    }

    /// Works on the state.
    pub fn with<T>(&self, work: impl FnOnce(&mut S) -> T) -> T {
        work(&mut self.state())
    }
}

impl<S: Customer> Account for Locked<S> {
    fn open(name: &str, clock: &Clock) -> Self {
        Self(Mutex::new(S::open(name, clock)))
    }

    fn grow(&self, chance: &mut Chance, objects: usize) {
        self.state().grow(chance, objects);
    }

    fn step(&self, chance: &mut Chance) -> String {
        self.state().step(chance)
    }

    fn truth(&self) -> Truth {
        self.state().truth()
    }

    fn deliveries(&self, secret: &str) -> Vec<Delivery> {
        self.state().deliveries(secret)
    }
}

/// All accounts of one ATS.
#[derive(Debug)]
pub struct World<A> {
    clock: Clock,
    accounts: Mutex<BTreeMap<String, Arc<A>>>,
}

impl<A: Account> World<A> {
    /// A world without accounts, whose times are this clock's.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, accounts: Mutex::default() })
    }

    /// The time of this world.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An account, which is made when it is new. None when there are too many, or no account can have this name.
    pub fn account(&self, name: &str) -> Option<Arc<A>> {
        let mut accounts = lock(&self.accounts);
        let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
        if !accounts.contains_key(name)
            && (accounts.len() >= ACCOUNTS_MAX || name.is_empty() || name.len() > 64 || !name.chars().all(fits))
        {
            return None;
        }
        let made = || Arc::new(A::open(name, &self.clock));
        Some(Arc::clone(accounts.entry(name.to_owned()).or_insert_with(made)))
    }

    /// An account that was made before.
    pub fn existing(&self, name: &str) -> Option<Arc<A>> {
        lock(&self.accounts).get(name).cloned()
    }

    pub fn clear(&self) {
        lock(&self.accounts).clear();
    }

    /// The wire routes of this world; their answers carry the date of its clock.
    pub fn serve(self: &Arc<Self>, wire: Router<Arc<Self>>) -> Router {
        let world = Arc::clone(self);
        let dated = move |mut response: Response| {
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&world.now()).ok();
            if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
                response.headers_mut().insert(header::DATE, date);
            }
            ready(response)
        };
        wire.layer(middleware::map_response(dated)).with_state(Arc::clone(self))
    }

    /// An account that a control request names.
    ///
    /// # Errors
    /// No account can have this name, or there are too many.
    pub fn controlled(&self, name: &str) -> Result<Arc<A>, Refused> {
        self.account(name)
            .ok_or_else(|| Refused("account: no account can have this name, or there are too many".to_owned()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    seed: u64,
    count: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: String,
}

impl Changes {
    fn checked(self) -> Result<(Chance, usize), Refused> {
        if self.count > COUNT_MAX {
            return Err(Refused(format!("count: must be at most {COUNT_MAX}")));
        }
        Ok((Chance::new(self.seed), self.count))
    }
}

impl<A: Account> Controls<Arc<World<A>>> {
    /// A route of one account with a body, answered by what `run` makes of it.
    pub fn answer<B, R, F>(self, line: &'static str, run: F) -> Self
    where
        B: DeserializeOwned,
        R: IntoResponse + Send + 'static,
        F: Fn(&A, B) -> Result<R, Refused> + Clone + Send + Sync + 'static,
    {
        self.route(line, move |State(world): State<Arc<World<A>>>, Path(name): Path<String>, body: Bytes| {
            ready(world.controlled(&name).and_then(|account| run(&account, parse(&body)?)))
        })
    }

    /// A route of one account that changes something, answered 204.
    pub fn set<B, F>(self, line: &'static str, run: F) -> Self
    where
        B: DeserializeOwned,
        F: Fn(&A, B) -> Result<(), Refused> + Clone + Send + Sync + 'static,
    {
        self.answer(line, move |account, body| run(account, body).map(|()| StatusCode::NO_CONTENT))
    }

    /// A route of one account without a body.
    pub fn show<R, F>(self, line: &'static str, run: F) -> Self
    where
        R: IntoResponse + Send + 'static,
        F: Fn(&A) -> R + Clone + Send + Sync + 'static,
    {
        self.route(line, move |State(world): State<Arc<World<A>>>, Path(name): Path<String>| {
            ready(world.controlled(&name).map(|account| run(&account)))
        })
    }

    /// A route of one account without a body that does something, answered 204.
    pub fn act(self, line: &'static str, run: impl Fn(&A) + Clone + Send + Sync + 'static) -> Self {
        self.show(line, move |account| {
            run(account);
            StatusCode::NO_CONTENT
        })
    }

    /// The control routes that every account of every ATS has.
    pub fn of_accounts() -> Self {
        Self::default()
            .set("POST /{account}/grow", |account: &A, changes: Changes| {
                let (mut chance, count) = changes.checked()?;
                account.grow(&mut chance, count);
                Ok(())
            })
            .answer("POST /{account}/step", |account: &A, changes: Changes| {
                let (mut chance, count) = changes.checked()?;
                let done: Vec<String> = (0..count).map(|_| account.step(&mut chance)).collect();
                Ok(Json(json!({"done": done})))
            })
            .show("GET /{account}/truth", |account: &A| Json(json!(account.truth())))
            .answer("POST /{account}/deliveries", |account: &A, Secret { secret }| {
                Ok(Json(json!({"items": account.deliveries(&secret).iter().map(Delivery::listed).collect::<Vec<_>>()})))
            })
    }
}

impl Delivery {
    fn listed(&self) -> Value {
        let headers: BTreeMap<&String, &String> = self.headers.iter().map(|(name, value)| (name, value)).collect();
        json!({"headers": headers, "body": String::from_utf8_lossy(&self.body)})
    }
}
