//! Every provider with a webhook for mail events: what its simulator sends is verified and read.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use bytes::Bytes;
use domain::mail_event::MailEvent;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use providers::mail::events::MailEventSource;
use providers::transport::webhook::NotAuthentic;

use super::lookups::{kinds, sent};
use super::*;

type Deliveries = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver of webhooks that accepts every delivery.
struct Receiver {
    url: String,
    deliveries: Deliveries,
}

impl Receiver {
    async fn start() -> Self {
        let deliveries = Deliveries::default();
        let received_deliveries = Arc::clone(&deliveries);
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
            received_deliveries.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
            StatusCode::NO_CONTENT
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mail-events", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, deliveries }
    }

    fn take(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The events of a provider's HTTP webhook, with what the simulator signs by and what we check by.
fn source(provider: &'static MailProvider) -> Option<(&'static dyn MailEventSource, &'static str, &'static str)> {
    let source = provider.events.filter(|source| !source.secrets().is_empty())?;
    let (signs, checks) = match provider.info.id {
        "sendgrid" => simulators::mail::sendgrid::TEST_KEYS,
        _ => ("secret-of-the-contract", "secret-of-the-contract"),
    };
    Some((source, signs, checks))
}

/// Sends one mail to which everything happens, and orders its webhooks.
async fn delivered(bench: &Bench, receiver: &Receiver, mail: &Mail, order: Value) -> Vec<(HeaderMap, Bytes)> {
    let correlation = mail.reference.to_string();
    let mut whole = json!({"url": receiver.url, "correlation": correlation});
    whole.as_object_mut().expect("an object").extend(order.as_object().expect("an object").clone());
    let answer = bench.control("deliver", &whole).await;
    let statuses = answer["statuses"].as_array().expect("statuses").clone();
    let deliveries = receiver.take();
    assert_eq!(statuses, vec![json!(204); deliveries.len()], "{}: {answer}", bench.provider.info.id);
    assert!(!deliveries.is_empty(), "{}", bench.provider.info.id);
    deliveries
}

async fn eventful(bench: &Bench) -> Mail {
    let mail = mail("ada@example.com");
    bench.send(&mail).await.expect(bench.provider.info.id);
    for event in ["deferred", "delivered", "complained", "bounced", "refused"] {
        bench.control("outcomes", &json!({"correlation": mail.reference.to_string(), "event": event})).await;
    }
    mail
}

fn read(source: &dyn MailEventSource, deliveries: &[(HeaderMap, Bytes)]) -> Vec<MailEvent> {
    let received = Timestamp::UNIX_EPOCH;
    deliveries.iter().flat_map(|(_, body)| source.read(body, received).expect("readable")).collect()
}

#[test]
fn webhooks_verify_and_report_the_events_of_the_lookup() {
    run(async {
        let mut found = 0;
        for provider in providers_over_http() {
            let Some((source, signs, checks)) = source(provider) else { continue };
            found += 1;
            let (bench, receiver) = (Bench::of(provider).await, Receiver::start().await);
            let mail = eventful(&bench).await;
            let deliveries = delivered(&bench, &receiver, &mail, json!({"secret": signs})).await;
            for (headers, body) in &deliveries {
                let now = Timestamp::now();
                assert_eq!(source.verify(headers, body, &[checks.into()], now), Ok(()), "{}", provider.info.id);
                let later = now + jiff::SignedDuration::from_hours(26);
                // A proof without a time never grows old; the body is a hint then.
                let fresh_only = source.verify(headers, body, &[checks.into()], later).is_err();
                assert!(fresh_only || !source.covers_body(), "{}", provider.info.id);
            }
            let mut reported = read(source, &deliveries);
            let all = ["accepted", "deferred", "delivered", "complained", "bounced", "refused"];
            assert_eq!(kinds(&reported), all, "{}", provider.info.id);
            assert!(reported.iter().all(|event| event.reference == mail.reference && event.at > Timestamp::UNIX_EPOCH));
            if let Some(lookup) = bench.mailer.lookup() {
                let looked_up = lookup.look_up(&sent(&mail), &[KEY.into()], PATIENT, Timestamp::now()).await;
                let mut looked_up = looked_up.expect(provider.info.id);
                for events in [&mut reported, &mut looked_up] {
                    events.sort_by(|one, two| one.id.cmp(&two.id));
                }
                assert_eq!(reported, looked_up, "{}: the same events with the same ids", provider.info.id);
            }
            let some = json!({"secret": signs, "events": ["bounced", "accepted"], "order": "reversed", "times": 2});
            let again = read(source, &delivered(&bench, &receiver, &mail, some).await);
            assert_eq!(kinds(&again), ["bounced", "accepted", "bounced", "accepted"], "{}", provider.info.id);
            assert_eq!(again[..2], again[2..], "{}: a repeated event is the same", provider.info.id);
        }
        assert!(found >= 3, "the registry lists them");
    });
}

#[test]
fn forged_and_unsigned_webhooks_are_refused() {
    run(async {
        for provider in providers_over_http() {
            let Some((source, signs, checks)) = source(provider) else { continue };
            let (bench, receiver) = (Bench::of(provider).await, Receiver::start().await);
            let mail = eventful(&bench).await;
            let now = Timestamp::now();
            for order in [json!({"secret": signs, "tamper": true}), json!({"unsigned": true})] {
                for (headers, body) in delivered(&bench, &receiver, &mail, order.clone()).await {
                    let verified = source.verify(&headers, &body, &[checks.into()], now);
                    assert_eq!(verified, Err(NotAuthentic), "{} {order}", provider.info.id);
                }
            }
            for (headers, body) in delivered(&bench, &receiver, &mail, json!({"secret": signs})).await {
                for secrets in [vec![], vec!["".into()], vec!["another".into()], vec![checks.into(), checks.into()]] {
                    assert_eq!(
                        source.verify(&headers, &body, &secrets, now),
                        Err(NotAuthentic),
                        "{}",
                        provider.info.id
                    );
                }
            }
        }
    });
}

#[test]
fn a_provider_without_webhooks_refuses_every_delivery() {
    for provider in providers::mail::ALL {
        let Some(source) = provider.events.filter(|source| source.secrets().is_empty()) else { continue };
        let verified = source.verify(&HeaderMap::new(), b"[]", &[], Timestamp::now());
        assert_eq!(verified, Err(NotAuthentic), "{}", provider.info.id);
    }
}
