//! Requests of cursors, and what an answer that is no page means.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::cursor::Cursor;
use super::reading::id;
use super::wire::Inside;
use crate::ats::port::{AtsError, Context};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// First wait after a 429 that does not say how long.
const WAIT: Duration = Duration::from_secs(5);
/// Most signs of an error's reason that are kept.
const LONGEST_REASON: usize = 200;

/// A URL of applicant tracking; the segments may be anything.
pub(super) fn url(context: &Context<'_>, segments: &[&str]) -> Result<Url, AtsError> {
    let base = context.hosts.url("api", "/api/v1/applicant_tracking");
    let mut url = base.map_err(|error| AtsError::Refused(error.to_string()))?;
    url.path_segments_mut().map_err(|()| AtsError::Refused("the API's URL has no path".to_owned()))?.extend(segments);
    Ok(url)
}

/// A request with the company's key.
pub(super) fn call(
    context: &Context<'_>,
    method: Method,
    url: Url,
    body: Option<(&str, Bytes)>,
) -> Result<HttpRequest, AtsError> {
    let key = context.credentials.get("api_key")?;
    let pair = SecretString::from(format!("{}:x", key.expose_secret()));
    let basic = SecretString::from(format!("Basic {}", BASE64_STANDARD.encode(pair.expose_secret())));
    let mut authorization = HeaderValue::from_str(basic.expose_secret())
        .map_err(|_| AtsError::Unauthorised("the API key has signs that no header takes".to_owned()))?;
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let mut sent = Bytes::new();
    if let Some((kind, body)) = body {
        let kind = HeaderValue::from_str(kind).map_err(|error| AtsError::Refused(error.to_string()))?;
        headers.insert(header::CONTENT_TYPE, kind);
        sent = body;
    }
    Ok(HttpRequest { method, url, headers, body: sent })
}

/// The URL of a page of applications, whatever has become of them and of their jobs.
pub(super) fn applications(context: &Context<'_>, page: u32, order: (&str, &str)) -> Result<Url, AtsError> {
    let mut url = url(context, &["applications"])?;
    url.query_pairs_mut()
        .append_pair("page", &page.to_string())
        .append_pair("applicationStatus", "ALL")
        .append_pair("jobStatusGroups", "ALL")
        .append_pair("sortBy", order.0)
        .append_pair("sortOrder", order.1);
    Ok(url)
}

/// The request of a cursor.
pub(super) fn of(context: &Context<'_>, cursor: &Cursor) -> Result<HttpRequest, AtsError> {
    let url = match cursor {
        Cursor::Check => url(context, &["statuses"])?,
        Cursor::Jobs(_) => url(context, &["jobs"])?,
        Cursor::All(page) => applications(context, *page, ("created_date", "ASC"))?,
        Cursor::Changed(page) => applications(context, *page, ("last_updated", "DESC"))?,
        Cursor::Application(id) => url(context, &["applications", id])?,
    };
    call(context, Method::GET, url, None)
}

/// Why there is no page, where the answer is an error: by its status, or inside of a 200. `told` says whether its reason may be
/// repeated: not when it could quote what was sent.
pub(super) fn refused(context: &Context<'_>, reply: &Reply, told: bool) -> Option<AtsError> {
    let status = match reply.status {
        StatusCode::OK => {
            let Inside { error } = json::read(&reply.body).ok()?;
            let code = id(error?.code.as_ref()).and_then(|code| code.parse().ok()).unwrap_or(500);
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        status => status,
    };
    let reason = reply.headers.get("x-bamboohr-error-message").and_then(|value| value.to_str().ok());
    let reason: String = reason.filter(|_| told).unwrap_or_default().chars().take(LONGEST_REASON).collect();
    let words = format!("{} {reason}", status.as_u16()).trim_end().to_owned();
    let wait = reply.retry_after(context.now);
    Some(match (status, wait) {
        // 503 was the limit's status until 2026-09-16, and had this header.
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
            AtsError::RateLimited { wait, stated: true }
        }
        (StatusCode::TOO_MANY_REQUESTS, None) => AtsError::RateLimited { wait: WAIT, stated: false },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => AtsError::Unauthorised(words),
        (StatusCode::REQUEST_TIMEOUT, _) => AtsError::Unavailable(words),
        (other, _) if other.is_server_error() => AtsError::Unavailable(words),
        _ => AtsError::Refused(words),
    })
}
