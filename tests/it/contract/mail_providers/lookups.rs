//! The lookup of a mail, at every provider that has one.

use domain::mail_event::{MailEvent, MailEventKind};
use jiff::{SignedDuration, Timestamp};
use providers::mail::port::{LookupError, Sent};

use super::*;

impl Bench {
    async fn look_up_with(&self, sent: &Sent, key: &str, timeout: Duration) -> Result<Vec<MailEvent>, LookupError> {
        let lookup = self.mailer.lookup().expect("a lookup");
        lookup.look_up(sent, &secrets(self.provider, key), timeout, Timestamp::now()).await
    }

    async fn look_up(&self, sent: &Sent) -> Result<Vec<MailEvent>, LookupError> {
        self.look_up_with(sent, KEY, PATIENT).await
    }
}

/// The providers that have a lookup.
async fn benches() -> Vec<Bench> {
    let mut found = Vec::new();
    for provider in providers_over_http() {
        let bench = Bench::of(provider).await;
        if bench.mailer.lookup().is_some() {
            found.push(bench);
        }
    }
    assert!(found.len() >= 3, "the registry lists them");
    found
}

/// The sent mail, as it is known after a lost reply.
pub(super) fn sent(mail: &Mail) -> Sent {
    Sent {
        reference: mail.reference.clone(),
        message_id: mail.message_id.clone(),
        to: mail.to.clone(),
        since: Timestamp::now() - SignedDuration::from_secs(30),
        provider_message_id: None,
    }
}

pub(super) fn kinds(events: &[MailEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn an_accepted_mail_is_found_and_no_other() {
    run(async {
        for bench in benches().await {
            let (id, mail) = (bench.provider.info.id, mail("ada@example.com"));
            let Accepted { provider_message_id } = bench.send(&mail).await.expect(id);
            let found = bench.look_up(&sent(&mail)).await.expect(id);
            let [MailEvent { reference, kind, provider_message_id: Some(named), at, .. }] = found.as_slice() else {
                panic!("{id}: {found:?}")
            };
            assert_eq!((reference, *kind), (&mail.reference, MailEventKind::Accepted), "{id}");
            assert_eq!(*named, provider_message_id, "{id}: the id of the acceptance");
            assert!(Timestamp::now().duration_since(*at).abs() < SignedDuration::from_secs(60), "{id}: {at}");
            let mut again = bench.look_up(&sent(&mail)).await.expect(id);
            if is_a_mailbox(bench.provider) {
                // It has no time of its own, so the time of the lookup is used.
                again.iter_mut().for_each(|event| event.at = *at);
            }
            assert_eq!(again, found, "{id}: the same each time");
            let unknown = super::mail("ada@example.com");
            assert_eq!(bench.look_up(&sent(&unknown)).await, Ok(Vec::new()), "{id}");
        }
    });
}

#[test]
fn a_mail_of_another_organisation_or_notification_is_not_found() {
    run(async {
        for bench in benches().await {
            let (id, mail) = (bench.provider.info.id, mail("ada@example.com"));
            bench.send(&mail).await.expect(id);
            let of_other_org = format!("other_{}", mail.reference.notification).parse().expect("a reference");
            let other = super::mail("ada@example.com");
            for reference in [of_other_org, other.reference.clone()] {
                let other = Sent { reference, ..sent(&mail) };
                let found = bench.look_up(&other).await.expect(id);
                if is_a_mailbox(bench.provider) {
                    // It has only the Message-ID to distinguish mails. That is enough: the notification's id is a part
                    // of it, and no two notifications have the same, in any organisation.
                    assert_eq!(kinds(&found), ["accepted"], "{id}: {found:?}");
                } else {
                    assert_eq!(found, [], "{id}");
                }
            }
            assert_eq!(bench.look_up(&sent(&other)).await, Ok(Vec::new()), "{id}");
        }
    });
}

#[test]
fn a_mail_is_not_found_before_the_providers_lag_has_passed() {
    run(async {
        for bench in benches().await {
            let (id, mail) = (bench.provider.info.id, mail("ada@example.com"));
            bench.control("lag", &json!({"ms": 60_000})).await;
            bench.send(&mail).await.expect(id);
            assert_eq!(bench.look_up(&sent(&mail)).await, Ok(Vec::new()), "{id}");
            bench.control("lag", &json!({"ms": 0})).await;
            assert_eq!(kinds(&bench.look_up(&sent(&mail)).await.expect(id)), ["accepted"], "{id}");
        }
    });
}

#[test]
fn a_lookup_finds_the_events_of_a_mail() {
    run(async {
        for bench in benches().await {
            for outcome in ["deferred", "delivered", "bounced", "refused", "complained"] {
                let (id, mail) = (bench.provider.info.id, mail("ada@example.com"));
                bench.send(&mail).await.expect(id);
                let order = json!({"correlation": mail.reference.to_string(), "event": outcome});
                bench.control("outcomes", &order).await;
                let mut found = bench.look_up(&sent(&mail)).await.expect(id);
                found.sort_by_key(|event| event.kind != MailEventKind::Accepted);
                let wanted = if is_a_mailbox(bench.provider) { vec!["accepted"] } else { vec!["accepted", outcome] };
                assert_eq!(kinds(&found), wanted, "{id}: {found:?}");
                assert!(found.iter().skip(1).all(|event| event.id != found[0].id), "{id}: {found:?}");
                let plain = |id: &str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
                assert!(found.iter().all(|event| plain(&event.id) && event.id.len() <= 128), "{id}: {found:?}");
            }
        }
    });
}

#[test]
fn a_failed_lookup_never_looks_like_an_unknown_mail() {
    run(async {
        for bench in benches().await {
            let (id, mail) = (bench.provider.info.id, mail("ada@example.com"));
            let (later, forbidden, broken) = ("later", "not allowed", "unreachable");
            for (fault, wanted) in [
                (json!({"status": 429, "headers": {"retry-after": "17"}}), later),
                (json!({"status": 401}), forbidden),
                (json!({"status": 403}), forbidden),
                (json!({"status": 404}), broken),
                (json!({"status": 500}), broken),
                (json!({"status": 502, "body": "<html>bad gateway</html>"}), broken),
                (json!({"status": 503}), broken),
                (json!({"status": 200, "body": "ok"}), broken),
                (json!({"status": 200, "body": {"odd": true}}), broken),
                (json!({"malformed": true}), broken),
                (json!({"drop_after_bytes": 0}), broken),
            ] {
                bench.control("reset", &json!({})).await;
                bench.send(&mail).await.expect(id);
                bench.control("faults", &fault).await;
                // By a client of its own: with a cached token, 401 could mean that the token was withdrawn, and not that these
                // credentials may not look mails up.
                let client = mailer(bench.provider, &bench.base, KEY);
                let lookup = client.lookup().expect("a lookup");
                let result =
                    lookup.look_up(&sent(&mail), &secrets(bench.provider, KEY), PATIENT, Timestamp::now()).await;
                let got = match &result {
                    Err(LookupError::Later { wait, .. }) if *wait == Duration::from_secs(17) => later,
                    Err(LookupError::NotAllowed(_)) => forbidden,
                    Err(LookupError::Unreachable(_)) => broken,
                    Err(LookupError::Later { .. }) | Ok(_) => "something else",
                };
                assert_eq!(got, wanted, "{id} {fault}: {result:?}");
            }
            // The request for the second page fails, where there is one.
            bench.control("reset", &json!({})).await;
            bench.send(&mail).await.expect(id);
            bench.control("faults", &json!({"status": 500, "after": 1})).await;
            let result = bench.look_up(&sent(&mail)).await;
            let one_was_enough = result.as_ref().is_ok_and(|found| !found.is_empty());
            assert!(one_was_enough || matches!(result, Err(LookupError::Unreachable(_))), "{id}: {result:?}");
            bench.order(json!({"answer_latency_ms": 60_000})).await;
            let late = bench.look_up_with(&sent(&mail), KEY, Duration::from_secs(2)).await;
            assert!(matches!(late, Err(LookupError::Unreachable(_))), "{id}: {late:?}");
            bench.control("reset", &json!({})).await;
            let wrong_key = bench.look_up_with(&sent(&mail), "invalid", PATIENT).await;
            assert!(matches!(wrong_key, Err(LookupError::NotAllowed(_))), "{id}: {wrong_key:?}");
            let unreachable = mailer(bench.provider, "http://127.0.0.1:9", KEY);
            let refused = unreachable
                .lookup()
                .expect("a lookup")
                .look_up(&sent(&mail), &secrets(bench.provider, KEY), PATIENT, Timestamp::now())
                .await;
            assert!(matches!(refused, Err(LookupError::Unreachable(_))), "{id}: {refused:?}");
        }
    });
}
