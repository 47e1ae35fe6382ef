//! Flow C: a connection that is due is polled page by page.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{Answer, Org, Stack, alone, run};

const ORG: &str = "globex";
const CONNECTION: &str = "bamboo-globex";

async fn bamboohr(stack: &Stack, method: Method, path: &str, body: Option<Value>) -> Answer {
    let answer = stack.control("bamboohr", method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer
}

/// Makes the connection due and waits for the end of the run that follows.
async fn poll(stack: &Stack, org: &Org<'_>) -> Value {
    let path = format!("/api/connections/{CONNECTION}");
    let before = org.get(&path).await.body["sync"]["last_run"]["finished_at"].clone();
    // Due times have whole seconds and each is worked once, so this one must be later than the last.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let due = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).expect("a time").to_string();
    stack.set_text("control", (&format!("ORG#{ORG}#sync"), CONNECTION), "next_at", &due).await;
    stack.invoke("sync-scheduler", &json!({})).await.expect("the scheduler works");
    let ended = |answer: &Answer| {
        let sync = &answer.body["sync"];
        let finished = &sync["last_run"]["finished_at"];
        // The stack's own schedule may have begun another run just before: while ours is on its way, that one is not meant.
        finished.is_string() && *finished != before && sync["reason"] != "a run is on its way"
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

#[test]
fn a_due_connection_is_polled_page_by_page_and_what_is_stored_is_what_the_provider_has() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        let expected = truth(&stack).await;
        assert!(expected.len() > 40, "several pages");
        assert_eq!(sync["last_run"]["counts"]["read"], expected.len(), "{sync}");
        assert_eq!(stored(&org).await, expected);
        let next: jiff::Timestamp = sync["next_at"].as_str().expect("next_at").parse().expect("a time");
        let wait = next.duration_since(jiff::Timestamp::now()).as_mins();
        assert!((50..=60).contains(&wait), "the next poll is within the contract's 60 minutes: {sync}");

        // Nothing changed: nothing is written.
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["counts"]["unchanged"], expected.len(), "{sync}");
        // One changed: it alone is written.
        let (changed, (_, stage)) = expected.first_key_value().expect("a row");
        let changed: u64 = changed.parse().expect("a number");
        let status = if stage == "Reviewed" { 1 } else { 2 };
        let change = json!({"id": changed, "status": {"id": status}});
        bamboohr(&stack, Method::POST, &format!("/{ORG}/applications"), Some(change)).await;
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["counts"]["updated"], 1, "{sync}");
        assert_eq!(stored(&org).await, truth(&stack).await);
    });
}

#[test]
fn a_rate_limit_parks_the_run_and_the_next_goes_on_at_its_checkpoint() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let fault =
            json!({"match": {"path_contains": "page=2"}, "times": 1, "status": 429, "headers": {"retry-after": "120"}});
        bamboohr(&stack, Method::POST, "/faults", Some(fault)).await;
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["outcome"], "rate-limited", "{sync}");
        let next: jiff::Timestamp = sync["next_at"].as_str().expect("next_at").parse().expect("a time");
        let wait = next.duration_since(jiff::Timestamp::now()).as_secs();
        assert!((90..=120).contains(&wait), "Retry-After is kept: {sync}");
        bamboohr(&stack, Method::DELETE, "/requests", None).await;
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        assert_eq!(sync["last_run"]["counts"]["read"], truth(&stack).await.len(), "the counts go on, too: {sync}");
        let asked = bamboohr(&stack, Method::GET, "/requests?limit=100", None).await;
        let first_page = asked.body["items"].as_array().expect("items").iter().any(|r| {
            r["query"].as_str().is_some_and(|q| q.contains("page=1&"))
                && r["path"].as_str().is_some_and(|p| p.contains(ORG))
        });
        assert!(!first_page, "the first page is not read again: {asked:?}");
    });
}

const MINUTE_MS: i64 = 60_000;

fn minute() -> i64 {
    jiff::Timestamp::now().as_millisecond() / MINUTE_MS
}

/// Waits for a late part of a minute, so that the wait for the next is short; not so late that a run could not end in it.
async fn until_late() {
    let into = jiff::Timestamp::now().as_millisecond() % MINUTE_MS;
    let wait = if into > 45_000 { MINUTE_MS - into + 35_000 } else { (35_000 - into).max(0) };
    tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(wait).expect("a wait"))).await;
}

/// Uses up the connection's budget of this minute and polls. None when the minute ended before the run did: then its budget
/// is a new one.
async fn poll_without_budget(stack: &Stack, org: &Org<'_>) -> Option<Value> {
    let begun = minute();
    let spent = json!({"v": 1, "window": begun * MINUTE_MS, "count": 300, "previous": 300});
    stack.set_control((&format!("ORG#{ORG}#limit"), &format!("outbound#{CONNECTION}")), &spent).await;
    let sync = poll(stack, org).await;
    (minute() == begun).then_some(sync)
}

#[test]
fn a_budget_that_is_used_up_parks_the_run_without_a_request_until_there_is_more() {
    // Whoever waits with the stack in hand lets all others wait.
    run(until_late());
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let mut parked = None;
        for _ in 0..4 {
            until_late().await;
            bamboohr(&stack, Method::DELETE, "/requests", None).await;
            parked = poll_without_budget(&stack, &org).await;
            if parked.is_some() {
                break;
            }
        }
        let parked = parked.expect("a run within one minute");
        assert_eq!(parked["last_run"]["outcome"], "rate-limited", "{parked}");
        assert!(parked["last_run"]["detail"].as_str().is_some_and(|detail| detail.contains("budget")), "{parked}");
        assert!(parked["reason"].as_str().is_some_and(|reason| reason.contains("used up")), "{parked}");
        let next: jiff::Timestamp = parked["next_at"].as_str().expect("next_at").parse().expect("a time");
        let wait = next.duration_since(jiff::Timestamp::now()).as_millis();
        assert!(wait <= 62_000, "{parked}");
        let asked = bamboohr(&stack, Method::GET, "/requests?limit=100", None).await;
        let ours = asked.body["items"].as_array().expect("items").iter();
        assert_eq!(ours.filter(|r| r["path"].as_str().is_some_and(|p| p.contains(ORG))).count(), 0, "{asked:?}");

        tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
        let sync = poll(&stack, &org).await;
        assert_eq!(sync["last_run"]["outcome"], "succeeded", "{sync}");
        assert_eq!(stored(&org).await, truth(&stack).await);
    });
}

#[test]
fn refused_credentials_broken_pages_and_outages_end_with_an_honest_outcome() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        for (fault, outcome) in [
            (json!({"match": {}, "times": 1, "status": 401}), "failed"),
            (json!({"match": {}, "times": 1, "malformed": true}), "failed"),
            // One outage is tried again within the same due time, and the run succeeds.
            (json!({"match": {"path_contains": "page=2"}, "times": 1, "status": 503}), "succeeded"),
            (json!({"match": {"path_contains": "page=3"}, "times": 1, "drop_after_bytes": 40}), "succeeded"),
        ] {
            bamboohr(&stack, Method::POST, "/reset", None).await;
            bamboohr(&stack, Method::POST, "/faults", Some(fault.clone())).await;
            let sync = poll(&stack, &org).await;
            assert_eq!(sync["last_run"]["outcome"], outcome, "{fault}: {sync}");
            assert_eq!(sync["last_run"]["detail"].is_null(), outcome == "succeeded", "{sync}");
        }
        assert_eq!(stored(&org).await, truth(&stack).await);
    });
}

#[test]
fn the_same_due_time_is_worked_once_however_often_its_message_comes() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let org = stack.org(ORG);
        bamboohr(&stack, Method::POST, "/reset", None).await;
        let sync = poll(&stack, &org).await;
        let due = sync["last_run"]["started_at"].clone();
        bamboohr(&stack, Method::DELETE, "/requests", None).await;
        for _ in 0..3 {
            // A due time before the one that was worked last is one that was worked, too.
            let job = json!({"v": 1, "org": ORG, "connection": CONNECTION, "due_at": "2026-01-01T00:00:00Z"});
            stack.send_message("sync", &job.to_string()).await;
        }
        stack.until_empty("sync", std::time::Instant::now() + crate::stack::PATIENCE).await;
        let asked = bamboohr(&stack, Method::GET, "/requests?limit=100", None).await;
        let ours = asked.body["items"].as_array().expect("items").iter();
        assert_eq!(ours.filter(|r| r["path"].as_str().is_some_and(|p| p.contains(ORG))).count(), 0, "{asked:?}");
        let after = org.get(&format!("/api/connections/{CONNECTION}")).await.body;
        assert_eq!(after["sync"]["last_run"]["started_at"], due);
    });
}
