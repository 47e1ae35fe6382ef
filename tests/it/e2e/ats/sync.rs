//! Flow C: a connection that is due is polled page by page.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::claims::{Simulator, SyncWorker, disturbing};
use crate::e2e::harness::stack::{Answer, Org, Stack, run};
use crate::e2e::harness::time;

const ORG: &str = "globex";
const CONNECTION: &str = "bamboo-globex";

async fn bamboohr(stack: &Stack, method: Method, path: &str, body: Option<Value>) -> Answer {
    let answer = stack.control("bamboohr", method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer
}

/// Asks for a run and waits for its end. Whatever parked the connection before is over.
async fn poll(stack: &Stack, org: &Org<'_>, mode: &str) -> Value {
    let path = format!("/api/connections/{CONNECTION}");
    // A run ends a moment before its worker releases the connection.
    let idle = |answer: &Answer| {
        answer.body["sync"]["running"].is_null() && answer.body["sync"]["reason"] != "a run is at work"
    };
    let before = org.until(&path, idle).await.body["sync"]["last_run"]["id"].clone();
    let key = (format!("ORG#{ORG}#sync"), CONNECTION);
    stack.set_text("control", (&key.0, key.1), "parked_until", "2026-01-01T00:00:00Z").await;
    let response = org.post(&format!("{path}/sync"), &json!({"mode": mode})).await;
    assert_eq!(response.status, 202, "{response:?}");
    let ended = |answer: &Answer| {
        let last = &answer.body["sync"]["last_run"];
        last["id"].is_string() && last["id"] != before && last["mode"] == mode && idle(answer)
    };
    org.until(&path, ended).await.body["sync"].clone()
}

/// What is stored of the connection's applications: provider id -> (candidate, stage).
async fn stored(org: &Org<'_>) -> BTreeMap<String, (Value, Value)> {
    let mut all = BTreeMap::new();
    let mut path = "/api/applications?limit=100".to_owned();
    loop {
        let page = org.get(&path).await.body;
        for item in page["items"].as_array().expect("items") {
            if item["source"]["connection"] == CONNECTION {
                let id = item["source"]["provider_id"].as_str().expect("id").to_owned();
                let twin = all.insert(id, (item["candidate"]["email"].clone(), item["stage"].clone()));
                assert!(twin.is_none(), "a record is doubled: {item}");
            }
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/applications?limit=100&cursor={cursor}"),
            None => return all,
        }
    }
}

/// What the simulator has.
async fn truth(stack: &Stack) -> BTreeMap<String, (Value, Value)> {
    let answer = bamboohr(stack, Method::GET, &format!("/{ORG}/applications"), None).await;
    let items = answer.body["applications"].as_array().or(answer.body["items"].as_array()).or(answer.body.as_array());
    items
        .unwrap_or_else(|| panic!("a list: {answer:?}"))
        .iter()
        .map(|row| (row["id"].to_string(), (row["applicant"]["email"].clone(), row["status"]["label"].clone())))
        .collect()
}

/// What a run did with applications.
fn applications<'a>(sync: &'a Value, what: &str) -> &'a Value {
    &sync["last_run"]["counts"]["application"][what]
}

#[test]
fn a_full_sync_stores_what_exists_and_marks_what_is_gone() {
    let _guard = disturbing(&[Simulator("bamboohr")], &[SyncWorker]);
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        let expected = truth(&stack).await;
        assert!(expected.len() > 40, "several pages");
        assert_eq!(*applications(&sync, "read"), expected.len(), "{sync}");
        assert_eq!(stored(&org).await, expected);
        let next: jiff::Timestamp = sync["poll_at"].as_str().expect("poll_at").parse().expect("a time");
        let wait = next.duration_since(time::now()).as_mins();
        assert!(wait <= 60, "the next poll is within the contract's 60 minutes: {sync}");
        assert!(sync["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{sync}");

        // Nothing changed: nothing is written.
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(*applications(&sync, "unchanged"), expected.len(), "{sync}");
        // One changed: it alone is written, and found without reading everything.
        let (changed, (_, stage)) = expected.first_key_value().expect("a row");
        let changed: u64 = changed.parse().expect("a number");
        let status = if stage == "Reviewed" { 1 } else { 2 };
        let change = json!({"id": changed, "status": {"id": status}});
        bamboohr(&stack, Method::POST, &format!("/{ORG}/applications"), Some(change)).await;
        let sync = poll(&stack, &org, "incremental").await;
        assert_eq!(*applications(&sync, "updated"), 1, "{sync}");
        assert_eq!(stored(&org).await, truth(&stack).await);
        // One is deleted.
        bamboohr(&stack, Method::DELETE, &format!("/{ORG}/applications/{changed}"), None).await;
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(*applications(&sync, "deleted"), 1, "{sync}");
        assert_eq!(stored(&org).await, truth(&stack).await);
        let runs = org.get(&format!("/api/connections/{CONNECTION}/runs?limit=3")).await.body;
        assert_eq!(runs["items"][0]["id"], sync["last_run"]["id"], "{runs}");
    });
}

#[test]
fn a_rate_limit_parks_the_run_that_later_resumes() {
    let _guard = disturbing(&[Simulator("bamboohr")], &[SyncWorker]);
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let fault =
            json!({"match": {"path_contains": "page=2"}, "times": 1, "status": 429, "headers": {"retry-after": "120"}});
        bamboohr(&stack, Method::POST, "/faults", Some(fault)).await;
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(sync["last_run"]["outcome"], "rate-limited", "{sync}");
        let next: jiff::Timestamp = sync["next_at"].as_str().expect("next_at").parse().expect("a time");
        let ended: jiff::Timestamp =
            sync["last_run"]["finished_at"].as_str().expect("finished_at").parse().expect("a time");
        let wait = next.duration_since(ended).as_secs();
        assert!((119..=121).contains(&wait), "Retry-After counts: {sync}");
        assert!(sync["reason"].as_str().is_some_and(|reason| reason.contains("asked to wait until")), "{sync}");
        bamboohr(&stack, Method::DELETE, "/requests", None).await;
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        assert_eq!(*applications(&sync, "read"), truth(&stack).await.len(), "the counts go on, too: {sync}");
        let response = bamboohr(&stack, Method::GET, "/requests?limit=100", None).await;
        let first_page = response.body["items"].as_array().expect("items").iter().any(|r| {
            // A poll for changes, which may be due meanwhile, sorts by the time of the change.
            r["query"].as_str().is_some_and(|q| q.contains("page=1&") && q.contains("sortBy=created_date"))
                && r["path"].as_str().is_some_and(|p| p.contains(ORG))
        });
        assert!(!first_page, "the first page is not read again: {response:?}");
    });
}

#[test]
fn credentials_pages_and_outages_end_with_their_outcome() {
    let _guard = disturbing(&[Simulator("bamboohr")], &[SyncWorker]);
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        for (fault, outcome) in [
            (json!({"match": {}, "times": 1, "status": 401}), "failed"),
            // A page that cannot be read is asked for again, and left out when that does not help.
            (json!({"match": {"path_contains": "page=2"}, "times": 1, "malformed": true}), "succeeded"),
            (json!({"match": {"path_contains": "page=2"}, "times": 3, "malformed": true}), "partial"),
            (json!({"match": {"path_contains": "page=2"}, "times": 1, "status": 503}), "succeeded"),
            (json!({"match": {"path_contains": "page=3"}, "times": 1, "drop_after_bytes": 40}), "succeeded"),
        ] {
            bamboohr(&stack, Method::POST, "/reset", None).await;
            bamboohr(&stack, Method::POST, "/faults", Some(fault.clone())).await;
            let sync = poll(&stack, &org, "full").await;
            assert_eq!(sync["last_run"]["outcome"], outcome, "{fault}: {sync}");
            assert_eq!(sync["last_run"]["detail"].is_null(), outcome == "succeeded", "{sync}");
        }
        let sync = poll(&stack, &org, "full").await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        assert_eq!(stored(&org).await, truth(&stack).await);
    });
}

#[test]
fn messages_that_come_again_find_nothing_to_do() {
    let _guard = disturbing(&[Simulator("bamboohr"), SyncWorker], &[]);
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let sync = poll(&stack, &org, "full").await;
        // What is due next is not due for the time of this test.
        let _incremental = poll(&stack, &org, "incremental").await;
        let path = format!("/api/connections/{CONNECTION}");
        let before = org.get(&path).await.body["sync"]["last_run"]["id"].clone();
        assert!(before.is_string() && sync["last_run"]["id"] != before);
        bamboohr(&stack, Method::DELETE, "/requests", None).await;
        for _ in 0..3 {
            let job = json!({"v": 1, "org": ORG, "connection": CONNECTION});
            stack.send_message("sync", &job.to_string()).await;
        }
        stack.until_empty("sync", std::time::Instant::now() + crate::e2e::harness::stack::PATIENCE).await;
        let response = bamboohr(&stack, Method::GET, "/requests?limit=100", None).await;
        let ours = response.body["items"].as_array().expect("items").iter();
        assert_eq!(ours.filter(|r| r["path"].as_str().is_some_and(|p| p.contains(ORG))).count(), 0, "{response:?}");
        assert_eq!(org.get(&path).await.body["sync"]["last_run"]["id"], before);
    });
}
