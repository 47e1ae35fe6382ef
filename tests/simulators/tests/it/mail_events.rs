//! What becomes of mails: control, the lookups and the webhooks.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::StatusCode};
use base64::{Engine as _, prelude::BASE64_URL_SAFE};
use serde_json::{Value, json};

use crate::{call, fixture, get, missing, post, served};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// `api:k`
const BASIC: (&str, &str) = ("authorization", "Basic YXBpOms=");
const BEARER: (&str, &str) = ("authorization", "Bearer k");

/// Lets each provider accept the mail `n-1`.
async fn send_all(app: &Router) {
    let sendgrid = json!({
        "personalizations": [{"to": [{"email": "ada@example.com"}]}],
        "from": {"email": "hiring@example.com"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "t"}],
        "custom_args": {"reference": "n-1"},
        "categories": ["n-1"],
    });
    let brevo = json!({
        "sender": {"email": "hiring@example.com"},
        "to": [{"email": "ada@example.com"}],
        "subject": "Hi",
        "htmlContent": "h",
        "headers": {"X-Mailin-custom": "n-1"},
        "tags": ["n-1"],
    });
    let mailgun = "from=hiring%40example.com&to=ada%40example.com&text=t&v%3Areference=n-1&h%3AMessage-Id=%3Cn-1%40example.com%3E";
    for (path, headers, body) in [
        ("/sendgrid/v3/mail/send", vec![BEARER], sendgrid),
        ("/mailgun/v3/example.com/messages", vec![FORM, BASIC], json!(mailgun)),
        ("/brevo/v3/smtp/email", vec![("api-key", "k")], brevo),
    ] {
        let answer = call(app, "POST", path, &headers, &body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }
}

fn part(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).unwrap().clone()
}

async fn events_of(app: &Router, provider: &str) -> Value {
    let nothing = Value::Null;
    match provider {
        "sendgrid" => {
            let query = json!({"query": "categories IN ('n-1')"});
            let found = call(app, "POST", "/sendgrid/v3/logs", &[BEARER], &query).await.json();
            let Some(id) = found.pointer("/messages/0/sg_message_id").and_then(Value::as_str) else {
                return part(&found, "/messages");
            };
            let log = call(app, "GET", &format!("/sendgrid/v3/logs/{id}"), &[BEARER], &nothing).await.json();
            part(&log, "/events")
        }
        "mailgun" => {
            let path = "/mailgun/v3/example.com/events?message-id=n-1@example.com";
            part(&call(app, "GET", path, &[BASIC], &nothing).await.json(), "/items")
        }
        _ => {
            let path = "/brevo/v3/smtp/statistics/events?tags=%5B%22n-1%22%5D&days=2";
            let found = call(app, "GET", path, &[("api-key", "k")], &nothing).await.json();
            found.get("events").cloned().unwrap_or_else(|| json!([]))
        }
    }
}

fn names(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event.get("event").and_then(Value::as_str).unwrap()).collect()
}

#[tokio::test]
async fn outcomes_are_answered_in_the_providers_words_after_the_lag() {
    let app = simulators::app();
    send_all(&app).await;
    for (provider, first, then) in
        [("sendgrid", "processed", "bounce"), ("mailgun", "accepted", "failed"), ("brevo", "requests", "hardBounces")]
    {
        assert_eq!(names(&events_of(&app, provider).await), [first], "{provider}");
        let at = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5)).to_string();
        let order = json!({"correlation": "n-1", "event": "bounced", "at": at});
        let happened = post(&app, &format!("/_control/{provider}/outcomes"), order).await;
        assert_eq!(happened.status, 201, "{}", happened.text);
        assert_eq!(happened.json()["at"], json!(at));
        let stored = get(&app, &format!("/_control/{provider}/mails")).await.json();
        assert_eq!(names(&stored["items"][0]["events"]), ["accepted", "bounced"], "{stored}");
        // Only Brevo is asked about a number of days, and so does not tell what was before.
        assert_eq!(names(&events_of(&app, provider).await), [first, then], "{provider}");
        assert_eq!(post(&app, &format!("/_control/{provider}/lag"), json!({"ms": 60_000})).await.status, 204);
        assert_eq!(events_of(&app, provider).await, json!([]), "{provider}");
        assert_eq!(post(&app, &format!("/_control/{provider}/reset"), json!({})).await.status, 204);
    }
    send_all(&app).await;
    assert_eq!(names(&events_of(&app, "sendgrid").await), ["processed"], "reset forgets the lag");
}

#[tokio::test]
async fn what_cannot_be_ordered_is_refused_with_its_field() {
    let app = simulators::app();
    send_all(&app).await;
    let url = "http://127.0.0.1:9/";
    for provider in ["sendgrid", "mailgun", "brevo"] {
        for (route, order, field) in [
            ("lag", json!({"ms": -1}), "ms"),
            ("lag", json!({}), "."),
            ("outcomes", json!({"correlation": "n-2", "event": "bounced"}), "correlation"),
            ("outcomes", json!({"correlation": "n-1", "event": "accepted"}), "event"),
            ("outcomes", json!({"correlation": "n-1", "event": "opened"}), "event"),
            ("deliver", json!({"url": "https://example.com/", "correlation": "n-1", "secret": "s"}), "url"),
            ("deliver", json!({"url": url, "correlation": "n-2", "secret": "s"}), "correlation"),
            ("deliver", json!({"url": url, "correlation": "n-1"}), "secret"),
            ("deliver", json!({"url": url, "correlation": "n-1", "secret": "s", "times": 0}), "times"),
            ("deliver", json!({"url": url, "correlation": "n-1", "secret": "s", "ca": "/none"}), "ca"),
            ("deliver", json!({"url": url, "correlation": "n-1", "unsigned": true, "tamper": true}), "tamper"),
        ] {
            let answer = post(&app, &format!("/_control/{provider}/{route}"), order.clone()).await;
            assert_eq!(answer.status, 400, "{provider} {route} {order}: {}", answer.text);
            assert!(answer.json()["error"].as_str().unwrap().starts_with(field), "{order}: {}", answer.text);
        }
    }
    let no_key = json!({"url": url, "correlation": "n-1", "secret": "s"});
    assert_eq!(post(&app, "/_control/sendgrid/deliver", no_key.clone()).await.status, 400, "it signs with a P-256 key");
    let unanswered = post(&app, "/_control/brevo/deliver", no_key).await.json();
    assert_eq!(unanswered["statuses"], json!([null]));
    assert_eq!(unanswered["errors"].as_array().unwrap().len(), 1, "{unanswered}");
}

#[tokio::test]
async fn webhooks_have_the_shape_of_recorded_ones() {
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let stored = Arc::clone(&bodies);
    let receiver = Router::new().fallback(move |body: Bytes| async move {
        stored.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        StatusCode::NO_CONTENT
    });
    let url = served(receiver).await;
    let app = simulators::app();
    send_all(&app).await;
    let (private, _) = simulators::mail::sendgrid::TEST_KEYS;
    for (provider, secret, outcome, recorded) in [
        ("sendgrid", private, "refused", "sendgrid/event_webhook_signature_vector"),
        ("mailgun", "s", "delivered", "mailgun/webhook_delivered.signed"),
        ("brevo", "s", "bounced", "brevo/webhook_hard_bounce"),
        ("brevo", "s", "accepted", "brevo/webhook_request"),
    ] {
        if outcome != "accepted" {
            let order = json!({"correlation": "n-1", "event": outcome});
            assert_eq!(post(&app, &format!("/_control/{provider}/outcomes"), order).await.status, 201);
        }
        let order = json!({"url": url, "correlation": "n-1", "events": [outcome], "secret": secret});
        let answer = post(&app, &format!("/_control/{provider}/deliver"), order).await;
        assert_eq!(answer.json()["statuses"], json!([204]), "{}", answer.text);
        let sent = std::mem::take(&mut *bodies.lock().unwrap());
        let Some(recorded) = fixture(&format!("providers/{recorded}.json")) else { continue };
        let recorded = match recorded["body_utf8"].as_str() {
            Some(body) => serde_json::from_str(body).unwrap(),
            None => recorded,
        };
        assert_eq!(missing(&recorded, &sent[0], &[]), Vec::<String>::new(), "{provider} {outcome}");
    }
}

#[tokio::test]
async fn lookups_refuse_like_the_provider_and_mailgun_gives_pages() {
    let app = simulators::app();
    send_all(&app).await;
    let nothing = Value::Null;
    let query = json!({"query": "categories IN ('n-1')"});
    let get_as = |header: (&'static str, &'static str), path: &'static str| {
        let app = app.clone();
        async move { call(&app, "GET", path, &[header], &Value::Null).await.status.as_u16() }
    };
    assert_eq!(
        call(&app, "POST", "/sendgrid/v3/logs", &[("authorization", "Bearer invalid")], &query).await.status,
        401
    );
    for query in
        [json!({"query": "to_email LIKE 'a%'"}), json!({"query": "categories IN ('n-1')", "limit": 0}), json!({})]
    {
        assert_eq!(call(&app, "POST", "/sendgrid/v3/logs", &[BEARER], &query).await.status, 400, "{query}");
    }
    assert_eq!(get_as(BEARER, "/sendgrid/v3/logs/nothing").await, 404);
    assert_eq!(get_as(("authorization", ""), "/mailgun/v3/example.com/events").await, 401);
    assert_eq!(get_as(BASIC, "/mailgun/v3/unknown.example/events").await, 404);
    assert_eq!(get_as(BASIC, "/mailgun/v3/example.com/events?limit=301").await, 400);
    assert_eq!(get_as(("api-key", "invalid"), "/brevo/v3/smtp/statistics/events").await, 401);
    assert_eq!(get_as(("api-key", "k"), "/brevo/v3/smtp/statistics/events?tags=n-1").await, 400);
    assert_eq!(get_as(("api-key", "k"), "/brevo/v3/smtp/statistics/events?days=91").await, 400);

    post(&app, "/_control/mailgun/outcomes", json!({"correlation": "n-1", "event": "delivered"})).await;
    let mut path = "/mailgun/v3/example.com/events?message-id=n-1@example.com&limit=1".to_owned();
    let mut pages = Vec::new();
    for _ in 0..3 {
        let page = call(&app, "GET", &path, &[BASIC], &nothing).await.json();
        pages.push(names(&page["items"]).join(","));
        path = page["paging"]["next"].as_str().unwrap().strip_prefix("http://127.0.0.1:9").unwrap().to_owned();
    }
    assert_eq!(pages, ["accepted", "delivered", ""]);
}

#[tokio::test]
async fn gmail_knows_the_notification_control_the_whole_reference() {
    let app = simulators::app();
    let raw = "From: hiring@example.com\r\nTo: ada@example.com\r\nSubject: Hi\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
               Message-ID: <n-1@example.com>\r\nMIME-Version: 1.0\r\nX-Notification-Id: n-1\r\n\r\nHello\r\n";
    let body = json!({"raw": BASE64_URL_SAFE.encode(raw)});
    let token = ("authorization", "Bearer ya29.sim.r-1");
    let sent = call(&app, "POST", "/gmail/gmail/v1/users/me/messages/send", &[token], &body).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    for (wanted, count) in [("n-1", 1), ("acme_n-1", 1), ("an_org_n-1", 1), ("n-2", 0), ("acme_n-2", 0), ("n-1_n-2", 0)]
    {
        let found = get(&app, &format!("/_control/gmail/mails?correlation={wanted}")).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{wanted}: {found}");
    }
    for (correlation, status) in [("acme_n-1", 201), ("acme_n-2", 400)] {
        let order = json!({"correlation": correlation, "event": "bounced"});
        assert_eq!(post(&app, "/_control/gmail/outcomes", order).await.status, status, "{correlation}");
    }
    // All others are given the whole reference, and nothing less or more is theirs.
    send_all(&app).await;
    for provider in ["sendgrid", "mailgun", "brevo"] {
        let found = get(&app, &format!("/_control/{provider}/mails?correlation=acme_n-1")).await.json();
        assert_eq!(found["items"], json!([]), "{provider}");
    }
}

#[tokio::test]
async fn the_index_lists_the_routes_of_each_provider() {
    let index = get(&simulators::app(), "/_control").await.json();
    for (provider, webhooks, scope) in [
        ("sendgrid", true, false),
        ("mailgun", true, false),
        ("brevo", true, false),
        ("ses", false, false),
        ("gmail", false, true),
    ] {
        let routes = index["providers"][provider]["control"].as_array().unwrap();
        for (route, wanted) in [
            ("GET", "mails?to=&correlation=", true),
            ("DELETE", "mails", true),
            ("POST", "lag", true),
            ("POST", "outcomes", true),
            ("POST", "deliver", webhooks),
            ("POST", "scope", scope),
        ]
        .map(|(method, path, wanted)| (format!("{method} /_control/{provider}/{path}"), wanted))
        {
            assert_eq!(routes.contains(&json!(route)), wanted, "{route}");
        }
    }
}
