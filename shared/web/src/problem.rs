//! Errors as `application/problem+json` (RFC 9457), naming field and rule where a field is to blame.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A rule that a field of a request breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's path, for example `data.reset_url`; `body` for the body as a whole.
    pub field: String,
    /// The rule in one word, for example `missing`, `unknown`, `type`, `invalid`.
    pub rule: &'static str,
    /// The rule that is broken, as a sentence.
    pub detail: String,
}

/// An error response as problem+json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable name of the kind of problem, a URI.
    #[serde(rename = "type")]
    kind: Box<str>,
    /// The same in words for people.
    title: &'static str,
    /// The HTTP status code.
    status: u16,
    /// The cause, and what the caller can do.
    detail: Box<str>,
    /// The fields that break a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The rate limits that are exceeded.
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated_policies: Option<[&'static str; 1]>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:hiring-integrations:problem:{name}").into_boxed_str(),
            title,
            status: status.as_u16(),
            detail: detail.into().into_boxed_str(),
            errors: Vec::new(),
            violated_policies: None,
            retry_after: None,
        }
    }

    /// 400: the body or a parameter breaks a rule. Nothing was written.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.detail),
            many => format!("{} fields break a rule; see errors", many.len()),
        };
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid", detail);
        problem.errors = errors;
        problem
    }

    /// 400: one field breaks a rule.
    #[must_use]
    pub fn invalid_field(field: &str, rule: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), rule, detail: detail.into() }])
    }

    /// 401: the caller is not known, or a signature does not match.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "The caller is not known", detail)
    }

    /// 403: the caller is known and not entitled.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The caller may not do this", detail)
    }

    /// 404: the resource does not exist, or is not the caller's; from outside both look the same.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Nothing was found", detail)
    }

    /// 405: the path exists, and not with this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method does not fit the path",
            "this path exists, but not with this method; see the Allow header",
        )
    }

    /// 413: the body exceeds the limit in bytes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("the body may have at most {limit} bytes"),
        )
    }

    /// 415: the body is not declared as JSON.
    #[must_use]
    pub fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body is not JSON",
            "send the body as application/json",
        )
    }

    /// 409: the resource is not in a state in which this can be done.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "The resource is in another state", detail)
    }

    /// 422: the idempotency key was used for another request.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The idempotency key belongs to another request",
            "this Idempotency-Key was used with another body; use a new key for a new request",
        )
    }

    /// 429: a rate limit is used up; the next request is admitted after so many seconds. The type is the one that
    /// draft-ietf-httpapi-ratelimit-headers registers.
    #[must_use]
    pub fn quota_exceeded(detail: impl Into<String>, policy: &'static str, retry_after_seconds: u32) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "quota-exceeded",
            "The request cannot be satisfied, because its quota is used up",
            detail,
        );
        problem.kind = "https://iana.org/assignments/http-problem-types#quota-exceeded".into();
        problem.violated_policies = Some([policy]);
        problem.retry_after = Some(retry_after_seconds);
        problem
    }

    /// 503: the same request may succeed after so many seconds.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service cannot do this now", detail);
        problem.retry_after = Some(retry_after_seconds);
        problem
    }

    /// The response when data could not be read or written: 503 when the same request may succeed later, else 500.
    #[must_use]
    pub fn data_failed(retry: bool) -> Self {
        if retry { Self::unavailable("the data cannot be reached now; try again", 2) } else { Self::internal() }
    }

    /// 503: a third party that this request needs does not respond; its breaker is open for so many seconds.
    #[must_use]
    pub fn dependency_unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "dependency-unavailable",
            "A service that this needs does not answer",
            detail,
        );
        problem.retry_after = Some(retry_after_seconds);
        problem
    }

    /// 500: a fault of this service. The cause is in the log, not in the response.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The service failed",
            "the request could not be carried out; the cause is in the service's log",
        )
    }

    /// The HTTP status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The rules that the request breaks, one for each field.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
