//! Who may ask a company, how often, and what who asks too often is told.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use crate::gate::{Begin, Window, seconds};

/// An error of the wire: no body, the reason in a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Error(pub StatusCode, pub &'static str);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.0, Body::empty()).into_response();
        response.headers_mut().insert("x-bamboohr-error-message", HeaderValue::from_static(self.1));
        response
    }
}

/// A limit that begins to refuse after `remaining` requests and ends `retry_after_s` seconds after the first refusal.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Requests that still pass.
    pub remaining: u64,
    /// How long it refuses then.
    pub retry_after_s: u32,
    /// When it ends, in milliseconds since 1970 UTC; none before the first refusal.
    pub until: Option<i64>,
}

/// How a request is refused when there are too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Refusal {
    /// 429 with `Retry-After`, as since 2026-09-16.
    #[default]
    #[serde(rename = "429")]
    TooManyRequests,
    /// 429 that does not say how long.
    #[serde(rename = "429-untold")]
    Untold,
    /// 503 with `Retry-After`, as before.
    #[serde(rename = "503")]
    Unavailable,
    /// 200 with the error in its body, as the log of webhooks does.
    #[serde(rename = "200")]
    InsideOfOk,
}

impl Refusal {
    pub fn answer(self, seconds: i64) -> Response {
        let limited_for = |status| {
            let mut response = Error(status, "Limit exceeded").into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        };
        match self {
            Self::TooManyRequests => limited_for(StatusCode::TOO_MANY_REQUESTS),
            Self::Untold => Error(StatusCode::TOO_MANY_REQUESTS, "Limit exceeded").into_response(),
            Self::Unavailable => limited_for(StatusCode::SERVICE_UNAVAILABLE),
            Self::InsideOfOk => {
                axum::Json(json!({"error": {"code": 429, "message": "Rate limit exceeded"}})).into_response()
            }
        }
    }
}

/// Keys and limits of one company.
#[derive(Debug, Clone)]
pub struct Doorkeeper {
    /// The keys that are accepted.
    pub keys: Vec<String>,
    /// Keys that are known, and are for something else.
    pub without_ats: Vec<String>,
    /// A limit that ends once it was met, if there is one.
    pub limit: Option<Limit>,
    /// A limit that stays: requests in each minute that begins with a request.
    pub rate: Window,
    /// How a request beyond the limit is refused.
    pub refusal: Refusal,
}

impl Doorkeeper {
    /// With this key and no limits.
    pub fn new(key: String) -> Self {
        let rate = Window::new(Begin::FirstRequest, 60_000, None);
        Self { keys: vec![key], without_ats: Vec::new(), limit: None, rate, refusal: Refusal::default() }
    }

    /// Checks the key, then the limits; a refused key costs nothing of a limit.
    ///
    /// # Errors
    /// The refusal.
    pub fn enter(&mut self, key: Option<&str>, now_ms: i64) -> Result<(), Closed> {
        let known = |keys: &[String]| key.is_some_and(|key| keys.iter().any(|known| known == key));
        if known(&self.without_ats) {
            return Err(Closed::Forbidden);
        }
        if !known(&self.keys) {
            return Err(Closed::WrongKey);
        }
        let wait_ms = self.rate.count(now_ms).and_then(|counted| counted.wait_ms).or_else(|| self.once(now_ms));
        match wait_ms {
            None => Ok(()),
            Some(ms) => Err(Closed::Limited { refusal: self.refusal, retry_after_s: seconds(ms) }),
        }
    }

    /// How long the limit that ends refuses, where it does.
    fn once(&mut self, now_ms: i64) -> Option<i64> {
        let limit = self.limit.as_mut()?;
        if limit.until.is_none() && limit.remaining > 0 {
            limit.remaining -= 1;
            return None;
        }
        let until = *limit.until.get_or_insert(now_ms + i64::from(limit.retry_after_s) * 1_000);
        if now_ms >= until {
            self.limit = None;
            return None;
        }
        Some(until - now_ms)
    }
}

/// The reason why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    /// No company knows this key.
    WrongKey,
    /// The key's owner has no access to the settings of applicant tracking.
    Forbidden,
    /// There were too many; a client that waits exactly this long is let in.
    Limited { refusal: Refusal, retry_after_s: i64 },
}

impl IntoResponse for Closed {
    fn into_response(self) -> Response {
        match self {
            Self::WrongKey => Error(StatusCode::UNAUTHORIZED, "Invalid API key").into_response(),
            Self::Forbidden => Error(StatusCode::FORBIDDEN, "No access to ATS settings").into_response(),
            Self::Limited { refusal, retry_after_s } => refusal.answer(retry_after_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_refuses_from_its_request_on_and_lets_in_who_waited() {
        let key = "local-bamboohr-key-acme";
        let mut door = Doorkeeper {
            without_ats: vec!["other".to_owned()],
            limit: Some(Limit { remaining: 1, retry_after_s: 2, until: None }),
            ..Doorkeeper::new(key.to_owned())
        };
        let at = |millis: i64| 1_764_000_000_000 + millis;
        let limited = |retry_after_s| Err(Closed::Limited { refusal: Refusal::default(), retry_after_s });
        // (milliseconds, key, gate)
        let table = [
            (0, "nobody's", Err(Closed::WrongKey)),
            (0, "other", Err(Closed::Forbidden)),
            (0, key, Ok(())),
            (10, key, limited(2)),
            (1_500, key, limited(1)),
            (2_010, key, Ok(())),
            (2_011, key, Ok(())),
        ];
        for (millis, key, gate) in table {
            assert_eq!(door.enter(Some(key), at(millis)), gate, "at {millis} ms");
        }
        assert_eq!(door.enter(None, at(3_000)), Err(Closed::WrongKey));
    }
}
