//! Another mail provider is another setting of email-worker, and nothing else.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Instant;

use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::claims::{Mailer, Relay, Simulator, disturbing};
use crate::e2e::harness::stack::{Org, PATIENCE, Stack, run};

const WORKER: &str = "email-worker";
const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

/// Does something while email-worker uses another provider; afterwards it has its own again, whatever happened.
async fn with_provider(stack: &Stack, provider: &str, work: impl AsyncFnOnce()) {
    let before = stack.environment(WORKER).await;
    let mut variables = before.clone();
    variables["MAIL_PROVIDER"] = json!(provider);
    stack.set_environment(WORKER, &variables).await;
    let outcome = AssertUnwindSafe(async {
        until_it_is_used(stack, provider).await;
        work().await;
    })
    .catch_unwind()
    .await;
    stack.set_environment(WORKER, &before).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    until_it_is_used(stack, before["MAIL_PROVIDER"].as_str().expect("a provider")).await;
}

/// A process that runs already keeps its settings: the next one has the new ones.
async fn until_it_is_used(stack: &Stack, provider: &str) {
    let begin = Instant::now();
    loop {
        let sent = settled(&stack.org("acme"), &notify(&stack.org("acme"), "ada@example.com").await).await;
        if sent["provider"] == provider {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{provider} is not used after {PATIENCE:?}: {sent}");
    }
}

async fn notify(org: &Org<'_>, to: &str) -> String {
    let data = json!({"name": "Ada", "flag": "f", "resolution": "r"});
    let accepted = org.post("/api/notifications", &json!({"kind": "flag-resolved", "to": to, "data": data})).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    accepted.body["id"].as_str().expect("id").to_owned()
}

async fn settled(org: &Org<'_>, id: &str) -> Value {
    org.until_state(&format!("/api/notifications/{id}"), &SETTLED).await
}

/// Mails of a notification of `acme`.
async fn mails_at(stack: &Stack, provider: &str, notification: &str) -> Vec<Value> {
    let path = format!("/mails?correlation=acme_{notification}");
    let answer = stack.control(provider, Method::GET, &path, None).await;
    answer.body["items"].as_array().cloned().expect("a list of mails")
}

async fn fault(stack: &Stack, provider: &str, order: Value) {
    let answer = stack.control(provider, Method::POST, "/faults", Some(order)).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

#[test]
fn a_limit_delays_a_mail_and_a_lost_reply_is_looked_up() {
    let _guard = disturbing(&[Mailer, Simulator("sendgrid"), Simulator("mailgun"), Simulator("brevo")], &[Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for provider in ["sendgrid", "mailgun", "brevo"] {
            let reset = stack.control(provider, Method::POST, "/reset", None).await;
            assert!(reset.status.is_success(), "{reset:?}");
            with_provider(&stack, provider, async || {
                let id = notify(&acme, "ada@example.com").await;
                let sent = settled(&acme, &id).await;
                let got = (sent["state"].as_str(), sent["provider"].as_str(), sent["attempts"].as_u64());
                assert_eq!(got, (Some("accepted"), Some(provider), Some(1)), "{sent}");
                let mails = mails_at(&stack, provider, &id).await;
                assert_eq!(mails.len(), 1, "{provider}");
                assert_eq!(mails[0]["to"], json!(["ada@example.com"]), "{provider}");
                assert!(stack.mails_of(&id).await.is_empty(), "the relay has nothing to do with it");

                let refused = settled(&acme, &notify(&acme, "ada@refused.example").await).await;
                assert_eq!((&refused["state"], &refused["attempts"]), (&json!("rejected"), &json!(1)), "{refused}");

                let limited = json!({"status": 429, "headers": {"retry-after": "1"}, "times": 1});
                fault(&stack, provider, limited).await;
                let id = notify(&acme, "ada@example.com").await;
                let sent = settled(&acme, &id).await;
                assert_eq!((&sent["state"], &sent["attempts"]), (&json!("accepted"), &json!(2)), "{sent}");
                assert_eq!(mails_at(&stack, provider, &id).await.len(), 1, "{provider}");

                fault(&stack, provider, json!({"status": 504, "acts_first": true, "times": 1})).await;
                let id = notify(&acme, "ada@example.com").await;
                let sent = settled(&acme, &id).await;
                assert_eq!(
                    (&sent["state"], &sent["attempts"]),
                    (&json!("accepted"), &json!(1)),
                    "it was asked: {sent}"
                );
                assert_eq!(mails_at(&stack, provider, &id).await.len(), 1, "it went out, and it was not sent again");
            })
            .await;
        }
    });
}

#[test]
fn a_logged_mail_is_not_sent() {
    let _guard = disturbing(&[Mailer], &[Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        with_provider(&stack, "log", async || {
            let id = notify(&acme, "ada@example.com").await;
            let sent = settled(&acme, &id).await;
            assert_eq!(
                (&sent["state"], &sent["provider_message_id"]),
                (&json!("accepted"), &json!(format!("log-{id}")))
            );
            assert!(stack.mails_of(&id).await.is_empty());
        })
        .await;
    });
}
