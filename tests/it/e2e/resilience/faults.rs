//! Third parties that are down, slow, or do not say what they did.

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::ats::webhook::{application, followers};
use crate::e2e::harness::claims::{Mailer, Model, Relay, Webhooks, disturbing};
use crate::e2e::harness::stack::{Stack, new_application, run};

const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

async fn gemini(stack: &Stack, path: &str, order: Value) {
    let answer = stack.control("gemini", Method::POST, path, Some(order)).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

async fn mail_fault(stack: &Stack, order: Value) {
    let url = format!("{}faults", stack.text("/mailbox_url"));
    let answer = stack.send(stack.http.post(url).json(&order)).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

async fn notify(stack: &Stack, kind: &str) -> String {
    let data = match kind {
        "password-reset" => json!({"name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 5}),
        _ => json!({"name": "Ada", "flag": "f", "resolution": "r"}),
    };
    let body = json!({"kind": kind, "to": "faults@example.com", "data": data});
    let accepted = stack.org("acme").post("/api/notifications", &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    accepted.body["id"].as_str().expect("id").to_owned()
}

#[test]
fn an_overloaded_model_is_retried_and_one_mail_is_sent() {
    let _guard = disturbing(&[Model], &[Webhooks, Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        gemini(&stack, "/reset", json!({})).await;
        gemini(&stack, "/scenario", json!({"name": "overloaded", "times": 2})).await;
        let (body, number) = new_application();
        assert_eq!(acme.deliver(&body, &format!("f-{number}")).await.status, 200);
        let application = application(&acme, &number.to_string()).await;
        let (suggestion, notification) = followers("acme", &application);
        let made = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
        assert_eq!((made["state"].as_str(), made["attempts"].as_u64()), (Some("succeeded"), Some(3)), "{made}");
        assert!(made["failure"].is_null(), "a success shows no failure: {made}");
        acme.until_state(&format!("/api/notifications/{notification}"), &SETTLED).await;
        assert_eq!(stack.mails_of(&notification).await.len(), 1);
    });
}

#[test]
fn a_blocked_suggestion_is_final_and_staff_get_a_mail() {
    let _guard = disturbing(&[Model], &[Webhooks, Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for (scenario, code) in [("prompt_blocked", "prompt-blocked"), ("answer_blocked", "answer-blocked")] {
            gemini(&stack, "/reset", json!({})).await;
            gemini(&stack, "/scenario", json!({"name": scenario, "times": 1})).await;
            let (body, number) = new_application();
            assert_eq!(acme.deliver(&body, &format!("b-{number}")).await.status, 200);
            let application = application(&acme, &number.to_string()).await;
            let (suggestion, notification) = followers("acme", &application);
            let made = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
            assert_eq!((made["state"].as_str(), made["attempts"].as_u64()), (Some("failed"), Some(1)), "{made}");
            assert_eq!(made["failure"]["code"], code, "{made}");
            acme.until_state(&format!("/api/notifications/{notification}"), &["accepted"]).await;
            assert_eq!(stack.mails_of(&notification).await.len(), 1);
        }
    });
}

#[test]
fn malformed_and_dropped_answers_of_the_model_are_retried() {
    let _guard = disturbing(&[Model], &[Webhooks, Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for fault in [
            json!({"malformed": true}),
            json!({"drop_after_bytes": 10}),
            json!({"status": 502, "body": "<html>bad gateway</html>"}),
        ] {
            gemini(&stack, "/reset", json!({})).await;
            let mut order = fault.clone();
            order["match"] = json!({});
            order["times"] = json!(1);
            gemini(&stack, "/faults", order).await;
            let (body, number) = new_application();
            assert_eq!(acme.deliver(&body, &format!("m-{number}")).await.status, 200);
            let application = application(&acme, &number.to_string()).await;
            let (suggestion, notification) = followers("acme", &application);
            let made = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
            assert_eq!(
                (made["state"].as_str(), made["attempts"].as_u64()),
                (Some("succeeded"), Some(2)),
                "{fault}: {made}"
            );
            acme.until_state(&format!("/api/notifications/{notification}"), &["accepted"]).await;
        }
    });
}

#[test]
fn a_busy_relay_is_retried_and_a_refusing_one_is_not() {
    let _guard = disturbing(&[Relay], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for (stage, code, state, attempts, mails) in [
            ("connect", 421, "accepted", 2, 1),
            ("rcpt", 451, "accepted", 2, 1),
            ("data", 451, "accepted", 2, 1),
            ("rcpt", 550, "rejected", 1, 0),
            ("data", 554, "rejected", 1, 0),
        ] {
            mail_fault(&stack, json!({"stage": stage, "code": code, "times": 1})).await;
            let id = notify(&stack, "flag-resolved").await;
            let sent = acme.until_state(&format!("/api/notifications/{id}"), &SETTLED).await;
            let got = (sent["state"].as_str(), sent["attempts"].as_u64());
            assert_eq!(got, (Some(state), Some(attempts)), "{stage} {code}: {sent}");
            assert_eq!(stack.mails_of(&id).await.len(), mails, "{stage} {code}");
        }
    });
}

#[test]
fn the_guarantee_of_a_notification_decides_after_a_lost_reply() {
    let _guard = disturbing(&[Relay], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let lost = json!({"stage": "after_data", "times": 1, "drop": true});
        mail_fault(&stack, lost.clone()).await;
        let id = notify(&stack, "flag-resolved").await;
        let sent = acme.until_state(&format!("/api/notifications/{id}"), &SETTLED).await;
        assert_eq!(sent["state"], "needs_review", "{sent}");
        assert_eq!(sent["failure"]["code"], "outcome-unknown", "{sent}");
        assert_eq!(stack.mails_of(&id).await.len(), 1, "it went out, and it is not sent again");

        mail_fault(&stack, lost).await;
        let id = notify(&stack, "password-reset").await;
        let sent = acme.until_state(&format!("/api/notifications/{id}"), &SETTLED).await;
        assert_eq!((sent["state"].as_str(), sent["attempts"].as_u64()), (Some("accepted"), Some(2)), "{sent}");
        let mails = stack.mails_of(&id).await;
        assert_eq!(mails.len(), 2, "better two than none");
        assert_eq!(mails[0]["message_id"], mails[1]["message_id"], "receivers can tell that it is one");
    });
}
