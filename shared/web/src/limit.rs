//! The rate limit of a caller in a response: the headers of draft-ietf-httpapi-ratelimit-headers-10
//! (`RateLimit-Policy`, `RateLimit`), the older `X-RateLimit-*`, and 429 as problem+json with the type that the draft
//! registers.
//!
//! Every response of a limited route has them, whether the request was admitted or not. `t`, `Retry-After` and
//! `X-RateLimit-Reset` are seconds from now, rounded up; none of them is a time of day.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::Problem;

/// The decision about a request under a rate limit policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The name of the policy.
    pub policy: &'static str,
    /// The number of requests in a window.
    pub limit: u32,
    /// The length of a window in seconds.
    pub window_seconds: u32,
    /// The number of requests that would be admitted now.
    pub remaining: u32,
    /// Milliseconds until there is more: until the next request is admitted when nothing remains.
    pub reset_ms: i64,
    /// Whether this request was admitted.
    pub allowed: bool,
}

impl Quota {
    /// The seconds until there is more, rounded up, so that a client that waits for them is not refused again. At least 1
    /// after a refusal.
    #[must_use]
    pub fn reset_seconds(&self) -> u32 {
        let seconds = self.reset_ms.max(0).saturating_add(999) / 1_000;
        u32::try_from(seconds).unwrap_or(u32::MAX).max(u32::from(!self.allowed))
    }

    /// Writes the headers. A refusal's `Retry-After` is part of its problem.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { policy, limit, window_seconds, remaining, .. } = *self;
        let reset = self.reset_seconds();
        for (name, text) in [
            ("ratelimit-policy", format!("\"{policy}\";q={limit};w={window_seconds}")),
            ("ratelimit", format!("\"{policy}\";r={remaining};t={reset}")),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// 429: the quota is used up.
    #[must_use]
    pub fn exceeded(&self) -> Problem {
        let detail = format!(
            "at most {} requests in {} seconds are admitted; the next one in {} seconds",
            self.limit,
            self.window_seconds,
            self.reset_seconds()
        );
        Problem::quota_exceeded(detail, self.policy, self.reset_seconds())
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::header;

    use super::*;

    fn quota(allowed: bool, remaining: u32, reset_ms: i64) -> Quota {
        Quota { policy: "external", limit: 100, window_seconds: 60, remaining, reset_ms, allowed }
    }

    #[test]
    fn every_answer_has_what_remains_and_the_time_until_more() {
        let mut headers = HeaderMap::new();
        quota(true, 42, 29_001).write(&mut headers);
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        assert_eq!(header("ratelimit-policy"), "\"external\";q=100;w=60");
        assert_eq!(header("ratelimit"), "\"external\";r=42;t=30");
        let older = ["limit", "remaining", "reset"].map(|name| header(&format!("x-ratelimit-{name}")));
        assert_eq!(older, ["100", "42", "30"]);
        assert_eq!(header("retry-after"), "", "an admitted request need not wait");
    }

    #[test]
    fn a_refusal_names_its_policy_and_a_time_that_has_not_come() {
        for (reset_ms, seconds) in [(-5, 1), (0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_600, 61)] {
            let quota = quota(false, 0, reset_ms);
            let problem = quota.exceeded();
            let json = serde_json::to_value(&problem).expect("JSON");
            assert_eq!(json["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
            assert_eq!(json["violated-policies"], serde_json::json!(["external"]));
            assert_eq!(json["status"], 429);
            let response = problem.into_response();
            let wait = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            assert_eq!(wait, Some(seconds.to_string().as_str()), "{reset_ms} ms");
        }
    }
}
