//! Workers of actions are killed with SIGKILL at every named point of their work, and during requests to the provider;
//! then the work is resumed. A change with a lookup is made once; one without is never made twice, and a person reviews
//! it.
//!
//! All are killed first, one after the other; then their messages come again. `PROVE_LONG` waits for the queue's own visibility
//! timeout; otherwise it is shortened.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::id::ActionId;
use domain::write_back::Change;
use jiff::SignedDuration;
use reqwest::Method;
use resilience::outbox::{OVERDUE, waiting_since};
use serde_json::json;

use super::WRITE_BACK;
use super::company::{Company, Row};
use crate::e2e::harness::claims::{ActionWorker, disturbing_first};
use crate::e2e::harness::stack::{PATIENCE, Stack, fresh_number, run};
use crate::e2e::harness::time;

/// Leases end with the worker's timeout.
const LEASE: Duration = Duration::from_secs(60);
/// Visibility timeout of the queue in the template.
const VISIBILITY: Duration = Duration::from_secs(360);
/// That of the short form, on the machine: longer than all the killing, which is work, and than the lease.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A move to another status, which can be looked for.
    Move,
    /// A comment, which cannot.
    Note,
}

/// How a case must end: state, tries, and requests that change something.
type Wanted = (&'static str, u64, usize);

struct Case {
    what: What,
    point: &'static str,
    wanted: Wanted,
}

const fn case(what: What, point: &'static str, wanted: Wanted) -> Case {
    Case { what, point, wanted }
}

/// The provider took the change, and its reply is not there yet.
const CALLING: &str = "work.calling";

const CASES: [Case; 11] = [
    case(What::Move, "record.created", ("succeeded", 1, 1)),
    case(What::Move, "work.claiming", ("succeeded", 1, 1)),
    case(What::Move, "work.claimed", ("succeeded", 2, 1)),
    case(What::Move, CALLING, ("succeeded", 2, 1)),
    case(What::Move, "work.finishing", ("succeeded", 2, 1)),
    case(What::Move, "work.finished", ("succeeded", 1, 1)),
    case(What::Note, "work.claiming", ("succeeded", 1, 1)),
    case(What::Note, "work.claimed", ("needs-review", 2, 0)),
    case(What::Note, CALLING, ("needs-review", 2, 1)),
    case(What::Note, "work.finishing", ("needs-review", 2, 1)),
    case(What::Note, "work.finished", ("succeeded", 1, 1)),
];

impl What {
    const fn path(self) -> &'static str {
        match self {
            Self::Move => "status",
            Self::Note => "comments",
        }
    }
}

struct Killed {
    case: &'static Case,
    action: String,
    row: Row,
    target: u64,
}

/// Orders a death, does what leads to it, and waits until it has happened.
async fn kill(stack: &Stack, company: &Company<'_>, case: &'static Case) -> Killed {
    let Case { what, point, .. } = case;
    let row = company.free_row().await;
    let target = company.another_status(&row);
    let order = |action: &str| -> PathBuf { Path::new(stack.text("/fault_points")).join(format!("{point}@{action}")) };
    let arm = |file: &Path| fs::write(file, "").expect("an order");
    let begin = Instant::now();
    let patience = async |missing: &str| {
        assert!(begin.elapsed() < PATIENCE, "{what:?} at {point}: {missing}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let (action, file) = if *point == "record.created" {
        let key = format!("kill-{}", fresh_number());
        let org = company.org.id().parse().expect("org");
        let action = ActionId::derived(&org, &["idempotency-key", &key]).to_string();
        let file = order(&action);
        arm(&file);
        let path = format!("/api/applications/{}/actions", company.ours(row.id));
        let body = json!({"action": "move-stage", "stage": target.to_string()});
        let request = company.org.request(Method::POST, &path).header("idempotency-key", &key).json(&body);
        // A process that dies in the middle of a request promises nothing.
        assert!(!stack.send(request).await.status.is_success());
        (action, file)
    } else {
        let (application, stage) = (row.id.to_string(), target.to_string());
        let action = company
            .record(|reference| match what {
                What::Move => Change::MoveStage { application, stage },
                What::Note => {
                    Change::Note { candidate: application.clone(), application, text: "Call back".into(), reference }
                }
            })
            .await;
        let file = order(&action);
        if *point == CALLING {
            let matching = json!({"method": "POST", "path_contains": format!("/{}/{}", row.id, what.path())});
            let fault = json!({"match": matching, "times": 1, "answer_latency_ms": 15_000});
            let answer = stack.control("bamboohr", Method::POST, "/faults", Some(fault)).await;
            assert!(answer.status.is_success(), "{answer:?}");
        } else {
            arm(&file);
        }
        stack.send_message("action", &company.job(&action)).await;
        if *point == CALLING {
            while company.posts(row.id, what.path()).await == 0 {
                patience("the provider was not asked").await;
            }
            arm(&file);
        }
        (action, file)
    };
    while file.exists() {
        patience("nobody passed the point").await;
    }
    if *point == "record.created" {
        // Only the sweep sends this message, and only when it is overdue.
        let old = time::now() - OVERDUE - SignedDuration::from_secs(60);
        let old = waiting_since(old, SignedDuration::ZERO).to_string();
        let pk = format!("ORG#{}#action", company.org.id());
        stack.set_text("records", (&pk, &action), "waiting_since", &old).await;
        stack.invoke("maintenance", &json!({})).await.expect("the sweep works");
        // What follows must not be in the same process as the next death.
        company.ended(&action).await;
    }
    Killed { case, action, row, target }
}

#[test]
fn a_killed_worker_leaves_a_change_made_once_or_for_review() {
    let _guard = disturbing_first(&[ActionWorker], &WRITE_BACK);
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let long = std::env::var_os("PROVE_LONG").is_some();
        let visibility = if long { time::on_machine(VISIBILITY) } else { SHORT_VISIBILITY };
        stack.set_visibility("action", visibility.as_secs()).await;
        let begin = Instant::now();
        let mut all = Vec::new();
        for case in &CASES {
            all.push(kill(&stack, &company, case).await);
        }
        // Later a message may have come again before the last death, and one death may have met the work of another.
        let apart = begin.elapsed() < visibility;
        println!("killed: {} workers of actions in {:.0?}, apart={apart}", all.len(), begin.elapsed());
        let deadline = Instant::now() + visibility + LEASE + PATIENCE;
        let (mut doubled, mut lost, mut review) = (0, 0, 0);
        for Killed { case: Case { what, point, wanted }, action, row, target } in &all {
            let ended = loop {
                let ended = company.org.get(&format!("/api/actions/{action}")).await.body;
                if super::settled(&ended) {
                    break ended;
                }
                assert!(Instant::now() < deadline, "{what:?} at {point} is stranded: {ended}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            };
            let state = ended["state"].as_str().expect("a state");
            let tries = ended["attempts"].as_u64().expect("attempts");
            let posts = company.posts(row.id, what.path()).await;
            let after = company.row(row.id).await;
            println!("killed: {:<5} {point:<14} {state:<12} tries={tries} changes={posts}", format!("{what:?}"));
            doubled += usize::from(posts > 1);
            lost += usize::from(posts == 0 && state != "needs-review");
            review += usize::from(state == "needs-review");
            assert!(posts <= 1, "{what:?} at {point}: made {posts} times");
            assert!(state != "failed", "{what:?} at {point}: {ended}");
            if *what == What::Move {
                assert_eq!(after.status, *target, "{point}");
                company.until_stage(row.id, &after.label).await;
            } else {
                assert_eq!(after.comments - row.comments, u64::try_from(posts).expect("few"), "{point}");
            }
            if apart {
                assert_eq!((state, tries, posts), *wanted, "{what:?} at {point}: {ended}");
            }
        }
        stack.until_empty("action", Instant::now() + visibility + PATIENCE).await;
        stack.set_visibility("action", time::seconds(VISIBILITY)).await;
        println!(
            "measured: action_kills={} action_doubled={doubled} action_lost={lost} action_needs_review={review}",
            all.len()
        );
    });
}
