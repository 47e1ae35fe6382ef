//! Fifty workers in two processes want the same thing of the emulator's tables: one gets it.

use std::process::Stdio;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;

use crate::e2e::harness::claims::using;
use crate::e2e::harness::stack::{Stack, run};

const PROCESSES: usize = 2;
const TASKS: &str = "25";

/// Runs a process of the contest to its end and gives what it printed.
async fn contender(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let endpoint = stack.text("/calls_url").strip_suffix("/_calls").expect("the counter's address");
    let output = Command::new(env!("CARGO_BIN_EXE_contender"))
        .args(arguments)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("CONTROL_TABLE", stack.table("control").await)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    // Metrics go the same way.
    lines.filter(|line| line["_aws"].is_null()).collect()
}

async fn contest(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    join_all((0..PROCESSES).map(|_| contender(stack, arguments))).await.concat()
}

/// The numbers that lines of a kind have, in order.
fn numbers(lines: &[Value], kind: &str) -> Vec<i64> {
    let mut numbers: Vec<i64> = lines.iter().filter_map(|line| line[kind].as_i64()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn of_fifty_workers_one_has_the_work_at_a_time_and_one_ends_it() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = format!("contest-{}", Uuid::new_v4());
        let lines = contest(&stack, &["work", &key, TASKS, "4"]).await;
        let effects = numbers(&lines, "effect");
        let last = effects.last().copied().expect("effects");
        assert_eq!(effects, (1..=last).collect::<Vec<_>>(), "one effect in each lease: {lines:?}");
        assert!(last >= 4, "{lines:?}");
        let recorded = |kind: &str| lines.iter().filter(|line| line[kind].is_i64() && line["recorded"] == true).count();
        assert_eq!(numbers(&lines, "zombie"), [1, 2, 3], "the first three outlive their lease: {lines:?}");
        assert_eq!((recorded("zombie"), recorded("finish")), (0, 1), "{lines:?}");
        let item = stack.item("control", "ORG#acme#contest", &key).await;
        let ended = [&item["state"]["S"], &item["by"]["N"], &item["attempts"]["N"]];
        assert_eq!(ended, ["done", &last.to_string(), &last.to_string()], "the last holder's end stays: {item}");
        println!("contest: tasks=50 leases={last} effects={} ends=1", effects.len());
    });
}

#[test]
fn one_process_of_fifty_gets_the_probe_for_each_lease() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let name = format!("contest-{}", Uuid::new_v4());
        let now = Timestamp::now().as_millisecond().to_string();
        let opened = contender(&stack, &["trip", &name, "1", &now]).await;
        assert_eq!(opened, [serde_json::json!({"open": true})]);
        let lines = contest(&stack, &["probe", &name, TASKS, &now]).await;
        let probes = numbers(&lines, "probe");
        assert_eq!((lines.len(), probes.len()), (100, 2), "{lines:?}");
        assert!(probes[0] < probes[1], "each has an epoch of its own: {probes:?}");
        assert_eq!(lines.iter().filter(|line| line["refused"] == true).count(), 98, "{lines:?}");
        println!("contest: tasks=50 probes=1 after_lease=1");
    });
}
