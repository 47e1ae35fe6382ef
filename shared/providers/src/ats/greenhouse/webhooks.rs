//! Webhooks.
//!
//! Facts: <https://developers.greenhouse.io/webhooks.html>. `Signature: sha256 <hex>` is the HMAC-SHA256 of the raw
//! body under the webhook's secret key; the body carries Ruby-style escapes, so it must never be written again before
//! it is verified. `Greenhouse-Event-ID` is unique for each event and repeated with each retry. Success is 200; there
//! are at most 7 attempts in 15 hours. A new webhook is tested with `ping` and stays disabled when that fails. There
//! are 29 actions besides; the event of a deleted candidate has the applications that were deleted with it, which no
//! other event has. The meaning of each action is in `event.rs`.

use domain::ats::Origin;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use super::{Greenhouse, events};
use crate::transport::json;
use crate::transport::webhook::{Event, NotAuthentic, Unreadable, WebhookSource, WebhookVerifier, event_id};

impl WebhookVerifier for Greenhouse {
    fn secret(&self) -> &'static str {
        "webhook_secret"
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secret: &SecretString,
        _now: Timestamp,
    ) -> Result<String, NotAuthentic> {
        let header = headers.get("signature").and_then(|v| v.to_str().ok()).ok_or(NotAuthentic)?;
        let hexadecimal = header.strip_prefix("sha256 ").ok_or(NotAuthentic)?;
        let given = hex::decode(hexadecimal.trim()).map_err(|_| NotAuthentic)?;
        let key = secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| NotAuthentic)?;
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(&given).map_err(|_| NotAuthentic)?;
        Ok(event_id(headers.get("greenhouse-event-id").and_then(|v| v.to_str().ok()), body))
    }
}

impl WebhookSource for Greenhouse {
    fn interpret(&self, origin: &Origin, body: &[u8], received_at: Timestamp) -> Result<Event, Unreadable> {
        let Envelope { action, payload } = json::read(body)?;
        let meaning =
            events::meaning(origin, &action, payload, received_at).map_err(|error| Unreadable(error.into()))?;
        // The name comes from outside and appears on a screen.
        Ok(Event { action: action.chars().filter(|c| !c.is_control()).take(100).collect(), meaning })
    }
}

#[derive(Deserialize)]
struct Envelope {
    action: String,
    #[serde(default)]
    payload: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use domain::ats::{ApplicationStatus, Record};

    use super::*;
    use crate::transport::webhook::{ChangedObjects, Meaning};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn origin() -> Origin {
        let (org, connection) = ("acme".parse().expect("slug"), "gh".parse().expect("slug"));
        Origin { org, provider: "greenhouse".into(), connection }
    }

    fn changed(body: &str, received_at: Timestamp) -> (Vec<Record>, Option<i64>, Option<String>) {
        let event = Greenhouse.interpret(&origin(), body.as_bytes(), received_at).expect("readable");
        let Meaning::Changed(ChangedObjects { reported, new_application, .. }) = event.meaning else {
            panic!("{event:?}")
        };
        let version = reported.first().and_then(|seen| seen.version_ms);
        (reported.into_iter().map(|seen| seen.record).collect(), version, new_application)
    }

    const BODY: &str = r#"{"action":"new_candidate_application","payload":{"application":{"id":901,"status":"active","applied_at":"2026-11-20T09:30:00Z","last_activity_at":"2026-11-20T09:31:00.000Z","current_stage":{"id":1,"name":"Application Review"},"candidate":{"id":55,"first_name":"Zo\u00eb","last_name":"O\u0027Neill \u003cQA\u003e","title":null,"company":null,"phone_numbers":[],"email_addresses":[{"value":"zoe@example.com","type":"personal"}]},"jobs":[{"id":7,"name":"Test Engineer","departments":[null],"offices":[{"name":"Cork"}]}]}}}"#;

    fn signed(body: &[u8], secret: &str) -> HeaderMap {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("key");
        mac.update(body);
        let mut headers = HeaderMap::new();
        let value = format!("sha256 {}", hex::encode(mac.finalize().into_bytes()));
        headers.insert("signature", value.parse().expect("header"));
        headers.insert("greenhouse-event-id", "ev-1".parse().expect("header"));
        headers
    }

    #[test]
    fn a_good_signature_is_accepted_and_every_change_is_refused() {
        let secret = SecretString::from("s3cret");
        let headers = signed(BODY.as_bytes(), "s3cret");
        assert_eq!(Greenhouse.verify(&headers, BODY.as_bytes(), &secret, NOW), Ok("ev-1".to_owned()));
        for at in 0..BODY.len() {
            let mut tampered = BODY.as_bytes().to_vec();
            tampered[at] ^= 1;
            assert_eq!(Greenhouse.verify(&headers, &tampered, &secret, NOW), Err(NotAuthentic), "byte {at}");
        }
        assert_eq!(
            Greenhouse.verify(&signed(BODY.as_bytes(), "other"), BODY.as_bytes(), &secret, NOW),
            Err(NotAuthentic)
        );
        for bad in ["", "sha256", "sha256 ", "sha256 zz", "sha1 00", "sha256 00"] {
            let mut headers = signed(BODY.as_bytes(), "s3cret");
            headers.insert("signature", bad.parse().expect("header"));
            assert_eq!(Greenhouse.verify(&headers, BODY.as_bytes(), &secret, NOW), Err(NotAuthentic), "{bad}");
        }
        assert_eq!(Greenhouse.verify(&HeaderMap::new(), BODY.as_bytes(), &secret, NOW), Err(NotAuthentic));
    }

    #[test]
    fn an_application_is_read_with_its_candidate_and_job() {
        let (reported, version, new) = changed(BODY, NOW);
        let [Record::Candidate(candidate), Record::Job(job), Record::Application(application)] = reported.as_slice()
        else {
            panic!("{reported:?}")
        };
        assert_eq!(application.source.provider_id, "901");
        assert_eq!(candidate.name, "Zoë O'Neill <QA>");
        assert_eq!(candidate.email.as_deref(), Some("zoe@example.com"));
        assert_eq!((job.title.as_str(), job.location.as_deref()), ("Test Engineer", Some("Cork")));
        let at: Timestamp = "2026-11-20T09:31:00Z".parse().expect("time");
        assert_eq!((version, new.as_deref()), (Some(at.as_millisecond()), Some("901")));
    }

    #[test]
    fn a_hire_that_names_neither_status_nor_times_is_a_hire() {
        let body = r#"{"action":"hire_candidate","payload":{"application":{"id":9,"candidate":{"id":1}}}}"#;
        let received: Timestamp = "2026-11-22T10:00:00Z".parse().expect("time");
        let (reported, version, new) = changed(body, received);
        let Some(Record::Application(application)) = reported.last() else { panic!("{reported:?}") };
        assert_eq!((application.status, application.applied_at), (ApplicationStatus::Hired, None));
        assert_eq!((version, new), (Some(received.as_millisecond()), None));
    }

    #[test]
    fn pings_unknown_actions_and_broken_bodies_are_distinct() {
        let meaning = |body: &str| Greenhouse.interpret(&origin(), body.as_bytes(), NOW).map(|event| event.meaning);
        assert_eq!(meaning(r#"{"action":"ping","payload":{"web_hook_id":1}}"#), Ok(Meaning::Ping));
        assert!(matches!(meaning(r#"{"action":"made_up","payload":{}}"#), Ok(Meaning::Ignored { .. })));
        for broken in [
            "",
            "[]",
            "{}",
            r#"{"action":"hire_candidate"}"#,
            r#"{"action":"hire_candidate","payload":{"application":{"id":"x"}}}"#,
        ] {
            assert!(meaning(broken).is_err(), "{broken}");
        }
    }
}
