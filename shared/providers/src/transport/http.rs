//! The one way out over HTTP: one client a process, no redirects, no retries, a limit on time and size.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use url::Url;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Largest reply that is read: a page of an ATS is far smaller.
const LARGEST_REPLY: usize = 8 * 1024 * 1024;

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
    #[error("connect: {0}")]
    NotSent(String),
    /// Sent, and then no whole reply: the provider may have acted.
    #[error("read the reply: {0}")]
    NoReply(String),
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
            .map_err(|e| SendError::NotSent(describe(&e)))?;
        Ok(Self { client })
    }

    /// The client, to build a request with.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends one request and reads the reply, within `timeout`.
    ///
    /// # Errors
    /// When there is no whole reply within the time or the size.
    pub async fn send(&self, request: reqwest::RequestBuilder, timeout: Duration) -> Result<Reply, SendError> {
        let mut response = request.timeout(timeout).send().await.map_err(|e| {
            if e.is_connect() || e.is_builder() {
                SendError::NotSent(describe(&e))
            } else {
                SendError::NoReply(describe(&e))
            }
        })?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| SendError::NoReply(describe(&e)))? {
            if body.len() + chunk.len() > LARGEST_REPLY {
                return Err(SendError::NoReply(format!("the reply is larger than {LARGEST_REPLY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status(), headers: response.headers().clone(), body: body.freeze() })
    }

    /// Opens a connection to a host, in INIT. The response does not matter.
    pub async fn preconnect(&self, base: &Url) {
        let _ignored = self.send(self.client.head(base.clone()), Duration::from_secs(1)).await;
    }
}

/// An error with its causes and without its URL, which may hold a secret.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "the connection failed".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
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
