//! Harvest v3, `/harvest/v3/...`, in production `https://harvest.greenhouse.io/v3`: who may ask, how often, and the lists.
//!
//! A route that there is not is 404 even for who has no token. A token is 401 when it is not worth anything; the lists are for
//! site admins, any other user gets 403 (its body is not verified on a real wire, nor is that of the 429).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State as Held,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{
    account::World,
    gate::account_of,
    list::{Unprocessable, Wanted},
    state::State,
    table::Table,
};
use crate::{
    gate::Counted,
    wire::{Call, bearer},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// The routes below `/harvest/v3` that read.
pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/{list}", get(list)).route("/{list}/{id}", get(|| async { not_found() }))
}

/// 404 as Harvest answers it.
pub fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"message": "Resource not found"}))).into_response()
}

/// An error with reasons.
pub fn refused(status: StatusCode, message: &str, errors: Vec<Value>) -> Response {
    (status, Json(json!({"message": message, "errors": errors}))).into_response()
}

impl IntoResponse for Unprocessable {
    fn into_response(self) -> Response {
        refused(StatusCode::UNPROCESSABLE_ENTITY, "Unprocessable Content", self.0)
    }
}

/// Lets a request in that has a token and room in the window, and writes the headers of the limit.
pub fn admitted(world: &World, headers: &HeaderMap, answer: impl FnOnce(&mut State, &str) -> Response) -> Response {
    let unauthorized = || refused(StatusCode::UNAUTHORIZED, "Unauthorized", vec![json!("Token could not be decoded.")]);
    let Some(token) = bearer(headers) else { return unauthorized() };
    let Some(account) = account_of(token).and_then(|name| world.existing(name)) else { return unauthorized() };
    let state = &mut *account.state();
    let now_ms = state.now_ms();
    let Some(admin) = state.vendor.gate.tokens.check(token, now_ms) else { return unauthorized() };
    let counted = state.vendor.gate.harvest.count(now_ms);
    let request_id = request_id(token, now_ms, counted.map_or(0, |counted| counted.remaining));
    let mut response = if counted.is_some_and(Counted::refused) {
        refused(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", vec![json!("Rate limit exceeded")])
    } else if admin {
        answer(state, &request_id)
    } else {
        refused(StatusCode::FORBIDDEN, "Forbidden", vec![json!("The user is not a site admin.")])
    };
    state.vendor.gate.write(counted, now_ms, &mut response);
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

fn request_id(token: &str, now_ms: i64, remaining: u64) -> String {
    use sha2::{Digest, Sha256};
    let hash = hex::encode(Sha256::digest(format!("{token}/{now_ms}/{remaining}")));
    hash.get(..32).unwrap_or_default().to_owned()
}

async fn list(Held(world): Held<Arc<World>>, call: Call) -> Response {
    let path = call.at(0);
    let Some(table) = Table::named(path) else { return not_found() };
    admitted(&world, &call.headers, |state, request_id| {
        let wanted = match Wanted::read(table, &call.query) {
            Ok(wanted) => wanted,
            Err(refused) => return refused.into_response(),
        };
        let (body, next) = wanted.page(&state.store, table, request_id);
        let link = next.map_or_else(String::new, |cursor| {
            let cursor = cursor.replace('=', "%3D");
            format!("<http://{}/greenhouse/harvest/v3/{path}?cursor={cursor}>; rel=\"next\"", call.host())
        });
        let mut response = body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        // The last page of a walk has the header with nothing in it.
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    })
}
