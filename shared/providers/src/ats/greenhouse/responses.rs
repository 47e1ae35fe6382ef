//! Replies of Harvest: pages of its lists, how long to wait, and what a reply that is no page means.

use std::time::Duration;

use domain::ats::{Kind, ObjectRef};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::cursor::{self, Cursor, DELETED_POSTS, List};
use super::{mapping, wire};
use crate::ats::port::{AtsError, Context, Next, Page};
use crate::transport::http::Reply;
use crate::transport::json;

/// Length of a window of the limit, from a full half minute on.
const WINDOW_S: i64 = 30;

/// The time from `now` to the next window of this length.
pub(super) fn to_next_window(now: Timestamp, window_s: i64) -> Duration {
    let left = window_s - now.as_second().rem_euclid(window_s);
    // One more, for clocks that differ.
    Duration::from_secs(u64::try_from(left).unwrap_or_default() + 1)
}

/// The error of a reply that is no success.
pub(super) fn failure(reply: &Reply, now: Timestamp) -> AtsError {
    let status = reply.status;
    // The provider may repeat what it was sent: only the status is reported.
    let said = status.to_string();
    match status {
        StatusCode::TOO_MANY_REQUESTS => limited(reply, now, WINDOW_S),
        StatusCode::UNAUTHORIZED => AtsError::Unauthorised(said.into()),
        StatusCode::FORBIDDEN => {
            AtsError::Refused(format!("{said}: a scope is missing, or the user is no site admin").into())
        }
        StatusCode::REQUEST_TIMEOUT => AtsError::Unavailable(said.into()),
        status if status.is_server_error() => AtsError::Unavailable(said.into()),
        status if status.is_client_error() => AtsError::Refused(said.into()),
        _ => AtsError::InvalidResponse(format!("{said} is not expected").into()),
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
    Ok(json::read(&reply.body)?)
}

/// The cursor of the page that follows.
pub(super) fn next(reply: &Reply) -> Result<Option<String>, AtsError> {
    let mut given = reply.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(link) = given.find(|link| link.contains("rel=\"next\"")) else { return Ok(None) };
    let lost = || AtsError::InvalidResponse("the link to the next page has no cursor".into());
    let (url, _) = link.trim_start().strip_prefix('<').and_then(|link| link.split_once('>')).ok_or_else(lost)?;
    // Only the cursor is used, so that no link can direct the credentials elsewhere.
    let url = Url::parse(url).map_err(|_| lost())?;
    let cursor = url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned());
    cursor.filter(|cursor| !cursor.is_empty()).map(Some).ok_or_else(lost)
}

pub(super) fn server_time(reply: &Reply) -> Option<Timestamp> {
    let text = reply.headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

/// The wait before the next request, when nothing is left of this window.
pub(super) fn pause(reply: &Reply, now: Timestamp) -> Option<Duration> {
    let left = reply.headers.get("x-ratelimit-remaining")?.to_str().ok()?;
    (left.trim() == "0").then(|| to_next_window(now, WINDOW_S))
}

/// Parses the reply to the request of a cursor.
pub(super) fn page(context: &Context<'_>, cursor: Cursor<'_>, answer: &Reply) -> Result<Page, AtsError> {
    if matches!(cursor, Cursor::Next(..)) && answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        return Err(AtsError::CursorExpired(answer.status.to_string().into()));
    }
    let rows = rows(answer, context.now)?;
    let mut page = Page { server_time: server_time(answer), pause: pause(answer, context.now), ..Page::default() };
    match cursor {
        Cursor::Check(user) => check(rows, user)?,
        Cursor::First(list, since) => {
            if list.kind == Kind::User && since.is_none() && rows.is_empty() {
                return Err(unseen());
            }
            fill(&mut page, context, list, rows);
            page.next = after(list, since, answer)?;
        }
        Cursor::Next(list, since, _) => {
            fill(&mut page, context, list, rows);
            page.next = after(list, since, answer)?;
        }
        Cursor::Ids(list, ids) => {
            fill(&mut page, context, list, rows);
            // One page of several cannot show which objects are gone.
            if next(answer)?.is_some() {
                return Err(AtsError::InvalidResponse("one page is expected for ids".into()));
            }
            let there = |id: &str| {
                let known = page.observations.iter().any(|seen| seen.record.provider_id() == Some(id));
                known || page.present.iter().any(|present| present.provider_id == id)
            };
            page.gone = ids.into_iter().filter(|id| !there(id)).map(|id| ObjectRef::new(list.kind, id)).collect();
        }
    }
    Ok(page)
}

/// There is always a user: without access to users all lists are empty, and all objects would count as gone.
fn unseen() -> AtsError {
    AtsError::Refused("no users are shown: the user in whose name is asked is no site admin".into())
}

fn check(rows: Vec<Value>, user: Option<&str>) -> Result<(), AtsError> {
    let row = rows.into_iter().next().ok_or_else(unseen)?;
    let row: wire::User = json::read_value(row)?;
    if user.is_some() && (row.site_admin == Some(false) || row.deactivated == Some(true)) {
        return Err(unseen());
    }
    Ok(())
}

fn fill(page: &mut Page, context: &Context<'_>, list: &List, rows: Vec<Value>) {
    for row in rows {
        let id = row.get("id").and_then(Value::as_u64);
        if list == &DELETED_POSTS {
            page.gone.extend(id.map(|id| ObjectRef::new(list.kind, id.to_string())));
            continue;
        }
        match mapping::observation(context.origin, list.kind, row) {
            Ok(seen) => page.observations.push(seen),
            Err(reason) => {
                let named = id.map_or_else(String::new, |id| format!(" {id}"));
                page.skipped.push(format!("{}{named}: {reason}", list.kind.as_str()));
                page.present.extend(id.map(|id| ObjectRef::new(list.kind, id.to_string())));
            }
        }
    }
}

/// The continuation of a list; after the posts that exist come those that were deleted since.
fn after(list: &List, since: Option<&str>, answer: &Reply) -> Result<Next, AtsError> {
    Ok(match next(answer)? {
        Some(follows) => Next::More(cursor::follow(list, since, &follows)),
        None if list.kind == Kind::Post && list != &DELETED_POSTS && since.is_some() => {
            Next::More(cursor::begin(&DELETED_POSTS, since))
        }
        None => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use domain::connection::LoginMethod;

    use super::*;
    use crate::ats::greenhouse::fixture::{self, Parts};

    fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
        fixture::reply(status, headers, r#"{"message":"Jane Smith"}"#)
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
    fn a_limit_holds_as_stated_or_to_the_next_half_minute() {
        let limited = |headers: &[(&'static str, &str)], now: &str| failure(&reply(429, headers), at(now));
        let wait = |seconds, stated| AtsError::RateLimited { wait: Duration::from_secs(seconds), stated };
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

    fn answered(cursor: &str, status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<Page, AtsError> {
        let parts = Parts::new(LoginMethod::ClientCredentials);
        page(&parts.context(), Cursor::parse(cursor)?, &fixture::reply(status, headers, body))
    }

    #[test]
    fn one_bad_row_does_not_spoil_its_page() {
        let link = [
            ("link", "<https://h.example/v3/jobs?cursor=c2>; rel=\"next\""),
            ("date", "Sun, 22 Nov 2026 10:00:01 GMT"),
        ];
        let body = r#"[{"id":3,"name":"A"},{"id":2,"name":["Jane"]},{"name":"Jane"},7]"#;
        let page = answered("jobs@T", 200, &link, body).expect("a page");
        assert_eq!((page.observations.len(), page.skipped.len()), (1, 3));
        assert_eq!(page.present, [ObjectRef::new(Kind::Job, "2")]);
        assert!(page.skipped[0].starts_with("job 2: ") && page.skipped.iter().all(|said| !said.contains("Jane")));
        assert_eq!(page.next, Next::More("jobs@T>c2".to_owned()));
        assert_eq!(page.server_time.map(|at| at.to_string()).as_deref(), Some("2026-11-22T10:00:01Z"));
    }

    #[test]
    fn deleted_posts_follow_the_others_in_an_incremental_run() {
        let next = |cursor: &str| answered(cursor, 200, &[("link", "")], r#"[{"id":1}]"#).expect("a page").next;
        assert_eq!(next("posts@T"), Next::More("deleted_posts@T".to_owned()));
        assert_eq!((next("posts"), next("deleted_posts@T"), next("jobs@T")), (Next::End, Next::End, Next::End));
        let page = answered("deleted_posts@T", 200, &[], r#"[{"id":1,"title":"x"}]"#).expect("a page");
        assert_eq!((page.gone, page.observations), (vec![ObjectRef::new(Kind::Post, "1")], vec![]));
    }

    #[test]
    fn what_is_looked_up_by_id_and_missing_is_gone() {
        let page = answered("jobs#1,2,3,x", 200, &[], r#"[{"id":3},{"id":1,"name":7}]"#).expect("a page");
        assert_eq!(page.observations.len(), 1);
        assert_eq!(page.gone, ["2", "x"].map(|id| ObjectRef::new(Kind::Job, id)));
        let more = [("link", "<https://h.example/v3/jobs?cursor=c2>; rel=\"next\"")];
        assert!(matches!(answered("jobs#1,2", 200, &more, "[]"), Err(AtsError::InvalidResponse(_))));
    }

    #[test]
    fn who_sees_no_users_sees_nothing_as_it_is() {
        for (cursor, body) in [
            ("users", "[]"),
            ("check", "[]"),
            ("check#1", "[]"),
            ("check#1", r#"[{"id":1,"site_admin":false}]"#),
            ("check#1", r#"[{"id":1,"site_admin":true,"deactivated":true}]"#),
        ] {
            assert!(matches!(answered(cursor, 200, &[], body), Err(AtsError::Refused(_))), "{cursor} {body}");
        }
        assert!(answered("users@T", 200, &[], "[]").is_ok(), "no user changed");
        assert!(answered("check#1", 200, &[], r#"[{"id":1,"site_admin":true,"deactivated":false}]"#).is_ok());
    }

    #[test]
    fn a_cursor_that_is_refused_restarts_the_list() {
        assert!(matches!(answered("jobs>old", 422, &[], "{}"), Err(AtsError::CursorExpired(_))));
        assert!(matches!(answered("jobs", 422, &[], "{}"), Err(AtsError::Refused(_))));
        for body in ["<html>", "{}", "[{\"id\":1}"] {
            assert!(matches!(answered("jobs", 200, &[], body), Err(AtsError::InvalidResponse(_))), "{body}");
        }
    }
}
