//! What a provider without webhooks must be able to do: say which page to ask for, and read it.

use std::time::Duration;

use domain::application::ObservedApplication;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
pub use url::Url;

use crate::http::Reply;

/// A page to ask for.
#[derive(Debug)]
pub struct PageRequest {
    /// Where.
    pub url: Url,
    /// With which headers; the credentials among them are marked sensitive.
    pub headers: HeaderMap,
}

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<ObservedApplication>,
    /// The next page in the provider's words; none after the last.
    pub next: Option<String>,
}

/// Why there is no page. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The provider asked to wait.
    #[error("read the page: the provider asked to wait {} s", .wait.as_secs())]
    RateLimited {
        /// How long.
        wait: Duration,
    },
    /// The credentials are not accepted; somebody has to act.
    #[error("read the page: the credentials were refused: {0}")]
    Unauthorised(String),
    /// The provider refused the request; asking again will not help.
    #[error("read the page: the provider refused: {0}")]
    Refused(String),
    /// The provider does not answer or failed; asking again may help.
    #[error("read the page: {0}")]
    Unavailable(String),
    /// The reply does not have the documented shape.
    #[error("read the page: {0}")]
    Malformed(String),
}

/// A provider that we ask.
pub trait PolledSource: Sync {
    /// Name of the connection's secret that requests are signed with.
    fn secret(&self) -> &'static str;

    /// The first page of a run.
    fn first_page(&self) -> String;

    /// Builds the request for a page.
    ///
    /// # Errors
    /// When the page's name or the base cannot be a URL.
    fn request(&self, base: &Url, page: &str, secret: &SecretString) -> Result<PageRequest, PageError>;

    /// Reads a reply. `page` is the page that was asked for; `observed` is the version of rows that carry none.
    ///
    /// # Errors
    /// When the reply is an error or does not have the documented shape.
    fn read(&self, page: &str, reply: &Reply, observed: Timestamp) -> Result<Page, PageError>;
}
