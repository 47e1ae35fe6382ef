//! The HTTP client of mail providers: it sends one mail once, and looks mails up, at the host that the stage allows.

use std::time::{Duration, Instant};

use domain::mail_event::MailEvent;
use futures::future::{BoxFuture, FutureExt as _};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use crate::cause::Cause;
use crate::mail::port::{
    Accepted, LONGEST_WAIT, LookupError, Mail, MailError, MailLookup, MailSetup, MailSetupError, Mailer, Sent,
};
use crate::transport::access::mail_base;
use crate::transport::http::{HttpRequest, Outbound, Reply, SendError};
use crate::transport::json::{self, InvalidJson};

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
            _ => Err(MailError::NotSent("there is no API key".into())),
        };
        std::future::ready(key).boxed()
    }

    /// Builds the request that sends one mail, whose addresses are validated.
    ///
    /// # Errors
    /// When the key cannot be sent.
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, now: Timestamp) -> Result<HttpRequest, MailError>;

    /// Parses the reply to that request.
    ///
    /// # Errors
    /// When the mail was not accepted, or it is unknown whether it was.
    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError>;

    /// Builds the first request of a lookup.
    ///
    /// # Errors
    /// When the key cannot be sent.
    fn lookup_request(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        now: Timestamp,
    ) -> Result<HttpRequest, LookupError>;

    /// Parses the reply to a lookup.
    ///
    /// # Errors
    /// When the reply is an error, or not as documented.
    fn parse_lookup(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<LookupPage, LookupError>;
}

/// One page of a lookup's result.
#[derive(Debug)]
pub enum LookupPage {
    /// The last events of the mail.
    Last(Vec<MailEvent>),
    /// Events of the mail, and the request for the next page.
    More(Vec<MailEvent>, Box<HttpRequest>),
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
        match self.http.send(request, timeout.saturating_sub(begin.elapsed())).await {
            Ok(reply) => self.api.read(&reply, now),
            Err(SendError::NotSent(cause)) => Err(MailError::Unreachable(cause)),
            Err(SendError::NoReply(cause)) => Err(MailError::Unknown(cause)),
        }
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
            let reply = self.http.send(request, timeout.saturating_sub(begin.elapsed())).await;
            let reply = reply.map_err(|error| LookupError::Unreachable(error.into()))?;
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
        if found.is_empty() { Err(LookupError::Unreachable("the list has no end".into())) } else { Ok(found) }
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

    fn lookup(&self) -> Option<&dyn MailLookup> {
        Some(self)
    }

    fn preconnect(&self) -> BoxFuture<'_, ()> {
        self.http.preconnect(&self.base).boxed()
    }
}

impl<A: MailApi> MailLookup for HttpMailer<A> {
    fn look_up<'a>(
        &'a self,
        sent: &'a Sent,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<MailEvent>, LookupError>> {
        self.fetch_events(sent, secrets, timeout, now).boxed()
    }
}

/// Reads an acceptance, which is JSON. One that cannot be read leaves it unknown whether the mail was sent.
pub(crate) fn read_acceptance<T: DeserializeOwned>(reply: &Reply) -> Result<T, MailError> {
    json::read(&reply.body).map_err(|error| MailError::Unknown(not_as_documented(reply, &error)))
}

/// Reads the JSON of a lookup.
pub(crate) fn read_lookup<T: DeserializeOwned>(reply: &Reply) -> Result<T, LookupError> {
    json::read(&reply.body).map_err(|error| LookupError::Unreachable(not_as_documented(reply, &error)))
}

fn not_as_documented(reply: &Reply, error: &InvalidJson) -> Cause {
    format!("{}, and {error}", reply.status.as_u16()).into()
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
pub(crate) fn lookup_error(reply: &Reply, now: Timestamp, reset: Reset, cause: impl Into<Cause>) -> LookupError {
    match reply.status {
        StatusCode::TOO_MANY_REQUESTS => LookupError::Later { wait: wait(reply, now, reset), cause: cause.into() },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => LookupError::NotAllowed(cause.into()),
        _ => LookupError::Unreachable(cause.into()),
    }
}

/// The error of a reply that is no acceptance, by its status alone.
///
/// No provider guarantees that nothing was sent after a 5xx: a gateway returns it, too, when the response of the server
/// behind it was lost. So it is unknown, as is a success of another kind than the documented one.
pub(crate) fn by_status(reply: &Reply, now: Timestamp, reset: Reset, cause: impl Into<Cause>) -> MailError {
    match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            MailError::Rejected(cause.into())
        }
        // The request did not come in whole.
        StatusCode::REQUEST_TIMEOUT => MailError::NotSent(cause.into()),
        StatusCode::TOO_MANY_REQUESTS => later(reply, now, reset, cause),
        // Key, account, money: no mail can be sent before a person acts.
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN => {
            MailError::Stopped(cause.into())
        }
        // Domain, address of the API: our settings are to blame, and every mail will fail like this one.
        status if status.is_client_error() || status.is_redirection() => MailError::Unreachable(cause.into()),
        _ => MailError::Unknown(cause.into()),
    }
}

/// The error of a limit, whatever shows that it is one.
pub(crate) fn later(reply: &Reply, now: Timestamp, reset: Reset, cause: impl Into<Cause>) -> MailError {
    MailError::Later { wait: wait(reply, now, reset), cause: cause.into() }
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
    use bytes::Bytes;
    use http::HeaderMap;

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
        let sort = |status| by_status(&reply(status, &[]), now, Reset::At("x-reset"), "d");
        for (status, wanted) in [
            (400, MailError::Rejected("d".into())),
            (413, MailError::Rejected("d".into())),
            (422, MailError::Rejected("d".into())),
            (408, MailError::NotSent("d".into())),
            (429, MailError::Later { wait: Duration::ZERO, cause: "d".into() }),
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
