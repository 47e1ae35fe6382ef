//! Flow A: a webhook becomes a record, a suggestion and one mail.

use serde_json::{Value, json};

use crate::e2e::harness::claims::{REVIEW, using};
use crate::e2e::harness::stack::{Stack, fresh_number, new_application, run};

/// Waits for the application with this id at the provider, and gives it.
pub(crate) async fn application(org: &crate::e2e::harness::stack::Org<'_>, provider_id: &str) -> Value {
    let id = org.application_id(provider_id);
    org.until(&format!("/api/applications/{id}"), |answer| answer.status == 200).await.body
}

/// The ids that follow from an application: its suggestion and the notification of it.
pub(crate) fn followers(org: &str, application: &Value) -> (String, String) {
    let org = org.parse().expect("an organisation");
    let application = application["id"].as_str().expect("id").parse().expect("an id");
    let suggestion = domain::suggestion::id_for_new_application(&org, application);
    (suggestion.to_string(), domain::notification::id_for_suggestion(&org, suggestion).to_string())
}

#[test]
fn a_new_application_becomes_a_record_a_suggestion_and_one_mail() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let (acme, globex) = (stack.org("acme"), stack.org("globex"));
        let (body, number) = new_application();
        let event_id = format!("ev-{number}");
        let answer = acme.deliver(&body, &event_id).await;
        assert_eq!((answer.status.as_u16(), answer.body["event_id"].as_str()), (200, Some(event_id.as_str())));

        let application = application(&acme, &number.to_string()).await;
        assert_eq!(application["source"]["provider"], "greenhouse");
        assert_eq!(application["source"]["provider_id"], number.to_string());
        assert_eq!(application["status"], "active");
        let (suggestion, notification) = followers("acme", &application);

        let suggestion = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
        assert_eq!(suggestion["state"], "succeeded", "{suggestion}");
        assert_eq!(suggestion["attempts"], 1, "{suggestion}");
        assert_eq!(suggestion["generation"]["mock"], true, "no live model outside production: {suggestion}");
        assert!(suggestion["result"]["summary"].as_str().is_some_and(|text| !text.is_empty()), "{suggestion}");

        let path = format!("/api/notifications/{notification}");
        let sent = acme.until_state(&path, &["accepted", "rejected", "needs_review"]).await;
        assert_eq!((sent["state"].as_str(), sent["provider"].as_str()), (Some("accepted"), Some("smtp")), "{sent}");
        let mails = stack.mails_of(&notification).await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert_eq!(mails[0]["to"], json!(["hiring@acme.example"]));
        assert!(mails[0]["message_id"].as_str().is_some_and(|id| id.contains(&notification)), "{mails:?}");
        let name = application["candidate"]["name"].as_str().expect("name");
        assert!(mails[0]["subject"].as_str().is_some_and(|subject| subject.contains(name)), "{mails:?}");

        for path in [
            format!("/api/applications/{}", application["id"].as_str().expect("id")),
            format!("/api/suggestions/{}", suggestion["id"].as_str().expect("id")),
            path,
        ] {
            globex.get(&path).await.is_problem(404, "not-found");
        }
        let events = acme.get("/api/connections/gh-acme/events?limit=100").await.body;
        let event = events["items"].as_array().expect("items").iter().find(|e| e["event_id"] == event_id.as_str());
        assert_eq!(event.map(|e| e["outcome"].clone()), Some(json!("applied")), "{events}");
    });
}

#[test]
fn pings_get_a_response_and_unknown_actions_are_ignored() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for (action, outcome) in [("ping", "answered"), ("planet_discovered", "ignored")] {
            let event_id = format!("{action}-{}", fresh_number());
            let body = json!({"action": action, "payload": {"web_hook_id": 1}}).to_string();
            assert_eq!(acme.deliver(&body, &event_id).await.status, 200);
            let path = "/api/connections/gh-acme/events?limit=100";
            let found = |answer: &crate::e2e::harness::stack::Answer| {
                let items = answer.body["items"].as_array().cloned().unwrap_or_default();
                items.into_iter().find(|e| e["event_id"] == event_id.as_str() && !e["outcome"].is_null())
            };
            let answer = acme.until(path, |answer| found(answer).is_some()).await;
            let event = found(&answer).expect("the event");
            assert_eq!((event["action"].as_str(), event["outcome"].as_str()), (Some(action), Some(outcome)));
        }
        stack.org("globex").get("/api/connections/gh-acme/events").await.is_problem(404, "not-found");
    });
}

#[test]
fn a_wrong_signature_looks_like_an_unknown_connection() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (body, number) = new_application();
        let other = simulators::greenhouse::sign("another secret", body.as_bytes());
        let wrong = acme.deliver_signed(&body, "ev", &other).await;
        wrong.is_problem(401, "unauthenticated");
        let right = simulators::greenhouse::sign("local-webhook-secret-gh-acme", body.as_bytes());
        let tampered = format!("{body} ");
        acme.deliver_signed(&tampered, "ev", &right).await.is_problem(401, "unauthenticated");

        let api = stack.text("/api_url");
        for path in
            ["greenhouse/acme/none", "greenhouse/none/gh-acme", "nobody/acme/gh-acme", "bamboohr/acme/bamboo-acme"]
        {
            let request = stack.http.post(format!("{api}/api/webhooks/{path}")).header("signature", &right);
            let unknown = stack.send(request.body(body.clone())).await;
            assert_eq!((unknown.status, &unknown.body), (wrong.status, &wrong.body), "{path}");
        }
        // Another tenant's connection does not take this tenant's signature.
        let request =
            stack.http.post(stack.org("globex").connection("greenhouse")["webhook_url"].as_str().expect("url"));
        stack.send(request.header("signature", &right).body(body)).await.is_problem(401, "unauthenticated");

        let list = acme.get("/api/applications?limit=100").await.body;
        let number = json!(number.to_string());
        let found = list["items"].as_array().expect("items").iter().any(|a| a["source"]["provider_id"] == number);
        assert!(!found, "a refused delivery left a record");
    });
}

#[test]
fn a_delivery_up_to_the_limit_is_accepted() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let padded = |size: usize| {
            let head = r#"{"action":"padding","payload":{"x":""#;
            format!("{head}{}\"}}}}", "x".repeat(size - head.len() - 3))
        };
        let large = padded(512 * 1024);
        assert_eq!(large.len(), 512 * 1024);
        let event = format!("large-{}", fresh_number());
        assert_eq!(acme.deliver(&large, &event).await.status, 200);
        acme.deliver(&padded(512 * 1024 + 1), &event).await.is_problem(413, "too-large");
    });
}

#[test]
fn later_events_win_whatever_order_they_arrive_in() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (body, number) = new_application();
        let at = |action: &str, status: &str, time: &str| {
            let mut event: Value = serde_json::from_str(&body).expect("JSON");
            event["action"] = json!(action);
            event["payload"]["application"]["status"] = json!(status);
            event["payload"]["application"]["last_activity_at"] = json!(time);
            event.to_string()
        };
        let hired = at("hire_candidate", "hired", "2030-01-02T00:00:00Z");
        let earlier = at("candidate_stage_change", "active", "2030-01-01T00:00:00Z");
        assert_eq!(acme.deliver(&hired, &format!("h-{number}")).await.status, 200);
        let application = application(&acme, &number.to_string()).await;
        assert_eq!(application["status"], "hired");
        let event_id = format!("s-{number}");
        assert_eq!(acme.deliver(&earlier, &event_id).await.status, 200);
        let seen = |answer: &crate::e2e::harness::stack::Answer| {
            let items = answer.body["items"].as_array().cloned().unwrap_or_default();
            items.into_iter().find(|e| e["event_id"] == event_id.as_str() && e["outcome"] == "applied")
        };
        let events = acme.until("/api/connections/gh-acme/events?limit=100", |answer| seen(answer).is_some()).await;
        assert!(seen(&events).is_some_and(|e| e["detail"].as_str().is_some_and(|d| d.ends_with("up to date"))));
        let path = format!("/api/applications/{}", application["id"].as_str().expect("id"));
        assert_eq!(acme.get(&path).await.body["status"], "hired");
    });
}

#[test]
fn every_documented_action_is_taken_and_ends_with_an_outcome() {
    // Uses the provider's own samples where they are at hand; the project's own cases are above.
    let Some(samples) = crate::contract::fixtures::read("ats/gh_webhooks_official_samples.json") else { return };
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let run_id = fresh_number();
        let samples = samples.as_array().cloned().expect("a list");
        for (at, sample) in samples.iter().enumerate() {
            let body = simulators::greenhouse::escape(&sample["body"]);
            assert_eq!(acme.deliver(&body, &format!("doc-{run_id}-{at}")).await.status, 200, "{body}");
        }
        let wanted = samples.len();
        let done = |answer: &crate::e2e::harness::stack::Answer| {
            let items = answer.body["items"].as_array().cloned().unwrap_or_default();
            let prefix = format!("doc-{run_id}-");
            items
                .iter()
                .filter(|e| e["event_id"].as_str().is_some_and(|id| id.starts_with(&prefix)) && !e["outcome"].is_null())
                .count()
        };
        acme.until("/api/connections/gh-acme/events?limit=100", |answer| done(answer) == wanted).await;
        let application = application(&acme, "71980812").await;
        assert_eq!(application["candidate"]["name"], "Jane Smith");
        assert_eq!(application["job"]["title"], "Data Scientist");
    });
}
