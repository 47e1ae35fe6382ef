//! Conditional requests and the headers of cached answers (RFC 9110, RFC 9111).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use resilience::cache::Outcome;

/// The header that names the source of an answer: `hit`, `stale`, `miss` or `bypass`.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The conditions that a client sets on its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Whether the origin must answer (`Cache-Control: no-cache`).
    pub origin: bool,
    /// The validators of the answers that the client has (`If-None-Match`).
    known: Vec<String>,
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Self {
        let listed = |name: HeaderName| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(str::trim).map(str::to_owned).collect::<Vec<String>>()
        };
        let origin = listed(header::CACHE_CONTROL).iter().any(|directive| directive.eq_ignore_ascii_case("no-cache"));
        Self { origin, known: listed(header::IF_NONE_MATCH) }
    }

    /// Whether the client has the answer with this validator. `If-None-Match` compares weakly (RFC 9110, section 13.1.2): some proxies weaken
    /// a validator when they compress.
    fn match_etag(&self, etag: &str) -> bool {
        self.known.iter().any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// A JSON answer that this service and the client may cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representation {
    pub content: Arc<str>,
    /// The strong validator of the content, in quotes.
    pub etag: Arc<str>,
    /// The time since the content was read.
    pub age: Duration,
    /// The age up to which the content is fresh.
    pub fresh: Duration,
    /// The source of the answer.
    pub outcome: Outcome,
}

impl Representation {
    /// 200 with the content, or 304 when the client has it. `max-age` counts from the read of the content, as RFC 9111
    /// requires: a client subtracts `Age` to learn for how long the content stays fresh.
    #[must_use]
    pub fn respond(self, preconditions: &Preconditions) -> Response {
        let Self { content, etag, age, fresh, outcome } = self;
        let mut response = if preconditions.match_etag(&etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (json, content.as_ref().to_owned()).into_response()
        };
        let max_age = format!("private, max-age={}", fresh.as_secs());
        let headers = response.headers_mut();
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
        headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
        headers.insert(X_CACHE, HeaderValue::from_static(outcome.as_str()));
        for (name, value) in [(header::CACHE_CONTROL, max_age.as_str()), (header::ETAG, &etag)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preconditions(headers: &[(HeaderName, &str)]) -> Preconditions {
        let pairs = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        Preconditions::of(&pairs.collect())
    }

    fn respond(preconditions: &Preconditions) -> Response {
        let representation = Representation {
            content: "{}".into(),
            etag: "\"abc\"".into(),
            age: Duration::from_millis(12_900),
            fresh: Duration::from_secs(300),
            outcome: Outcome::Hit,
        };
        representation.respond(preconditions)
    }

    #[test]
    fn headers_hold_age_lifetime_validator_and_source() {
        let response = respond(&Preconditions::default());
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let names = ["content-type", "cache-control", "age", "etag", "vary", "x-cache"];
        let wanted = ["application/json", "private, max-age=300", "12", "\"abc\"", "Authorization", "hit"];
        assert_eq!(names.map(header), wanted);
    }

    #[test]
    fn a_known_validator_gets_304_with_the_same_headers_and_no_body() {
        for known in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            let response = respond(&preconditions(&[(header::IF_NONE_MATCH, known)]));
            assert_eq!(response.status(), 304, "{known}");
            assert_eq!(response.headers().get("etag").map(HeaderValue::as_bytes), Some(&b"\"abc\""[..]));
            assert!(!response.headers().contains_key("content-type"));
        }
        for other in ["\"ab\"", "abc", "\"\"", ""] {
            assert_eq!(respond(&preconditions(&[(header::IF_NONE_MATCH, other)])).status(), 200, "{other}");
        }
    }

    #[test]
    fn only_no_cache_requires_the_origin() {
        for (value, origin) in
            [("no-cache", true), ("max-age=0, No-Cache", true), ("max-age=0", false), ("no-cached", false), ("", false)]
        {
            assert_eq!(preconditions(&[(header::CACHE_CONTROL, value)]).origin, origin, "{value}");
        }
    }
}
