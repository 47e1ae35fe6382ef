//! The one way out over HTTP: one client a process, no redirects, no retries, a limit on time and size.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::cause::Cause;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Largest reply that is read: a page of an ATS is far smaller.
const LARGEST_REPLY: usize = 8 * 1024 * 1024;

/// The type of a form's body.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A request to be sent.
#[derive(Clone)]
pub struct HttpRequest {
    pub method: Method,
    /// The whole URL, query included.
    pub url: Url,
    /// The headers; credentials among them are marked sensitive.
    pub headers: HeaderMap,
    /// The body; empty where there is none.
    pub body: Bytes,
}

impl fmt::Debug for HttpRequest {
    /// Without query and body: some providers have a key there, and a request for a token consists of secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, body } = self;
        let mut request = formatter.debug_struct("HttpRequest");
        request.field("method", method).field("host", &url.host_str()).field("path", &url.path());
        request.field("headers", headers).field("body_bytes", &body.len()).finish()
    }
}

/// Why a request cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the provider's address is none")]
    Url(#[source] url::ParseError),
    #[error("the API key cannot be sent")]
    Secret(#[source] InvalidHeaderValue),
}

impl HttpRequest {
    /// A request without headers and body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A GET of JSON from a path below a base, with a query.
    pub(crate) fn get(base: &Url, path: &str, query: &[(&str, &str)]) -> Result<Self, RequestError> {
        let mut request = Self::new(Method::GET, below(base, path)?).accepting_json();
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        Ok(request)
    }

    /// A POST of JSON to a path below a base.
    pub(crate) fn json(base: &Url, path: &str, body: &Value) -> Result<Self, RequestError> {
        let request = Self::new(Method::POST, below(base, path)?).accepting_json();
        Ok(request.with_body("application/json", body.to_string().into()))
    }

    /// A POST of a form to a path below a base.
    pub(crate) fn form(base: &Url, path: &str, fields: &[(&str, &str)]) -> Result<Self, RequestError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Self::new(Method::POST, below(base, path)?).accepting_json();
        Ok(request.with_body(FORM, body.into()))
    }

    /// The same with a body of that type.
    pub(crate) fn with_body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { body, ..self }
    }

    /// The same with a header that no log may show.
    pub(crate) fn with_secret(mut self, name: &'static str, value: &str) -> Result<Self, RequestError> {
        let mut value = HeaderValue::from_str(value).map_err(RequestError::Secret)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    fn accepting_json(mut self) -> Self {
        self.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        self
    }
}

fn below(base: &Url, path: &str) -> Result<Url, RequestError> {
    Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/'))).map_err(RequestError::Url)
}

/// The client that all providers share.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: reqwest::Client,
}

/// A reply that was read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no reply. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection: the provider certainly did nothing.
    #[error("connect")]
    NotSent(#[source] Cause),
    /// Sent, and then no whole reply: the provider may have acted.
    #[error("read the reply")]
    NoReply(#[source] Cause),
}

impl Outbound {
    /// Builds the client; reads the trusted roots.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, SendError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hiring-integrations/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SendError::NotSent(TransferError::from(error).into()))?;
        Ok(Self { client })
    }

    /// Sends one request and reads the reply, within `timeout`.
    ///
    /// # Errors
    /// When there is no whole reply within the time or the size.
    pub async fn send(&self, request: HttpRequest, timeout: Duration) -> Result<Reply, SendError> {
        let HttpRequest { method, url, headers, body } = request;
        let request = self.client.request(method, url).headers(headers).body(body);
        let no_reply = |error: reqwest::Error| SendError::NoReply(TransferError::from(error).into());
        let mut response = request.timeout(timeout).send().await.map_err(|error| {
            let not_sent = error.is_connect() || error.is_builder();
            if not_sent { SendError::NotSent(TransferError::from(error).into()) } else { no_reply(error) }
        })?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_reply)? {
            if body.len() + chunk.len() > LARGEST_REPLY {
                return Err(SendError::NoReply(format!("the reply is larger than {LARGEST_REPLY} bytes").into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status(), headers: response.headers().clone(), body: body.freeze() })
    }

    /// Opens a connection to a host, in INIT. The response does not matter.
    pub async fn preconnect(&self, base: &Url) {
        let _ignored = self.send(HttpRequest::new(Method::HEAD, base.clone()), Duration::from_secs(1)).await;
    }
}

/// A transfer that failed. It says so in words of its own and leaves out the URL, which may hold a secret.
#[derive(Debug)]
struct TransferError(reqwest::Error);

impl From<reqwest::Error> for TransferError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_timeout() { "timed out" } else { "the connection failed" })
    }
}

impl Error for TransferError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Reply {
    /// The wait that the provider requires by `Retry-After`, in seconds or as an HTTP date.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(Duration::from_secs(u64::from(seconds)));
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
    }
}

/// A provider's words, short and on one line.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let reply = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().expect("header"));
            Reply { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Bytes::new() }
        };
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("time");
        assert_eq!(reply("17").retry_after(now), Some(Duration::from_secs(17)));
        assert_eq!(reply("Sun, 22 Nov 2026 10:01:00 GMT").retry_after(now), Some(Duration::from_secs(60)));
        assert_eq!(reply("Sun, 22 Nov 2026 09:00:00 GMT").retry_after(now), Some(Duration::ZERO));
        assert_eq!(reply("soon").retry_after(now), None);
    }
}
