//! Requests of cursors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::auth::authorization;
use super::cursor::Cursor;
use crate::ats::port::{AtsError, Context};
use crate::transport::http::HttpRequest;

/// A URL of applicant tracking; the segments may be anything.
pub(super) fn url(context: &Context<'_>, segments: &[&str]) -> Result<Url, AtsError> {
    let base = context.hosts.url("api", "/api/v1/applicant_tracking");
    let mut url = base.map_err(|error| AtsError::Refused(error.into()))?;
    url.path_segments_mut().map_err(|()| AtsError::Refused("the API's URL has no path".into()))?.extend(segments);
    Ok(url)
}

/// A request with the company's key.
pub(super) fn call(
    context: &Context<'_>,
    method: Method,
    url: Url,
    body: Option<(&str, Bytes)>,
) -> Result<HttpRequest, AtsError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization(context)?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let mut sent = Bytes::new();
    if let Some((kind, body)) = body {
        let kind = HeaderValue::from_str(kind).map_err(|error| AtsError::Refused(error.into()))?;
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
