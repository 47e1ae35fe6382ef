//! Requests of cursors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::ExposeSecret as _;

use super::auth::url;
use super::cursor::Cursor;
use crate::ats::port::{AtsError, Context};
use crate::transport::http::HttpRequest;

/// The rows of a page: the most that is allowed.
const PER_PAGE: &str = "500";

/// Headers of every request to Harvest.
pub(super) fn headers(context: &Context<'_>) -> Result<HeaderMap, AtsError> {
    let token = context.token.ok_or_else(|| AtsError::Unauthorised("this connection has no access token".into()))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| AtsError::Unauthorised("the access token makes no header".into()))?;
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

/// The request of a cursor.
pub(super) fn build(context: &Context<'_>, cursor: Cursor<'_>) -> Result<HttpRequest, AtsError> {
    match cursor {
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

#[cfg(test)]
mod tests {
    use domain::connection::LoginMethod;

    use super::*;
    use crate::ats::greenhouse::fixture::Parts;

    fn request_by(parts: &Parts, cursor: &str) -> Result<HttpRequest, AtsError> {
        build(&parts.context(), Cursor::parse(cursor)?)
    }

    fn requested_url(cursor: &str) -> Result<String, AtsError> {
        request_by(&Parts::new(LoginMethod::ClientCredentials), cursor).map(|call| call.url.to_string())
    }

    #[test]
    fn the_first_page_has_filters_and_the_next_only_its_cursor() {
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
            assert_eq!(requested_url(cursor), Ok(format!("{base}{url}")), "{cursor}");
        }
        assert!(matches!(requested_url("nothing"), Err(AtsError::Refused(_))));
        let parts = Parts::new(LoginMethod::ClientCredentials);
        let bearer = request_by(&parts, "jobs").expect("a call").headers.remove(header::AUTHORIZATION);
        assert!(bearer.is_some_and(|bearer| bearer.is_sensitive() && bearer == "Bearer t-1"));
        assert!(matches!(request_by(&Parts::new(LoginMethod::WebhookOnly), "jobs"), Err(AtsError::Unauthorised(_))));
    }
}
