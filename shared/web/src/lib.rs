//! The shared parts of HTTP functions: errors as problem+json, the caller's identity, bodies that are validated once, accepted
//! work, pages, conditional requests, rate limits in headers.
//!
//! What must never be here: AWS calls, providers, business rules.

pub mod accept;
pub mod api_key;
pub mod body;
pub mod conditional;
pub mod identity;
pub mod limit;
pub mod page;
pub mod problem;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use crate::problem::Problem;

/// Completes a function's routes with responses for unknown paths and methods, and with one log line for each request.
pub fn app(routes: Router) -> Router {
    routes
        .fallback(|| async { Problem::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(axum::middleware::from_fn(log))
}

async fn log(request: Request, next: Next) -> Response {
    let begin = std::time::Instant::now();
    let method = request.method().clone();
    // The pattern, not the path: a path holds ids and whatever a caller puts there.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.method = %method, http.route = route, http.status = response.status().as_u16(), duration_ms, "request");
    response
}
