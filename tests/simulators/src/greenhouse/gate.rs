//! Limits and tokens of an account.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    gate::{Begin, Counted, Tokens, Window},
    wire::with,
};

const ACCESS_MS: i64 = 60 * 60 * 1_000;
const REFRESH_MS: i64 = 24 * 60 * 60 * 1_000;
/// Lengths of the windows of Harvest and of the token server.
const HARVEST_MS: i64 = 30_000;
const TOKEN_MS: i64 = 60_000;

/// Limits and tokens of an account.
#[derive(Debug)]
pub struct Gate {
    pub harvest: Window,
    pub token: Window,
    pub tokens: Tokens,
    /// Whether a 429 says when to come back.
    pub retry_after: bool,
    account: String,
}

impl Gate {
    /// That of an account which has authorized the partner.
    pub fn new(account: &str, now_ms: i64) -> Self {
        let mut gate = Self {
            harvest: Window::new(Begin::Aligned, HARVEST_MS, Some(150)),
            token: Window::new(Begin::Aligned, TOKEN_MS, Some(60)),
            tokens: Tokens::default(),
            retry_after: true,
            account: account.to_owned(),
        };
        gate.authorize(now_ms);
        gate
    }

    /// The customer authorizes the partner (again): the first refresh token, which is answered, is good once within a day.
    pub fn authorize(&mut self, now_ms: i64) -> String {
        let first = format!("local-greenhouse-refresh-{}", self.account);
        self.tokens.revoked = false;
        self.tokens.allow(&first, now_ms + REFRESH_MS);
        first
    }

    /// Takes back all tokens and the credentials.
    pub fn revoke(&mut self) {
        self.tokens.expire();
        self.tokens.forget_refresh();
        self.tokens.revoked = true;
    }

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
        Some(with(answer, json!({"refresh_token": new})))
    }

    /// Writes the headers of a limit. The reset is always a whole window from now, though the window may end earlier.
    pub fn write(&self, counted: Option<Counted>, now_ms: i64, response: &mut Response) {
        let Some(counted) = counted else { return };
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(counted.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(counted.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from((now_ms.div_euclid(1_000)) + counted.length_ms / 1_000));
        if let Some(wait) = counted.wait_s().filter(|_| self.retry_after) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
    }
}

/// The account in whose name an access token was made.
pub fn account_of(token: &str) -> Option<&str> {
    token.strip_prefix("access.")?.rsplit_once('.').map(|(account, _)| account)
}
