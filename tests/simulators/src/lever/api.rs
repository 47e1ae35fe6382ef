//! The routes of the API as a table: method, path, the parameters that each knows, and what answers it.

use std::sync::Arc;

use super::{
    account::{Company, World},
    error::Error,
    gate::account_of,
    query::Query,
    read,
    state::State,
    write,
};
use crate::wire::{Call, basic, bearer};
use axum::{
    Router,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};

/// The parameters of a route; a request with another one is refused, so that a misspelt filter is noticed.
type Known = &'static [&'static str];
type Answer = fn(&mut State, &Call, &Query) -> Result<Response, Error>;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const DELETED_AT: Known = &["deleted_at_start", "deleted_at_end"];

const ROUTES: [(MethodFilter, &str, Known, Answer); 23] = [
    (GET, "/opportunities", &read::OPPORTUNITY_FILTERS, read::opportunities),
    (GET, "/opportunities/deleted", DELETED_AT, read::deleted_opportunities),
    (GET, "/opportunities/{id}", &["expand"], read::opportunity),
    (GET, "/opportunities/{id}/interviews", &["expand"], read::interviews),
    (GET, "/opportunities/{id}/interviews/{interview}", &[], read::interview),
    (GET, "/opportunities/{id}/applications", &["expand"], read::applications),
    (GET, "/opportunities/{id}/applications/{application}", &[], read::application),
    (GET, "/opportunities/{id}/offers", &["expand"], read::offers),
    (MethodFilter::PUT, "/opportunities/{id}/stage", &["perform_as"], write::stage),
    (MethodFilter::PUT, "/opportunities/{id}/archived", &["perform_as"], write::archived),
    (GET, "/opportunities/{id}/notes", &[], read::notes),
    (POST, "/opportunities/{id}/notes", &["perform_as", "note_id"], write::note),
    (GET, "/applications/deleted", DELETED_AT, read::deleted_applications),
    (GET, "/postings", &read::POSTING_FILTERS, read::postings),
    (GET, "/postings/deleted", DELETED_AT, read::deleted_postings),
    (GET, "/postings/{id}", &[], read::posting),
    (GET, "/users", &["email", "accessRole", "includeDeactivated"], read::users),
    (GET, "/users/{id}", &[], read::user),
    (GET, "/stages", &[], read::stages),
    (GET, "/archive_reasons", &["type"], read::reasons),
    (GET, "/webhooks", &[], write::hooks),
    (POST, "/webhooks", &[], write::create_hook),
    (MethodFilter::DELETE, "/webhooks/{id}", &[], write::delete_hook),
];

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<Arc<World>> {
    ROUTES.into_iter().fold(Router::new(), |router, (method, path, known, answer)| {
        let handler = move |Shared(world): Shared<Arc<World>>, call: Call| async move {
            let answered = enter(&world, &call.headers).and_then(|company| {
                let query = Query::parse(&call.query, known)?;
                company.with(|state| answer(state, &call, &query))
            });
            answered.into_response()
        };
        router.route(path, on(method, handler))
    })
}

/// The account that the credentials of a request open. What is refused for its credentials costs nothing of the limit.
fn enter(world: &World, headers: &HeaderMap) -> Result<Arc<Company>, Error> {
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
        state.vendor.served = true;
        let now = state.now_ms();
        let gate = &mut state.vendor.gate;
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

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;
    use crate::world::Clock;

    #[test]
    fn a_revoked_key_is_refused_and_maintenance_refuses_before_it() {
        // Basic local-lever-key-acme:
        let key = HeaderValue::from_static("Basic bG9jYWwtbGV2ZXIta2V5LWFjbWU6");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
        let world = World::new(Clock::system());
        let status = || enter(&world, &headers).map_or_else(|error| error.0.as_u16(), |_| 200);
        assert_eq!(status(), 200);
        let acme = world.account("acme").expect("an account");
        acme.state().vendor.gate.tokens.revoked = true;
        assert_eq!(status(), 401);
        acme.state().vendor.gate.maintenance = true;
        assert_eq!(status(), 503);
    }
}
