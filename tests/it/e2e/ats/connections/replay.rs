//! Events whose bodies are stored are replayed, under ids of their own.

use reqwest::Method;
use serde_json::json;

use super::{connected, deliver, order, outcome};
use crate::e2e::harness::claims::{CONNECTION, using};
use crate::e2e::harness::stack::{Stack, fresh_number, new_application, run};
use crate::e2e::harness::time;

#[test]
fn an_event_is_applied_again_and_one_without_a_body_is_not() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (id, secret) = connected(&acme).await;
        let path = format!("/api/connections/{id}/events");
        let (body, number) = new_application();
        assert_eq!(deliver(&stack, ("acme", &id), &secret, &body, "e-1").await.status, 200);
        let first = outcome(&acme, &id, "e-1").await;
        assert_eq!((&first["outcome"], &first["replayable"]), (&json!("applied"), &json!(true)), "{first}");
        assert!(first.get("body").is_none(), "bodies are not shown: {first}");

        let replayed = order(&acme, Method::POST, &format!("{path}/e-1/replay")).await;
        assert_eq!(replayed.status, 202, "{replayed:?}");
        let again = replayed.body["event_id"].as_str().expect("an id");
        assert!(again.starts_with("e-1.r") && again.len() == "e-1.r".len() + 8, "{again}");
        let replayed = outcome(&acme, &id, again).await;
        assert_eq!(
            (&replayed["outcome"], &replayed["received_at"]),
            (&json!("applied"), &first["received_at"]),
            "{replayed}"
        );
        let org = "acme".parse().expect("an organisation");
        let application = domain::id::ApplicationId::derived(&org, &["greenhouse", &id, &number.to_string()]);
        assert_eq!(acme.get(&format!("/api/applications/{application}")).await.status, 200);

        let long = json!({"action": "padding", "payload": {"x": "x".repeat(210 * 1024)}}).to_string();
        assert_eq!(deliver(&stack, ("acme", &id), &secret, &long, "e-long").await.status, 200);
        assert_eq!(outcome(&acme, &id, "e-long").await["replayable"], false);
        order(&acme, Method::POST, &format!("{path}/e-long/replay")).await.is_problem(409, "conflict");
        order(&acme, Method::POST, &format!("{path}/e-none/replay")).await.is_problem(404, "not-found");

        // All of it: the first one and no more, because the others are a replay and one without a body.
        let span = json!({"from": first["received_at"], "to": time::now()});
        let all = acme.post(&format!("{path}/replay"), &span).await;
        let wanted = json!({"enqueued": 1, "skipped": 2, "next_from": null});
        assert_eq!((all.status.as_u16(), &all.body), (202, &wanted), "{all:?}");
        let earlier = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"});
        let none = acme.post(&format!("{path}/replay"), &earlier).await;
        assert_eq!(none.body, json!({"enqueued": 0, "skipped": 0, "next_from": null}), "{none:?}");
        let turned = json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
        acme.post(&format!("{path}/replay"), &turned).await.blames(400, "to", "range");
        acme.post(&format!("{path}/replay"), &json!({"to": "2026-01-01T00:00:00Z"}))
            .await
            .blames(400, "from", "missing");
        assert_eq!(order(&acme, Method::DELETE, &format!("/api/connections/{id}")).await.status, 204);
    });
}

#[test]
fn what_came_since_stays_when_an_older_event_is_applied_again() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (id, secret) = connected(&acme).await;
        let (body, number) = new_application();
        let at = |action: &str, status: &str, time: &str| {
            let mut event: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            event["action"] = json!(action);
            event["payload"]["application"]["status"] = json!(status);
            event["payload"]["application"]["last_activity_at"] = json!(time);
            event.to_string()
        };
        let tag = fresh_number();
        let (older, newer) = (format!("older-{tag}"), format!("newer-{tag}"));
        let active = at("candidate_stage_change", "active", "2030-01-01T00:00:00Z");
        let hired = at("hire_candidate", "hired", "2030-01-02T00:00:00Z");
        for (event_id, body) in [(&older, &active), (&newer, &hired)] {
            assert_eq!(deliver(&stack, ("acme", &id), &secret, body, event_id).await.status, 200);
            outcome(&acme, &id, event_id).await;
        }
        let replayed = order(&acme, Method::POST, &format!("/api/connections/{id}/events/{older}/replay")).await;
        outcome(&acme, &id, replayed.body["event_id"].as_str().expect("an id")).await;
        let org = "acme".parse().expect("an organisation");
        let application = domain::id::ApplicationId::derived(&org, &["greenhouse", &id, &number.to_string()]);
        let application = acme.get(&format!("/api/applications/{application}")).await.body;
        assert_eq!(application["status"], "hired", "{application}");
        assert_eq!(order(&acme, Method::DELETE, &format!("/api/connections/{id}")).await.status, 204);
    });
}
