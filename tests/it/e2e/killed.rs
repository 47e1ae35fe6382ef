//! A worker is killed in the middle of its work, after the relay took the mail and before anybody could record it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use domain::message::EmailJob;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{PATIENCE, Stack, alone, run};

/// The processes of a function on this stack: the emulator starts each with the environment that Lambda gives.
fn processes(stack: &Stack, function: &str) -> Vec<u32> {
    let name = format!("AWS_LAMBDA_FUNCTION_NAME=hiring-integrations-local-{function}");
    let endpoint = format!("AWS_ENDPOINT_URL={}", stack.functions_endpoint());
    let ours = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let has = |wanted: &str| environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes());
        has(&name) && has(&endpoint)
    };
    let all = fs::read_dir("/proc").expect("the list of processes").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
}

async fn notify(stack: &Stack, kind: &str, data: Value) -> String {
    let body = json!({"kind": kind, "to": "killed@example.com", "data": data});
    let accepted = stack.org("acme").post("/api/notifications", &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    accepted.body["id"].as_str().expect("id").to_owned()
}

#[test]
fn a_worker_killed_after_the_relay_took_the_mail_sends_no_second_one_unless_the_kind_wants_it() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let faults = format!("{}faults", stack.text("/mailbox_url"));
        let order = json!({"stage": "after_data", "times": 2, "delay_ms": 15_000});
        assert!(stack.send(stack.http.post(&faults).json(&order)).await.status.is_success());
        let once = notify(&stack, "flag-resolved", json!({"name": "Ada", "flag": "f", "resolution": "r"})).await;
        let reset = json!({"name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 5});
        let at_least_once = notify(&stack, "password-reset", reset).await;
        let begin = Instant::now();
        for id in [&once, &at_least_once] {
            // The relay has the mail; its reply is held back.
            while stack.mails_of(id).await.is_empty() {
                assert!(begin.elapsed() < Duration::from_secs(12), "no mail of {id}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(acme.get(&format!("/api/notifications/{id}")).await.body["state"], "sending");
        }
        let victims = processes(&stack, "email-worker");
        assert!(!victims.is_empty(), "there is a process to kill");
        let pids: Vec<String> = victims.iter().map(u32::to_string).collect();
        assert!(Command::new("kill").arg("-9").args(&pids).status().expect("kill").success());
        assert!(stack.send(stack.http.request(Method::DELETE, &faults)).await.status.is_success());

        // The queue brings the messages back after its visibility timeout; copies need not wait for that, only for the lease.
        let mut settled = Vec::new();
        for (id, states) in [(&once, ["needs_review", "rejected"]), (&at_least_once, ["accepted", "rejected"])] {
            let begin = Instant::now();
            let path = format!("/api/notifications/{id}");
            let job =
                json!(EmailJob { v: 1, org: "acme".parse().expect("org"), notification: id.parse().expect("id") });
            loop {
                let state = acme.get(&path).await.body;
                if states.contains(&state["state"].as_str().unwrap_or_default()) {
                    settled.push(state);
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "{state}");
                stack.send_message("email", &job.to_string()).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
        let states: Vec<_> = settled.iter().map(|n| n["state"].as_str().unwrap_or_default()).collect();
        assert_eq!(states, ["needs_review", "accepted"], "{settled:?}");
        assert_eq!(stack.mails_of(&once).await.len(), 1, "nobody gets two");
        let mails = stack.mails_of(&at_least_once).await;
        assert_eq!(mails.len(), 2, "the second copy is sent on purpose");
        assert_eq!(mails[0]["message_id"], mails[1]["message_id"], "receivers can tell that it is one");
        // The originals are still hidden, and other tests wait for an empty queue.
        stack.purge("email").await;
    });
}
