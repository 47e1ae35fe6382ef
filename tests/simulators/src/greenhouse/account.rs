//! One customer of Greenhouse, and the world of all of them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use jiff::Timestamp;

use super::{
    escape,
    limit::{Counted, Window},
    new_event_id, sign,
    state::State,
    step,
    token::Tokens,
    truth,
};
use crate::{
    control::lock,
    world::{self, Chance, Clock, Delivery, Truth},
};

/// Accounts kept at once; one is made when it is first asked for.
pub const ACCOUNTS_MAX: usize = 200;

/// How many requests an account may make.
#[derive(Debug)]
struct Gate {
    window: Window,
    retry_after: bool,
}

/// One customer.
#[derive(Debug)]
pub struct Account {
    name: String,
    clock: Clock,
    state: Mutex<State>,
    tokens: Mutex<Tokens>,
    gate: Mutex<Gate>,
    delivered: Mutex<u64>,
}

impl Account {
    fn new(name: &str, clock: &Clock) -> Self {
        Self {
            name: name.to_owned(),
            clock: clock.clone(),
            state: Mutex::new(State::new(name, clock.clone())),
            tokens: Mutex::new(Tokens::new(name, clock.now_ms())),
            gate: Mutex::new(Gate { window: Window::new(30, 150), retry_after: true }),
            delivered: Mutex::default(),
        }
    }

    /// Works on its rows.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.state))
    }

    /// Now, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    /// Ends all access tokens.
    pub fn expire_tokens(&self) {
        self.tokens().expire();
    }

    /// Takes back all tokens and the credentials.
    pub fn revoke(&self) {
        self.tokens().revoke();
    }

    /// Authorizes (again) and answers the first refresh token.
    pub fn authorize(&self) -> String {
        self.tokens().authorize(self.now_ms())
    }

    /// Requests in each half minute, or no limit.
    pub fn set_limit(&self, limit: Option<u64>) {
        lock(&self.gate).window.set(limit);
    }

    /// Whether a 429 says when to come back.
    pub fn set_retry_after(&self, told: bool) {
        lock(&self.gate).retry_after = told;
    }

    pub(super) fn tells_retry_after(&self) -> bool {
        lock(&self.gate).retry_after
    }

    pub(super) fn count(&self) -> Option<Counted> {
        lock(&self.gate).window.count(self.now_ms())
    }
}

impl world::Account for Account {
    fn grow(&self, chance: &mut Chance, objects: usize) {
        self.with(|state| step::grow(state, chance, objects));
    }

    fn step(&self, chance: &mut Chance) -> String {
        self.with(|state| step::step(state, chance))
    }

    fn truth(&self) -> Truth {
        self.with(|state| truth::truth(state))
    }

    fn deliveries(&self, secret: &str) -> Vec<Delivery> {
        let events = self.with(State::take_events);
        let mut delivered = lock(&self.delivered);
        events
            .into_iter()
            .map(|event| {
                *delivered += 1;
                let body = escape(&event).into_bytes();
                let id = new_event_id(&format!("{}/{}/{}", self.name, *delivered, self.now_ms()));
                let headers = [
                    ("content-type", "application/json".to_owned()),
                    ("signature", sign(secret, &body)),
                    ("greenhouse-event-id", id),
                ];
                Delivery { headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(), body }
            })
            .collect()
    }
}

/// All customers.
pub struct World {
    clock: Clock,
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("World").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl World {
    /// One whose times are this clock's.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, accounts: Mutex::default() })
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An account, which is made with its first data when it is new. None when there are too many.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        let mut accounts = lock(&self.accounts);
        if accounts.len() >= ACCOUNTS_MAX && !accounts.contains_key(name) {
            return None;
        }
        let made = || Arc::new(Account::new(name, &self.clock));
        Some(Arc::clone(accounts.entry(name.to_owned()).or_insert_with(made)))
    }

    /// An account that there is already.
    pub fn existing(&self, name: &str) -> Option<Arc<Account>> {
        lock(&self.accounts).get(name).cloned()
    }

    /// Forgets all accounts.
    pub fn clear(&self) {
        lock(&self.accounts).clear();
    }
}
