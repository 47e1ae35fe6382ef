//! The mail providers' webhooks against a known signature and recorded bodies, where the folder with them is at hand, and
//! always against cases of our own.

use domain::mail_event::{MailEvent, MailEventKind};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use providers::mail::events::MailEventSource;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::contract::fixtures::read;

const REFERENCE: &str = "acme_0190f5fe-7c00-7a00-8000-000000000001";
const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// Ages of a delivery, in seconds, and whether one of that age is taken.
const AGES: [(i64, bool); 4] = [(-301, false), (-299, true), (25 * 3600 - 1, true), (25 * 3600 + 1, false)];

fn source(id: &str) -> &'static dyn MailEventSource {
    providers::mail::event_source(id).expect("events").1
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

/// Every text that differs from this one in one bit.
fn changed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).flat_map(move |place| {
        (0..8).map(move |bit| {
            let mut other = bytes.to_vec();
            other[place] ^= 1 << bit;
            other
        })
    })
}

fn events(source: &dyn MailEventSource, body: &Value) -> Vec<MailEvent> {
    source.read(body.to_string().as_bytes(), Timestamp::UNIX_EPOCH).expect("readable")
}

/// A body of SendGrid's with what it is signed by.
struct Signed {
    key: String,
    signature: String,
    timestamp: String,
    body: Vec<u8>,
}

impl Signed {
    fn ours() -> Self {
        let (private, public) = simulators::mail::sendgrid::TEST_KEYS;
        let (timestamp, body) = ("1795341600", format!("[{{\"event\":\"open\",\"reference\":\"{REFERENCE}\"}}]\r\n"));
        let signature = simulators::mail::sendgrid::sign(private, timestamp, body.as_bytes()).expect("a key");
        Self { key: public.to_owned(), signature, timestamp: timestamp.to_owned(), body: body.into_bytes() }
    }

    fn recorded(vector: &Value) -> Self {
        let text = |name: &str| vector[name].as_str().expect("a text").to_owned();
        Self {
            key: text("public_key_base64_spki_der"),
            signature: text("header X-Twilio-Email-Event-Webhook-Signature"),
            timestamp: text("header X-Twilio-Email-Event-Webhook-Timestamp"),
            body: text("body_utf8").into_bytes(),
        }
    }

    fn verifies(&self, signature: &[u8], timestamp: &[u8], body: &[u8], key: &str) -> bool {
        self.verifies_after(10, signature, timestamp, body, key)
    }

    /// What does not fit into a header does not come in, which is as good as refused.
    fn verifies_after(&self, seconds: i64, signature: &[u8], timestamp: &[u8], body: &[u8], key: &str) -> bool {
        let now = at(self.timestamp.parse::<i64>().expect("seconds") + seconds);
        let mut headers = HeaderMap::new();
        for (name, value) in [(SIGNATURE, signature), (TIMESTAMP, timestamp)] {
            let Ok(value) = HeaderValue::from_bytes(value) else { return false };
            headers.insert(name, value);
        }
        source("sendgrid").verify(&headers, body, &[SecretString::from(key)], now).is_ok()
    }
}

#[test]
fn sendgrids_signature_covers_every_bit_of_time_and_body() {
    let vector = read("providers/sendgrid/event_webhook_signature_vector.json");
    for case in [Some(Signed::ours()), vector.as_ref().map(Signed::recorded)].into_iter().flatten() {
        let Signed { key, signature, timestamp, body } = &case;
        let (signature, timestamp) = (signature.as_bytes(), timestamp.as_bytes());
        assert!(case.verifies(signature, timestamp, body, key));
        for (seconds, fresh) in AGES {
            assert_eq!(case.verifies_after(seconds, signature, timestamp, body, key), fresh, "{seconds}");
        }
        assert!(body.ends_with(b"\r\n") && !case.verifies(signature, timestamp, body.trim_ascii_end(), key));
        for body in changed(body) {
            assert!(!case.verifies(signature, timestamp, &body, key), "{}", String::from_utf8_lossy(&body));
        }
        for timestamp in changed(timestamp) {
            assert!(!case.verifies(signature, &timestamp, body, key), "{}", String::from_utf8_lossy(&timestamp));
        }
        for signature in changed(signature) {
            assert!(!case.verifies(&signature, timestamp, body, key), "{}", String::from_utf8_lossy(&signature));
        }
    }
    let Some(vector) = vector else { return };
    let case = Signed::recorded(&vector);
    let (key, signature) = (vector["negative_public_key"].as_str(), vector["negative_signature"].as_str());
    let timestamp = case.timestamp.as_bytes();
    assert!(!case.verifies(case.signature.as_bytes(), timestamp, &case.body, key.expect("a key")));
    assert!(!case.verifies(signature.expect("a signature").as_bytes(), timestamp, &case.body, &case.key));
}

#[test]
fn sendgrids_events_are_read_by_our_reference_only() {
    let ours = json!([{"event": "dropped", "sg_event_id": "ZHJvcC0xMDk5",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0", "timestamp": 1_600_112_492}]);
    let recorded = read("providers/sendgrid/event_webhook_signature_vector.json")
        .map(|vector| serde_json::from_str(vector["body_utf8"].as_str().expect("a body")).expect("JSON"));
    for mut body in [Some(ours), recorded].into_iter().flatten() {
        assert_eq!(events(source("sendgrid"), &body), []);
        body[0]["reference"] = REFERENCE.into();
        let parsed = events(source("sendgrid"), &body);
        assert_eq!((parsed[0].kind, parsed[0].at), (MailEventKind::Refused, at(1_600_112_492)));
        assert_eq!(parsed[0].id, body[0]["sg_event_id"]);
        assert_eq!(parsed[0].provider_message_id.as_deref(), Some("LRzXl_NHStOGhQ4kofSm_A"));
    }
}

fn mailgun_deliveries() -> Vec<(&'static str, Value)> {
    let signature = simulators::mail::mailgun::sign("key-of-ours", "1534108637", "51869375b9df3c98fc15");
    let ours = json!({
        "signature": {"timestamp": "1534108637", "token": "51869375b9df3c98fc15", "signature": signature},
        "event-data": {"event": "delivered", "id": "hTWCTD81RtiDN-...", "timestamp": 1_534_108_637.153_125, "user-variables": {},
            "message": {"headers": {"message-id": "20180812211713.1.DF5966851B4BAA99@example.org"}}},
    });
    let recorded = read("providers/mailgun/webhook_delivered.signed.json");
    let recorded = recorded.map(|recorded| ("TEST_WEBHOOK_SIGNING_KEY", recorded));
    [Some(("key-of-ours", ours)), recorded].into_iter().flatten().collect()
}

#[test]
fn mailguns_signature_covers_time_and_token_and_nothing_else() {
    let verifies_after = |seconds: i64, body: &Value, key: &str| {
        let (body, now) = (body.to_string(), at(1_534_108_637 + seconds));
        source("mailgun").verify(&HeaderMap::new(), body.as_bytes(), &[key.into()], now).is_ok()
    };
    let verifies = |body: &Value, key: &str| verifies_after(10, body, key);
    for (key, good) in mailgun_deliveries() {
        assert!(verifies(&good, key) && !verifies(&good, "another key"));
        for field in ["timestamp", "token", "signature"] {
            for other in changed(good["signature"][field].as_str().expect("a text").as_bytes()) {
                // JSON is UTF-8: what is none is refused before anything is compared.
                let Ok(other) = String::from_utf8(other) else { continue };
                let mut bad = good.clone();
                bad["signature"][field] = other.into();
                assert!(!verifies(&bad, key), "{bad}");
            }
        }
        for (seconds, fresh) in AGES {
            assert_eq!(verifies_after(seconds, &good, key), fresh, "{seconds}");
        }
        // Time and token are signed without anything between them.
        let text = |field: &str| good["signature"][field].as_str().expect("a text").to_owned();
        let (time, token) = (text("timestamp"), text("token"));
        let shifted = [
            (time[..9].to_owned(), format!("{}{token}", &time[9..])),
            (format!("{time}{}", &token[..1]), token[1..].to_owned()),
        ];
        for (time, token) in shifted {
            let mut bad = good.clone();
            (bad["signature"]["timestamp"], bad["signature"]["token"]) = (time.into(), token.into());
            assert!(!verifies(&bad, key), "{bad}");
        }
        let mut forged = good.clone();
        forged["event-data"]["event"] = "complained".into();
        assert!(verifies(&forged, key), "the signature says nothing about the body");
    }
    assert!(!source("mailgun").covers_body(), "so the body is a hint");
}

#[test]
fn mailguns_events_are_read_by_our_reference_only() {
    for (_, mut body) in mailgun_deliveries() {
        assert_eq!(events(source("mailgun"), &body), []);
        body["event-data"]["user-variables"] = json!({"reference": REFERENCE});
        let parsed = events(source("mailgun"), &body);
        // Three dots are no plain word for a key, but they are characters of one.
        assert_eq!((parsed[0].kind, parsed[0].id.as_str()), (MailEventKind::Delivered, "hTWCTD81RtiDN-...:1534108637"));
        assert_eq!(parsed[0].at.as_millisecond(), 1_534_108_637_153);
        let id = Some("<20180812211713.1.DF5966851B4BAA99@example.org>");
        assert_eq!(parsed[0].provider_message_id.as_deref(), id);
    }
}

#[test]
fn brevos_events_are_read_by_our_reference_only() {
    let id = "<201803062010.27287306012@smtp-relay.mailin.fr>";
    let request = json!({"event": "request", "email": "a@example.com", "ts_epoch": 1_520_363_423_000_i64, "message-id": id,
        "X-Mailin-custom": "{\"meta\": \"data\"}", "tag": "[\"tag1\",\"tag2\"]", "tags": ["tag1", "tag2"]});
    let bounce = json!({"event": "hard_bounce", "email": "b@example.com", "ts_epoch": 1_520_363_423_000_i64,
        "message-id": "<201803011158.9876543210@smtp-relay.mailin.fr>", "reason": " RecipientError: 550 5.5.0", "tag": "t"});
    let recorded = |name: &str| read(&format!("providers/brevo/{name}.json"));
    for body in [Some(request), recorded("webhook_request")].into_iter().flatten() {
        assert_eq!(events(source("brevo"), &body), []);
        for (field, value) in [
            ("X-Mailin-custom", json!(REFERENCE)),
            ("tags", json!(["tag1", REFERENCE])),
            ("tag", json!(format!("[\"{REFERENCE}\"]"))),
        ] {
            let mut body = body.clone();
            body[field] = value;
            let parsed = events(source("brevo"), &json!([body]));
            assert_eq!((parsed[0].kind, parsed[0].at), (MailEventKind::Accepted, at(1_520_363_423)), "{field}");
            assert_eq!(parsed[0].provider_message_id.as_deref(), Some(id));
            assert_eq!(parsed, events(source("brevo"), &body), "one event is not in a list");
        }
    }
    for mut body in [Some(bounce), recorded("webhook_hard_bounce")].into_iter().flatten() {
        assert_eq!(events(source("brevo"), &body), []);
        body["tag"] = REFERENCE.into();
        let parsed = events(source("brevo"), &body);
        assert_eq!(parsed[0].kind, MailEventKind::Bounced);
        assert!(parsed[0].detail.as_deref().is_some_and(|words| words.starts_with("RecipientError: 550 5.5.0")));
    }
}
