//! The contract of every ATS: each file in `providers` against its simulator. What only one of them has is in a file of its own.
//!
//! The registry is the list: an ATS that is added and not connected here fails these tests.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use providers::ats::port::{AtsError, AtsProvider, Next, SyncMethod};
use providers::transport::webhook::{NotAuthentic, WebhookVerifier};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use simulators::faults::Spec as Fault;
use simulators::world::{Account, Chance, Delivery};

use super::harness::Harness;
use super::{bamboohr, greenhouse, lever, workday};

const SECRET: &str = "s3cret-of-the-hook";

/// A connection that is signed in to an account of the provider's simulator, whose longest list has several pages.
async fn connected(provider: &AtsProvider) -> (Harness, Arc<dyn Account>) {
    fn any(of: (Harness, Arc<impl Account>)) -> (Harness, Arc<dyn Account>) {
        (of.0, of.1)
    }
    match provider.info.id {
        "bamboohr" => any(bamboohr::bamboohr(300).await),
        "greenhouse" => any(greenhouse::unlimited(3_000).await),
        "lever" => any(lever::connected(600).await),
        "workday" => any(workday::grown(300).await),
        new => panic!("{new} has no contract cases: connect it to its simulator here"),
    }
}

#[tokio::test]
async fn every_ats_is_read_to_its_last_page() {
    for provider in providers::ats::ALL {
        let (harness, account) = connected(provider).await;
        let id = provider.info.id;
        assert_eq!(harness.check().await, Ok(()), "{id}");
        let mut further = 0;
        for stream in harness.ats.streams(&harness.settings) {
            let Some(first) = harness.ats.first_cursor(&stream, &harness.settings, None) else { continue };
            let page = harness.read(&first).await.expect("a page");
            further += usize::from(page.next != Next::End);
        }
        assert!(further > 0, "{id}: some list has a second page");
        let passed = harness.pass(None).await.expect("a pass");
        assert_eq!((passed.skipped.as_slice(), passed.gone.len()), (&[][..], 0), "{id}");
        let truth = account.truth();
        assert!(passed.objects.len() * 2 > truth.len(), "{id}: {} of {}", passed.objects.len(), truth.len());
        for place in passed.objects.keys() {
            assert!(truth.contains_key(place), "{id} has no {place}");
        }
    }
}

#[tokio::test]
async fn every_ats_distinguishes_its_errors() {
    type Meant = fn(&AtsError) -> bool;
    let status = |status: u16| Fault { status: Some(status), ..Fault::default() };
    let waits = Fault { headers: [("retry-after".to_owned(), "17".to_owned())].into(), ..status(429) };
    let maintenance = Fault { body: Some(json!("<html>maintenance</html>")), ..status(503) };
    let seventeen: Meant = |error| {
        let wait = Duration::from_secs(17);
        *error == AtsError::RateLimited { wait, stated: true }
    };
    let unavailable: Meant = |error| matches!(error, AtsError::Unavailable(_));
    let table: [(Fault, Meant); 8] = [
        (waits, seventeen),
        (status(429), |error| matches!(error, AtsError::RateLimited { stated: false, .. })),
        (status(401), |error| matches!(error, AtsError::Unauthorised(_))),
        (status(400), |error| matches!(error, AtsError::Refused(_))),
        (status(500), unavailable),
        (maintenance, unavailable),
        (Fault { drop_after_bytes: Some(1), ..Fault::default() }, unavailable),
        (Fault { malformed: true, ..Fault::default() }, |error| matches!(error, AtsError::InvalidResponse(_))),
    ];
    for provider in providers::ats::ALL {
        let (harness, _account) = connected(provider).await;
        for (fault, meant) in &table {
            harness.fault(fault.clone());
            let error = harness.check().await.expect_err("no page");
            assert!(meant(&error), "{} with {fault:?}: {error:?}", provider.info.id);
        }
        harness.control.faults().clear();
        assert_eq!(harness.check().await, Ok(()), "{}", provider.info.id);
    }
}

#[tokio::test]
async fn no_ats_shows_a_secret() {
    for provider in providers::ats::ALL {
        let (harness, _account) = connected(provider).await;
        let mut texts = Vec::new();
        if let Some(token_grant) = harness.ats.token_grant(harness.context().login) {
            texts.push(format!("{:?}", token_grant.token_request(&harness.context()).expect("a request")));
        }
        let cursor = harness.ats.check_cursor(&harness.settings);
        texts.push(format!("{:?}", harness.ats.build_request(&harness.context(), &cursor).expect("a request")));
        for status in [401, 500] {
            harness.fault(Fault { status: Some(status), ..Fault::default() });
            texts.push(format!("{:?}", harness.check().await.expect_err("no page")));
        }
        let secrets = harness.connection.secrets.iter().filter(|(name, _)| *name != "username");
        let token = harness.token.as_ref().map(|token| token.expose_secret().to_owned());
        for secret in secrets.map(|(_, secret)| (*secret).to_owned()).chain(token) {
            for text in &texts {
                assert!(!text.contains(&secret), "{}: {text}", provider.info.id);
            }
        }
    }
}

fn headers(delivery: &Delivery) -> HeaderMap {
    let pair = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    delivery.headers.iter().map(pair).collect()
}

#[tokio::test]
async fn every_webhook_is_verified_and_a_replayed_one_is_known() {
    for provider in providers::ats::ALL {
        let (harness, account) = connected(provider).await;
        let SyncMethod::Webhook { .. } = provider.sync else { continue };
        let (id, now) = (provider.info.id, harness.context().now);
        let (_, verifier) = providers::ats::webhook_verifier(id).expect("webhooks");
        let verified = |verifier: &dyn WebhookVerifier, headers: &HeaderMap, body: &[u8], secret: &str| {
            verifier.verify(headers, body, &SecretString::from(secret), now)
        };
        let mut chance = Chance::new(3);
        for _ in 0..40 {
            account.step(&mut chance);
        }
        let deliveries = account.deliveries(SECRET);
        assert!(!deliveries.is_empty(), "{id}");
        for delivery in &deliveries {
            let (sent, body) = (headers(delivery), delivery.body.as_slice());
            let event = verified(verifier, &sent, body, SECRET).expect(id);
            assert_eq!(verified(verifier, &sent, body, SECRET), Ok(event), "{id}: a replayed one has the same id");
            assert_eq!(verified(verifier, &sent, body, "other"), Err(NotAuthentic), "{id}");
            assert_eq!(verified(verifier, &sent, body, ""), Err(NotAuthentic), "{id}");
            assert_eq!(verified(verifier, &sent, b"{}", SECRET), Err(NotAuthentic), "{id}");
            let source = provider.webhooks.expect("webhooks");
            assert!(source.interpret(&harness.origin, body, now).is_ok(), "{id}");
            assert!(source.interpret(&harness.origin, b"{", now).is_err(), "{id}: a malformed one is no event");
        }
    }
}
