//! Accepting work: ids by idempotency key, and the 202 answer.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use domain::id::OrgId;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::body::idempotency_key;
use crate::problem::Problem;

/// How many seconds a client may wait before it asks for the state of its work.
const POLL_AFTER_SECONDS: u32 = 1;

/// What becomes of an id: a fresh one, or the one that this key always gives, so that a repeated request finds its record.
///
/// # Errors
/// 400 when the key is not valid.
pub fn id_for<T>(
    headers: &HeaderMap,
    org: &OrgId,
    fresh: impl FnOnce() -> T,
    derived: impl FnOnce(&OrgId, &[&str]) -> T,
) -> Result<T, Problem> {
    Ok(match idempotency_key(headers)? {
        Some(key) => derived(org, &["idempotency-key", key]),
        None => fresh(),
    })
}

/// 202: durable, and on its way. `Location` is where its state can be read.
pub fn accepted<T: Serialize>(location: &str, resource: &T) -> Response {
    let mut response = (StatusCode::ACCEPTED, axum::Json(resource)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::RETRY_AFTER, HeaderValue::from(POLL_AFTER_SECONDS));
    response
}

/// 503 after the record was written and the queue did not take the job. The record stays and is enqueued later; the client
/// is told, because its repetition without the key would be a second piece of work.
pub fn not_enqueued(error: &impl Display) -> Problem {
    tracing::error!(%error, "recorded, but not enqueued");
    let detail = "the request is recorded and will be queued within 10 minutes; to hurry it, send it again with the same \
                  Idempotency-Key";
    Problem::unavailable(detail, 5)
}
