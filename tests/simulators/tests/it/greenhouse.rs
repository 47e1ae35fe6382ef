//! The sender of webhooks against a receiver of this test.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post as on_post,
};
use serde_json::{Value, json};
use simulators::greenhouse::{escape, new_candidate_application, sign};

use crate::{fixture, get, missing, post, served};

const SECRET: &str = "local-webhook-secret-gh-acme";

/// Answers 401 for a wrong signature, else 503 until `failures` are used up, then 200.
async fn receiver(failures: usize) -> (String, Arc<AtomicUsize>) {
    async fn receive(
        State((seen, failures)): State<(Arc<AtomicUsize>, usize)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, String) {
        let number = seen.fetch_add(1, Ordering::SeqCst);
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if header("signature") != sign(SECRET, &body) {
            return (StatusCode::UNAUTHORIZED, String::new());
        }
        let status = if number < failures { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, header("greenhouse-event-id"))
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let app = Router::new().route("/hook", on_post(receive)).with_state((Arc::clone(&seen), failures));
    (format!("{}/hook", served(app).await), seen)
}

#[test]
fn the_recorded_signature_is_reproduced() {
    let Some(known) = fixture("ats/gh_webhook_ping_known_answer.json") else { return };
    let text = |name: &str| known.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(sign(&text("secret"), text("raw_body").as_bytes()), text("signature_header"));
}

#[test]
fn the_sample_has_the_documented_shape() {
    let made = new_candidate_application(71_001, 72_001, 4);
    assert_eq!(made, new_candidate_application(71_001, 72_001, 4));
    assert_ne!(
        made.pointer("/payload/application/jobs/0/name"),
        new_candidate_application(71_001, 72_001, 5).pointer("/payload/application/jobs/0/name")
    );
    assert_eq!(made.pointer("/payload/application/id"), Some(&json!(71_001)));
    assert_eq!(made.pointer("/payload/application/candidate/id"), Some(&json!(72_001)));
    assert!(escape(&made).is_ascii());
    let Some(samples) = fixture("ats/gh_webhooks_official_samples.json") else { return };
    let documented = samples
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|sample| sample.get("body"))
        .find(|body| body.get("action") == Some(&json!("new_candidate_application")));
    // Custom fields have names of the customer's choice; the lists named here are empty in the sample that is made.
    let without = [".custom_fields.", ".social_media_addresses[]", ".coordinator.", ".hiring_team."];
    assert_eq!(missing(documented.unwrap(), &made, &without), Vec::<String>::new());
}

#[tokio::test]
async fn deliveries_are_signed_over_the_bytes_that_are_sent() {
    let app = simulators::app();
    let event = new_candidate_application(1, 2, 3);
    let (url, seen) = receiver(0).await;
    // (extra fields, statuses)
    let table = [
        (json!({"event": event}), vec![200]),
        (json!({"body": "{ \"raw\" : 1 }"}), vec![200]),
        (json!({"event": event, "times": 5, "concurrently": true}), vec![200; 5]),
        (json!({"event": event, "times": 2}), vec![200; 2]),
        (json!({"event": event, "tamper": true}), vec![401]),
        (json!({"event": event, "secret": "other"}), vec![401]),
    ];
    for (extra, statuses) in table {
        let mut order = json!({"url": url, "secret": SECRET, "event_id": "e-1"});
        order.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let before = seen.load(Ordering::SeqCst);
        let answer = post(&app, "/_control/greenhouse/deliver", order).await.json();
        let responses = answer.get("responses").and_then(Value::as_array).unwrap();
        let got: Vec<u64> = responses.iter().filter_map(|response| response.get("status")?.as_u64()).collect();
        assert_eq!(got, statuses, "{answer}");
        assert!(
            responses.iter().all(
                |response| response.get("body") == Some(&json!(if got.first() == Some(&200) { "e-1" } else { "" }))
            )
        );
        assert_eq!(seen.load(Ordering::SeqCst) - before, statuses.len());
    }
    let sent = get(&app, "/_control/greenhouse/requests").await.json();
    assert_eq!((sent.get("count"), sent.pointer("/items/0/path")), (Some(&json!(11)), Some(&json!("/hook"))));
}

#[tokio::test]
async fn retries_are_on_request_and_end_with_success_or_the_seventh() {
    let app = simulators::app();
    let event = json!({"action": "ping", "payload": {}});
    // (failures, retry, statuses)
    for (failures, retry, statuses) in [(1, false, vec![503]), (2, true, vec![503, 503, 200]), (99, true, vec![503; 7])]
    {
        let (url, _) = receiver(failures).await;
        let order = json!({"url": url, "secret": SECRET, "event": event, "retry": retry, "retry_scale": 0.000_000_1});
        let answer = post(&app, "/_control/greenhouse/deliver", order).await.json();
        let responses = answer.get("responses").and_then(Value::as_array).unwrap();
        let got: Vec<u64> = responses.iter().filter_map(|response| response.get("status")?.as_u64()).collect();
        assert_eq!(got, statuses);
    }
}

#[tokio::test]
async fn a_closed_port_is_an_error_and_no_status() {
    let app = simulators::app();
    // The port is free again as soon as the listener is gone.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let order = json!({"url": format!("http://hook.localhost:{port}/"), "secret": SECRET, "body": "{}"});
    let answer = post(&app, "/_control/greenhouse/deliver", order).await.json();
    assert_eq!(answer.pointer("/responses/0/status"), Some(&Value::Null));
    assert!(
        answer.pointer("/responses/0/error").and_then(Value::as_str).is_some_and(|error| error.contains("refused")),
        "{answer}"
    );
}
