//! Webhooks.
//!
//! Facts: <https://hire.lever.co/developer/documentation#webhooks>. The signature is in the body: `signature` is the
//! hex of the HMAC-SHA256 of `token` and `triggeredAt` under the webhook's signature token. It does not cover `data`,
//! so a body is only a hint: the objects that it names are looked up. Every webhook (there is one for each event) has a
//! signature token of its own, so the secret holds several, one a line. Any response but 2xx is retried, five times at
//! most.

use domain::ats::{Kind, ObjectRef, Origin};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use super::mapping::part_id;
use super::responses::plain;
use super::wire::One;
use super::{Lever, requests};
use crate::ats::port::{AtsError, Context, WebhookSubscriptions};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;
use crate::transport::webhook::{
    ChangedObjects, Event, Meaning, NotAuthentic, Unreadable, WebhookSource, WebhookVerifier, event_id,
};

/// Older deliveries are refused: they may be recorded ones. Lever stores its own for two weeks, and retries them by
/// hand only.
const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// By how much Lever's clock may be ahead of ours.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The events of our webhooks. Those of contacts name no opportunity: their changes are found by polls.
const EVENTS: [&str; 8] = [
    "applicationCreated",
    "candidateHired",
    "candidateStageChange",
    "candidateArchiveChange",
    "candidateDeleted",
    "interviewCreated",
    "interviewUpdated",
    "interviewDeleted",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    triggered_at: i64,
    token: String,
    signature: String,
}

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Data {
    opportunity_id: Option<String>,
    interview_id: Option<String>,
    contact_id: Option<String>,
}

impl WebhookVerifier for Lever {
    fn secret(&self) -> &'static str {
        "webhook_secret"
    }

    fn verify(
        &self,
        _headers: &HeaderMap,
        body: &[u8],
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<String, NotAuthentic> {
        let Proof { triggered_at, token, signature } = json::read(body).map_err(|_| NotAuthentic)?;
        let given = hex::decode(signature).map_err(|_| NotAuthentic)?;
        let keys = secret.expose_secret().lines().map(str::trim).filter(|key| !key.is_empty());
        // All keys are compared, whichever fits, so that the time reveals nothing.
        let fits = keys.fold(false, |fits, key| signed(key, &token, triggered_at, &given) | fits);
        let at = Timestamp::from_millisecond(triggered_at).map_err(|_| NotAuthentic)?;
        let age = now.duration_since(at);
        if fits && age <= OLDEST && age >= -MAX_CLOCK_SKEW {
            Ok(event_id(Some(&token), body))
        } else {
            Err(NotAuthentic)
        }
    }
}

impl WebhookSource for Lever {
    fn interpret(&self, _origin: &Origin, body: &[u8], _received_at: Timestamp) -> Result<Event, Unreadable> {
        let Envelope { event, data } = json::read(body)?;
        let meaning = meaning(&event, data.unwrap_or_default())?;
        // The name comes from outside and appears on a screen.
        Ok(Event { action: event.chars().filter(|c| !c.is_control()).take(100).collect(), meaning })
    }
}

impl WebhookSubscriptions for Lever {
    fn events(&self) -> &'static [&'static str] {
        &EVENTS
    }

    fn subscription_request(&self, context: &Context<'_>, event: &str, url: &str) -> Result<HttpRequest, AtsError> {
        let body = json!({"event": event, "url": url});
        requests::call(context, Method::POST, requests::url(context, &["webhooks"])?, Some(&body))
    }

    fn parse_subscription(&self, context: &Context<'_>, reply: &Reply) -> Result<SecretString, AtsError> {
        if reply.status != StatusCode::CREATED {
            return Err(requests::refused(context, reply));
        }
        let One { data } = json::read(&reply.body)?;
        let Subscription { configuration } = json::read_value(data)?;
        Ok(SecretString::from(configuration.signature_token))
    }
}

/// A subscription that was created. Deliberately without `Debug`.
#[derive(Deserialize)]
struct Subscription {
    configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    signature_token: String,
}

fn signed(key: &str, token: &str, triggered_at: i64, given: &[u8]) -> bool {
    // HMAC accepts a key of every length, so the error of this constructor cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return false };
    mac.update(token.as_bytes());
    mac.update(triggered_at.to_string().as_bytes());
    // Compares in constant time.
    mac.verify_slice(given).is_ok()
}

fn meaning(event: &str, data: Data) -> Result<Meaning, Unreadable> {
    let Data { opportunity_id, interview_id, contact_id } = data;
    let ignored = |reason: &str| Ok(Meaning::Ignored { reason: reason.to_owned() });
    match (event, contact_id) {
        ("contactCreated" | "contactUpdated", Some(_)) => {
            return ignored("what changed of a person is found by asking which opportunities changed");
        }
        ("contactCreated" | "contactUpdated", None) => {}
        (event, _) if !EVENTS.contains(&event) => return ignored("this version does not act on this kind of event"),
        _ => {}
    }
    // The button of Lever's settings sends an event without data.
    let Some(opportunity) = opportunity_id else { return Ok(Meaning::Ping) };
    // They become a part of an URL, and they are not signed.
    if !plain(&opportunity) || interview_id.as_ref().is_some_and(|id| !plain(id)) {
        return Err(Unreadable("an id is no plain word".into()));
    }
    // The lookup of an application returns its candidate, too.
    let of_opportunity = || vec![ObjectRef::new(Kind::Application, &opportunity)];
    let (about, new_application) = match (event, interview_id) {
        ("interviewCreated" | "interviewUpdated" | "interviewDeleted", Some(interview)) => {
            (vec![ObjectRef::new(Kind::Interview, part_id(&opportunity, &interview))], None)
        }
        ("applicationCreated", _) => (of_opportunity(), Some(opportunity.clone())),
        _ => (of_opportunity(), None),
    };
    Ok(Meaning::Changed(ChangedObjects { reported: vec![], gone: vec![], about, new_application }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const AT: i64 = 1_795_000_000_000;
    const TOKEN: &str = "be58f711f349c7780e4579cd7c63341ac6f881e4dccc3154";

    fn now(after: i64) -> Timestamp {
        Timestamp::from_millisecond(AT + after).expect("time")
    }

    fn body(key: &str, token: &str, at: i64) -> Value {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("key");
        mac.update(format!("{token}{at}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let data = json!({"opportunityId": "o-1", "contactId": "c"});
        json!({"event": "candidateHired", "triggeredAt": at, "token": token, "signature": signature, "data": data})
    }

    fn verified(body: &Value, secret: &str, after: i64) -> Result<String, NotAuthentic> {
        Lever.verify(&HeaderMap::new(), body.to_string().as_bytes(), &secret.into(), now(after))
    }

    #[test]
    fn a_known_signature_verifies_under_any_of_the_tokens() {
        // printf 'be58f7111431454330072' | openssl dgst -sha256 -hmac local
        let known = "5adb8b3a7068607698c7eaed0ee7eb184665c3b1ecbd59191f47c29b5470f137";
        let delivery = json!({"triggeredAt": 1_431_454_330_072_i64, "token": "be58f711", "signature": known});
        let then = Timestamp::from_millisecond(1_431_454_330_072).expect("time");
        let id = Lever.verify(&HeaderMap::new(), delivery.to_string().as_bytes(), &"local".into(), then);
        assert_eq!(id, Ok("be58f711".to_owned()));
        let good = body("k2", TOKEN, AT);
        for secret in ["k2", "k1\nk2\nk3", " k2 \r\n", "\n\nk2"] {
            assert_eq!(verified(&good, secret, 0), Ok(TOKEN.to_owned()), "{secret:?}");
        }
        for secret in ["", "\n", "k1", "k1\nk3", "k2x"] {
            assert_eq!(verified(&good, secret, 0), Err(NotAuthentic), "{secret:?}");
        }
    }

    #[test]
    fn another_token_time_or_signature_is_refused() {
        let good = body("k", TOKEN, AT);
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            verified(&body, "k", 0)
        };
        assert_eq!(with("data", json!({"opportunityId": "o-2"})), Ok(TOKEN.to_owned()), "the same id: done once");
        for (name, value) in [
            ("token", json!("x")),
            ("triggeredAt", json!(AT + 1)),
            ("triggeredAt", json!("soon")),
            ("triggeredAt", json!(i64::MAX)),
            ("signature", json!("00")),
            ("signature", json!("zz")),
            ("signature", json!(null)),
        ] {
            assert_eq!(with(name, value.clone()), Err(NotAuthentic), "{name} {value}");
        }
        for text in ["", "{}", "[]", "\u{0}"] {
            assert!(Lever.verify(&HeaderMap::new(), text.as_bytes(), &"k".into(), now(0)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_too_old_or_of_tomorrow_is_refused() {
        let good = body("k", TOKEN, AT);
        let (week, minute) = (7 * 24 * 3_600_000, 60_000);
        for (after, accepted) in
            [(0, true), (week, true), (week + 1, false), (-5 * minute, true), (-5 * minute - 1, false)]
        {
            assert_eq!(verified(&good, "k", after).is_ok(), accepted, "{after}");
        }
    }

    fn read(event: &str, data: Value) -> Result<Meaning, Unreadable> {
        let (org, connection) = ("acme".parse().expect("slug"), "lever".parse().expect("slug"));
        let origin = Origin { org, provider: "lever".into(), connection };
        let body = json!({"event": event, "data": data}).to_string();
        Lever.interpret(&origin, body.as_bytes(), now(0)).map(|event| event.meaning)
    }

    #[test]
    fn a_body_is_a_hint_that_names_the_objects_to_look_up() {
        let about = |event: &str, data: Value| match read(event, data) {
            Ok(Meaning::Changed(ChangedObjects { reported, gone, about, new_application })) => {
                assert!(reported.is_empty() && gone.is_empty(), "{event}");
                let about: Vec<_> =
                    about.iter().map(|object| format!("{} {}", object.kind.as_str(), object.provider_id)).collect();
                (about.join(", "), new_application)
            }
            other => panic!("{event}: {other:?}"),
        };
        let data = json!({"opportunityId": "o", "candidateId": "x", "contactId": "c", "interviewId": "i"});
        for event in &EVENTS[1..5] {
            assert_eq!(about(event, data.clone()), ("application o".to_owned(), None));
        }
        let (_, new) = about("applicationCreated", data.clone());
        assert_eq!(new.as_deref(), Some("o"));
        for event in &EVENTS[5..] {
            assert_eq!(about(event, data.clone()), ("interview o/i".to_owned(), None));
        }
        assert_eq!(about("interviewUpdated", json!({"opportunityId": "o"})).0, "application o");
    }

    #[test]
    fn tests_contacts_unknown_events_and_strange_ids_are_distinct() {
        assert_eq!(read("candidateHired", json!({})), Ok(Meaning::Ping));
        assert_eq!(read("candidateHired", json!(null)), Ok(Meaning::Ping));
        for event in ["contactUpdated", "candidatePromoted"] {
            assert!(matches!(read(event, json!({"contactId": "c"})), Ok(Meaning::Ignored { .. })), "{event}");
        }
        for strange in ["a/b", "../x", "a?b", "", "é", &"x".repeat(65)] {
            assert!(read("candidateHired", json!({"opportunityId": strange})).is_err(), "{strange}");
            assert!(read("interviewCreated", json!({"opportunityId": "o", "interviewId": strange})).is_err());
        }
        assert!(read("candidateHired", json!("x")).is_err());
    }
}
