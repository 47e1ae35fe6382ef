//! Requests of cursors, and the errors of responses.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::cursor::{Cursor, Naming, Part, Place};
use super::wire::Problem;
use crate::ats::port::{AtsError, Context};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The rows of a page: the most that Lever returns.
const LIMIT: &str = "100";
/// The rows of a page whose rows have further requests, because the checkpoint has to hold their cursors.
const FEW: &str = "25";
/// The age up to which deleted postings are listed; Lever refuses more than 30 days. A full pass finds older ones.
const DELETED_MS: i64 = 29 * 24 * 3_600_000;
/// First wait where Lever does not say how long: its bucket has a token again by then.
const WAIT: Duration = Duration::from_secs(1);
/// The setting of a connection whose key has no access to confidential objects.
pub(super) const CONFIDENTIAL: &str = "confidential";

/// A URL of the API below `/v1`; the segments may be anything.
pub(super) fn url(context: &Context<'_>, segments: &[&str]) -> Result<Url, AtsError> {
    let mut url = context.hosts.url("api", "/v1")?;
    url.path_segments_mut().map_err(|()| AtsError::Refused("the API's URL has no path".into()))?.extend(segments);
    Ok(url)
}

/// A header with a secret in it.
fn secret(value: &str) -> Result<HeaderValue, AtsError> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| AtsError::Unauthorised("a secret of this connection has signs that no header takes".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The credentials of a request.
fn authorization(context: &Context<'_>) -> Result<HeaderValue, AtsError> {
    match context.login {
        LoginMethod::ApiKey => {
            let key = SecretString::from(format!("{}:", context.credentials.get("api_key")?.expose_secret()));
            secret(&format!("Basic {}", BASE64_STANDARD.encode(key.expose_secret())))
        }
        LoginMethod::RefreshToken => {
            let missing = || AtsError::Unauthorised("there is no access token".into());
            secret(&format!("Bearer {}", context.token.ok_or_else(missing)?.expose_secret()))
        }
        LoginMethod::WebhookOnly | LoginMethod::ClientCredentials | LoginMethod::UserPassword => {
            Err(AtsError::Unauthorised("this connection has no way to sign in".into()))
        }
    }
}

/// A request to the API, with a JSON body or none.
pub(super) fn call(
    context: &Context<'_>,
    method: Method,
    url: Url,
    body: Option<&serde_json::Value>,
) -> Result<HttpRequest, AtsError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization(context)?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(HttpRequest { method, url, headers, body: body.map(|body| Bytes::from(body.to_string())).unwrap_or_default() })
}

/// Whether confidential rows are wanted.
pub(super) fn confidentiality(context: &Context<'_>) -> &'static str {
    match context.settings.get(CONFIDENTIAL).map(String::as_str) {
        Some("no") => "non-confidential",
        Some(_) | None => "all",
    }
}

/// The request of a cursor.
pub(super) fn of(context: &Context<'_>, cursor: &Cursor) -> Result<HttpRequest, AtsError> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let limit = if matches!(cursor, Cursor::Walk { .. }) { FEW } else { LIMIT };
    let mut list = |offset: &Option<String>| {
        pairs.push(("limit", limit.to_owned()));
        // Lever has percent-encoded it already: it is a value like any other and is encoded once more with the query.
        pairs.extend(offset.clone().map(|offset| ("offset", offset)));
    };
    let segments: Vec<&str> = match cursor {
        Cursor::Check => vec!["opportunities"],
        Cursor::Users(Place { offset, .. }) => {
            list(offset);
            pairs.push(("includeDeactivated", "true".to_owned()));
            vec!["users"]
        }
        Cursor::User { id } => vec!["users", id],
        Cursor::Posting { id } => vec!["postings", id],
        Cursor::Postings(place) => {
            list(&place.offset);
            vec!["postings"]
        }
        Cursor::DeletedPostings(place) => {
            list(&place.offset);
            vec!["postings", "deleted"]
        }
        Cursor::Stages(Naming { offset, .. }) => {
            list(offset);
            vec!["stages"]
        }
        Cursor::Reasons(Naming { offset, .. }) => {
            list(offset);
            vec!["archive_reasons"]
        }
        Cursor::Opportunities { place, .. } | Cursor::Walk { place, .. } => {
            list(&place.offset);
            vec!["opportunities"]
        }
        Cursor::Opportunity { ids, .. } => {
            let none = || AtsError::CursorExpired("the cursor names no opportunity".into());
            vec!["opportunities", ids.first().ok_or_else(none)?]
        }
        Cursor::DeletedOpportunities(place) => {
            list(&place.offset);
            vec!["opportunities", "deleted"]
        }
        Cursor::Interviews(Part { of, offset, .. }) => {
            list(offset);
            vec!["opportunities", of, "interviews"]
        }
        Cursor::Offers(Part { of, offset, .. }) => {
            list(offset);
            vec!["opportunities", of, "offers"]
        }
    };
    pairs.extend(filters(context, cursor));
    let mut url = url(context, &segments)?;
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    call(context, Method::GET, url, None)
}

/// The filters of a list.
fn filters(context: &Context<'_>, cursor: &Cursor) -> Vec<(&'static str, String)> {
    let all = ("confidentiality", confidentiality(context).to_owned());
    let since = |since: &Option<i64>| since.map(|since| ("updated_at_start", since.to_string()));
    match cursor {
        Cursor::Check => vec![("limit", "1".to_owned())],
        Cursor::Postings(place) => [all].into_iter().chain(since(&place.since)).collect(),
        Cursor::Walk { place, active } => {
            let active = active.then(|| ("archived", "false".to_owned()));
            [all].into_iter().chain(active).chain(since(&place.since)).collect()
        }
        Cursor::Opportunities { place, .. } => [all, expanded()].into_iter().chain(since(&place.since)).collect(),
        Cursor::Opportunity { .. } => vec![expanded()],
        Cursor::DeletedPostings(Place { since, .. }) => {
            let oldest = context.now.as_millisecond().saturating_sub(DELETED_MS);
            vec![("deleted_at_start", since.map_or(oldest, |since| since.max(oldest)).to_string())]
        }
        Cursor::DeletedOpportunities(Place { since, .. }) => {
            since.map(|since| ("deleted_at_start", since.to_string())).into_iter().collect()
        }
        _ => vec![],
    }
}

/// Rows hold their application instead of its id.
fn expanded() -> (&'static str, String) {
    ("expand", "applications".to_owned())
}

/// The error of a response that is no page.
pub(super) fn refused(context: &Context<'_>, reply: &Reply) -> AtsError {
    let Problem { code, message } = json::read(&reply.body).unwrap_or_default();
    let status = reply.status.as_u16();
    // The message may repeat personal data of the request; its code is a word.
    let word = |code: &String| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let words = code.filter(word).map_or_else(|| status.to_string(), |code| format!("{status} {code}"));
    if reply.status == StatusCode::BAD_REQUEST && message.is_some_and(|text| text.contains("Invalid offset token")) {
        return AtsError::CursorExpired("Lever does not know the offset token any more".into());
    }
    match reply.status {
        StatusCode::UNAUTHORIZED => AtsError::Unauthorised(words.into()),
        StatusCode::TOO_MANY_REQUESTS => match reply.retry_after(context.now) {
            Some(wait) => AtsError::RateLimited { wait, stated: true },
            None => AtsError::RateLimited { wait: WAIT, stated: false },
        },
        StatusCode::REQUEST_TIMEOUT => AtsError::Unavailable(words.into()),
        other if other.is_server_error() => AtsError::Unavailable(words.into()),
        _ => AtsError::Refused(words.into()),
    }
}
