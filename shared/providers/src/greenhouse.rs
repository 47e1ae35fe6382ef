//! Greenhouse Recruiting: webhooks.
//!
//! Facts: <https://developers.greenhouse.io/webhooks.html>. `Signature: sha256 <hex>` is the HMAC-SHA256 of the raw body under
//! the webhook's secret key; the body carries Ruby-style escapes, so it must never be written again before it is verified.
//! `Greenhouse-Event-ID` is unique for each event and repeated with each retry. Success is 200; there are at most
//! 7 attempts in 15 hours. A new webhook is tried with `ping` and stays disabled when that fails.

use domain::application::{ApplicationStatus, ObservedApplication, ObservedCandidate, ObservedJob};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::json;
use crate::spec::{Category, Spec, SyncMethod};
use crate::webhook::{Event, Meaning, NotAuthentic, Unreadable, WebhookSource, event_id};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "greenhouse",
    name: "Greenhouse",
    category: Category::Ats,
    reference: "https://developers.greenhouse.io/webhooks.html",
    base_url: None,
    sync: SyncMethod::Webhook,
    secrets: &["webhook_secret"],
    webhooks: Some(&Greenhouse),
    polling: None,
    model: None,
    mail: None,
    mail_events: None,
};

struct Greenhouse;

/// Actions that carry a whole application with its candidate.
const WITH_APPLICATION: [&str; 8] = [
    "new_candidate_application",
    "new_prospect_application",
    "application_updated",
    "candidate_stage_change",
    "reject_candidate",
    "unreject_candidate",
    "hire_candidate",
    "unhire_candidate",
];

impl WebhookSource for Greenhouse {
    fn secret(&self) -> &'static str {
        "webhook_secret"
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], secret: &SecretString) -> Result<String, NotAuthentic> {
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

    fn interpret(&self, body: &[u8], received_at: Timestamp) -> Result<Event, Unreadable> {
        let Envelope { action, payload } = json::read(body).map_err(Unreadable)?;
        let meaning = if action == "ping" {
            Meaning::Ping
        } else if WITH_APPLICATION.contains(&action.as_str()) {
            let Payload { application } = json::read_value(payload).map_err(Unreadable)?;
            Meaning::Application {
                new: action == "new_candidate_application",
                observed: Box::new(observed(application, &action, received_at)),
            }
        } else {
            Meaning::Ignored { reason: "this version does not act on this kind of event".to_owned() }
        };
        // The name comes from outside and is shown on a screen.
        Ok(Event { action: action.chars().filter(|c| !c.is_control()).take(100).collect(), meaning })
    }
}

#[derive(Deserialize)]
struct Envelope {
    action: String,
    #[serde(default)]
    payload: serde_json::Value,
}

#[derive(Deserialize)]
struct Payload {
    application: WireApplication,
}

#[derive(Deserialize)]
struct WireApplication {
    id: u64,
    status: Option<String>,
    applied_at: Option<Timestamp>,
    last_activity_at: Option<Timestamp>,
    current_stage: Option<Named>,
    candidate: WireCandidate,
    #[serde(default)]
    jobs: Vec<WireJob>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct WireCandidate {
    id: u64,
    first_name: Option<String>,
    last_name: Option<String>,
    title: Option<String>,
    company: Option<String>,
    #[serde(default)]
    phone_numbers: Vec<Valued>,
    #[serde(default)]
    email_addresses: Vec<Valued>,
}

#[derive(Deserialize)]
struct Valued {
    value: Option<String>,
}

#[derive(Deserialize)]
struct WireJob {
    id: u64,
    name: Option<String>,
    #[serde(default)]
    departments: Vec<Option<Named>>,
    #[serde(default)]
    offices: Vec<Option<Named>>,
}

/// Some actions carry only a part of the application: `hire_candidate` names neither status nor times.
fn observed(wire: WireApplication, action: &str, received_at: Timestamp) -> ObservedApplication {
    let WireApplication { id, status, applied_at, last_activity_at, current_stage, candidate, jobs } = wire;
    let WireCandidate { id: candidate_id, first_name, last_name, title, company, phone_numbers, email_addresses } =
        candidate;
    let names: Vec<String> = [first_name, last_name].into_iter().flatten().filter(|n| !n.trim().is_empty()).collect();
    let first = |values: Vec<Valued>| values.into_iter().find_map(|v| v.value);
    let named = |list: Vec<Option<Named>>| list.into_iter().flatten().find_map(|n| n.name);
    ObservedApplication {
        provider_id: id.to_string(),
        candidate: ObservedCandidate {
            provider_id: candidate_id.to_string(),
            name: names.join(" "),
            email: first(email_addresses),
            phone: first(phone_numbers),
            title,
            company,
        },
        // A candidate's application has exactly one job, a prospect's may have none or several.
        job: jobs.into_iter().next().map(|WireJob { id, name, departments, offices }| ObservedJob {
            provider_id: id.to_string(),
            title: name.unwrap_or_default(),
            department: named(departments),
            location: named(offices),
        }),
        status: match (status.as_deref(), action) {
            (Some("active"), _) | (None, "unhire_candidate" | "unreject_candidate") => ApplicationStatus::Active,
            (Some("rejected"), _) | (None, "reject_candidate") => ApplicationStatus::Rejected,
            (Some("hired"), _) | (None, "hire_candidate") => ApplicationStatus::Hired,
            _ => ApplicationStatus::Unknown,
        },
        stage: current_stage.and_then(|stage| stage.name),
        applied_at,
        version: last_activity_at.unwrap_or(received_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Greenhouse.verify(&headers, BODY.as_bytes(), &secret), Ok("ev-1".to_owned()));
        for at in 0..BODY.len() {
            let mut tampered = BODY.as_bytes().to_vec();
            tampered[at] ^= 1;
            assert_eq!(Greenhouse.verify(&headers, &tampered, &secret), Err(NotAuthentic), "byte {at}");
        }
        assert_eq!(Greenhouse.verify(&signed(BODY.as_bytes(), "other"), BODY.as_bytes(), &secret), Err(NotAuthentic));
        for bad in ["", "sha256", "sha256 ", "sha256 zz", "sha1 00", "sha256 00"] {
            let mut headers = signed(BODY.as_bytes(), "s3cret");
            headers.insert("signature", bad.parse().expect("header"));
            assert_eq!(Greenhouse.verify(&headers, BODY.as_bytes(), &secret), Err(NotAuthentic), "{bad}");
        }
        assert_eq!(Greenhouse.verify(&HeaderMap::new(), BODY.as_bytes(), &secret), Err(NotAuthentic));
    }

    #[test]
    fn an_application_is_read_with_its_candidate_and_job() {
        let event = Greenhouse.interpret(BODY.as_bytes(), Timestamp::UNIX_EPOCH).expect("readable");
        let Meaning::Application { observed, new: true } = event.meaning else { panic!("{event:?}") };
        assert_eq!(observed.provider_id, "901");
        assert_eq!(observed.candidate.name, "Zoë O'Neill <QA>");
        assert_eq!(observed.candidate.email.as_deref(), Some("zoe@example.com"));
        assert_eq!(observed.job.map(|j| (j.title, j.location)), Some(("Test Engineer".into(), Some("Cork".into()))));
        assert_eq!(observed.version.to_string(), "2026-11-20T09:31:00Z");
    }

    #[test]
    fn a_hire_that_names_neither_status_nor_times_is_a_hire() {
        let body = r#"{"action":"hire_candidate","payload":{"application":{"id":9,"candidate":{"id":1}}}}"#;
        let received: Timestamp = "2026-11-22T10:00:00Z".parse().expect("time");
        let event = Greenhouse.interpret(body.as_bytes(), received).expect("readable");
        let Meaning::Application { observed, new: false } = event.meaning else { panic!("{event:?}") };
        assert_eq!((observed.status, observed.applied_at), (ApplicationStatus::Hired, None));
        assert_eq!(observed.version, received);
    }

    #[test]
    fn pings_unknown_actions_and_broken_bodies_are_told_apart() {
        let meaning =
            |body: &str| Greenhouse.interpret(body.as_bytes(), Timestamp::UNIX_EPOCH).map(|event| event.meaning);
        assert_eq!(meaning(r#"{"action":"ping","payload":{"web_hook_id":1}}"#), Ok(Meaning::Ping));
        assert!(matches!(meaning(r#"{"action":"made_up","payload":{}}"#), Ok(Meaning::Ignored { .. })));
        for broken in ["", "[]", "{}", r#"{"action":"hire_candidate"}"#, r#"{"action":"hire_candidate","payload":{"application":{"id":"x"}}}"#] {
            assert!(meaning(broken).is_err(), "{broken}");
        }
    }
}
