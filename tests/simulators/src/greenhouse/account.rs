//! One customer of Greenhouse: its rows, its tokens and its limits.

use std::sync::{Mutex, MutexGuard};

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    seed,
    signature::{escape, new_event_id, sign},
    state::State,
    step, truth,
};
use crate::{
    control::lock,
    gate::{Begin, Counted, Tokens, Window},
    world::{self, Chance, Clock, Delivery, Truth},
};

const ACCESS_MS: i64 = 60 * 60 * 1_000;
const REFRESH_MS: i64 = 24 * 60 * 60 * 1_000;
/// Lengths of the windows of Harvest and of the token server.
const HARVEST_MS: i64 = 30_000;
const TOKEN_MS: i64 = 60_000;

pub type World = world::World<Account>;

/// Limits and tokens of an account.
#[derive(Debug)]
pub struct Gate {
    pub harvest: Window,
    pub token: Window,
    pub tokens: Tokens,
    retry_after: bool,
    account: String,
}

impl Gate {
    fn next(&mut self, kind: &str) -> String {
        let hash = hex::encode(Sha256::digest(format!("{kind}/{}/{}", self.account, self.tokens.number())));
        format!("{kind}.{}.{hash}", self.account)
    }

    /// Issues an access token: the answer of the token server.
    pub fn issue(&mut self, now_ms: i64, admin: bool) -> Value {
        let (token, until) = (self.next("access"), now_ms + ACCESS_MS);
        self.tokens.issue(&token, (now_ms, until), admin);
        let at = Timestamp::from_millisecond(until).unwrap_or_default();
        json!({"token_type": "Bearer", "access_token": token, "expires_at": format!("{at:.0}")})
    }

    /// Trades a refresh token for an access token and the next refresh token.
    pub fn rotate(&mut self, old: &str, now_ms: i64) -> Option<Value> {
        if !self.tokens.redeem(old, now_ms) {
            return None;
        }
        let (answer, new) = (self.issue(now_ms, true), self.next("refresh"));
        self.tokens.allow(&new, now_ms + REFRESH_MS);
        Some(crate::wire::with(answer, json!({"refresh_token": new})))
    }

    /// Writes the headers of a limit. The reset is always a whole window from now, though the window may end earlier.
    pub fn write(&self, counted: Option<(Counted, i64)>, now_ms: i64, response: &mut Response) {
        let Some((counted, length_ms)) = counted else { return };
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(counted.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(counted.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from((now_ms.div_euclid(1_000)) + length_ms / 1_000));
        if let Some(wait) = counted.wait_s().filter(|_| self.retry_after) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
    }

    /// Counts a request to Harvest.
    pub fn count(&mut self, now_ms: i64) -> Option<(Counted, i64)> {
        self.harvest.count(now_ms).map(|counted| (counted, HARVEST_MS))
    }

    /// Counts a request to the token server.
    pub fn count_token(&mut self, now_ms: i64) -> Option<(Counted, i64)> {
        self.token.count(now_ms).map(|counted| (counted, TOKEN_MS))
    }
}

/// The account in whose name an access token was made.
pub fn account_of(token: &str) -> Option<&str> {
    token.strip_prefix("access.")?.rsplit_once('.').map(|(account, _)| account)
}

#[derive(Debug)]
pub struct Account {
    name: String,
    clock: Clock,
    state: Mutex<State>,
    gate: Mutex<Gate>,
    delivered: Mutex<u64>,
}

impl Account {
    /// Works on its rows.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.state))
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    /// Ends all access tokens; refresh tokens and credentials stay.
    pub fn expire_tokens(&self) {
        self.gate().tokens.expire();
    }

    /// Takes back all tokens and the credentials.
    pub fn revoke(&self) {
        let tokens = &mut self.gate().tokens;
        tokens.expire();
        tokens.forget_refresh();
        tokens.revoked = true;
    }

    /// The customer authorizes the partner (again): the first refresh token, which is answered, is good once within a day.
    pub fn authorize(&self) -> String {
        let (first, tokens) = (format!("local-greenhouse-refresh-{}", self.name), &mut self.gate().tokens);
        tokens.revoked = false;
        tokens.allow(&first, self.now_ms() + REFRESH_MS);
        first
    }

    /// Requests in each half minute, or no limit.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.gate().harvest.limit = limit;
    }

    /// Whether a 429 says when to come back.
    pub fn set_retry_after(&self, told: bool) {
        self.gate().retry_after = told;
    }
}

impl world::Account for Account {
    fn open(name: &str, clock: &Clock) -> Self {
        let gate = Gate {
            harvest: Window::new(Begin::Aligned, HARVEST_MS, Some(150)),
            token: Window::new(Begin::Aligned, TOKEN_MS, Some(60)),
            tokens: Tokens::default(),
            retry_after: true,
            account: name.to_owned(),
        };
        let account = Self {
            name: name.to_owned(),
            clock: clock.clone(),
            state: Mutex::new(seed::account(name, clock.clone())),
            gate: Mutex::new(gate),
            delivered: Mutex::default(),
        };
        account.authorize();
        account
    }

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
        let signed = events.into_iter().map(|event| {
            *delivered += 1;
            let id = new_event_id(&format!("{}/{}/{}", self.name, *delivered, self.now_ms()));
            let body = escape(&event);
            let signature = sign(secret, body.as_bytes());
            Delivery::json(&[("signature", signature), ("greenhouse-event-id", id)], body)
        });
        signed.collect()
    }
}
