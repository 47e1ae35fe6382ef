//! Brevo: `POST /v3/smtp/email`, key in `api-key`; `GET /v3/smtp/statistics/events` and the webhook.
//!
//! Facts: <https://developers.brevo.com/reference/sendtransacemail>. 201 with an id means queued. It is the one provider here
//! with a key against doubling: `headers.idempotencyKey` in the body, a UUID, good for 15 to 30 minutes; what a second request
//! gets is not documented, so both a success and `duplicate_request` count as accepted. The notification's id is that key, a
//! tag, by which events can be filtered, and `X-Mailin-custom`, which events repeat. Errors have a `code`, which says more
//! than the status. Rate limits: `x-sib-ratelimit-reset` counts seconds.
//!
//! Events are listed by tag (a JSON list) and for the last days, today among them; there are two dialects of their names, one
//! in the list and one in the webhook, and no ids: an event is the same when mail, recipient, meaning and second are. Of the
//! webhook's times only `ts_epoch` is UTC. A webhook is not signed, only its token says who sends it: its body is a hint.

use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::client::{
    Hosts, HttpMailer, LookupPage, MailApi, Reset, by_status, lookup_error, read_acceptance, read_lookup,
};
use crate::mail::events::{MailEventSource, detail, only_secret, reference, same_secret, text, within_limit};
use crate::mail::port::{
    Accepted, LookupError, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, NO_ID, Sent, excerpt,
};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;
use crate::transport::webhook::{NotAuthentic, Unreadable, event_id};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "brevo",
    name: "Brevo",
    reference: "https://developers.brevo.com/reference/sendtransacemail",
    secrets: &["mail/brevo_api_key"],
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider = MailProvider { info: INFO, base_url: Some(HOSTS.us), set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = Some(&Events);

const RESET: Reset = Reset::After("x-sib-ratelimit-reset");
/// The most days of one report.
const MAX_DAYS: i64 = 90;

/// There is one host for everybody.
const HOSTS: Hosts = Hosts { us: "https://api.brevo.com", eu: "https://api.brevo.com" };

#[derive(Debug, Deserialize)]
struct Queued {
    #[serde(rename = "messageId")]
    message_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

struct Brevo;

fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    Ok(Box::new(HttpMailer::new(Brevo, INFO.id, HOSTS, setup)?))
}

impl MailApi for Brevo {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<HttpRequest, MailError> {
        Ok(HttpRequest::json(base, "/v3/smtp/email", &body(mail))?.with_secret("api-key", key.expose_secret())?)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::CREATED {
            let Queued { message_id } = read_acceptance(reply)?;
            return Ok(Accepted { provider_message_id: excerpt(&message_id) });
        }
        let (code, detail) = refusal(reply);
        if reply.status.is_client_error() {
            match code.as_str() {
                "duplicate_request" => return Ok(Accepted { provider_message_id: NO_ID.to_owned() }),
                // Whatever the status: key, account or money are to blame, and every mail will fail like this one.
                "unauthorized" | "permission_denied" | "account_under_validation" | "not_enough_credits" => {
                    return Err(MailError::Stopped(detail.into()));
                }
                _ => {}
            }
        }
        Err(by_status(reply, now, RESET, detail))
    }

    fn lookup_request(
        &self,
        base: &Url,
        sent: &Sent,
        key: &SecretString,
        now: Timestamp,
    ) -> Result<HttpRequest, LookupError> {
        // Days are counted in the account's time zone, which is not known: one more on account of it, and one because today
        // is one.
        let days = (now.duration_since(sent.since).as_hours() / 24 + 2).clamp(1, MAX_DAYS).to_string();
        let tags = json!([sent.reference.to_string()]).to_string();
        let query = [("tags", tags.as_str()), ("days", &days), ("sort", "asc")];
        let request = HttpRequest::get(base, "/v3/smtp/statistics/events", &query)?;
        Ok(request.with_secret("api-key", key.expose_secret())?)
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
            return Err(lookup_error(reply, now, RESET, refusal(reply).1));
        }
        let report: Value = read_lookup(reply)?;
        let events = match (report.get("events").and_then(Value::as_array), &report) {
            (Some(events), _) => events.as_slice(),
            // Where there are none, the list is left out.
            (None, Value::Object(fields)) if fields.is_empty() => &[],
            (None, _) => return Err(LookupError::Unreachable("200, and no events".into())),
        };
        let ours = events.iter().filter(|one| tagged(one).contains(&sent.reference));
        Ok(LookupPage::Last(ours.filter_map(|one| event(one, sent.reference.clone(), sent.since)).collect()))
    }
}

struct Events;

impl MailEventSource for Events {
    fn secrets(&self) -> &'static [&'static str] {
        &["mail/webhook/brevo_token"]
    }

    fn covers_body(&self) -> bool {
        false
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        _body: &[u8],
        secrets: &[SecretString],
        _now: Timestamp,
    ) -> Result<(), NotAuthentic> {
        let token = only_secret(secrets)?;
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(NotAuthentic)?;
        let (scheme, given) = value.split_once(' ').ok_or(NotAuthentic)?;
        let same = same_secret(given, token);
        if same && scheme.eq_ignore_ascii_case("bearer") { Ok(()) } else { Err(NotAuthentic) }
    }

    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable> {
        // One event, or several where the account is set to batches.
        let events = match json::read(body)? {
            Value::Array(events) => events,
            one @ Value::Object(_) => vec![one],
            _ => return Err(Unreadable("an object or a list is expected".into())),
        };
        within_limit(&events)?;
        let ours = |one: &Value| reference(one, "/X-Mailin-custom").or_else(|| tagged(one).into_iter().next());
        Ok(events.iter().filter_map(|one| event(one, ours(one)?, received_at)).collect())
    }
}

/// An error's code, and all of it in words.
fn refusal(reply: &Reply) -> (String, String) {
    let Refusal { code, message } = json::read(&reply.body).unwrap_or_default();
    let detail = excerpt(&format!("{} {code}: {message}", reply.status.as_u16()));
    (code, detail)
}

/// The references of ours among an event's tags: `tags` is a list, and `tag` is one tag or a list that is written as a text.
fn tagged(event: &Value) -> Vec<MailReference> {
    let written = text(event, "/tag").unwrap_or_default();
    let listed: Vec<String> = serde_json::from_str(written).unwrap_or_default();
    let tags = event.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tags = tags.iter().filter_map(Value::as_str).chain(listed.iter().map(String::as_str)).chain([written]);
    tags.filter_map(|tag| tag.parse().ok()).collect()
}

/// One event of the report or of the webhook. None when its name means nothing here.
fn event(wire: &Value, reference: MailReference, otherwise: Timestamp) -> Option<MailEvent> {
    // Where there are two names, the second one is the report's.
    let kind = match text(wire, "/event")? {
        "request" | "requests" => MailEventKind::Accepted,
        "delivered" => MailEventKind::Delivered,
        "soft_bounce" | "softBounces" | "deferred" => MailEventKind::Deferred,
        "hard_bounce" | "hardBounces" | "invalid_email" | "invalid" => MailEventKind::Bounced,
        "blocked" | "error" => MailEventKind::Refused,
        "spam" | "complaint" => MailEventKind::Complained,
        _ => return None,
    };
    let epoch = wire.get("ts_epoch").and_then(Value::as_i64).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = epoch.or_else(|| text(wire, "/date")?.parse().ok());
    let message_id = text(wire, "/message-id").or_else(|| text(wire, "/messageId"));
    let seconds = at.map(Timestamp::as_second);
    let unique = format!("{reference} {message_id:?} {:?} {} {seconds:?}", text(wire, "/email"), kind.as_str());
    Some(MailEvent {
        id: event_id(None, unique.as_bytes()),
        reference,
        kind,
        at: at.unwrap_or(otherwise),
        provider_message_id: message_id.map(excerpt),
        detail: detail(text(wire, "/reason")),
    })
}

fn body(mail: &Mail) -> Value {
    let Mail { from, to, subject, text, html, message_id, reference, unsubscribe: _ } = mail;
    let mut headers: Map<String, Value> =
        mail.further_headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    headers.insert("Message-ID".to_owned(), message_id.as_str().into());
    headers.insert("idempotencyKey".to_owned(), reference.notification.to_string().into());
    headers.insert("X-Mailin-custom".to_owned(), reference.to_string().into());
    json!({
        "sender": {"email": from},
        "to": [{"email": to}],
        "subject": subject,
        "htmlContent": html,
        "textContent": text,
        "headers": headers,
        "tags": [reference.to_string()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use http::HeaderMap;

    fn check(status: u16, body: &str) -> Result<Accepted, MailError> {
        let status = StatusCode::from_u16(status).expect("status");
        let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        Brevo.read(&reply, "2026-11-22T10:00:00Z".parse().expect("time"))
    }

    #[test]
    fn a_notification_has_one_idempotency_key_and_hides_the_api_key() {
        let base = Url::parse("https://api.brevo.com").expect("url");
        let request = Brevo.request(&base, &sample(), &"xkeysib-secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://api.brevo.com/v3/smtp/email");
        assert!(!format!("{request:?}").contains("xkeysib-secret"));
        let body: Value = serde_json::from_slice(&request.body).expect("json");
        assert_eq!(body["headers"]["idempotencyKey"], "0190f5fe-7c00-7a00-8000-000000000001");
        assert_eq!(body["tags"], json!([SAMPLE_REFERENCE]));
    }

    #[test]
    fn errors_are_classified_by_code_and_duplicates_are_accepted() {
        let id = "<201801020304.1234567890@smtp-relay.mailin.fr>".to_owned();
        let taken = r#"{"messageId":"<201801020304.1234567890@smtp-relay.mailin.fr>"}"#;
        assert_eq!(check(201, taken), Ok(Accepted { provider_message_id: id }));
        assert!(matches!(check(201, "{"), Err(MailError::Unknown(_))));
        let error = |status, code: &str| check(status, &format!(r#"{{"code":"{code}","message":"m"}}"#));
        assert_eq!(error(400, "duplicate_request"), Ok(Accepted { provider_message_id: NO_ID.to_owned() }));
        assert_eq!(error(400, "invalid_parameter"), Err(MailError::Rejected("400 invalid_parameter: m".into())));
        for (status, code) in
            [(400, "not_enough_credits"), (403, "permission_denied"), (400, "account_under_validation")]
        {
            assert!(matches!(error(status, code), Err(MailError::Stopped(_))), "{code}");
        }
        assert!(matches!(error(500, "duplicate_request"), Err(MailError::Unknown(_))));
    }

    fn sent() -> Sent {
        Sent {
            reference: SAMPLE_REFERENCE.parse().expect("a reference"),
            message_id: "<n-1@example.com>".into(),
            to: "ada@example.com".into(),
            since: "2026-11-22T09:59:00Z".parse().expect("time"),
            provider_message_id: None,
        }
    }

    fn parse_lookup(body: &Value) -> Result<Vec<MailEvent>, LookupError> {
        let base = Url::parse("https://api.brevo.com").expect("url");
        let body = Bytes::from(body.to_string());
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body };
        match Brevo.parse_lookup(&base, &sent(), &"k".into(), &reply, Timestamp::UNIX_EPOCH)? {
            LookupPage::Last(events) => Ok(events),
            LookupPage::More(..) => panic!("Brevo has one page"),
        }
    }

    #[test]
    fn a_mail_is_looked_up_by_its_tag_and_the_days_since() {
        let base = Url::parse("https://api.brevo.com").expect("url");
        for (now, days) in
            [("2026-11-22T10:00:00Z", "2"), ("2026-11-24T10:00:00Z", "4"), ("2027-11-24T10:00:00Z", "90")]
        {
            let request = Brevo.lookup_request(&base, &sent(), &"k".into(), now.parse().expect("time")).expect("built");
            let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            assert!(query.contains(&pair("tags", &format!(r#"["{SAMPLE_REFERENCE}"]"#))), "{query:?}");
            assert!(query.contains(&pair("days", days)), "{now}: {query:?}");
        }
    }

    #[test]
    fn an_event_is_the_same_whether_looked_up_or_reported() {
        let other = "evil_0190f5fe-7c00-7a00-8000-000000000001";
        let looked_up = parse_lookup(&json!({"events": [
            {"email": "a@b.c", "date": "2026-11-22T11:00:01.000+01:00", "messageId": "<m>", "event": "hardBounces",
             "reason": " 550 no\nuser", "tag": SAMPLE_REFERENCE},
            {"email": "a@b.c", "date": "2026-11-22T11:00:01.000+01:00", "messageId": "<o>", "event": "requests", "tag": other},
            {"email": "a@b.c", "date": "2026-11-22T11:00:01.000+01:00", "messageId": "<o>", "event": "requests", "tag": ""},
            {"email": "a@b.c", "date": "2026-11-22T11:00:01.000+01:00", "messageId": "<m>", "event": "opened",
             "tag": SAMPLE_REFERENCE},
        ]}));
        let reported = json!([
            {"event": "hard_bounce", "email": "a@b.c", "ts_epoch": 1_795_341_601_000_i64, "message-id": "<m>",
             "reason": "550 no\nuser", "X-Mailin-custom": SAMPLE_REFERENCE},
            {"event": "spam", "email": "a@b.c", "X-Mailin-custom": "{}", "tag": "[\"t\"]", "tags": ["t"]},
            {"event": "unique_opened", "X-Mailin-custom": SAMPLE_REFERENCE},
        ]);
        let reported = Events.read(reported.to_string().as_bytes(), Timestamp::UNIX_EPOCH).expect("readable");
        assert_eq!(looked_up.as_deref(), Ok(reported.as_slice()));
        let [bounced] = reported.as_slice() else { panic!("{reported:?}") };
        assert_eq!((bounced.kind, bounced.at.as_second()), (MailEventKind::Bounced, 1_795_341_601));
        assert_eq!(bounced.detail.as_deref(), Some("550 nouser"));
        assert_eq!(parse_lookup(&json!({})), Ok(Vec::new()));
        assert!(parse_lookup(&json!({"code": "odd"})).is_err() && parse_lookup(&json!([])).is_err());
    }

    #[test]
    fn only_the_bearer_of_the_token_is_heard() {
        let check = |value: Option<&str>, secret: &str| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("authorization", value.parse().expect("header"));
            }
            Events.verify(&headers, b"{}", &[secret.into()], Timestamp::UNIX_EPOCH).is_ok()
        };
        assert!(check(Some("Bearer t-1"), "t-1"));
        for (value, secret) in [
            (None, "t-1"),
            (Some("t-1"), "t-1"),
            (Some("Basic t-1"), "t-1"),
            (Some("Bearer t-2"), "t-1"),
            (Some("Bearer "), ""),
        ] {
            assert!(!check(value, secret), "{value:?} {secret:?}");
        }
    }
}
