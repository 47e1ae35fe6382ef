//! A connection whose worker is killed, without any help: within two minutes the run is rendered as interrupted, and
//! the stack resumes the pass by itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::ORG;
use crate::e2e::harness::stack::{Stack, fresh_number};
use crate::e2e::harness::time;

/// The longest time until a run without a worker is interrupted, by the stack's clock.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(120);
/// The longest time until its successor has read the rest: the scheduler starts it within a minute, and reading takes time.
const RESUMED_WITHIN: Duration = Duration::from_secs(240);
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn is_seen_by_the_stack(stack: &Stack) {
    let org = stack.org(ORG);
    let account = format!("s{:x}", fresh_number());
    let connection = format!("stalled-{account}");
    let grown = json!({"seed": 1, "count": 200});
    let grown = stack.control("bamboohr", Method::POST, &format!("/{account}/grow"), Some(grown)).await;
    assert!(grown.status.is_success(), "{grown:?}");
    let order = Path::new(stack.text("/fault_points")).join(format!("sync.saved@{connection}"));
    fs::write(&order, "").expect("an order");
    let body = json!({"id": connection, "provider": "bamboohr", "login": "api-key", "account": account,
                      "secrets": {"api_key": format!("local-bamboohr-key-{account}")}, "reason": "a worker dies"});
    assert_eq!(org.post("/api/connections", &body).await.status, 202);
    let begin = Instant::now();
    while order.exists() {
        assert!(begin.elapsed() < INTERRUPTED_WITHIN, "no worker reads it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let died = Instant::now();
    let path = format!("/api/connections/{connection}");
    let run = loop {
        let sync = org.get(&path).await.body["sync"].clone();
        if sync["running"]["id"].is_string() {
            break sync["running"]["id"].clone();
        }
        assert!(died.elapsed() < INTERRUPTED_WITHIN, "a run is at work, as far as one knows: {sync}");
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    let until = async |passed: &dyn Fn() -> Duration, patience: Duration, wanted: &dyn Fn(&[Value]) -> bool| {
        loop {
            let runs = org.get(&format!("{path}/runs?limit=100")).await.body;
            let items = runs["items"].as_array().expect("runs");
            let ours = items.iter().find(|item| item["id"] == run).expect("the run");
            assert!(ours["outcome"].is_null() || ours["outcome"] == "interrupted", "it was killed: {ours}");
            if wanted(items) {
                return died.elapsed();
            }
            assert!(passed() < patience, "not after {patience:?}: {runs}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let interrupted = |runs: &[Value]| runs.iter().any(|item| item["id"] == run && item["outcome"] == "interrupted");
    let noticed = until(&|| time::by_the_clock(died.elapsed()), INTERRUPTED_WITHIN, &interrupted).await;
    let resumed = |runs: &[Value]| runs.iter().any(|item| item["resumes"] == run && item["outcome"] == "succeeded");
    let over = until(&|| died.elapsed(), RESUMED_WITHIN, &resumed).await;
    println!("stalled: shown as interrupted after {noticed:.0?}, read to the end after {over:.0?}");
    let removed = org.send(org.request(Method::DELETE, &path)).await;
    assert_eq!(removed.status, 204, "{removed:?}");
}
