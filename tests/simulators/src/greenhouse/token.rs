//! Tokens: `POST /auth/token`, in production `https://auth.greenhouse.io/token`.
//!
//! Both grants that are simulated have Basic `client_id:client_secret`: `client_credentials` with the user to act for in
//! `sub`, and `refresh_token`, whose token is worth one use and is answered anew each time. Not verified on a real wire: the
//! answers for a `sub` that is no user, and for a revoked client.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State as Held,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{World, account::Account, limit::Window, table::Table};

const ACCESS_MS: i64 = 60 * 60 * 1_000;
const REFRESH_MS: i64 = 24 * 60 * 60 * 1_000;
const GRANTS: &str =
    "authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:token-exchange";

/// The tokens of an account.
#[derive(Debug)]
pub struct Tokens {
    account: String,
    /// Token, when it ends, and whether its user may read.
    access: BTreeMap<String, (i64, bool)>,
    refresh: BTreeMap<String, i64>,
    window: Window,
    made: u64,
    revoked: bool,
}

impl Tokens {
    /// With the first refresh token.
    #[must_use]
    pub fn new(account: &str, now_ms: i64) -> Self {
        let mut tokens = Self {
            account: account.to_owned(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            window: Window::new(60, 60),
            made: 0,
            revoked: false,
        };
        tokens.authorize(now_ms);
        tokens
    }

    /// The customer authorizes the partner (again): the first refresh token is worth its use for a day.
    pub fn authorize(&mut self, now_ms: i64) -> String {
        let first = format!("local-greenhouse-refresh-{}", self.account);
        self.revoked = false;
        self.refresh.insert(first.clone(), now_ms + REFRESH_MS);
        first
    }

    /// Ends all access tokens; refresh tokens and credentials stay.
    pub fn expire(&mut self) {
        self.access.clear();
    }

    /// Takes back tokens and credentials.
    pub fn revoke(&mut self) {
        self.access.clear();
        self.refresh.clear();
        self.revoked = true;
    }

    /// Whether the user of a token may read; nothing when the token is not worth anything.
    #[must_use]
    pub fn of(&self, token: &str, now_ms: i64) -> Option<bool> {
        self.access.get(token).filter(|(until, _)| now_ms < *until).map(|(_, admin)| *admin)
    }

    fn next(&mut self, kind: &str) -> String {
        self.made += 1;
        let hash = hex::encode(Sha256::digest(format!("{kind}/{}/{}", self.account, self.made)));
        format!("{kind}.{}.{hash}", self.account)
    }

    fn issue(&mut self, now_ms: i64, admin: bool) -> Value {
        let token = self.next("access");
        let until = now_ms + ACCESS_MS;
        self.access.retain(|_, (until, _)| now_ms < *until);
        self.access.insert(token.clone(), (until, admin));
        let at = Timestamp::from_millisecond(until).unwrap_or_default();
        json!({"token_type": "Bearer", "access_token": token, "expires_at": format!("{at:.0}")})
    }

    fn rotate(&mut self, old: &str, now_ms: i64) -> Option<Value> {
        self.refresh.remove(old).filter(|until| now_ms < *until)?;
        let mut answer = self.issue(now_ms, true);
        let new = self.next("refresh");
        self.refresh.insert(new.clone(), now_ms + REFRESH_MS);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("refresh_token".to_owned(), json!(new));
        }
        Some(answer)
    }
}

/// The account in whose name a token was made.
#[must_use]
pub fn account_of(token: &str) -> Option<&str> {
    token.strip_prefix("access.")?.rsplit_once('.').map(|(account, _)| account)
}

/// User name and password of a Basic header.
#[must_use]
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(decoded).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

fn refused(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

fn told(status: StatusCode, message: &str) -> Response {
    refused(status, json!({"message": message, "errorId": "err-0001"}))
}

/// `POST /auth/token`.
pub async fn token(Held(world): Held<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some((client, secret)) = basic(&headers) else { return told(StatusCode::UNAUTHORIZED, "Unauthorized") };
    let Some(name) = client.strip_prefix("local-greenhouse-").filter(|name| !name.is_empty()) else {
        let message = format!("client_id={client} does not contain a valid client ID suffix");
        return told(StatusCode::BAD_REQUEST, &message);
    };
    let invalid_client = || refused(StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
    if secret != format!("local-greenhouse-secret-{name}") {
        return invalid_client();
    }
    let Some(account) = world.account(name) else { return invalid_client() };
    let now_ms = account.now_ms();
    let counted = account.tokens().window.count(now_ms);
    let mut response = if counted.is_some_and(|counted| counted.wait_s.is_some()) {
        refused(StatusCode::TOO_MANY_REQUESTS, json!({"message": "Rate limit exceeded"}))
    } else if account.tokens().revoked {
        invalid_client()
    } else {
        granted(&account, &body, now_ms)
    };
    if let Some(counted) = counted {
        counted.write(&mut response, account.tells_retry_after());
    }
    response
}

fn granted(account: &Account, body: &[u8], now_ms: i64) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let answer = match field("grant_type") {
        "" => {
            let message = "Must include `grant_type` parameter in /token request";
            return refused(StatusCode::BAD_REQUEST, json!({"message": message}));
        }
        "client_credentials" => admin(account, field("sub")).map(|admin| account.tokens().issue(now_ms, admin)),
        "refresh_token" => account.tokens().rotate(field("refresh_token"), now_ms),
        "authorization_code" => None,
        other => {
            let message = format!("grant_type={other} is invalid, please use one of: {GRANTS}");
            return refused(StatusCode::BAD_REQUEST, json!({"message": message}));
        }
    };
    match answer {
        Some(answer) => Json(answer).into_response(),
        None => refused(StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"})),
    }
}

/// Whether this user is a site admin; nothing for who is no user.
fn admin(account: &Account, sub: &str) -> Option<bool> {
    let id: u64 = sub.parse().ok()?;
    account.with(|state| state.store.row(Table::Users, id).map(|row| row.is("site_admin") && !row.is("deactivated")))
}
