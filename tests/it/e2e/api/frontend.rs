//! Flow B: the frontend's requests are accepted, worked on, and can be polled with their states.

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::ats::webhook::application;
use crate::e2e::harness::claims::{REVIEW, using};
use crate::e2e::harness::stack::{Stack, fresh_number, new_application, run};
use crate::e2e::harness::time;

fn notifications() -> [Value; 7] {
    [
        json!({"kind": "university-verification", "to": "ada@example.com", "data": {"name": "Ada", "university": "Turin",
               "verification_url": "https://app.example.com/v?t=1", "expires_in_hours": 24}}),
        json!({"kind": "import-completed", "to": "ada@example.com",
               "data": {"name": "Ada", "source": "CSV", "imported": 12, "failed": 0}}),
        json!({"kind": "flag-resolved", "to": "ada@example.com",
               "data": {"name": "Ada", "flag": "Duplicate", "resolution": "Merged with an older record."}}),
        json!({"kind": "password-reset", "to": "ada@example.com",
               "data": {"name": "Ada", "reset_url": "https://app.example.com/r", "expires_in_minutes": 30}}),
        json!({"kind": "application-received", "to": "ada@example.com",
               "data": {"candidate_name": "Grace <b>", "job_title": "Admiral"}}),
        json!({"kind": "interview-scheduled", "to": "ada@example.com", "language": "de", "data": {"candidate_name": "Ada",
               "job_title": "Analyst", "starts_at": time::now() + jiff::SignedDuration::from_hours(48),
               "when": "Dienstag, 10 Uhr", "duration_minutes": 45, "meeting_url": "https://meet.example.com/1"}}),
        json!({"kind": "application-status-changed", "to": "ada@bücher.example",
               "data": {"candidate_name": "Ada", "job_title": "Analyst", "status": "Interview"}}),
    ]
}

#[test]
fn every_kind_of_notification_becomes_one_mail() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for body in notifications() {
            let accepted = acme.post("/api/notifications", &body).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            let id = accepted.body["id"].as_str().expect("id");
            assert_eq!(accepted.location, Some(format!("/api/notifications/{id}")));
            assert_eq!(accepted.body["state"], "queued");
            assert!(accepted.body.get("data").is_none(), "links that grant access are not shown again");
            let location = accepted.location.clone().expect("location");
            let sent = acme.until_state(&location, &["accepted", "rejected", "needs_review"]).await;
            assert_eq!(sent["state"], "accepted", "{sent}");
            let first = &sent["history"][0];
            assert_eq!((&first["what"], &first["provider"]), (&json!("accepted"), &json!("smtp")), "{sent}");
            assert!(first["at"].is_string() && first["provider_message_id"] == sent["provider_message_id"], "{sent}");
            assert!(sent["provider_message_id"].as_str().is_some_and(|text| text.contains("queued as")), "{sent}");
            let mails = stack.mails_of(id).await;
            assert_eq!(mails.len(), 1, "{mails:?}");
            assert!(mails[0]["html"].as_str().is_some_and(|html| !html.contains("Grace <b>")), "escaped: {mails:?}");
        }
    });
}

#[test]
fn a_suggestion_is_requested_polled_and_listed() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (body, number) = new_application();
        assert_eq!(acme.deliver(&body, &format!("s-{number}")).await.status, 200);
        let application = application(&acme, &number.to_string()).await;
        let body = json!({"kind": "application-review", "application_id": application["id"]});
        let accepted = acme.post("/api/suggestions", &body).await;
        assert_eq!(
            (accepted.status.as_u16(), accepted.body["state"].as_str()),
            (202, Some("accepted")),
            "{accepted:?}"
        );
        let location = accepted.location.expect("location");
        let made = acme.until_state(&location, &["succeeded", "failed"]).await;
        assert_eq!(made["state"], "succeeded", "{made}");
        assert_eq!(made["generation"]["prompt_id"], "application-review");
        assert!(made["generation"]["input_tokens"].as_u64().is_some_and(|n| n > 0));
        let listed = acme.get("/api/suggestions?limit=100").await.body;
        assert!(listed["items"].as_array().expect("items").iter().any(|s| s["id"] == made["id"]));
        let foreign = stack.org("globex").post("/api/suggestions", &body).await;
        foreign.is_problem(404, "not-found");
    });
}

#[test]
fn an_idempotency_key_finds_its_own_request_and_refuses_another() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let key = format!("key-{}", fresh_number());
        let send = async |org: &str, path: &str, body: &Value| {
            stack.send(stack.org(org).request(Method::POST, path).header("idempotency-key", &key).json(body)).await
        };
        let body = &notifications()[2];
        let first = send("acme", "/api/notifications", body).await;
        let again = send("acme", "/api/notifications", body).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202), "{again:?}");
        assert_eq!(first.body["id"], again.body["id"]);
        send("acme", "/api/notifications", &notifications()[1]).await.is_problem(422, "idempotency-key-reused");
        let foreign = send("globex", "/api/notifications", body).await;
        assert_ne!(first.body["id"], foreign.body["id"], "keys belong to their organisation");
        let id = first.body["id"].as_str().expect("id");
        acme.until_state(&format!("/api/notifications/{id}"), &["accepted"]).await;
        assert_eq!(stack.mails_of(id).await.len(), 1);

        let job = json!({"title": "Gardener", "location": "Kew"});
        let first = send("acme", "/api/jobs", &job).await;
        let again = send("acme", "/api/jobs", &job).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.body, again.body);
        assert_eq!(acme.get(&first.location.expect("location")).await.body, first.body);
    });
}

#[test]
fn lists_are_paged_without_loss_within_one_organisation() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let tag = format!("Page {}", fresh_number());
        for at in 0..5 {
            let body = json!({"title": format!("{tag} {at}")});
            assert_eq!(acme.post("/api/jobs", &body).await.status, 201);
        }
        let mut titles = Vec::new();
        let mut path = "/api/jobs?limit=2".to_owned();
        loop {
            let page = acme.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            let items = page.body["items"].as_array().expect("items").clone();
            assert!(items.len() <= 2);
            titles.extend(items.iter().filter_map(|job| job["title"].as_str().map(str::to_owned)));
            match page.body["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/jobs?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        titles.retain(|title| title.starts_with(&tag));
        let newest_first: Vec<String> = (0..5).rev().map(|at| format!("{tag} {at}")).collect();
        assert_eq!(titles, newest_first);
        let foreign = stack.org("globex").get("/api/jobs?limit=100").await.body;
        assert!(!foreign.to_string().contains(&tag), "another organisation sees nothing");
        // A cursor of one organisation shows another nothing of the first.
        let cursor = acme.get("/api/jobs?limit=1").await.body["next_cursor"].as_str().expect("more").to_owned();
        let stolen = stack.org("globex").get(&format!("/api/jobs?limit=100&cursor={cursor}")).await;
        assert!(!stolen.body.to_string().contains(&tag), "{stolen:?}");
    });
}

#[test]
fn health_is_public_and_names_what_it_checked() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let answer = stack.send(stack.http.get(format!("{}/api/health", stack.text("/api_url")))).await;
        assert_eq!((answer.status.as_u16(), answer.body["status"].as_str()), (200, Some("ok")), "{answer:?}");
        assert_eq!(answer.body["stage"], "local");
        assert_eq!(answer.body["checks"].as_array().map(Vec::len), Some(10), "{answer:?}");
    });
}
