//! Lever, `/lever/api/v1/...` (production `https://api.lever.co/v1`), its token server `/lever/auth/oauth/token` (production
//! `https://auth.lever.co/oauth/token`), its public postings API `/lever/api/v0/postings/...` and its webhooks.
//!
//! The credentials say whose data is asked for: the key `local-lever-key-<account>` with a blank password, or a token that
//! `local-lever-<account>`, `local-lever-secret-<account>` and the refresh token `local-lever-refresh-<account>` bring; each
//! refresh token is good once. The key of the postings API is `local-lever-postings-key-<account>`.
//!
//! Faithful where a client gets it wrong: `next` is percent-encoded already and is encoded once more like any other value,
//! `updatedAt` is null on old opportunities, a list has no confidential rows unless asked for `all`, interviews and
//! offers move no `updatedAt`, a 429 does not say how long to wait, and a webhook's signature does not cover its data. Sources: recorded
//! answers of the service, the public documentation as client libraries quote it, and the README of the postings API.

pub mod control_routes;
pub mod gate;
mod hiring;
pub mod hook;
mod intake;
mod life;
pub mod model;
mod oauth;
pub mod query;
mod read;
mod render;
pub mod seed;
pub mod send;
pub mod state;
pub mod table;
mod truth;
mod write;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    Simulator,
    control::{Control, lock},
    world::{Account, Chance, Clock, Delivery, Truth},
};
use gate::{Closed, Credential};
use read::Deleted;
use state::State;

/// Accounts kept at once; one is made when it is first asked for.
pub const ACCOUNTS_MAX: usize = 200;

/// All accounts.
pub struct World {
    clock: Clock,
    accounts: Mutex<BTreeMap<String, Arc<Company>>>,
}

/// One account.
pub struct Company(Mutex<State>);

impl World {
    /// A world without accounts.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, accounts: Mutex::default() })
    }

    /// An account, which is made when it is new. None when there are too many, or nobody can be called so.
    pub fn account(&self, name: &str) -> Option<Arc<Company>> {
        let mut accounts = lock(&self.accounts);
        let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_');
        if !accounts.contains_key(name)
            && (accounts.len() >= ACCOUNTS_MAX || name.is_empty() || name.len() > 64 || !name.chars().all(fits))
        {
            return None;
        }
        let made = || Arc::new(Company(Mutex::new(State::new(name, self.clock.clone()))));
        Some(Arc::clone(accounts.entry(name.to_owned()).or_insert_with(made)))
    }

    /// The account that a request's credentials open.
    fn enter(&self, headers: &HeaderMap) -> Result<Arc<Company>, Error> {
        let unauthorised = || Error(StatusCode::UNAUTHORIZED, "InvalidCredentials", "Invalid credentials".to_owned());
        let (account, credential) = credential(headers).ok_or_else(unauthorised)?;
        let company = self.account(&account).ok_or_else(unauthorised)?;
        let entered = company.with(|state| {
            state.served = true;
            let now = state.now();
            state.gate.enter(&credential, now)
        });
        match entered {
            Ok(()) => Ok(company),
            Err(Closed::Unauthorised) => Err(unauthorised()),
            Err(Closed::Limited) => {
                Err(Error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Rate limit exceeded".to_owned()))
            }
            Err(Closed::Maintenance) => {
                let message = "Lever is down for maintenance".to_owned();
                Err(Error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message))
            }
        }
    }
}

impl Company {
    fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&lock(&self.0))
    }

    /// Works on the state.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.0))
    }

    /// Requests a second and at once for this account from now on, initially 10 and 20; none is no limit.
    pub fn set_limit(&self, limit: Option<(u32, u32)>) {
        self.with(|state| {
            let now = state.now();
            state.gate.set_limit(limit, now);
        });
    }

    /// Whether every request is answered 503.
    pub fn set_maintenance(&self, on: bool) {
        self.with(|state| state.gate.maintenance = on);
    }

    /// Whether no credentials open this account.
    pub fn set_revoked(&self, revoked: bool) {
        self.with(|state| state.gate.revoked = revoked);
    }

    /// Ends all access tokens now.
    pub fn expire_tokens(&self) {
        self.with(|state| state.gate.expire());
    }

    /// A person authorises the application again; gives the refresh token.
    pub fn authorise(&self) -> String {
        self.with(|state| {
            state.gate.authorise();
            format!("{}{}", oauth::FIRST, state.name)
        })
    }

    /// How many events wait for delivery.
    pub fn pending(&self) -> usize {
        self.read(|state| state.events.len())
    }
}

impl Account for Company {
    fn grow(&self, chance: &mut Chance, objects: usize) {
        self.with(|state| life::grow(state, chance, objects));
    }

    fn step(&self, chance: &mut Chance) -> String {
        self.with(|state| life::step(state, chance))
    }

    fn truth(&self) -> Truth {
        self.read(truth::truth)
    }

    fn deliveries(&self, secret: &str) -> Vec<Delivery> {
        let events = self.with(|state| std::mem::take(&mut state.events));
        events
            .iter()
            .map(|event| {
                let signature = hook::sign(secret, &event.token, event.at);
                hook::delivery(event.name, &event.data, event.at, Some((&event.token, &signature)))
            })
            .collect()
    }
}

/// The simulator with a fresh world and this machine's time.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that a test holds, too.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let of_reset = Arc::clone(&world);
    Simulator {
        name: "lever",
        about: "Lever: opportunities, postings, interviews, offers, users, deleted ones, write-back, webhooks, intake",
        wire: wire(Arc::clone(&world)),
        extra: control_routes::routes(world),
        extra_index: &control_routes::INDEX,
        control: Control::new(default_error, move || lock(&of_reset.accounts).clear()),
    }
}

fn default_error(status: StatusCode) -> Option<Value> {
    (status.is_client_error() || status.is_server_error())
        .then(|| json!({"code": "InternalError", "message": status.canonical_reason()}))
}

fn wire(world: Arc<World>) -> Router {
    let deleted = |which: Deleted| {
        get(move |Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(raw): RawQuery| {
            read::deleted(world, headers, raw, which)
        })
    };
    let api = Router::new()
        .route("/opportunities", get(read::opportunities))
        .route("/opportunities/deleted", deleted(Deleted::Opportunities))
        .route("/opportunities/{id}", get(read::opportunity))
        .route("/opportunities/{id}/interviews", get(read::interviews))
        .route("/opportunities/{id}/interviews/{interview}", get(read::interview))
        .route("/opportunities/{id}/applications", get(read::applications))
        .route("/opportunities/{id}/applications/{application}", get(read::application))
        .route("/opportunities/{id}/offers", get(read::offers))
        .route("/opportunities/{id}/stage", put(write::stage))
        .route("/opportunities/{id}/archived", put(write::archived))
        .route("/opportunities/{id}/notes", get(write::notes).post(write::note))
        .route("/applications/deleted", deleted(Deleted::Applications))
        .route("/postings", get(read::postings))
        .route("/postings/deleted", deleted(Deleted::Postings))
        .route("/postings/{id}", get(read::posting))
        .route("/users", get(read::users))
        .route("/users/{id}", get(read::user))
        .route("/stages", get(read::stages))
        .route("/archive_reasons", get(read::reasons))
        .route("/webhooks", get(write::hooks).post(write::create_hook))
        .route("/webhooks/{id}", delete(write::delete_hook));
    Router::new()
        .nest("/api/v1", api)
        .route("/api/v0/postings/{site}/{posting}", post(intake::apply))
        .route("/auth/oauth/token", post(oauth::token))
        .fallback(|| async { Error::missing("Resource") })
        .layer(middleware::map_response_with_state(Arc::clone(&world), dated))
        .with_state(world)
}

/// The time of the world, not that of this machine.
async fn dated(Shared(world): Shared<Arc<World>>, mut response: Response) -> Response {
    let date = world.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// An error of the API.
#[derive(Debug)]
pub struct Error(pub StatusCode, pub &'static str, pub String);

impl Error {
    fn bad(message: String) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{what} not found"))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"code": self.1, "message": self.2}))).into_response()
    }
}

/// Whose account a request asks for, and by what.
fn credential(headers: &HeaderMap) -> Option<(String, Credential)> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        let (number, account) = oauth::access(text.trim())?;
        return Some((account.to_owned(), Credential::Access(number)));
    }
    let decoded = BASE64_STANDARD.decode(text.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(decoded).ok()?;
    let key = pair.strip_suffix(':')?;
    Some((key.strip_prefix("local-lever-key-")?.to_owned(), Credential::Key))
}
