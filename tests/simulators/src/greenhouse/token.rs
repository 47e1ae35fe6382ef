//! Tokens: `POST /auth/token`, in production `https://auth.greenhouse.io/token`.
//!
//! Both grants that are simulated have Basic `client_id:client_secret`: `client_credentials` with the user to act for in
//! `sub`, and `refresh_token`, whose token is worth one use and is answered anew each time. Not verified on a real wire: the
//! answers for a `sub` that is no user, and for a revoked client.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Held,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{account::World, state::State, table::Table};
use crate::{
    gate::Counted,
    wire::{basic, urlencoded},
};

const GRANTS: &str =
    "authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:token-exchange";

fn refused(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

fn explained(status: StatusCode, message: &str) -> Response {
    refused(status, json!({"message": message, "errorId": "err-0001"}))
}

/// `POST /auth/token`.
pub async fn token(Held(world): Held<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some((client, secret)) = basic(&headers) else { return explained(StatusCode::UNAUTHORIZED, "Unauthorized") };
    let Some(name) = client.strip_prefix("local-greenhouse-").filter(|name| !name.is_empty()) else {
        let message = format!("client_id={client} does not contain a valid client ID suffix");
        return explained(StatusCode::BAD_REQUEST, &message);
    };
    let invalid_client = || refused(StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
    if secret != format!("local-greenhouse-secret-{name}") {
        return invalid_client();
    }
    let Some(account) = world.account(name) else { return invalid_client() };
    let state = &mut *account.state();
    let (now_ms, revoked) = (state.now_ms(), state.vendor.gate.tokens.revoked);
    let counted = state.vendor.gate.token.count(now_ms);
    let mut response = if counted.is_some_and(Counted::refused) {
        refused(StatusCode::TOO_MANY_REQUESTS, json!({"message": "Rate limit exceeded"}))
    } else if revoked {
        invalid_client()
    } else {
        granted(state, &body, now_ms)
    };
    state.vendor.gate.write(counted, now_ms, &mut response);
    response
}

fn granted(state: &mut State, body: &[u8], now_ms: i64) -> Response {
    let form = urlencoded(body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let granted = match field("grant_type") {
        "" => Err(json!({"message": "Must include `grant_type` parameter in /token request"})),
        "client_credentials" => Ok(admin(state, field("sub")).map(|admin| state.vendor.gate.issue(now_ms, admin))),
        "refresh_token" => Ok(state.vendor.gate.rotate(field("refresh_token"), now_ms)),
        "authorization_code" => Ok(None),
        other => Err(json!({"message": format!("grant_type={other} is invalid, please use one of: {GRANTS}")})),
    };
    match granted {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => refused(StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"})),
        Err(body) => refused(StatusCode::BAD_REQUEST, body),
    }
}

/// Whether this user is a site admin; nothing for who is no user.
fn admin(state: &State, sub: &str) -> Option<bool> {
    let user = state.store.row(Table::Users, sub.parse().ok()?);
    user.map(|row| row.is("site_admin") && !row.is("deactivated"))
}
