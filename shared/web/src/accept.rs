//! Accepting work: ids by idempotency key, and the 202 response.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use domain::id::OrgId;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::body::idempotency_key;
use crate::problem::Problem;

/// The seconds after which a client may read the state of its work.
const POLL_AFTER_SECONDS: u32 = 1;

/// The id of a new record: the one that follows from the idempotency key, so that a repeated request finds its record, or a
/// fresh one without a key.
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

/// 202: the work is durable and will be done. `Location` is the path of its state.
pub fn accepted<T: Serialize>(location: &str, resource: &T) -> Response {
    let mut response = (StatusCode::ACCEPTED, axum::Json(resource)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::RETRY_AFTER, HeaderValue::from(POLL_AFTER_SECONDS));
    response
}

/// 503 when the record was written and the queue did not accept the job. The record stays and is enqueued later. The
/// response says so, because a repetition without the key would be a second piece of work.
pub fn not_enqueued(error: &impl Display) -> Problem {
    tracing::error!(%error, "recorded, but not enqueued");
    let detail = "the request is recorded and will be queued within 10 minutes; to hurry it, send it again with the same \
                  Idempotency-Key";
    Problem::unavailable(detail, 5)
}
