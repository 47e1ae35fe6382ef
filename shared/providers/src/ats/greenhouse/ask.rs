//! Lists: the request of a cursor, and what its reply says.

use bytes::Bytes;
use domain::ats::{Kind, ObjectRef};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::cursor::{self, Cursor, DELETED_POSTS, List};
use super::sign_in::url;
use super::{map, reply, wire};
use crate::ats::port::{AtsError, Context, Next, Page};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// Rows of a page: the most that can be asked for.
const PER_PAGE: &str = "500";

/// Headers of every request to Harvest.
pub(super) fn headers(context: &Context<'_>) -> Result<HeaderMap, AtsError> {
    let token =
        context.token.ok_or_else(|| AtsError::Unauthorised("this connection has no access token".to_owned()))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| AtsError::Unauthorised("the access token makes no header".to_owned()))?;
    bearer.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// A request for a list.
pub(super) fn get(context: &Context<'_>, path: &str, query: &[(&str, &str)]) -> Result<HttpRequest, AtsError> {
    let mut url = url(context, "harvest", &format!("/v3/{path}"))?;
    url.query_pairs_mut().extend_pairs(query);
    Ok(HttpRequest { method: Method::GET, url, headers: headers(context)?, body: Bytes::new() })
}

pub(super) fn call(context: &Context<'_>, text: &str) -> Result<HttpRequest, AtsError> {
    match read_cursor(text)? {
        Cursor::Check(user) => {
            let mut query = vec![("show_service_accounts", "true"), ("per_page", "1")];
            query.extend(user.map(|user| ("ids", user)));
            get(context, "users", &query)
        }
        Cursor::First(list, since) => {
            let since = since.map(|since| format!("gte|{since}"));
            let mut query = list.fixed.to_vec();
            query.push(("per_page", PER_PAGE));
            query.extend(since.as_deref().map(|since| ("updated_at", since)));
            get(context, list.path, &query)
        }
        // A cursor goes alone: it carries the rest.
        Cursor::Next(list, _, follows) => get(context, list.path, &[("cursor", follows)]),
        Cursor::Ids(list, ids) => {
            // What is no number is no id here; it is not there, and would be refused with all others.
            let ids: Vec<&str> = ids.into_iter().filter(|id| id.parse::<u64>().is_ok()).collect();
            let ids = if ids.is_empty() { "0".to_owned() } else { ids.join(",") };
            let mut query = list.fixed.to_vec();
            query.extend([("per_page", PER_PAGE), ("ids", &ids)]);
            get(context, list.path, &query)
        }
    }
}

fn read_cursor(text: &str) -> Result<Cursor<'_>, AtsError> {
    Cursor::read(text).ok_or_else(|| AtsError::Refused("this is no cursor of this provider".to_owned()))
}

pub(super) fn read(context: &Context<'_>, text: &str, answer: &Reply) -> Result<Page, AtsError> {
    let cursor = read_cursor(text)?;
    if matches!(cursor, Cursor::Next(..)) && answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        return Err(AtsError::CursorExpired(answer.status.to_string()));
    }
    let rows = reply::rows(answer, context.now)?;
    let mut page =
        Page { server_time: reply::server_time(answer), pause: reply::pause(answer, context.now), ..Page::default() };
    match cursor {
        Cursor::Check(user) => check(rows, user)?,
        Cursor::First(list, since) => {
            if list.kind == Kind::User && since.is_none() && rows.is_empty() {
                return Err(unseen());
            }
            fill(&mut page, context, list, rows);
            page.next = next(list, since, answer)?;
        }
        Cursor::Next(list, since, _) => {
            fill(&mut page, context, list, rows);
            page.next = next(list, since, answer)?;
        }
        Cursor::Ids(list, ids) => {
            fill(&mut page, context, list, rows);
            // A part of the answer could not say which are gone.
            if reply::next(answer)?.is_some() {
                return Err(AtsError::InvalidResponse("one page is expected for ids".to_owned()));
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

/// There is always a user: who sees none sees no list as it is, and would take all objects for gone.
fn unseen() -> AtsError {
    AtsError::Refused("no users are shown: the user in whose name is asked is no site admin".to_owned())
}

fn check(rows: Vec<Value>, user: Option<&str>) -> Result<(), AtsError> {
    let row = rows.into_iter().next().ok_or_else(unseen)?;
    let row: wire::User = json::read_value(row).map_err(AtsError::InvalidResponse)?;
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
        match map::observation(context.origin, list.kind, row) {
            Ok(seen) => page.observations.push(seen),
            Err(reason) => {
                let named = id.map_or_else(String::new, |id| format!(" {id}"));
                page.skipped.push(format!("{}{named}: {reason}", list.kind.as_str()));
                page.present.extend(id.map(|id| ObjectRef::new(list.kind, id.to_string())));
            }
        }
    }
}

/// Where a list goes on; after the posts that there are come those that were deleted since.
fn next(list: &List, since: Option<&str>, answer: &Reply) -> Result<Next, AtsError> {
    Ok(match reply::next(answer)? {
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
    use crate::ats::greenhouse::scene::{Parts, reply};

    fn asked(cursor: &str) -> Result<String, AtsError> {
        call(&Parts::new(LoginMethod::ClientCredentials).context(), cursor).map(|call| call.url.to_string())
    }

    fn answered(cursor: &str, status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<Page, AtsError> {
        read(&Parts::new(LoginMethod::ClientCredentials).context(), cursor, &reply(status, headers, body))
    }

    #[test]
    fn a_first_page_has_its_filters_and_the_next_has_its_cursor_only() {
        let base = "https://harvest.greenhouse.io/v3";
        for (cursor, url) in [
            ("jobs", "/jobs?per_page=500"),
            ("jobs@2026-11-22T09:58:00Z", "/jobs?per_page=500&updated_at=gte%7C2026-11-22T09%3A58%3A00Z"),
            ("jobs@2026-11-22T09:58:00Z>eyJ9=", "/jobs?cursor=eyJ9%3D"),
            ("posts", "/job_posts?active=true&per_page=500"),
            (
                "deleted_posts@2026-11-22T09:58:00Z",
                "/job_posts?active=false&per_page=500&updated_at=gte%7C2026-11-22T09%3A58%3A00Z",
            ),
            ("users", "/users?show_service_accounts=true&per_page=500"),
            ("offers#7,8", "/offers?per_page=500&ids=7%2C8"),
            ("offers#x", "/offers?per_page=500&ids=0"),
            ("check#1", "/users?show_service_accounts=true&per_page=1&ids=1"),
        ] {
            assert_eq!(asked(cursor), Ok(format!("{base}{url}")), "{cursor}");
        }
        assert!(matches!(asked("nothing"), Err(AtsError::Refused(_))));
        let parts = Parts::new(LoginMethod::ClientCredentials);
        let bearer = call(&parts.context(), "jobs").expect("a call").headers.remove(header::AUTHORIZATION);
        assert!(bearer.is_some_and(|bearer| bearer.is_sensitive() && bearer == "Bearer t-1"));
        assert!(matches!(
            call(&Parts::new(LoginMethod::WebhookOnly).context(), "jobs"),
            Err(AtsError::Unauthorised(_))
        ));
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
    fn deleted_posts_follow_those_that_there_are_in_an_incremental_run() {
        let next = |cursor: &str| answered(cursor, 200, &[("link", "")], r#"[{"id":1}]"#).expect("a page").next;
        assert_eq!(next("posts@T"), Next::More("deleted_posts@T".to_owned()));
        assert_eq!((next("posts"), next("deleted_posts@T"), next("jobs@T")), (Next::End, Next::End, Next::End));
        let page = answered("deleted_posts@T", 200, &[], r#"[{"id":1,"title":"x"}]"#).expect("a page");
        assert_eq!((page.gone, page.observations), (vec![ObjectRef::new(Kind::Post, "1")], vec![]));
    }

    #[test]
    fn what_is_asked_for_by_id_and_not_told_is_gone() {
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
