//! Brevo: `POST /v3/smtp/email`, key in `api-key`.
//!
//! Facts: <https://developers.brevo.com/reference/sendtransacemail>. 201 with an id means queued. It is the one provider here
//! with a key against doubling: `headers.idempotencyKey` in the body, a UUID, good for 15 to 30 minutes; what a second request
//! gets is not documented, so both a success and `duplicate_request` count as accepted. The notification's id is that key, a
//! tag, by which events can be asked for, and `X-Mailin-custom`, which events repeat. Errors have a `code`, which says more
//! than the status. Rate limits: `x-sib-ratelimit-reset` counts seconds.

use http::StatusCode;
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
    id: "brevo",
    name: "Brevo",
    category: Category::Mail,
    reference: "https://developers.brevo.com/reference/sendtransacemail",
    base_url: Some(HOSTS.us),
    sync: SyncMethod::None,
    secrets: &["mail/brevo_api_key"],
    webhooks: None,
    polling: None,
    model: None,
    mail: Some(&Brevo),
    mail_events: None,
};

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

impl MailProvider for Brevo {
    fn set_up(&self, setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
        Ok(Box::new(HttpMailer::new(Self, SPEC.id, HOSTS, setup)?))
    }
}

impl MailApi for Brevo {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<MailRequest, MailError> {
        MailRequest::json(base, "/v3/smtp/email", &body(mail))?.with_secret("api-key", key.expose_secret())
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::CREATED {
            let Queued { message_id } =
                json::read(&reply.body).map_err(|e| MailError::Unknown(format!("201, and {e}")))?;
            return Ok(Accepted { provider_message_id: said(&message_id) });
        }
        let Refusal { code, message } = json::read(&reply.body).unwrap_or_default();
        let detail = said(&format!("{} {code}: {message}", reply.status.as_u16()));
        if reply.status.is_client_error() {
            match code.as_str() {
                "duplicate_request" => return Ok(Accepted { provider_message_id: NO_ID.to_owned() }),
                // Whatever the status: key, account or money are to blame, and every mail will fail like this one.
                "unauthorized" | "permission_denied" | "account_under_validation" | "not_enough_credits" => {
                    return Err(MailError::Stopped(detail));
                }
                _ => {}
            }
        }
        Err(by_status(reply, now, Reset::After("x-sib-ratelimit-reset"), detail))
    }
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
    use crate::mail::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use http::HeaderMap;

    fn check(status: u16, body: &str) -> Result<Accepted, MailError> {
        let status = StatusCode::from_u16(status).expect("status");
        let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        Brevo.read(&reply, "2026-11-22T10:00:00Z".parse().expect("time"))
    }

    #[test]
    fn the_same_notification_has_the_same_key_and_the_api_key_is_not_shown() {
        let base = Url::parse("https://api.brevo.com").expect("url");
        let request = Brevo.request(&base, &sample(), &"xkeysib-secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://api.brevo.com/v3/smtp/email");
        assert!(!format!("{request:?}").contains("xkeysib-secret"));
        let body: Value = serde_json::from_slice(&request.body).expect("json");
        assert_eq!(body["headers"]["idempotencyKey"], "0190f5fe-7c00-7a00-8000-000000000001");
        assert_eq!(body["tags"], json!([SAMPLE_REFERENCE]));
    }

    #[test]
    fn a_repeated_request_is_accepted_and_errors_are_sorted_by_their_code() {
        let id = "<201801020304.1234567890@smtp-relay.mailin.fr>".to_owned();
        let taken = r#"{"messageId":"<201801020304.1234567890@smtp-relay.mailin.fr>"}"#;
        assert_eq!(check(201, taken), Ok(Accepted { provider_message_id: id }));
        assert!(matches!(check(201, "{"), Err(MailError::Unknown(_))));
        let error = |status, code: &str| check(status, &format!(r#"{{"code":"{code}","message":"m"}}"#));
        assert_eq!(error(400, "duplicate_request"), Ok(Accepted { provider_message_id: NO_ID.to_owned() }));
        assert_eq!(error(400, "invalid_parameter"), Err(MailError::Rejected("400 invalid_parameter: m".into())));
        for (status, code) in [(400, "not_enough_credits"), (403, "permission_denied"), (400, "account_under_validation")] {
            assert!(matches!(error(status, code), Err(MailError::Stopped(_))), "{code}");
        }
        assert!(matches!(error(500, "duplicate_request"), Err(MailError::Unknown(_))));
    }
}
