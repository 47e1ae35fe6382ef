//! SendGrid: `POST /v3/mail/send`, `POST /v3/logs` and the event webhook.
//!
//! Facts: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>. 202 with an empty body means
//! queued; the id is in `X-Message-Id`. There is no idempotency key. SendGrid replaces the Message-ID, so the reference
//! is sent as a custom argument, which events repeat, and as a category, by which the e-mail logs can be searched
//! exactly. Used-up credits are a 401, a sender that is not verified is a 403. Rate limits: `X-RateLimit-Reset` is a
//! time.
//!
//! The logs store a mail for 30 days: the list returns `sg_message_id` by category, `GET /v3/logs/{sg_message_id}` the
//! events, in the shape of the webhook's except for custom arguments, which are an object there. The webhook's
//! signature is ECDSA over the time and the raw body, whose line break at the end belongs to it. A bounce of the type
//! `blocked` was refused this once; only the others are about the address.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::client::{Hosts, HttpMailer, LookupPage, MailApi, Reset, by_status, lookup_error, read_lookup};
use crate::mail::events::{MailEventSource, check_age, detail, only_secret, reference, text, within_limit};
use crate::mail::port::{
    Accepted, LookupError, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, NO_ID, Sent, excerpt,
};
use crate::transport::http::{HttpRequest, Reply, RequestError};
use crate::transport::json;
use crate::transport::webhook::{NotAuthentic, Unreadable, event_id};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "sendgrid",
    name: "SendGrid",
    reference: "https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
    secrets: &["mail/sendgrid_api_key"],
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider = MailProvider { info: INFO, base_url: Some(HOSTS.us), set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = Some(&Events);

const RESET: Reset = Reset::At("x-ratelimit-reset");
/// The most mails of one reference that are listed. More than one means that it was sent twice.
const MAX_MAILS: usize = 10;

const HOSTS: Hosts = Hosts { us: "https://api.sendgrid.com", eu: "https://api.eu.sendgrid.com" };

#[derive(Debug, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
}

#[derive(Debug, Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    message: String,
    #[serde(default)]
    field: Option<String>,
}

struct SendGrid;

fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    Ok(Box::new(HttpMailer::new(SendGrid, INFO.id, HOSTS, setup)?))
}

impl MailApi for SendGrid {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<HttpRequest, MailError> {
        Ok(with_key(HttpRequest::json(base, "/v3/mail/send", &body(mail))?, key)?)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::ACCEPTED {
            let id = reply.headers.get("x-message-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
            return Ok(Accepted { provider_message_id: excerpt(id.unwrap_or(NO_ID)) });
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
        // A reference has no quotation mark, so that it cannot leave its quotes.
        let query = format!("categories IN ('{}')", sent.reference);
        Ok(with_key(HttpRequest::json(base, "/v3/logs", &json!({"query": query, "limit": MAX_MAILS}))?, key)?)
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
        let log: Value = read_lookup(reply)?;
        let list = |name: &str| log.get(name).and_then(Value::as_array);
        match (list("messages"), list("events")) {
            (Some(found), _) => {
                let [first, others @ ..] = found.as_slice() else { return Ok(LookupPage::Last(Vec::new())) };
                let id = text(first, "/sg_message_id").filter(|id| is_word(id));
                let id = id.ok_or_else(|| LookupError::Unreachable("200, and a mail has no id".into()))?;
                let next = with_key(HttpRequest::get(base, &format!("/v3/logs/{id}"), &[])?, key)?;
                Ok(LookupPage::More(others.iter().map(|mail| known(mail, sent)).collect(), Box::new(next)))
            }
            (None, Some(events)) => Ok(LookupPage::Last(of_log(&log, events, sent))),
            (None, None) => Err(LookupError::Unreachable("200, and neither mails nor events".into())),
        }
    }
}

struct Events;

impl MailEventSource for Events {
    fn secrets(&self) -> &'static [&'static str] {
        &["mail/webhook/sendgrid_public_key"]
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
    ) -> Result<(), NotAuthentic> {
        let key = only_secret(secrets)?;
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(NotAuthentic);
        let decoded = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| NotAuthentic);
        let time = value("x-twilio-email-event-webhook-timestamp")?;
        let signature = decoded(value("x-twilio-email-event-webhook-signature")?)?;
        let signed = [time.as_bytes(), body].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, decoded(key.trim())?);
        key.verify(&signed, &signature).map_err(|_| NotAuthentic)?;
        check_age(time, now)
    }

    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable> {
        let events: Vec<Value> = json::read(body)?;
        within_limit(&events)?;
        Ok(events.iter().filter_map(|one| event(one, reference(one, "/reference")?, received_at)).collect())
    }
}

fn with_key(request: HttpRequest, key: &SecretString) -> Result<HttpRequest, RequestError> {
    request.with_secret(header::AUTHORIZATION.as_str(), &format!("Bearer {}", key.expose_secret()))
}

fn refusal(reply: &Reply) -> String {
    let Errors { errors } = json::read(&reply.body).unwrap_or(Errors { errors: Vec::new() });
    let words = errors.into_iter().map(|ErrorEntry { message, field }| match field {
        Some(field) => format!("{field}: {message}"),
        None => message,
    });
    excerpt(&format!("{} {}", reply.status.as_u16(), words.collect::<Vec<_>>().join("; ")))
}

/// Whether it needs no escaping in a path.
fn is_word(id: &str) -> bool {
    !id.starts_with('.') && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The mail's id in a log entry or an event: the one of the acceptance, without SendGrid's suffix for each recipient.
fn message_id(value: &Value) -> Option<String> {
    let id = text(value, "/sg_message_id")?;
    let end = [".filter", ".recvd"].into_iter().filter_map(|added| id.find(added)).min();
    end.map_or(Some(id), |end| id.get(..end)).map(excerpt)
}

/// An entry of the logs proves that the mail was accepted.
fn known(mail: &Value, sent: &Sent) -> MailEvent {
    let at = text(mail, "/sg_message_id_created_at").and_then(|at| at.parse().ok()).unwrap_or(sent.since);
    let id = text(mail, "/sg_message_id").unwrap_or_default();
    MailEvent {
        id: event_id(Some(&format!("{id}:known")), format!("{id}:{}", sent.reference).as_bytes()),
        reference: sent.reference.clone(),
        kind: MailEventKind::Accepted,
        at,
        provider_message_id: message_id(mail),
        detail: None,
    }
}

/// The events of one mail, unless it is about another reference.
fn of_log(log: &Value, events: &[Value], sent: &Sent) -> Vec<MailEvent> {
    let ours = sent.reference.to_string();
    if text(log, "/custom_args/reference").is_some_and(|named| named != ours) {
        return Vec::new();
    }
    let foreign = |one: &&Value| text(one, "/custom_args/reference").is_some_and(|named| named != ours);
    let reported = events.iter().filter(|one| !foreign(one));
    let mut reported: Vec<MailEvent> =
        reported.filter_map(|one| event(one, sent.reference.clone(), sent.since)).collect();
    // Of more than a hundred events the oldest are left out, and some have names that are not known here.
    if !reported.iter().any(|one| one.kind == MailEventKind::Accepted) && !events.iter().any(|one| foreign(&one)) {
        reported.push(known(log, sent));
    }
    reported
}

/// One event of the logs or of the webhook. None when its name means nothing here.
fn event(wire: &Value, reference: MailReference, otherwise: Timestamp) -> Option<MailEvent> {
    let name = text(wire, "/event")?;
    let kind = match name {
        "processed" => MailEventKind::Accepted,
        "deferred" => MailEventKind::Deferred,
        "delivered" => MailEventKind::Delivered,
        "bounce" if text(wire, "/type") == Some("blocked") => MailEventKind::Refused,
        "bounce" => MailEventKind::Bounced,
        "dropped" => MailEventKind::Refused,
        "spamreport" => MailEventKind::Complained,
        _ => return None,
    };
    let seconds = wire.get("timestamp").and_then(Value::as_i64);
    let unique = format!("{reference} {name} {seconds:?} {:?}", text(wire, "/sg_message_id"));
    Some(MailEvent {
        id: event_id(text(wire, "/sg_event_id"), unique.as_bytes()),
        reference,
        kind,
        at: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(otherwise),
        provider_message_id: message_id(wire),
        detail: detail(text(wire, "/reason").or_else(|| text(wire, "/response"))),
    })
}

fn body(mail: &Mail) -> Value {
    let Mail { from, to, subject, text, html, message_id, reference, unsubscribe: _ } = mail;
    let mut headers: Map<String, Value> =
        mail.further_headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    headers.insert("Message-ID".to_owned(), message_id.as_str().into());
    json!({
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": from},
        "subject": subject,
        // Plain text must come first.
        "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
        "headers": headers,
        "custom_args": {"reference": reference.to_string()},
        "categories": [reference.to_string()],
        // A link that resets a password must not lead through a counter.
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;

    fn check(status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<Accepted, MailError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("header"));
        }
        let status = StatusCode::from_u16(status).expect("status");
        let reply = Reply { status, headers: map, body: Bytes::copy_from_slice(body.as_bytes()) };
        SendGrid.read(&reply, "2026-11-22T10:00:00Z".parse().expect("time"))
    }

    #[test]
    fn a_mail_carries_its_reference_and_no_key_is_printed() {
        let base = Url::parse("https://api.sendgrid.com").expect("url");
        let request = SendGrid.request(&base, &sample(), &"SG.secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://api.sendgrid.com/v3/mail/send");
        assert!(!format!("{request:?}").contains("SG.secret"));
        let body: Value = serde_json::from_slice(&request.body).expect("json");
        assert_eq!(body["custom_args"]["reference"], SAMPLE_REFERENCE);
        assert_eq!(body["categories"], json!([SAMPLE_REFERENCE]));
        assert_eq!(body["personalizations"], json!([{"to": [{"email": "ada@example.com"}]}]));
    }

    #[test]
    fn only_202_is_an_acceptance() {
        let taken = |id: &str| Ok(Accepted { provider_message_id: id.to_owned() });
        assert_eq!(check(202, &[("x-message-id", "14c5d75ce93.dfd.64b469")], ""), taken("14c5d75ce93.dfd.64b469"));
        assert_eq!(check(202, &[], ""), taken(NO_ID));
        // 200 is the sandbox's "would have been sent".
        assert!(matches!(check(200, &[], ""), Err(MailError::Unknown(_))));
    }

    #[test]
    fn errors_are_sorted_and_quoted() {
        let body = r#"{"errors":[{"message":"Bad","field":"subject","help":null},{"message":"Worse","field":null}]}"#;
        assert_eq!(check(400, &[], body), Err(MailError::Rejected("400 subject: Bad; Worse".into())));
        let spent = r#"{"errors":[{"message":"Maximum credits exceeded","field":null,"help":null}]}"#;
        assert_eq!(check(401, &[], spent), Err(MailError::Stopped("401 Maximum credits exceeded".into())));
        assert!(matches!(check(500, &[], "<html>"), Err(MailError::Unknown(_))));
        let limited = check(429, &[("x-ratelimit-reset", "1795341610")], body);
        assert!(matches!(limited, Err(MailError::Later { .. })), "{limited:?}");
    }

    fn parse_lookup(body: &Value) -> Result<LookupPage, LookupError> {
        let sent = Sent {
            reference: SAMPLE_REFERENCE.parse().expect("a reference"),
            message_id: "<n-1@example.com>".into(),
            to: "ada@example.com".into(),
            since: "2026-11-22T09:59:00Z".parse().expect("time"),
            provider_message_id: None,
        };
        let base = Url::parse("https://api.sendgrid.com").expect("url");
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) };
        SendGrid.parse_lookup(&base, &sent, &"k".into(), &reply, sent.since)
    }

    #[test]
    fn a_listed_mail_leads_to_its_events_and_others_are_accepted() {
        assert!(matches!(parse_lookup(&json!({"messages": []})), Ok(LookupPage::Last(events)) if events.is_empty()));
        let two = json!({"messages": [{"sg_message_id": "abc.recvd-1-2.0"}, {"sg_message_id": "def.filter1.0"}]});
        let Ok(LookupPage::More(events, next)) = parse_lookup(&two) else { panic!("there is more") };
        assert_eq!(next.url.as_str(), "https://api.sendgrid.com/v3/logs/abc.recvd-1-2.0");
        assert_eq!(events[0].provider_message_id.as_deref(), Some("def"));
        for odd in [json!({"messages": [{"sg_message_id": "../../v3/api_keys"}]}), json!({"messages": [{}]}), json!({})]
        {
            assert!(matches!(parse_lookup(&odd), Err(LookupError::Unreachable(_))), "{odd}");
        }
    }

    #[test]
    fn an_event_is_the_same_whether_looked_up_or_reported() {
        let bounce = json!({"event": "bounce", "type": "blocked", "timestamp": 1_795_341_601, "sg_event_id": "ev_1-A",
            "sg_message_id": "abc.recvd-1-2.0", "reason": "550 no"});
        let with = |name: &str, value: Value| {
            let mut event = bounce.clone();
            event[name] = value;
            event
        };
        let named = |reference: &str| with("custom_args", json!({"reference": reference}));
        let log = json!({"sg_message_id": "abc.recvd-1-2.0", "events": [named(SAMPLE_REFERENCE)]});
        let Ok(LookupPage::Last(looked_up)) = parse_lookup(&log) else { panic!("whole") };
        let body = json!([with("reference", json!(SAMPLE_REFERENCE)), bounce, with("reference", json!(5))]);
        let reported = Events.read(body.to_string().as_bytes(), Timestamp::UNIX_EPOCH).expect("readable");
        assert_eq!((looked_up[0].clone(), looked_up[1].kind), (reported[0].clone(), MailEventKind::Accepted));
        assert_eq!((reported.len(), reported[0].kind, reported[0].id.as_str()), (1, MailEventKind::Refused, "ev_1-A"));
        let foreign = json!({"events": [named("evil_0190f5fe-7c00-7a00-8000-000000000001")]});
        assert!(matches!(parse_lookup(&foreign), Ok(LookupPage::Last(events)) if events.is_empty()));
        let many = json!(vec![json!({}); crate::mail::events::MAX_EVENTS + 1]).to_string();
        for bad in ["{}", "", "5", &many] {
            assert!(Events.read(bad.as_bytes(), Timestamp::UNIX_EPOCH).is_err(), "{}", bad.len());
        }
    }
}
