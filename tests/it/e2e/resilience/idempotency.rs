//! The same webhook five times at once, and every queue message twice: one application, one suggestion, one mail.

use domain::message::{EmailJob, SuggestionJob};
use futures::future::join_all;
use serde_json::json;

use crate::e2e::ats::webhook::{application, followers};
use crate::e2e::harness::claims::{Mailer, Model, REVIEW, Relay, Webhooks, disturbing, using};
use crate::e2e::harness::stack::{PATIENCE, Stack, fresh_number, run};

#[test]
fn concurrent_and_repeated_deliveries_do_the_work_once() {
    // It waits until the queues are empty, which other users would never let them be.
    let _guard = disturbing(&[Webhooks, Model, Mailer], &[Relay]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        // A name that no other application has: the sample's few names and times repeat, and the model's journal
        // distinguishes applications by nothing else.
        let number = fresh_number();
        let mut event = simulators::greenhouse::new_candidate_application(number, fresh_number(), number);
        event["payload"]["application"]["candidate"]["first_name"] = json!(format!("Elena {number}"));
        let body = simulators::greenhouse::escape(&event);
        let event_id = format!("same-{number}");

        // Five HTTP deliveries are five messages on the webhook queue: that queue's duplicates are these.
        let answers = join_all((0..5).map(|_| acme.deliver(&body, &event_id))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let application = application(&acme, &number.to_string()).await;
        let (suggestion, notification) = followers("acme", &application);

        // The second copies of the other messages, sent as early as their records exist: they meet their originals waiting,
        // in the middle of the work, or finished.
        acme.until(&format!("/api/suggestions/{suggestion}"), |answer| answer.status == 200).await;
        let copy =
            SuggestionJob { v: 1, org: "acme".parse().expect("org"), suggestion: suggestion.parse().expect("id") };
        stack.send_message("suggestion", &json!(copy).to_string()).await;
        acme.until(&format!("/api/notifications/{notification}"), |answer| answer.status == 200).await;
        let copy = EmailJob::to_send("acme".parse().expect("org"), notification.parse().expect("id"));
        stack.send_message("email", &json!(copy).to_string()).await;
        stack.send_message("email", &json!(copy).to_string()).await;

        let made = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
        let sent = acme
            .until_state(&format!("/api/notifications/{notification}"), &["accepted", "rejected", "needs_review"])
            .await;
        // Only when no copy is left, hidden ones included, can nothing more happen.
        let deadline = std::time::Instant::now() + 2 * PATIENCE;
        for queue in ["webhook", "suggestion", "email"] {
            stack.until_empty(queue, deadline).await;
        }

        assert_eq!((made["state"].as_str(), made["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{made}");
        assert_eq!((sent["state"].as_str(), sent["attempts"].as_u64()), (Some("accepted"), Some(1)), "{sent}");
        let mails = stack.mails_of(&notification).await;
        assert_eq!(mails.len(), 1, "one mail: {mails:?}");

        // The prompt escapes some characters of the last name.
        let name = &format!("Elena {number}");
        let applied_at = application["applied_at"].as_str().expect("time");
        let requests = stack.control("gemini", reqwest::Method::GET, "/requests?limit=5000", None).await;
        let about = |request: &&serde_json::Value| {
            let text = request["body"]["contents"][0]["parts"][0]["text"].as_str().unwrap_or_default();
            text.contains(name) && text.contains(applied_at)
        };
        let requests = requests.body["items"].as_array().expect("requests").iter().filter(about).count();
        assert_eq!(requests, 1, "the model was asked once about {name}, {applied_at}");

        let list = acme.get("/api/applications?limit=100").await.body;
        let number = json!(number.to_string());
        let same =
            list["items"].as_array().expect("items").iter().filter(|a| a["source"]["provider_id"] == number).count();
        assert!(same <= 1, "one application");
        let events = acme.get("/api/connections/gh-acme/events?limit=100").await.body;
        let events =
            events["items"].as_array().expect("items").iter().filter(|e| e["event_id"] == event_id.as_str()).count();
        assert_eq!(events, 1, "one event");
    });
}

#[test]
fn only_the_malformed_message_of_a_batch_is_a_dead_letter() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let mut messages = Vec::new();
        let mut notifications = Vec::new();
        for at in 0..4 {
            let body = json!({"kind": "flag-resolved", "to": format!("sibling{at}@example.com"),
                              "data": {"name": "Ada", "flag": "f", "resolution": "r"}});
            let accepted = acme.post("/api/notifications", &body).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            let id = accepted.body["id"].as_str().expect("id").to_owned();
            let job = EmailJob::to_send("acme".parse().expect("org"), id.parse().expect("id"));
            messages.push(json!(job).to_string());
            notifications.push(id);
        }
        let unique = fresh_number();
        let poison = [
            format!("{{ not json {unique}"),
            json!({"v": 1, "org": "acme", "notification": "not-an-id", "n": unique}).to_string(),
            json!({"v": 9, "org": "acme", "notification": notifications[0], "n": unique}).to_string(),
            json!({"v": 1, "org": "acme", "notification": uuid::Uuid::now_v7()}).to_string(),
        ];
        let mixed: Vec<String> = messages.iter().zip(&poison).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        stack.send_batch("email", &mixed).await;
        for id in &notifications {
            let sent =
                acme.until_state(&format!("/api/notifications/{id}"), &["accepted", "rejected", "needs_review"]).await;
            assert_eq!(sent["state"], "accepted", "{sent}");
        }
        for (body, reason) in
            poison.iter().zip(["failed to read", "failed to read", "newer than", "no such notification"])
        {
            let attributes = stack.take_message("email-dlq", body).await;
            let given = attributes["reason"]["StringValue"].as_str().unwrap_or_default();
            assert!(given.contains(reason), "{body}: {attributes}");
        }
        for id in &notifications {
            assert_eq!(stack.mails_of(id).await.len(), 1, "one mail for {id}");
        }
    });
}
