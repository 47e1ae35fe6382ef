//! Mailgun: `POST /v3/{domain}/messages`, a form, Basic `api:KEY`; `GET /v3/{domain}/events` and the webhook.
//!
//! Facts: <https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages>. 200 with an id means queued; a
//! wrong path is a 200, too, whose body is the text "Mailgun Magnificent API". There is no key against doubling. The
//! Message-ID is ours (`h:Message-Id`), and events can be searched by it; the notification's id is a variable, which events
//! repeat. Any invalid recipient is a 400, an unknown domain a 404. Rate limits: `X-RateLimit-Reset` is a time, maybe with a
//! fraction.
//!
//! Events are stored for at least 3 days, lag behind, and come in pages; each page names the next one, the last is
//! empty. An event's id is unique within a day only. The webhook's signature covers its time and token and not its
//! body, so that one delivery suffices to forge others for a day: its body is a hint. A permanent failure is of the
//! address, except where Mailgun did not try (`suppress-*`, codes 605 to 607) or gave up after hours (`old`).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::client::{
    Hosts, HttpMailer, LookupPage, MailApi, Reset, by_status, lookup_error, read_acceptance, read_lookup,
};
use crate::mail::events::{MailEventSource, check_age, detail, only_secret, reference, text};
use crate::mail::port::{
    Accepted, LookupError, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, Sent, excerpt,
};
use crate::transport::http::{HttpRequest, Reply, RequestError};
use crate::transport::json;
use crate::transport::webhook::{NotAuthentic, Unreadable, event_id};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "mailgun",
    name: "Mailgun",
    reference: "https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages",
    secrets: &["mail/mailgun_api_key"],
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider = MailProvider { info: INFO, base_url: Some(HOSTS.us), set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = Some(&Events);

const RESET: Reset = Reset::At("x-ratelimit-reset");
/// The largest lag of Mailgun's clock.
const BEHIND: SignedDuration = SignedDuration::from_mins(5);

const HOSTS: Hosts = Hosts { us: "https://api.mailgun.net", eu: "https://api.eu.mailgun.net" };

/// The whole body of a 200 for a path that Mailgun does not have.
const WRONG_PATH: &[u8] = b"Mailgun Magnificent API";

#[derive(Debug, Deserialize)]
struct Queued {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

/// The provider for one sending domain.
struct Mailgun {
    domain: String,
}

/// Reads `MAIL_DOMAIN`, the sending domain as Mailgun knows it; by default that of the sender's address.
fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    let domain = (setup.setting)("MAIL_DOMAIN").unwrap_or_else(|| setup.domain.to_owned());
    // It becomes a part of a path.
    if domain.is_empty() || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        let rule = "a domain such as mg.example.com is expected";
        return Err(MailSetupError::Setting { name: "MAIL_DOMAIN", rule });
    }
    Ok(Box::new(HttpMailer::new(Mailgun { domain }, INFO.id, HOSTS, setup)?))
}

impl MailApi for Mailgun {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<HttpRequest, MailError> {
        let Mail { from, to, subject, text, html, message_id, reference, unsubscribe: _ } = mail;
        let reference = reference.to_string();
        let further: Vec<(String, String)> =
            mail.further_headers().into_iter().map(|(name, value)| (format!("h:{name}"), value)).collect();
        let mut fields = vec![
            ("from", from.as_str()),
            ("to", to),
            ("subject", subject),
            ("text", text),
            ("html", html),
            ("h:Message-Id", message_id),
            ("v:reference", &reference),
            // A link that resets a password must not lead through a counter.
            ("o:tracking", "no"),
        ];
        fields.extend(further.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(with_key(HttpRequest::form(base, &format!("/v3/{}/messages", self.domain), &fields)?, key)?)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::OK {
            if reply.body.trim_ascii() == WRONG_PATH {
                return Err(MailError::Unreachable("this is no path of the API".into()));
            }
            let Queued { id } = read_acceptance(reply)?;
            return Ok(Accepted { provider_message_id: excerpt(&id) });
        }
        Err(by_status(reply, now, RESET, refusal(reply)))
    }

    fn lookup_request(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        _now: Timestamp,
    ) -> Result<HttpRequest, LookupError> {
        let begin = sent.since.checked_sub(BEHIND).unwrap_or(sent.since).as_second().to_string();
        let id = sent.message_id.trim_matches(['<', '>']);
        let query = [("message-id", id), ("begin", &begin), ("ascending", "yes"), ("limit", "300")];
        Ok(with_key(HttpRequest::get(base, &self.events(), &query)?, key)?)
    }

    fn parse_lookup(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<LookupPage, LookupError> {
        if reply.status != StatusCode::OK {
            return Err(lookup_error(reply, now, RESET, refusal(reply)));
        }
        if reply.body.trim_ascii() == WRONG_PATH {
            return Err(LookupError::Unreachable("this is no path of the API".into()));
        }
        let page: Value = read_lookup(reply)?;
        let items = page.get("items").and_then(Value::as_array);
        let items = items.ok_or_else(|| LookupError::Unreachable("200, and no events".into()))?;
        let ours = items.iter().filter(|item| is_of(item, sent));
        let reported = ours.filter_map(|item| event(item, sent.reference.clone(), sent.since)).collect();
        match text(&page, "/paging/next").and_then(|next| self.next(base, next)) {
            Some(url) if !items.is_empty() => {
                let request = with_key(HttpRequest::get(base, &self.events(), &[])?, key)?;
                Ok(LookupPage::More(reported, Box::new(HttpRequest { url, ..request })))
            }
            _ => Ok(LookupPage::Last(reported)),
        }
    }
}

impl Mailgun {
    fn events(&self) -> String {
        format!("/v3/{}/events", self.domain)
    }

    /// The address of a further page. None for an address outside of this domain's events, because the request carries
    /// the key.
    fn next(&self, base: &Url, next: &str) -> Option<Url> {
        let url: Url = next.parse().ok()?;
        let path = format!("{}{}", base.path().trim_end_matches('/'), self.events());
        (url.origin() == base.origin() && url.path().starts_with(&path)).then_some(url)
    }
}

struct Events;

impl MailEventSource for Events {
    fn secrets(&self) -> &'static [&'static str] {
        &["mail/webhook/mailgun_signing_key"]
    }

    fn covers_body(&self) -> bool {
        false
    }

    fn verify(
        &self,
        _headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
    ) -> Result<(), NotAuthentic> {
        let key = only_secret(secrets)?.as_bytes();
        let Delivery { signature: Signature { timestamp, token, signature }, .. } =
            json::read(body).map_err(|_| NotAuthentic)?;
        // Capitals would be a second way to write the same signature.
        if signature.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(NotAuthentic);
        }
        let given = hex::decode(signature).map_err(|_| NotAuthentic)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| NotAuthentic)?;
        mac.update(timestamp.as_bytes());
        mac.update(token.as_bytes());
        // Compares in constant time.
        mac.verify_slice(&given).map_err(|_| NotAuthentic)?;
        check_age(&timestamp, now)
    }

    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable> {
        let Delivery { event_data, signature: _ } = json::read(body)?;
        let ours = reference(&event_data, "/user-variables/reference");
        Ok(ours.and_then(|ours| event(&event_data, ours, received_at)).into_iter().collect())
    }
}

#[derive(Deserialize)]
struct Delivery {
    signature: Signature,
    #[serde(rename = "event-data")]
    event_data: Value,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: String,
    token: String,
    signature: String,
}

fn with_key(request: HttpRequest, key: &SecretString) -> Result<HttpRequest, RequestError> {
    let basic = BASE64_STANDARD.encode(format!("api:{}", key.expose_secret()));
    request.with_secret(header::AUTHORIZATION.as_str(), &format!("Basic {basic}"))
}

fn refusal(reply: &Reply) -> String {
    let Refusal { message } = json::read(&reply.body).unwrap_or(Refusal { message: String::new() });
    excerpt(&format!("{} {message}", reply.status.as_u16()))
}

/// Whether an event is of this mail: by its reference, or, where it has none, by the Message-ID, which is ours.
fn is_of(event: &Value, sent: &Sent) -> bool {
    match text(event, "/user-variables/reference") {
        Some(named) => named == sent.reference.to_string(),
        None => text(event, "/message/headers/message-id") == Some(sent.message_id.trim_matches(['<', '>'])),
    }
}

/// One event of the list or of the webhook. None when its name means nothing here.
fn event(wire: &Value, reference: MailReference, otherwise: Timestamp) -> Option<MailEvent> {
    let name = text(wire, "/event")?;
    let kind = match (name, text(wire, "/severity")) {
        ("accepted", _) => MailEventKind::Accepted,
        ("delivered", _) => MailEventKind::Delivered,
        ("failed", Some("temporary")) => MailEventKind::Deferred,
        ("failed", _) if was_not_tried(wire) => MailEventKind::Refused,
        ("failed", _) => MailEventKind::Bounced,
        ("rejected", _) => MailEventKind::Refused,
        ("complained", _) => MailEventKind::Complained,
        _ => return None,
    };
    let at = wire.get("timestamp").and_then(Value::as_f64).and_then(|at| SignedDuration::try_from_secs_f64(at).ok());
    let at = at.and_then(|at| Timestamp::from_duration(at).ok());
    let message_id = text(wire, "/message/headers/message-id");
    let seconds = at.map(Timestamp::as_second);
    let id = text(wire, "/id").zip(seconds).map(|(id, seconds)| format!("{id}:{seconds}"));
    let words = ["/delivery-status/message", "/delivery-status/description", "/reject/reason", "/reason"];
    Some(MailEvent {
        id: event_id(id.as_deref(), format!("{reference} {name} {at:?} {message_id:?}").as_bytes()),
        reference,
        kind,
        at: at.unwrap_or(otherwise),
        provider_message_id: message_id.map(|id| excerpt(&format!("<{}>", id.trim_matches(['<', '>'])))),
        detail: detail(words.into_iter().find_map(|pointer| text(wire, pointer))),
    })
}

/// Whether a permanent failure is Mailgun's own decision, so that it says nothing new about the address.
fn was_not_tried(wire: &Value) -> bool {
    let reason = text(wire, "/reason").unwrap_or_default();
    let code = wire.pointer("/delivery-status/code").and_then(Value::as_i64);
    reason == "old" || reason.starts_with("suppress-") || code.is_some_and(|code| (605..=607).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use domain::stage::Stage;
    use serde_json::json;

    fn check(status: u16, body: &str) -> Result<Accepted, MailError> {
        let status = StatusCode::from_u16(status).expect("status");
        let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        Mailgun { domain: "mg.example.com".into() }.read(&reply, "2026-11-22T10:00:00Z".parse().expect("time"))
    }

    #[test]
    fn a_mail_can_be_found_by_its_message_id_and_no_key_is_printed() {
        let base = Url::parse("https://api.mailgun.net").expect("url");
        let api = Mailgun { domain: "mg.example.com".into() };
        let request = api.request(&base, &sample(), &"key-secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://api.mailgun.net/v3/mg.example.com/messages");
        let printed = format!("{request:?}");
        assert!(!printed.contains(&BASE64_STANDARD.encode("api:key-secret")), "{printed}");
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        for (name, value) in
            [("to", "ada@example.com"), ("h:Message-Id", "<n-1@example.com>"), ("v:reference", SAMPLE_REFERENCE)]
        {
            assert!(fields.contains(&(name.to_owned(), value.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_200_is_an_acceptance_only_with_an_id() {
        let queued = r#"{"id":"<20160306015544.116301.25145@example.org>","message":"Queued. Thank you."}"#;
        let id = "<20160306015544.116301.25145@example.org>".to_owned();
        assert_eq!(check(200, queued), Ok(Accepted { provider_message_id: id }));
        assert!(matches!(check(200, "Mailgun Magnificent API\n"), Err(MailError::Unreachable(_))));
        assert!(matches!(check(200, r#"{"id":"#), Err(MailError::Unknown(_))));
        let refused = check(400, r#"{"message":"to parameter is not a valid address"}"#);
        assert_eq!(refused, Err(MailError::Rejected("400 to parameter is not a valid address".into())));
        assert!(matches!(check(401, "Forbidden"), Err(MailError::Stopped(_))));
        assert!(matches!(check(404, r#"{"message":"Domain not found"}"#), Err(MailError::Unreachable(_))));
    }

    #[test]
    fn the_domain_cannot_lead_to_another_path() {
        for (domain, good) in [("mg.example.com", true), ("a/b", false), ("a?b", false), ("a%2fb", false), ("", false)]
        {
            let setup =
                MailSetup { stage: Stage::Local, domain, replacement: Some("http://127.0.0.1:9"), setting: &|_| None };
            assert_eq!(set_up(&setup).is_ok(), good, "{domain}");
        }
    }

    #[test]
    fn pages_are_followed_on_one_host_and_other_mails_left_out() {
        let base = Url::parse("https://api.mailgun.net").expect("url");
        let reference = SAMPLE_REFERENCE.parse().expect("a reference");
        let since = "2026-11-22T10:00:00Z".parse().expect("time");
        let (to, message_id) = ("a@b.c".into(), "<n-1@example.com>".into());
        let sent = Sent { reference, message_id, to, since, provider_message_id: None };
        let api = Mailgun { domain: "mg.example.com".into() };
        let looked_up = api.lookup_request(&base, &sent, &"k".into(), since).expect("built").url;
        let query = "message-id=n-1%40example.com&begin=1795341300&ascending=yes&limit=300";
        assert_eq!(looked_up.query(), Some(query));
        let item = |named: &str| {
            let variables = json!({"reference": named});
            json!({"event": "accepted", "id": "e-1", "timestamp": 1_795_341_601.5, "user-variables": variables})
        };
        for (next, followed) in [
            ("https://api.mailgun.net/v3/mg.example.com/events/p2", true),
            ("https://api.mailgun.net/v3/other.example.com/events/p2", false),
            ("https://evil.example/v3/mg.example.com/events/p2", false),
            ("http://api.mailgun.net/v3/mg.example.com/events/p2", false),
        ] {
            let items = [item(SAMPLE_REFERENCE), item("evil_0190f5fe-7c00-7a00-8000-000000000001")];
            let body = json!({"items": items, "paging": {"next": next}}).to_string().into();
            let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body };
            let (reported, more) = match api.parse_lookup(&base, &sent, &"k".into(), &reply, since).expect("a page") {
                LookupPage::Last(reported) => (reported, false),
                LookupPage::More(reported, request) => (reported, request.url.as_str() == next),
            };
            assert_eq!(more, followed, "{next}");
            assert_eq!(reported.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["e-1:1795341601"]);
        }
    }

    #[test]
    fn a_permanent_failure_bounces_only_if_mailgun_tried() {
        for (part, kind) in [
            (json!({"severity": "permanent", "reason": "bounce"}), Some(MailEventKind::Bounced)),
            (json!({"severity": "permanent", "reason": "suppress-bounce"}), Some(MailEventKind::Refused)),
            (json!({"severity": "permanent", "delivery-status": {"code": 606}}), Some(MailEventKind::Refused)),
            (json!({"severity": "permanent", "reason": "old"}), Some(MailEventKind::Refused)),
            (json!({"severity": "temporary", "reason": "generic"}), Some(MailEventKind::Deferred)),
            (json!({"event": "rejected"}), Some(MailEventKind::Refused)),
            (json!({"event": "complained"}), Some(MailEventKind::Complained)),
            (json!({"event": "opened"}), None),
        ] {
            let mut wire = json!({"event": "failed"});
            wire.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
            let reference = SAMPLE_REFERENCE.parse().expect("a reference");
            assert_eq!(event(&wire, reference, Timestamp::UNIX_EPOCH).map(|one| one.kind), kind, "{wire}");
        }
    }
}
