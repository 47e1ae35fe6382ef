//! Mailgun: `POST /v3/{domain}/messages`, a form, Basic `api:KEY`.
//!
//! Facts: <https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages>. 200 with an id means queued; a
//! wrong path is a 200, too, whose body is the text "Mailgun Magnificent API". There is no key against doubling. The
//! Message-ID is ours (`h:Message-Id`), and events can be asked for by it; the notification's id is a variable, which events
//! repeat. Any invalid recipient is a 400, an unknown domain a 404. Rate limits: `X-RateLimit-Reset` is a time, maybe with a
//! fraction.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::http::Reply;
use crate::json;
use crate::mail::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, said};
use crate::mail_client::{Hosts, HttpMailer, MailApi, MailRequest, Reset, by_status};
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "mailgun",
    name: "Mailgun",
    category: Category::Mail,
    reference: "https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages",
    base_url: Some(HOSTS.us),
    sync: SyncMethod::None,
    secrets: &["mail/mailgun_api_key"],
    webhooks: None,
    polling: None,
    model: None,
    mail: Some(&Registered),
    mail_events: None,
};

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

/// The provider before it knows its domain.
struct Registered;

/// The provider for one sending domain.
struct Mailgun {
    domain: String,
}

impl MailProvider for Registered {
    /// Reads `MAIL_DOMAIN`, the sending domain as Mailgun knows it; by default that of the sender's address.
    fn set_up(&self, setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
        let domain = (setup.setting)("MAIL_DOMAIN").unwrap_or_else(|| setup.domain.to_owned());
        // It becomes a part of a path.
        if domain.is_empty() || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            let rule = "a domain such as mg.example.com is expected";
            return Err(MailSetupError::Setting { name: "MAIL_DOMAIN", rule });
        }
        Ok(Box::new(HttpMailer::new(Mailgun { domain }, SPEC.id, HOSTS, setup)?))
    }
}

impl MailApi for Mailgun {
    fn request(&self, base: &Url, mail: &Mail, key: &SecretString, _now: Timestamp) -> Result<MailRequest, MailError> {
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
        let request = MailRequest::form(base, &format!("/v3/{}/messages", self.domain), &fields)?;
        let basic = BASE64_STANDARD.encode(format!("api:{}", key.expose_secret()));
        request.with_secret(header::AUTHORIZATION.as_str(), &format!("Basic {basic}"))
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::OK {
            if reply.body.trim_ascii() == WRONG_PATH {
                return Err(MailError::Unreachable("this is no path of the API".to_owned()));
            }
            let Queued { id } = json::read(&reply.body).map_err(|e| MailError::Unknown(format!("200, and {e}")))?;
            return Ok(Accepted { provider_message_id: said(&id) });
        }
        let Refusal { message } = json::read(&reply.body).unwrap_or(Refusal { message: String::new() });
        let detail = said(&format!("{} {message}", reply.status.as_u16()));
        Err(by_status(reply, now, Reset::At("x-ratelimit-reset"), detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{SAMPLE_REFERENCE, sample};
    use bytes::Bytes;
    use domain::stage::Stage;
    use http::HeaderMap;

    fn check(status: u16, body: &str) -> Result<Accepted, MailError> {
        let status = StatusCode::from_u16(status).expect("status");
        let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        Mailgun { domain: "mg.example.com".into() }.read(&reply, "2026-11-22T10:00:00Z".parse().expect("time"))
    }

    #[test]
    fn a_mail_can_be_found_again_by_its_message_id_and_its_key_is_not_shown() {
        let base = Url::parse("https://api.mailgun.net").expect("url");
        let api = Mailgun { domain: "mg.example.com".into() };
        let request = api.request(&base, &sample(), &"key-secret".into(), Timestamp::UNIX_EPOCH).expect("built");
        assert_eq!(request.url.as_str(), "https://api.mailgun.net/v3/mg.example.com/messages");
        let shown = format!("{request:?}");
        assert!(!shown.contains(&BASE64_STANDARD.encode("api:key-secret")), "{shown}");
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        for (name, value) in [("to", "ada@example.com"), ("h:Message-Id", "<n-1@example.com>"), ("v:reference", SAMPLE_REFERENCE)]
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
        for (domain, good) in [("mg.example.com", true), ("a/b", false), ("a?b", false), ("a%2fb", false), ("", false)] {
            let setup = MailSetup {
                stage: Stage::Local,
                domain,
                replacement: Some("http://127.0.0.1:9"),
                setting: &|_| None,
            };
            assert_eq!(Registered.set_up(&setup).is_ok(), good, "{domain}");
        }
    }
}
