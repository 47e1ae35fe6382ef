//! Harvest v3, `/harvest/v3/...`, in production `https://harvest.greenhouse.io/v3`: who may ask, how often, and the lists.
//!
//! A route that there is not is 404 even for who has no token. A token is 401 when it is not worth anything; the lists are for
//! site admins, any other user gets 403 (its body is not verified on a real wire, nor is that of the 429).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State as Held},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::{Value, json};

use super::{
    World,
    account::Account,
    list::{Unprocessable, Wanted},
    table::Table,
    token, write,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// The routes below `/harvest/v3`.
pub fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/{list}", get(list).post(write::create))
        .route("/{list}/{id}", patch(write::update).delete(write::delete).get(no_such))
        .route("/applications/{id}/{verb}", post(write::act))
        .with_state(world)
}

async fn no_such() -> Response {
    not_found()
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

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

/// Lets a request in that has a token and room in the window, and writes the headers of the limit.
pub fn admitted(world: &World, headers: &HeaderMap, answer: impl FnOnce(&Account, &str) -> Response) -> Response {
    let unauthorized = || refused(StatusCode::UNAUTHORIZED, "Unauthorized", vec![json!("Token could not be decoded.")]);
    let Some(token) = bearer(headers) else { return unauthorized() };
    let Some(account) = token::account_of(token).and_then(|name| world.existing(name)) else { return unauthorized() };
    let Some(admin) = account.tokens().of(token, account.now_ms()) else { return unauthorized() };
    let counted = account.count();
    let request_id = request_id(token, account.now_ms(), counted.map_or(0, |counted| counted.remaining));
    let mut response = if counted.is_some_and(|counted| counted.wait_s.is_some()) {
        refused(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", vec![json!("Rate limit exceeded")])
    } else if admin {
        answer(&account, &request_id)
    } else {
        refused(StatusCode::FORBIDDEN, "Forbidden", vec![json!("The user is not a site admin.")])
    };
    if let Some(counted) = counted {
        counted.write(&mut response, account.tells_retry_after());
    }
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

async fn list(
    Held(world): Held<Arc<World>>,
    Path(path): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(table) = Table::named(&path) else { return not_found() };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1").to_owned();
    admitted(&world, &headers, |account, request_id| {
        let wanted = match Wanted::read(table, raw.as_deref().unwrap_or_default()) {
            Ok(wanted) => wanted,
            Err(refused) => return refused.into_response(),
        };
        let (body, next) = account.with(|state| wanted.page(&state.store, table, request_id));
        let link = next.map_or_else(String::new, |cursor| {
            let cursor = cursor.replace('=', "%3D");
            format!("<http://{host}/greenhouse/harvest/v3/{path}?cursor={cursor}>; rel=\"next\"")
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
