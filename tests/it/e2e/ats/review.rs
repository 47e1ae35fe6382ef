//! A notification of which it is unknown whether it was sent waits for a person, who resends it or marks it as sent.

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::claims::{Mailer, Relay, disturbing};
use crate::e2e::harness::stack::{Answer, Stack, run};

const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

/// A notification whose mail went out while the reply was lost.
async fn needing_review(stack: &Stack) -> String {
    let faults = format!("{}faults", stack.text("/mailbox_url"));
    let lost = json!({"stage": "after_data", "times": 1, "drop": true});
    assert!(stack.send(stack.http.post(&faults).json(&lost)).await.status.is_success());
    let acme = stack.org("acme");
    let body = json!({"kind": "flag-resolved", "to": "review@example.com",
                      "data": {"name": "Ada", "flag": "f", "resolution": "r"}});
    let accepted = acme.post("/api/notifications", &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let id = accepted.body["id"].as_str().expect("id").to_owned();
    let path = format!("/api/notifications/{id}");
    assert_eq!(acme.until_state(&path, &SETTLED).await["state"], "needs_review");
    assert!(waits(stack, "acme", &id).await, "it is among what waits for a person");
    assert!(!waits(stack, "globex", &id).await, "of its own organisation");
    id
}

/// Whether it is listed among what waits for a person.
async fn waits(stack: &Stack, org: &str, id: &str) -> bool {
    let list = stack.org(org).get("/api/notifications/needs-review").await;
    assert_eq!(list.status, 200, "{list:?}");
    list.body["items"].as_array().expect("items").iter().any(|item| item["id"] == id)
}

async fn decide(stack: &Stack, org: &str, id: &str, decision: &str, body: Value) -> Answer {
    stack.org(org).post(&format!("/api/notifications/{id}/{decision}"), &body).await
}

#[test]
fn a_review_ends_once_by_resending_or_confirming() {
    let _guard = disturbing(&[Relay], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let reason = json!({"reason": "looked into the relay's log"});

        let id = needing_review(&stack).await;
        decide(&stack, "globex", &id, "resend", reason.clone()).await.is_problem(404, "not-found");
        decide(&stack, "acme", &id, "forget", reason.clone()).await.is_problem(404, "not-found");
        decide(&stack, "acme", &id, "resend", json!({})).await.blames(400, "reason", "missing");
        let again = decide(&stack, "acme", &id, "resend", reason.clone()).await;
        let path = format!("/api/notifications/{id}");
        assert_eq!((again.status.as_u16(), again.location.as_deref()), (202, Some(path.as_str())), "{again:?}");
        let sent = acme.until_state(&path, &SETTLED).await;
        assert_eq!((sent["state"].as_str(), sent["attempts"].as_u64()), (Some("accepted"), Some(1)), "{sent}");
        let mails = stack.mails_of(&id).await;
        assert_eq!(mails.len(), 2, "the one in doubt, and the one that was ordered");
        assert_eq!(mails[0]["message_id"], mails[1]["message_id"], "receivers can tell that it is one");
        decide(&stack, "acme", &id, "resend", reason.clone()).await.is_problem(409, "conflict");
        assert!(!waits(&stack, "acme", &id).await, "it waits no longer");

        let id = needing_review(&stack).await;
        let closed = decide(&stack, "acme", &id, "mark-as-sent", reason.clone()).await;
        let result = (closed.status.as_u16(), &closed.body["state"], &closed.body["failure"]);
        assert_eq!(result, (200, &json!("accepted"), &Value::Null), "{closed:?}");
        assert!(!waits(&stack, "acme", &id).await, "it waits no longer");
        decide(&stack, "acme", &id, "mark-as-sent", reason.clone()).await.is_problem(409, "conflict");
        assert_eq!(stack.mails_of(&id).await.len(), 1, "nothing was sent for that");

        let audit = stack.send(acme.request(Method::GET, "/api/admin/audit?limit=100")).await;
        let entries = audit.body["items"].as_array().expect("items");
        let about: Vec<_> = entries
            .iter()
            .filter(|entry| entry["target"] == format!("notification/{id}"))
            .map(|entry| (entry["action"].as_str(), entry["state"].as_str()))
            .collect();
        let action = Some("notification.mark-as-sent");
        assert_eq!(about, [(action, Some("failed")), (action, Some("done"))], "{audit:?}");
    });
}
