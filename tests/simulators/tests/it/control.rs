//! Faults, journal and reset, on the two providers that answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{call, get, post, served};

const JOBS: &str = "/bamboohr/acme/api/v1/applicant_tracking/jobs";
const ACME: (&str, &str) = ("authorization", "Basic bG9jYWwtYmFtYm9vaHIta2V5LWFjbWU6eA==");

#[tokio::test]
async fn health_and_index_name_every_provider_and_its_control() {
    let app = simulators::app();
    assert_eq!(get(&app, "/_control/health").await.status, 200);
    let index = get(&app, "/_control").await.json();
    for simulator in simulators::registry() {
        let listed =
            index.pointer(&format!("/providers/{}/control", simulator.name)).and_then(Value::as_array).unwrap();
        let fault = format!("POST /_control/{}/faults", simulator.name);
        assert!(listed.contains(&json!(fault)), "{listed:?}");
    }
}

#[tokio::test]
async fn faults_answer_as_ordered_and_end_by_their_count() {
    let app = simulators::app();
    // (fault, status, body, content type)
    let table = [
        (json!({"status": 503, "times": 1}), 503, "", ""),
        (json!({"status": 429, "headers": {"retry-after": "7"}, "times": 1}), 429, "", ""),
        (json!({"body": {"odd": true}, "times": 1}), 200, "{\"odd\":true}", "application/json"),
        (json!({"status": 502, "body": "<html>", "times": 1}), 502, "<html>", "text/plain; charset=utf-8"),
        (
            json!({"status": 502, "body": "<html>", "headers": {"content-type": "text/html"}, "times": 1}),
            502,
            "<html>",
            "text/html",
        ),
    ];
    for (fault, status, body, kind) in table {
        let added = post(&app, "/_control/bamboohr/faults", fault.clone()).await;
        assert_eq!(added.status, 201);
        let answer = call(&app, "GET", JOBS, &[ACME], &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str(), answer.header("content-type")), (status, body, kind));
        assert_eq!(answer.header("retry-after"), if status == 429 { "7" } else { "" });
        assert_eq!(call(&app, "GET", JOBS, &[ACME], &Value::Null).await.status, 200, "after {fault}");
    }
    let listed = get(&app, "/_control/bamboohr/faults").await.json();
    assert_eq!(listed.pointer("/items/0/remaining"), Some(&json!(0)));
    assert_eq!(listed.pointer("/items/0/hits"), Some(&json!(1)));
}

#[tokio::test]
async fn faults_without_body_have_the_error_envelope_of_the_provider() {
    let app = simulators::app();
    post(&app, "/_control/gemini/faults", json!({"status": 500, "times": 1})).await;
    let answer = post(&app, "/gemini/v1beta/models/x:generateContent", json!({})).await;
    assert_eq!(answer.json().pointer("/error/status"), Some(&json!("INTERNAL")));
}

#[tokio::test]
async fn latency_delays_and_a_matching_fault_still_answers() {
    let app = simulators::app();
    post(&app, "/_control/bamboohr/faults", json!({"latency_ms": 80})).await;
    post(
        &app,
        "/_control/bamboohr/faults",
        json!({"match": {"path_contains": "page=2", "method": "GET"}, "status": 504}),
    )
    .await;
    let list = "/bamboohr/acme/api/v1/applicant_tracking/applications";
    for (path, status) in [(list.to_owned(), 200), (format!("{list}?page=2"), 504)] {
        let begun = Instant::now();
        assert_eq!(call(&app, "GET", &path, &[ACME], &Value::Null).await.status, status);
        assert!(begun.elapsed() >= Duration::from_millis(80));
    }
}

#[tokio::test]
async fn a_malformed_body_is_no_json_and_says_200() {
    let app = simulators::app();
    post(&app, "/_control/bamboohr/faults", json!({"malformed": true})).await;
    // The second has an empty 401 behind it.
    for headers in [&[ACME][..], &[]] {
        let answer = call(&app, "GET", JOBS, headers, &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        assert!(serde_json::from_str::<Value>(&answer.text).is_err());
        assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    }
}

#[tokio::test]
async fn a_dropped_connection_promises_more_than_it_sends() {
    let app = simulators::app();
    let whole = call(&app, "GET", JOBS, &[ACME], &Value::Null).await.text.len();
    let base = served(app.clone()).await;
    for sent in [0, 100] {
        post(&app, "/_control/bamboohr/faults", json!({"drop_after_bytes": sent, "times": 1})).await;
        let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap();
        let request = format!("GET {JOBS} HTTP/1.1\r\nhost: x\r\n{}: {}\r\n\r\n", ACME.0, ACME.1);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        // A reset after the last byte is as good as an end here.
        let _ended = stream.read_to_end(&mut received).await;
        let text = String::from_utf8(received).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(&format!("content-length: {whole}")), "{head}");
        assert_eq!(body.len(), sent);
    }
}

#[tokio::test]
async fn a_bad_order_is_400_and_names_the_field() {
    let app = simulators::app();
    for (path, body, named) in [
        ("gemini/faults", json!({"statuss": 503}), "statuss"),
        ("gemini/faults", json!({"match": {"path": "x"}, "status": 503}), "path"),
        ("gemini/faults", json!({"status": "503"}), "status"),
        ("gemini/faults", json!({"status": 700}), "status"),
        ("gemini/faults", json!({}), "one of"),
        ("gemini/faults", json!("{"), "EOF"),
        ("gemini/scenario", json!({"name": "fine"}), "name"),
        ("gemini/scenario", json!({"name": "ok", "time": 1}), "time"),
        ("bamboohr/acme/page_size", json!({"page_size": 0}), "page_size"),
        ("bamboohr/acme/rate_limit", json!({"left": 0}), "left"),
        ("bamboohr/acme/applications", json!({"applicant": {"mail": "x"}}), "applicant.mail"),
        ("greenhouse/deliver", json!({"url": "http://localhost/", "secret": "s", "bdy": ""}), "bdy"),
        ("greenhouse/deliver", json!({"url": "http://example.com/", "secret": "s", "body": ""}), "url"),
        ("greenhouse/deliver", json!({"url": "http://localhost/", "secret": "s"}), "body"),
        ("greenhouse/deliver", json!({"url": "http://localhost/", "secret": "s", "body": "", "times": 0}), "times"),
        (
            "greenhouse/deliver",
            json!({"url": "http://localhost/", "secret": "s", "body": "", "retry": true, "retry_scale": 1.0}),
            "retry_scale",
        ),
        (
            "greenhouse/deliver",
            json!({"url": "https://localhost/", "secret": "s", "body": "", "ca_file": "/none"}),
            "ca_file",
        ),
    ] {
        let answer = post(&app, &format!("/_control/{path}"), body).await;
        let said = answer.json();
        let said = said.pointer("/error").and_then(Value::as_str).unwrap();
        assert!(answer.status == 400 && said.contains(named), "{path}: {} {said}", answer.status);
    }
}

#[tokio::test]
async fn the_journal_is_ordered_bounded_and_without_credentials() {
    let app = simulators::app();
    let secret = "super-secret-key";
    let path = "/gemini/v1beta/models/gemini-3.8-flash:generateContent?key=super-secret-key&alt=json";
    call(
        &app,
        "POST",
        path,
        &[("x-goog-api-key", secret), ("authorization", secret), ("x-trace", "t1")],
        &json!({"n": 1}),
    )
    .await;
    call(&app, "POST", "/gemini/none", &[], &json!("not json")).await;
    let answer = get(&app, "/_control/gemini/requests").await;
    assert!(!answer.text.contains(secret), "{}", answer.text);
    let journal = answer.json();
    assert_eq!(journal.pointer("/count"), Some(&json!(2)));
    let first = journal.pointer("/items/0").unwrap();
    assert_eq!(first.pointer("/path"), Some(&json!("/gemini/v1beta/models/gemini-3.8-flash:generateContent")));
    assert_eq!(first.pointer("/headers/x-trace"), Some(&json!("t1")));
    assert_eq!(first.pointer("/body/n"), Some(&json!(1)));
    assert_eq!(first.pointer("/status"), Some(&json!(400)));
    let hashed = first.pointer("/headers/x-goog-api-key").and_then(Value::as_str).unwrap();
    assert!(hashed.starts_with("sha256:") && hashed.len() == 19, "{hashed}");
    assert_eq!(first.pointer("/query"), Some(&json!(format!("key={hashed}&alt=json"))));
    assert_eq!(journal.pointer("/items/1/body"), Some(&json!("not json")));
    assert_eq!(journal.pointer("/items/1/status"), Some(&json!(404)));
    let last = get(&app, "/_control/gemini/requests?limit=1").await.json();
    assert_eq!(
        (last.pointer("/count"), last.pointer("/items/0/path")),
        (Some(&json!(2)), Some(&json!("/gemini/none")))
    );

    let entries_max = simulators::journal::ENTRIES_MAX;
    for _ in 0..entries_max {
        call(&app, "GET", "/gemini/x", &[], &Value::Null).await;
    }
    let full = get(&app, "/_control/gemini/requests").await.json();
    assert_eq!(full.pointer("/count"), Some(&json!(entries_max + 2)));
    let items = full.pointer("/items").and_then(Value::as_array).unwrap();
    assert!(items.len() == entries_max && items.iter().all(|item| item.get("status") == Some(&json!(404))));
    assert_eq!(call(&app, "DELETE", "/_control/gemini/requests", &[], &Value::Null).await.status, 204);
    assert_eq!(get(&app, "/_control/gemini/requests").await.json(), json!({"count": 0, "items": []}));
}

#[tokio::test]
async fn a_long_body_is_stored_in_part_and_a_huge_one_refused() {
    let app = simulators::app();
    post(&app, "/gemini/x", json!("a".repeat(simulators::journal::BODY_TEXT_MAX + 1))).await;
    let journal = get(&app, "/_control/gemini/requests").await.json();
    let body = journal.pointer("/items/0/body").and_then(Value::as_str).unwrap();
    assert!(body.ends_with("a… (65537 bytes)"), "{}", body.len());
    let huge = post(&app, "/gemini/x", json!("a".repeat(simulators::control::BODY_MAX + 1))).await;
    assert_eq!(huge.status, 413);
}

#[tokio::test]
async fn faults_are_removed_one_by_one_all_at_once_and_by_reset() {
    let app = simulators::app();
    let add = async || post(&app, "/_control/gemini/faults", json!({"status": 503})).await.json();
    let count = async || {
        get(&app, "/_control/gemini/faults").await.json().pointer("/items").and_then(Value::as_array).map(Vec::len)
    };
    let first = add().await;
    add().await;
    let path = format!("/_control/gemini/faults/{}", first.get("id").unwrap());
    assert_eq!(call(&app, "DELETE", &path, &[], &Value::Null).await.status, 204);
    assert_eq!(call(&app, "DELETE", &path, &[], &Value::Null).await.status, 404);
    assert_eq!(count().await, Some(1));
    assert_eq!(call(&app, "DELETE", "/_control/gemini/faults", &[], &Value::Null).await.status, 204);
    assert_eq!(count().await, Some(0));
    add().await;
    post(&app, "/_control/gemini/scenario", json!({"name": "overloaded"})).await;
    post(&app, "/gemini/x", json!({})).await;
    assert_eq!(post(&app, "/_control/gemini/reset", Value::Null).await.status, 204);
    assert_eq!(count().await, Some(0));
    assert_eq!(get(&app, "/_control/gemini/scenario").await.json().get("name"), Some(&json!("ok")));
    assert_eq!(get(&app, "/_control/gemini/requests").await.json().get("count"), Some(&json!(0)));
}
