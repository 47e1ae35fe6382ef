//! Gmail API: `POST /gmail/v1/users/me/messages/send`, the whole message in base64url.
//!
//! Facts: <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send>. 200 with an id means sent
//! from the mailbox of the token's user. There is no idempotency key; the mailbox can be searched for the Message-ID
//! (`rfc822msgid:`), which needs a scope that reads: with `gmail.metadata` alone `q` is refused. Limits are a 429 or a 403, and
//! only the reason says which 403 it is. The one secret is a credentials file as Google issues it, of a person who gave consent
//! or of a service account, to which the field `subject` is added: the mailbox in whose name it sends.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use domain::mail_event::{MailEvent, MailEventKind};
use futures::future::{BoxFuture, FutureExt as _};
use http::{StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::client::{
    HttpMailer, LookupPage, MailApi, Reset, by_status, later, lookup_error, read_acceptance, read_lookup,
};
use crate::mail::events::MailEventSource;
use crate::mail::mime::compose;
use crate::mail::port::{
    Accepted, LookupError, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, Sent, excerpt,
};
use crate::transport::access::mail_base;
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;
use crate::transport::oauth::{GOOGLE, Tokens};
use crate::transport::webhook::event_id;

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "gmail",
    name: "Gmail",
    reference: "https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send",
    secrets: &["mail/gmail_credentials"],
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider =
    MailProvider { info: INFO, base_url: Some("https://gmail.googleapis.com"), set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = None;

/// To send, and to find what was sent.
const SCOPES: &str = "https://www.googleapis.com/auth/gmail.send https://www.googleapis.com/auth/gmail.readonly";
/// Gmail has no header of its own for when a limit begins anew.
const RESET: Reset = Reset::After("retry-after");

/// The provider with its tokens.
struct Gmail {
    tokens: Tokens,
}

fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    let live = PROVIDER.base_url.unwrap_or_default();
    let base = mail_base(setup.stage, live, setup.replacement, INFO.id)?;
    let tokens = mail_base(setup.stage, GOOGLE, setup.replacement, "google")?;
    Ok(Box::new(HttpMailer::at(Gmail { tokens: Tokens::new(&tokens, SCOPES)? }, base)?))
}

#[derive(Debug, Deserialize)]
struct Taken {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// Left out when there are none.
    #[serde(default)]
    messages: Vec<Taken>,
    result_size_estimate: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: RefusalBody,
}

#[derive(Debug, Default, Deserialize)]
struct RefusalBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

/// The first reason of a refusal, and its words.
fn refusal(reply: &Reply) -> (String, String) {
    let Refusal { error: RefusalBody { message, errors } } = json::read(&reply.body).unwrap_or_default();
    let reason = errors.into_iter().next().map(|Reason { reason }| reason).unwrap_or_default();
    let words = excerpt(&format!("{} {reason}: {message}", reply.status.as_u16()));
    (reason, words)
}

/// Whether a refusal is a limit that passes within minutes.
fn is_limit(reason: &str) -> bool {
    matches!(reason, "rateLimitExceeded" | "userRateLimitExceeded")
}

impl MailApi for Gmail {
    fn authorise<'a>(
        &'a self,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<SecretString, MailError>> {
        async move {
            let [credentials] = secrets else {
                return Err(MailError::NotSent("there are no credentials".into()));
            };
            Ok(self.tokens.token(credentials, timeout, now).await?)
        }
        .boxed()
    }

    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, now: Timestamp) -> Result<HttpRequest, MailError> {
        let (_, message) = compose(mail, now)?;
        let body = json!({"raw": BASE64_URL_SAFE.encode(message)});
        let request = HttpRequest::json(base, "/gmail/v1/users/me/messages/send", &body)?;
        Ok(request.with_secret(header::AUTHORIZATION.as_str(), &format!("Bearer {}", key.expose_secret()))?)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::OK {
            let Taken { id } = read_acceptance(reply)?;
            return Ok(Accepted { provider_message_id: excerpt(&id) });
        }
        let (reason, words) = refusal(reply);
        Err(match (reply.status, reason.as_str()) {
            (StatusCode::FORBIDDEN, reason) if is_limit(reason) => later(reply, now, RESET, words),
            // A cached token may have been revoked before its time: the next attempt has a new one. If a new one is
            // refused, the credentials are invalid.
            (StatusCode::UNAUTHORIZED, _) if self.tokens.refused(now) => MailError::NotSent(words.into()),
            // The mailbox cannot send mail at all.
            (StatusCode::BAD_REQUEST, "failedPrecondition") => MailError::Stopped(words.into()),
            _ => by_status(reply, now, RESET, words),
        })
    }

    fn lookup_request(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        _now: Timestamp,
    ) -> Result<HttpRequest, LookupError> {
        let query = format!("rfc822msgid:{}", sent.message_id.trim_matches(['<', '>']));
        let query = [("q", query.as_str()), ("includeSpamTrash", "true")];
        let request = HttpRequest::get(base, "/gmail/v1/users/me/messages", &query)?;
        Ok(request.with_secret(header::AUTHORIZATION.as_str(), &format!("Bearer {}", key.expose_secret()))?)
    }

    fn parse_lookup(
        &self,
        _base: &Url,
        sent: &Sent,
        _key: &SecretString,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<LookupPage, LookupError> {
        if reply.status != StatusCode::OK {
            let (reason, words) = refusal(reply);
            return Err(match reply.status {
                StatusCode::FORBIDDEN if is_limit(&reason) => later(reply, now, RESET, words).into(),
                StatusCode::FORBIDDEN if reason == "dailyLimitExceeded" => LookupError::Unreachable(words.into()),
                StatusCode::UNAUTHORIZED if self.tokens.refused(now) => LookupError::Unreachable(words.into()),
                _ => lookup_error(reply, now, RESET, words),
            });
        }
        let Found { messages, result_size_estimate } = read_lookup(reply)?;
        // An empty list says so by its number. Any other reply without messages proves nothing: taken for an empty list, it
        // would let a mail be sent a second time.
        if messages.is_empty() && result_size_estimate != Some(0) {
            return Err(LookupError::Unreachable("200, and neither messages nor that there are none".into()));
        }
        let event = |Taken { id }: Taken| MailEvent {
            id: event_id(None, format!("gmail\n{id}\naccepted").as_bytes()),
            reference: sent.reference.clone(),
            kind: MailEventKind::Accepted,
            // The list has no times; the mail is not older than its notification.
            at: sent.since,
            provider_message_id: Some(excerpt(&id)),
            detail: None,
        };
        Ok(LookupPage::Last(messages.into_iter().map(event).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use domain::stage::Stage;
    use http::HeaderMap;
    use serde_json::Value;

    fn gmail() -> Gmail {
        Gmail { tokens: Tokens::new(&Url::parse(GOOGLE).expect("url"), SCOPES).expect("set up") }
    }

    fn reply(status: u16, body: &str) -> Reply {
        let status = StatusCode::from_u16(status).expect("status");
        Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn error(reason: &str) -> String {
        json!({"error": {"code": 1, "message": "m", "errors": [{"domain": "global", "reason": reason, "message": "m"}]}})
            .to_string()
    }

    fn sent() -> Sent {
        Sent {
            reference: SAMPLE_REFERENCE.parse().expect("a reference"),
            message_id: "<n-1@example.com>".into(),
            to: "ada@example.com".into(),
            since: "2026-11-22T10:00:00Z".parse().expect("time"),
            provider_message_id: None,
        }
    }

    #[test]
    fn the_whole_message_goes_along_and_the_token_is_not_printed() {
        let base = Url::parse("https://gmail.googleapis.com").expect("url");
        let request = gmail().request(&base, &sample(), &"ya29.secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://gmail.googleapis.com/gmail/v1/users/me/messages/send");
        assert!(!format!("{request:?}").contains("ya29"));
        let body: Value = serde_json::from_slice(&request.body).expect("json");
        let raw = BASE64_URL_SAFE.decode(body["raw"].as_str().expect("text")).expect("base64");
        assert!(String::from_utf8(raw).expect("ascii").contains("Message-ID: <n-1@example.com>\r\n"));
        let lookup_request =
            gmail().lookup_request(&base, &sent(), &"ya29.secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(lookup_request.url.query(), Some("q=rfc822msgid%3An-1%40example.com&includeSpamTrash=true"));
    }

    #[test]
    fn errors_are_sorted_by_their_reasons() {
        let check = |status, body: &str| gmail().read(&reply(status, body), Timestamp::UNIX_EPOCH);
        assert_eq!(check(200, r#"{"id":"18c"}"#), Ok(Accepted { provider_message_id: "18c".into() }));
        assert!(matches!(check(200, "{"), Err(MailError::Unknown(_))));
        for (status, reason) in
            [(429, "rateLimitExceeded"), (429, ""), (403, "rateLimitExceeded"), (403, "userRateLimitExceeded")]
        {
            assert!(matches!(check(status, &error(reason)), Err(MailError::Later { .. })), "{status} {reason}");
        }
        for (status, reason) in
            [(403, "dailyLimitExceeded"), (403, "domainPolicy"), (401, "authError"), (400, "failedPrecondition")]
        {
            assert!(matches!(check(status, &error(reason)), Err(MailError::Stopped(_))), "{status} {reason}");
        }
        assert_eq!(check(400, &error("invalidArgument")), Err(MailError::Rejected("400 invalidArgument: m".into())));
        assert!(matches!(check(503, &error("backendError")), Err(MailError::Unknown(_))));
    }

    #[test]
    fn a_sent_mail_is_found_unless_the_scope_forbids_it() {
        let base = Url::parse("https://gmail.googleapis.com").expect("url");
        let look_up = |status, body: &str| {
            let page = gmail().parse_lookup(&base, &sent(), &"k".into(), &reply(status, body), Timestamp::UNIX_EPOCH);
            page.map(|page| match page {
                LookupPage::Last(events) => events,
                LookupPage::More(..) => panic!("one page is enough"),
            })
        };
        let found =
            look_up(200, r#"{"messages":[{"id":"18c","threadId":"18c"}],"resultSizeEstimate":1}"#).expect("found");
        let [event] = found.as_slice() else { panic!("one: {found:?}") };
        assert_eq!((event.kind, event.provider_message_id.as_deref()), (MailEventKind::Accepted, Some("18c")));
        assert_eq!(look_up(200, r#"{"resultSizeEstimate":0}"#), Ok(Vec::new()));
        assert!(matches!(look_up(403, &error("insufficientPermissions")), Err(LookupError::NotAllowed(_))));
        assert!(matches!(look_up(403, &error("rateLimitExceeded")), Err(LookupError::Later { .. })));
        for (status, body) in [(500, ""), (200, "{}"), (200, r#"{"odd":true}"#), (200, r#"{"resultSizeEstimate":1}"#)] {
            assert!(matches!(look_up(status, body), Err(LookupError::Unreachable(_))), "{status} {body}");
        }
    }

    #[test]
    fn only_production_reaches_google() {
        let set_up = |stage, replacement| {
            set_up(&MailSetup { stage, domain: "example.com", replacement, setting: &|_| None }).is_ok()
        };
        assert!(set_up(Stage::Prod, None));
        assert!(!set_up(Stage::Prod, Some("http://127.0.0.1:9")));
        for stage in [Stage::Local, Stage::Dev, Stage::Staging] {
            assert!(!set_up(stage, None));
            assert!(set_up(stage, Some("http://127.0.0.1:9")));
        }
    }
}
