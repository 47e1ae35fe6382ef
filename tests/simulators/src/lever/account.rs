//! One customer of Lever, and the errors of its API.

use std::sync::{Arc, Mutex};

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{gate::account_of, hook, life, state::State, truth};
use crate::{
    control::lock,
    gate::Bucket,
    wire::{basic, bearer},
    world::{self, Account, Chance, Clock, Delivery, Truth},
};

pub type World = world::World<Company>;

pub struct Company(Mutex<State>);

impl Company {
    pub(super) fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&lock(&self.0))
    }

    /// Works on the state.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.0))
    }

    /// Requests a second and at once for this account from now on, initially 10 and 20; none is no limit.
    pub fn set_limit(&self, limit: Option<(u32, u32)>) {
        self.with(|state| state.gate.api = limit.map(|limit| Bucket::new(limit, state.now())));
    }

    /// Whether every request is answered 503.
    pub fn set_maintenance(&self, on: bool) {
        self.with(|state| state.gate.maintenance = on);
    }

    /// Whether no credentials open this account.
    pub fn set_revoked(&self, revoked: bool) {
        self.with(|state| state.gate.tokens.revoked = revoked);
    }

    /// Ends all access tokens now.
    pub fn expire_tokens(&self) {
        self.with(|state| state.gate.tokens.expire());
    }

    /// A person authorises the application again; gives the refresh token.
    pub fn authorise(&self) -> String {
        self.with(|state| state.gate.authorise(&state.name))
    }

    /// How many events wait for delivery.
    pub fn pending(&self) -> usize {
        self.read(|state| state.events.len())
    }
}

impl Account for Company {
    fn open(name: &str, clock: &Clock) -> Self {
        Self(Mutex::new(State::new(name, clock.clone())))
    }

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

/// The account that the credentials of a request open. What is refused for its credentials costs nothing of the limit.
pub(super) fn enter(world: &World, headers: &HeaderMap) -> Result<Arc<Company>, Error> {
    let unauthorised = || Error(StatusCode::UNAUTHORIZED, "InvalidCredentials", "Invalid credentials".to_owned());
    let token = bearer(headers);
    let key = basic(headers).filter(|(_, password)| password.is_empty()).map(|(key, _)| key);
    let named = match (token, &key) {
        (Some(token), _) => account_of(token),
        (None, Some(key)) => key.strip_prefix("local-lever-key-"),
        (None, None) => None,
    };
    let company = named.and_then(|name| world.account(name)).ok_or_else(unauthorised)?;
    company.with(|state| {
        state.served = true;
        let now = state.now();
        let gate = &mut state.gate;
        if gate.maintenance {
            let message = "Lever is down for maintenance".to_owned();
            return Err(Error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message));
        }
        if token.map_or(gate.tokens.revoked, |token| gate.tokens.check(token, now).is_none()) {
            return Err(unauthorised());
        }
        if gate.api.as_mut().is_some_and(|bucket| !bucket.take(now)) {
            return Err(Error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Rate limit exceeded".to_owned()));
        }
        Ok(())
    })?;
    Ok(company)
}

/// An error of the API.
#[derive(Debug)]
pub struct Error(pub StatusCode, pub &'static str, pub String);

impl Error {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message.into())
    }

    pub(super) fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{what} not found"))
    }

    /// The body of a fault that gives none.
    pub(super) fn simulated(status: StatusCode) -> Option<Value> {
        let failed = status.is_client_error() || status.is_server_error();
        failed.then(|| json!({"code": "InternalError", "message": status.canonical_reason()}))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"code": self.1, "message": self.2}))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn a_revoked_key_is_refused_and_maintenance_refuses_before_it() {
        // Basic local-lever-key-acme:
        let key = HeaderValue::from_static("Basic bG9jYWwtbGV2ZXIta2V5LWFjbWU6");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
        let world = World::new(Clock::system());
        let status = || enter(&world, &headers).map_or_else(|error| error.0.as_u16(), |_| 200);
        assert_eq!(status(), 200);
        let acme = world.account("acme").expect("an account");
        acme.set_revoked(true);
        assert_eq!(status(), 401);
        acme.set_maintenance(true);
        assert_eq!(status(), 503);
    }
}
