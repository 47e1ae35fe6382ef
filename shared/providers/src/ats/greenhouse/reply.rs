//! What every reply of Harvest says: whether it is one, how long to wait, and where the list goes on.

use std::time::Duration;

use http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::ats::port::AtsError;
use crate::transport::http::Reply;
use crate::transport::json;

/// Length of a window of the limit, from a full half minute on.
const WINDOW_S: i64 = 30;

/// How long it is from `now` to the next window of this length.
pub(super) fn to_next_window(now: Timestamp, window_s: i64) -> Duration {
    let left = window_s - now.as_second().rem_euclid(window_s);
    // One more, for clocks that differ.
    Duration::from_secs(u64::try_from(left).unwrap_or_default() + 1)
}

/// Why a reply that is no success is none.
pub(super) fn failure(reply: &Reply, now: Timestamp) -> AtsError {
    let status = reply.status;
    // What the provider says may repeat what it was sent: only the status is told.
    let said = status.to_string();
    match status {
        StatusCode::TOO_MANY_REQUESTS => limited(reply, now, WINDOW_S),
        StatusCode::UNAUTHORIZED => AtsError::Unauthorised(said),
        StatusCode::FORBIDDEN => AtsError::Refused(format!("{said}: a scope is missing, or the user is no site admin")),
        StatusCode::REQUEST_TIMEOUT => AtsError::Unavailable(said),
        status if status.is_server_error() => AtsError::Unavailable(said),
        status if status.is_client_error() => AtsError::Refused(said),
        _ => AtsError::InvalidResponse(format!("{said} is not expected")),
    }
}

/// A 429: without a time it holds until the next window.
pub(super) fn limited(reply: &Reply, now: Timestamp, window_s: i64) -> AtsError {
    match reply.retry_after(now) {
        Some(wait) => AtsError::RateLimited { wait, stated: true },
        None => AtsError::RateLimited { wait: to_next_window(now, window_s), stated: false },
    }
}

/// The rows of a list.
pub(super) fn rows(reply: &Reply, now: Timestamp) -> Result<Vec<Value>, AtsError> {
    if reply.status != StatusCode::OK {
        return Err(failure(reply, now));
    }
    json::read(&reply.body).map_err(|error| AtsError::InvalidResponse(format!("a list is expected: {error}")))
}

/// The cursor of the page that follows.
pub(super) fn next(reply: &Reply) -> Result<Option<String>, AtsError> {
    let mut given = reply.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(link) = given.find(|link| link.contains("rel=\"next\"")) else { return Ok(None) };
    let lost = || AtsError::InvalidResponse("the link to the next page has no cursor".to_owned());
    let (url, _) = link.trim_start().strip_prefix('<').and_then(|link| link.split_once('>')).ok_or_else(lost)?;
    // Only the cursor is taken: the credentials go nowhere else because of a link.
    let url = Url::parse(url).map_err(|_| lost())?;
    let cursor = url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned());
    cursor.filter(|cursor| !cursor.is_empty()).map(Some).ok_or_else(lost)
}

/// The provider's time.
pub(super) fn server_time(reply: &Reply) -> Option<Timestamp> {
    let text = reply.headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

/// How long nothing more should be asked, when nothing is left of this window.
pub(super) fn pause(reply: &Reply, now: Timestamp) -> Option<Duration> {
    let left = reply.headers.get("x-ratelimit-remaining")?.to_str().ok()?;
    (left.trim() == "0").then(|| to_next_window(now, WINDOW_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ats::greenhouse::scene;

    fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
        scene::reply(status, headers, r#"{"message":"Jane Smith"}"#)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn the_next_page_is_a_cursor_and_an_empty_link_is_none() {
        let next = |link: &str| next(&reply(200, &[("link", link)]));
        let link = "<https://harvest.greenhouse.io/v3/jobs?cursor=eyJ9%3D>; rel=\"next\"";
        assert_eq!(next(link), Ok(Some("eyJ9=".to_owned())));
        assert_eq!(next("<https://evil.example/?x=1&cursor=a>;  rel=\"next\""), Ok(Some("a".to_owned())));
        assert_eq!(next(""), Ok(None));
        assert_eq!(super::next(&reply(200, &[])), Ok(None));
        for odd in ["rel=\"next\"", "<nowhere>; rel=\"next\"", "<https://a.example/?cursor=>; rel=\"next\""] {
            assert!(matches!(next(odd), Err(AtsError::InvalidResponse(_))), "{odd}");
        }
    }

    #[test]
    fn a_limit_holds_as_told_or_to_the_next_half_minute() {
        let limited = |headers: &[(&'static str, &str)], now: &str| failure(&reply(429, headers), at(now));
        let wait = |seconds, told| AtsError::RateLimited { wait: Duration::from_secs(seconds), stated: told };
        assert_eq!(limited(&[("retry-after", "7")], "2026-11-22T10:00:10Z"), wait(7, true));
        // What the header says of the window is too much.
        assert_eq!(limited(&[("x-ratelimit-reset", "1795341640")], "2026-11-22T10:00:10Z"), wait(21, false));
        assert_eq!(limited(&[], "2026-11-22T10:00:30Z"), wait(31, false));
        let rest = |left: &str| pause(&reply(200, &[("x-ratelimit-remaining", left)]), at("2026-11-22T10:00:59Z"));
        assert_eq!((rest("0"), rest("1")), (Some(Duration::from_secs(2)), None));
    }

    type Right = fn(&AtsError) -> bool;

    #[test]
    fn errors_are_sorted_and_repeat_nothing() {
        let now = at("2026-11-22T10:00:00Z");
        let table: [(u16, Right); 7] = [
            (401, |e| matches!(e, AtsError::Unauthorised(_))),
            (403, |e| matches!(e, AtsError::Refused(_))),
            (404, |e| matches!(e, AtsError::Refused(_))),
            (422, |e| matches!(e, AtsError::Refused(_))),
            (408, |e| matches!(e, AtsError::Unavailable(_))),
            (502, |e| matches!(e, AtsError::Unavailable(_))),
            (302, |e| matches!(e, AtsError::InvalidResponse(_))),
        ];
        for (status, right) in table {
            let error = failure(&reply(status, &[]), now);
            assert!(right(&error) && !error.to_string().contains("Jane"), "{status}: {error}");
        }
        assert!(matches!(rows(&reply(200, &[]), now), Err(AtsError::InvalidResponse(_))));
    }
}
