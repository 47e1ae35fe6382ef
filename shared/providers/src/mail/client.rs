//! The HTTP client of mail providers: it sends one mail once, and looks mails up, at the host that the stage allows.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::transport::access::mail_base;
use crate::transport::http::{Outbound, Reply, SendError};
use domain::mail_event::MailEvent;

use crate::mail::port::{
    Accepted, DeliveryLookup, LONGEST_WAIT, LookupError, Mail, MailError, MailSetup, MailSetupError, Mailer, Sent,
};

/// A request to a mail provider.
#[derive(Debug)]
pub struct MailRequest {
    pub method: Method,
    pub url: Url,
    /// The headers; the one that holds the key is marked sensitive.
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The wire format of a mail provider: plain functions, so that it can be tested without a network.
pub trait MailApi: Send + Sync {
    /// The key of the requests, made within `timeout` from the secrets that the provider's `INFO` names. By default the only
    /// secret is the key; a provider that fetches a token, or has its credentials from elsewhere, overrides it.
    ///
    /// # Errors
    /// When there is no key: nothing was sent yet, so it is never [`MailError::Unknown`].
    fn authorise<'a>(
        &'a self,
        secrets: &'a [SecretString],
        _timeout: Duration,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<SecretString, MailError>> {
        let key = match secrets {
            [key] => Ok(key.clone()),
            _ => Err(MailError::NotSent("there is no API key".to_owned())),
        };
        std::future::ready(key).boxed()
    }

    /// Builds the request that sends one mail, whose addresses are validated.
    ///
    /// # Errors
    /// When the key cannot be sent.
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, now: Timestamp) -> Result<MailRequest, MailError>;

    /// Parses the reply to that request.
    ///
    /// # Errors
    /// When the mail was not accepted, or it is unknown whether it was.
    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError>;

    /// How the outcome of a mail can be learned from the provider.
    fn delivery_lookup(&self) -> DeliveryLookup {
        DeliveryLookup::Unsupported
    }

    /// Builds the first request of a lookup.
    ///
    /// # Errors
    /// When the provider has no lookup, or the key cannot be sent.
    fn lookup_request(
        &self,
        _base: &Url,
        _sent: &Sent,
        _key: &SecretString,
        _now: Timestamp,
    ) -> Result<MailRequest, LookupError> {
        Err(LookupError::NotAllowed("this provider has no lookup".to_owned()))
    }

    /// Parses the reply to a lookup.
    ///
    /// # Errors
    /// When the reply is an error, or not as documented.
    fn parse_lookup(
        &self,
        _base: &Url,
        _sent: &Sent,
        _key: &SecretString,
        _reply: &Reply,
        _now: Timestamp,
    ) -> Result<LookupPage, LookupError> {
        Err(LookupError::NotAllowed("this provider has no lookup".to_owned()))
    }
}

/// One page of a lookup's result.
#[derive(Debug)]
pub enum LookupPage {
    /// The last events of the mail.
    Last(Vec<MailEvent>),
    /// Events of the mail, and the request for the next page.
    More(Vec<MailEvent>, Box<MailRequest>),
}

/// The most requests that one lookup makes.
const MAX_LOOKUP_PAGES: usize = 5;

/// A provider's public hosts, by the region of the data.
#[derive(Debug, Clone, Copy)]
pub struct Hosts {
    /// For `MAIL_REGION` `us`, and when it is not set.
    pub us: &'static str,
    /// For `MAIL_REGION` `eu`.
    pub eu: &'static str,
}

/// A mail provider with an HTTP API.
pub struct HttpMailer<A> {
    api: A,
    base: Url,
    http: Outbound,
}

impl<A: MailApi> HttpMailer<A> {
    /// Sets it up: the host follows from the stage and `MAIL_REGION`.
    ///
    /// # Errors
    /// When the stage forbids the host, or `MAIL_REGION` is neither `us` nor `eu`.
    pub fn new(api: A, id: &'static str, hosts: Hosts, setup: &MailSetup<'_>) -> Result<Self, MailSetupError> {
        let live = match (setup.setting)("MAIL_REGION").as_deref() {
            None | Some("us") => hosts.us,
            Some("eu") => hosts.eu,
            Some(_) => return Err(MailSetupError::Setting { name: "MAIL_REGION", rule: "us or eu is expected" }),
        };
        Self::at(api, mail_base(setup.stage, live, setup.replacement, id)?)
    }

    /// Sets it up for a base that the stage is known to allow.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub(crate) fn at(api: A, base: Url) -> Result<Self, MailSetupError> {
        Ok(Self { api, base, http: Outbound::new()? })
    }

    async fn hand_over(
        &self,
        mail: &Mail,
        secrets: &[SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Accepted, MailError> {
        let begin = Instant::now();
        let mail = mail.sendable()?;
        // One half at most for getting in, so that what is left is enough for the mail.
        let key = self.api.authorise(secrets, timeout / 2, now).await?;
        let request = self.api.request(&self.base, &mail, &key, now)?;
        match self.exchange(request, timeout.saturating_sub(begin.elapsed())).await {
            Ok(reply) => self.api.read(&reply, now),
            Err(SendError::NotSent(detail)) => Err(MailError::Unreachable(detail)),
            Err(SendError::NoReply(detail)) => Err(MailError::Unknown(detail)),
        }
    }

    async fn exchange(&self, request: MailRequest, timeout: Duration) -> Result<Reply, SendError> {
        let MailRequest { method, url, headers, body } = request;
        self.http.send(self.http.client().request(method, url).headers(headers).body(body), timeout).await
    }

    /// Reads the pages of a lookup up to the last one.
    async fn fetch_events(
        &self,
        sent: &Sent,
        secrets: &[SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Vec<MailEvent>, LookupError> {
        let begin = Instant::now();
        let key = &self.api.authorise(secrets, timeout / 2, now).await?;
        let sent = &sent.as_sent();
        let mut request = self.api.lookup_request(&self.base, sent, key, now)?;
        let mut found = Vec::new();
        for _ in 0..MAX_LOOKUP_PAGES {
            let reply = self.exchange(request, timeout.saturating_sub(begin.elapsed())).await;
            let reply = reply.map_err(|e| LookupError::Unreachable(e.to_string()))?;
            match self.api.parse_lookup(&self.base, sent, key, &reply, now)? {
                LookupPage::Last(events) => {
                    found.extend(events);
                    return Ok(found);
                }
                LookupPage::More(events, next) => {
                    found.extend(events);
                    request = *next;
                }
            }
        }
        // Events that were found are true even when there are more; pages without any prove nothing.
        if found.is_empty() { Err(LookupError::Unreachable("the list has no end".to_owned())) } else { Ok(found) }
    }
}

impl<A: MailApi> Mailer for HttpMailer<A> {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Accepted, MailError>> {
        self.hand_over(mail, secrets, timeout, now).boxed()
    }

    fn delivery_lookup(&self) -> DeliveryLookup {
        self.api.delivery_lookup()
    }

    fn look_up<'a>(
        &'a self,
        sent: &'a Sent,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<MailEvent>, LookupError>> {
        self.fetch_events(sent, secrets, timeout, now).boxed()
    }

    fn preconnect(&self) -> BoxFuture<'_, ()> {
        self.http.preconnect(&self.base).boxed()
    }
}

impl MailRequest {
    /// A POST of JSON to a path below the base.
    pub(crate) fn json(base: &Url, path: &str, body: &Value) -> Result<Self, MailError> {
        Self::new(base, path, HeaderValue::from_static("application/json"), body.to_string().into())
    }

    /// A POST of a form to a path below the base.
    pub(crate) fn form(base: &Url, path: &str, fields: &[(&str, &str)]) -> Result<Self, MailError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::new(base, path, HeaderValue::from_static("application/x-www-form-urlencoded"), body.into())
    }

    fn new(base: &Url, path: &str, content_type: HeaderValue, body: Bytes) -> Result<Self, MailError> {
        let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| MailError::Unreachable("the provider's address is none".to_owned()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self { method: Method::POST, url, headers, body })
    }

    /// A GET of a path below the base, with a query.
    pub(crate) fn get(base: &Url, path: &str, query: &[(&str, &str)]) -> Result<Self, MailError> {
        let mut request = Self::new(base, path, HeaderValue::from_static("application/json"), Bytes::new())?;
        request.method = Method::GET;
        request.headers.remove(header::CONTENT_TYPE);
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        Ok(request)
    }

    /// Adds a header that no log may show.
    pub(crate) fn with_secret(mut self, name: &'static str, value: &str) -> Result<Self, MailError> {
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| MailError::Stopped("the API key cannot be sent".to_owned()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// The header of a 429 that states when the limit is reset.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reset {
    /// At this time, in seconds since 1970.
    At(&'static str),
    /// After so many seconds.
    After(&'static str),
}

/// The error of a lookup whose reply is no success, by its status alone.
pub(crate) fn lookup_error(reply: &Reply, now: Timestamp, reset: Reset, detail: String) -> LookupError {
    match reply.status {
        StatusCode::TOO_MANY_REQUESTS => LookupError::Later { wait: wait(reply, now, reset), detail },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => LookupError::NotAllowed(detail),
        _ => LookupError::Unreachable(detail),
    }
}

/// The error of a reply that is no acceptance, by its status alone.
///
/// No provider guarantees that nothing was sent after a 5xx: a gateway returns it, too, when the response of the server
/// behind it was lost. So it is unknown, as is a success of another kind than the documented one.
pub(crate) fn by_status(reply: &Reply, now: Timestamp, reset: Reset, detail: String) -> MailError {
    match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            MailError::Rejected(detail)
        }
        // The request did not come in whole.
        StatusCode::REQUEST_TIMEOUT => MailError::NotSent(detail),
        StatusCode::TOO_MANY_REQUESTS => later(reply, now, reset, detail),
        // Key, account, money: no mail can be sent before a person acts.
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN => MailError::Stopped(detail),
        // Domain, address of the API: our settings are to blame, and every mail will fail like this one.
        status if status.is_client_error() || status.is_redirection() => MailError::Unreachable(detail),
        _ => MailError::Unknown(detail),
    }
}

/// The error of a limit, whatever shows that it is one.
pub(crate) fn later(reply: &Reply, now: Timestamp, reset: Reset, detail: String) -> MailError {
    MailError::Later { wait: wait(reply, now, reset), detail }
}

fn wait(reply: &Reply, now: Timestamp, reset: Reset) -> Duration {
    let number = |name: &str| -> Option<f64> { reply.headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    let seconds = |number: f64| Duration::try_from_secs_f64(number).ok();
    let of_header = || match reset {
        Reset::After(name) => seconds(number(name)?),
        Reset::At(name) => {
            let at = Timestamp::from_duration(SignedDuration::try_from(seconds(number(name)?)?).ok()?).ok()?;
            Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
        }
    };
    reply.retry_after(now).or_else(of_header).unwrap_or(Duration::ZERO).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("header"));
        }
        Reply { status: StatusCode::from_u16(status).expect("status"), headers: map, body: Bytes::new() }
    }

    #[test]
    fn a_status_decides_what_failed_or_is_unknown() {
        let now = NOW.parse().expect("time");
        let sort = |status| by_status(&reply(status, &[]), now, Reset::At("x-reset"), "d".to_owned());
        for (status, wanted) in [
            (400, MailError::Rejected("d".into())),
            (413, MailError::Rejected("d".into())),
            (422, MailError::Rejected("d".into())),
            (408, MailError::NotSent("d".into())),
            (429, MailError::Later { wait: Duration::ZERO, detail: "d".into() }),
            (301, MailError::Unreachable("d".into())),
            (401, MailError::Stopped("d".into())),
            (402, MailError::Stopped("d".into())),
            (403, MailError::Stopped("d".into())),
            (404, MailError::Unreachable("d".into())),
            (204, MailError::Unknown("d".into())),
            (500, MailError::Unknown("d".into())),
            (502, MailError::Unknown("d".into())),
            (503, MailError::Unknown("d".into())),
            (504, MailError::Unknown("d".into())),
        ] {
            assert_eq!(sort(status), wanted, "{status}");
        }
    }

    #[test]
    fn the_wait_is_the_providers_within_reason() {
        let now: Timestamp = NOW.parse().expect("time");
        let at = |seconds: i64| format!("{}.5", now.as_second() + seconds);
        for (header, value, reset, wanted) in [
            ("retry-after", "17".to_owned(), Reset::At("x-reset"), 17_000),
            ("x-reset", at(20), Reset::At("x-reset"), 20_500),
            ("x-reset", at(-20), Reset::At("x-reset"), 0),
            ("x-reset", "1e300".to_owned(), Reset::At("x-reset"), 0),
            ("x-reset", "NaN".to_owned(), Reset::At("x-reset"), 0),
            ("x-reset", "soon".to_owned(), Reset::After("x-reset"), 0),
            ("x-reset", "3".to_owned(), Reset::After("x-reset"), 3_000),
            ("x-reset", "86400".to_owned(), Reset::After("x-reset"), 900_000),
            ("x-other", "3".to_owned(), Reset::After("x-reset"), 0),
        ] {
            let found = wait(&reply(429, &[(header, &value)]), now, reset);
            assert_eq!(found, Duration::from_millis(wanted), "{header}: {value}");
        }
    }
}
