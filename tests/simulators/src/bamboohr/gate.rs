//! Who may ask a company, how often, and what who asks too often is told.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

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
    /// When it ends; none before the first refusal.
    pub until: Option<Timestamp>,
}

/// So many requests in each minute that begins with a request.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    /// Most requests of a minute; none means no limit.
    pub per_minute: Option<u64>,
    began: Option<Timestamp>,
    counted: u64,
}

impl Rate {
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    /// Counts a request; the end of the minute when it is one too many.
    fn count(&mut self, now: Timestamp) -> Option<Timestamp> {
        let most = self.per_minute?;
        let end = self.began.and_then(|began| began.checked_add(Self::MINUTE).ok()).filter(|end| now < *end);
        if end.is_none() {
            self.began = Some(now);
            self.counted = 0;
        }
        self.counted += 1;
        end.filter(|_| self.counted > most)
    }
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
    /// The answer.
    #[must_use]
    pub fn answer(self, seconds: u64) -> Response {
        let told = |status| {
            let mut response = Error(status, "Limit exceeded").into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        };
        match self {
            Self::TooManyRequests => told(StatusCode::TOO_MANY_REQUESTS),
            Self::Untold => Error(StatusCode::TOO_MANY_REQUESTS, "Limit exceeded").into_response(),
            Self::Unavailable => told(StatusCode::SERVICE_UNAVAILABLE),
            Self::InsideOfOk => {
                axum::Json(json!({"error": {"code": 429, "message": "Rate limit exceeded"}})).into_response()
            }
        }
    }
}

/// Whether a request may go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// Nobody knows this key.
    WrongKey,
    /// The key's owner has no access to the settings of applicant tracking.
    Forbidden,
    /// There were too many.
    Limited {
        /// Until when, rounded up: who waits exactly this long is let in.
        retry_after_s: u64,
    },
}

/// Keys and limit of one company.
#[derive(Debug, Clone, Default)]
pub struct Doorkeeper {
    /// The keys that do.
    pub keys: Vec<String>,
    /// Keys that are known, and are for something else.
    pub without_ats: Vec<String>,
    /// A limit that ends once it was met, if there is one.
    pub limit: Option<Limit>,
    /// A limit that stays.
    pub rate: Rate,
    /// What who is limited is told.
    pub refusal: Refusal,
}

impl Doorkeeper {
    /// Checks the key, then the limit; a refused key costs nothing of the limit.
    pub fn enter(&mut self, key: Option<&str>, now: Timestamp) -> Gate {
        let known = |keys: &[String]| key.is_some_and(|key| keys.iter().any(|known| known == key));
        if known(&self.without_ats) {
            return Gate::Forbidden;
        }
        if !known(&self.keys) {
            return Gate::WrongKey;
        }
        if let Some(until) = self.rate.count(now) {
            return limited(until, now);
        }
        let Some(limit) = self.limit.as_mut() else { return Gate::Open };
        let until = match limit.until {
            Some(until) if now >= until => {
                self.limit = None;
                return Gate::Open;
            }
            Some(until) => until,
            None if limit.remaining > 0 => {
                limit.remaining -= 1;
                return Gate::Open;
            }
            None => {
                let until =
                    now.saturating_add(SignedDuration::from_secs(i64::from(limit.retry_after_s))).unwrap_or(now);
                limit.until = Some(until);
                until
            }
        };
        limited(until, now)
    }
}

fn limited(until: Timestamp, now: Timestamp) -> Gate {
    let left = until.duration_since(now).as_millis().max(0).unsigned_abs().div_ceil(1_000);
    Gate::Limited { retry_after_s: u64::try_from(left).unwrap_or(u64::MAX) }
}

/// The user name of a Basic header: BambooHR takes the key there and does not look at the password.
#[must_use]
pub fn key(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(decoded).ok()?;
    pair.split_once(':').map(|(user, _)| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_refuses_from_its_request_on_and_lets_in_who_waited() {
        let key = "local-bamboohr-key-acme";
        let mut door = Doorkeeper {
            keys: vec![key.to_owned()],
            without_ats: vec!["other".to_owned()],
            limit: Some(Limit { remaining: 1, retry_after_s: 2, until: None }),
            ..Doorkeeper::default()
        };
        let at = |millis: i64| Timestamp::from_millisecond(1_764_000_000_000 + millis).unwrap_or_default();
        // (milliseconds, key, gate)
        let table = [
            (0, "nobody's", Gate::WrongKey),
            (0, "other", Gate::Forbidden),
            (0, key, Gate::Open),
            (10, key, Gate::Limited { retry_after_s: 2 }),
            (1_500, key, Gate::Limited { retry_after_s: 1 }),
            (2_010, key, Gate::Open),
            (2_011, key, Gate::Open),
        ];
        for (millis, key, gate) in table {
            assert_eq!(door.enter(Some(key), at(millis)), gate, "at {millis} ms");
        }
        assert_eq!(door.enter(None, at(3_000)), Gate::WrongKey);
    }

    #[test]
    fn a_rate_counts_each_minute_anew() {
        let mut rate = Rate { per_minute: Some(2), ..Rate::default() };
        let at = |seconds: i64| Timestamp::from_second(1_764_000_000 + seconds).unwrap_or_default();
        let refused: Vec<bool> = [0, 30, 59, 60, 61, 62].map(|second| rate.count(at(second)).is_some()).to_vec();
        assert_eq!(refused, [false, false, true, false, false, true]);
        rate.per_minute = None;
        assert_eq!(rate.count(at(63)), None);
    }
}
