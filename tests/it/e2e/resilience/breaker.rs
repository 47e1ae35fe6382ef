//! A third party is down: after five failures no call is made, callers get a Retry-After, and nothing is lost.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::ats::webhook::{application, followers};
use crate::e2e::harness::claims::{Mailer, Model, Relay, Webhooks, disturbing_first};
use crate::e2e::harness::stack::{Org, Stack, new_application, run};
use crate::e2e::harness::time;

/// Longer than the first wait of the breaker and the lease of a probe together.
const PATIENCE: Duration = Duration::from_secs(150);
/// The time for which a process trusts that a breaker is closed.
const BELIEVED: Duration = Duration::from_secs(5);

async fn requests(stack: &Stack) -> u64 {
    let answer = stack.control("gemini", Method::GET, "/requests?limit=1", None).await;
    answer.body["count"].as_u64().expect("a count")
}

async fn scenario(stack: &Stack, name: &str) {
    let answer = stack.control("gemini", Method::POST, "/scenario", Some(json!({"name": name}))).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// The number of changes of the breaker.
async fn epoch(acme: &Org<'_>, name: &str) -> u64 {
    let list = acme.get("/api/admin/breakers").await.body;
    let items = list["items"].as_array().expect("breakers");
    items.iter().find(|item| item["name"] == name).and_then(|item| item["epoch"].as_u64()).expect("an epoch")
}

async fn apply(acme: &Org<'_>) -> (Value, String) {
    let (body, number) = new_application();
    assert_eq!(acme.deliver(&body, &format!("br-{number}")).await.status, 200);
    let application = application(acme, &number.to_string()).await;
    let (suggestion, _) = followers("acme", &application);
    (application, format!("/api/suggestions/{suggestion}"))
}

#[test]
fn the_model_breaker_opens_probes_once_and_closes() {
    let _guard = disturbing_first(&[Model], &[Webhooks, Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        assert!(stack.control("gemini", Method::POST, "/reset", None).await.status.is_success());
        let dead = stack.messages_in("suggestion-dlq").await;
        scenario(&stack, "overloaded").await;
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(apply(&acme).await.1);
        }

        // Open: a request that needs the model gets that as a response, with a Retry-After; nothing was written for it.
        let (other, path) = apply(&acme).await;
        waiting.push(path);
        let body = json!({"kind": "application-review", "application_id": other["id"]});
        let begin = Instant::now();
        let refused = loop {
            let request = acme.request(Method::POST, "/api/suggestions").json(&body);
            let response = request.send().await.expect("an answer");
            if response.status() == 503 {
                break response;
            }
            assert_eq!(response.status(), 202);
            let accepted: Value = response.json().await.expect("JSON");
            waiting.push(format!("/api/suggestions/{}", accepted["id"].as_str().expect("id")));
            assert!(begin.elapsed() < Duration::from_secs(45), "the breaker does not open");
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let header = refused.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let seconds: u64 = header.expect("Retry-After");
        assert!((1..=60).contains(&seconds), "{seconds}");
        let problem: Value = refused.json().await.expect("JSON");
        assert_eq!(problem["type"], "urn:hiring-integrations:problem:dependency-unavailable", "{problem}");

        // Meanwhile webhooks are taken, their work waits untouched, and the model is left alone. A worker that looked just before
        // the breaker opened believes for five seconds that it is closed.
        time::sleep(BELIEVED + Duration::from_secs(1)).await;
        let mut windows = 0;
        loop {
            let (known, before) = (epoch(&acme, "model").await, requests(&stack).await);
            let (_, late) = apply(&acme).await;
            waiting.push(late.clone());
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let (untouched, requests_now) = (acme.get(&late).await.body, requests(&stack).await);
            let looks = super::budgets::looks_while_open(&stack, untouched["id"].as_str().expect("id")).await;
            if epoch(&acme, "model").await != known {
                // The probe came in between; it failed, and the breaker is open for longer.
                windows += 1;
                assert!(windows < 4, "no time in which the breaker is open is long enough");
                continue;
            }
            let state = (untouched["state"].as_str(), untouched["attempts"].as_u64());
            assert_eq!(state, (Some("accepted"), Some(0)), "{untouched}");
            assert_eq!(requests_now, before, "the model was asked while the breaker was open");
            super::budgets::judge(&looks);
            break;
        }

        // It works again: one probe, and everything that waited is done, without an operator.
        scenario(&stack, "ok").await;
        let begin = Instant::now();
        for path in &waiting {
            loop {
                let suggestion = acme.get(path).await.body;
                match suggestion["state"].as_str() {
                    Some("succeeded") => break,
                    Some("failed") => panic!("work was lost to an outage: {suggestion}"),
                    _ => assert!(begin.elapsed() < PATIENCE, "{suggestion}"),
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        let accepted = acme.post("/api/suggestions", &body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let location = accepted.location.expect("location");
        assert_eq!(acme.until_state(&location, &["succeeded", "failed"]).await["state"], "succeeded");
        assert_eq!(stack.messages_in("suggestion-dlq").await, dead, "no message burned its receives");
    });
}

#[test]
fn an_unreachable_relay_uses_up_no_attempts() {
    let _guard = disturbing_first(&[Relay], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let faults = format!("{}faults", stack.text("/mailbox_url"));
        let down = json!({"stage": "connect", "code": 421, "times": null});
        assert!(stack.send(stack.http.post(&faults).json(&down)).await.status.is_success());
        let notify = async || {
            let body = json!({"kind": "flag-resolved", "to": "down@example.com",
                              "data": {"name": "Ada", "flag": "f", "resolution": "r"}});
            let accepted = acme.post("/api/notifications", &body).await;
            assert_eq!(accepted.status, 202, "a mail can wait, so it is taken: {accepted:?}");
            accepted.body["id"].as_str().expect("id").to_owned()
        };
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(notify().await);
        }
        acme.until("/api/admin/breakers", |answer| {
            let items = answer.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            items.iter().any(|item| item["name"] == "mail-smtp" && item["phase"] == "open")
        })
        .await;
        time::sleep(BELIEVED + Duration::from_secs(1)).await;
        let late = notify().await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let untouched = acme.get(&format!("/api/notifications/{late}")).await.body;
        let got = (untouched["state"].as_str(), untouched["attempts"].as_u64());
        assert_eq!(got, (Some("queued"), Some(0)), "{untouched}");
        waiting.push(late);

        assert!(stack.send(stack.http.delete(&faults)).await.status.is_success());
        let begin = Instant::now();
        for id in &waiting {
            loop {
                let sent = acme.get(&format!("/api/notifications/{id}")).await.body;
                match sent["state"].as_str() {
                    Some("accepted") => break,
                    Some("rejected" | "needs_review") => panic!("a mail was lost to an outage: {sent}"),
                    _ => assert!(begin.elapsed() < PATIENCE, "{sent}"),
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            assert_eq!(stack.mails_of(id).await.len(), 1, "one mail for {id}");
        }
    });
}
