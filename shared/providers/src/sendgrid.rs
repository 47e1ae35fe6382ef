//! SendGrid: `POST /v3/mail/send`.
//!
//! Facts: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>. 202 with an empty body means queued; the id
//! is in `X-Message-Id`. There is no key against doubling. SendGrid replaces the Message-ID, so the notification's id goes
//! along as a custom argument, which events repeat, and as a category, by which the e-mail logs can be asked exactly. Used-up
//! credits are a 401, a sender that is not verified is a 403. Rate limits: `X-RateLimit-Reset` is a time.

use http::{StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::http::Reply;
use crate::json;
use crate::mail::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, NO_ID, said};
use crate::mail_client::{Hosts, HttpMailer, MailApi, MailRequest, Reset, by_status};
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "sendgrid",
    name: "SendGrid",
    category: Category::Mail,
    reference: "https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
    base_url: Some(HOSTS.us),
    sync: SyncMethod::None,
    secrets: &["mail/sendgrid_api_key"],
    webhooks: None,
    polling: None,
    model: None,
    mail: Some(&SendGrid),
    mail_events: None,
};

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

impl MailProvider for SendGrid {
    fn set_up(&self, setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
        Ok(Box::new(HttpMailer::new(Self, SPEC.id, HOSTS, setup)?))
    }
}

impl MailApi for SendGrid {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<MailRequest, MailError> {
        let request = MailRequest::json(base, "/v3/mail/send", &body(mail))?;
        request.with_secret(header::AUTHORIZATION.as_str(), &format!("Bearer {}", key.expose_secret()))
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::ACCEPTED {
            let id = reply.headers.get("x-message-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
            return Ok(Accepted { provider_message_id: said(id.unwrap_or(NO_ID)) });
        }
        let Errors { errors } = json::read(&reply.body).unwrap_or(Errors { errors: Vec::new() });
        let words = errors.into_iter().map(|ErrorEntry { message, field }| match field {
            Some(field) => format!("{field}: {message}"),
            None => message,
        });
        let detail = said(&format!("{} {}", reply.status.as_u16(), words.collect::<Vec<_>>().join("; ")));
        Err(by_status(reply, now, Reset::At("x-ratelimit-reset"), detail))
    }
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
    use crate::mail::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use http::HeaderMap;

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
    fn a_mail_can_be_found_again_by_its_notification_and_its_key_is_not_shown() {
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
}
