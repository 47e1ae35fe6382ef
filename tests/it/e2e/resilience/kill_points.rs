//! Workers are killed at every named point of their work, with SIGKILL, and the work is resumed: accepted work is done,
//! an effect happens at most once for each lease, and nothing waits longer than the lease and the redelivery of its
//! message.
//!
//! Each case has work of its own. All are killed first, one after the other, so that no death meets the work of another;
//! then their messages come again. `PROVE_LONG` waits for the queues' own visibility timeout; otherwise it is shortened.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::id::NotificationId;
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use resilience::outbox::{OVERDUE, waiting_since};
use serde_json::{Value, json};

use crate::e2e::ats::webhook::followers;
use crate::e2e::harness::claims::{REVIEW, disturbing_first};
use crate::e2e::harness::stack::{Org, PATIENCE, Stack, new_application, run};
use crate::e2e::harness::time;

/// The leases of all three workers end with their timeout.
const LEASE: Duration = Duration::from_secs(30);
/// Visibility timeout of the queues in the template.
const VISIBILITY: Duration = Duration::from_secs(180);
/// That of the short form, on the machine: longer than all the killing, which is work, and than the lease.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);
const QUEUES: [&str; 4] = ["webhook", "suggestion", "email", "email-priority"];
const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

/// The function whose worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// webhook-worker, by the event.
    Webhook,
    /// suggestion-worker, by the suggestion.
    Suggestion,
    /// email-worker, by a notification with the guarantee at most once.
    MailOnce,
    /// email-worker, by a notification with the guarantee at least once.
    MailAgain,
}

/// How a case must end: state, claims and effects of its suggestion or notification.
type Work<S> = (S, u64, u64);

struct Case {
    flow: Flow,
    point: &'static str,
    wanted: Work<&'static str>,
}

const fn case(flow: Flow, point: &'static str, wanted: Work<&'static str>) -> Case {
    Case { flow, point, wanted }
}

/// `record.created` dies between a record and its message: in webhook-worker the one of the suggestion, in
/// suggestion-worker the one of the notification, in frontend-api the one that a client requested.
const CASES: [Case; 20] = [
    case(Flow::Webhook, "work.claiming", ("succeeded", 1, 1)),
    case(Flow::Webhook, "work.claimed", ("succeeded", 1, 1)),
    case(Flow::Webhook, "record.created", ("succeeded", 1, 1)),
    case(Flow::Webhook, "work.finishing", ("succeeded", 1, 1)),
    case(Flow::Webhook, "work.finished", ("succeeded", 1, 1)),
    case(Flow::Suggestion, "work.claiming", ("succeeded", 1, 1)),
    case(Flow::Suggestion, "work.claimed", ("succeeded", 2, 1)),
    case(Flow::Suggestion, "work.finishing", ("succeeded", 2, 2)),
    case(Flow::Suggestion, "work.finished", ("succeeded", 1, 1)),
    case(Flow::Suggestion, "record.created", ("succeeded", 1, 1)),
    case(Flow::MailOnce, "record.created", ("accepted", 1, 1)),
    case(Flow::MailOnce, "work.claiming", ("accepted", 1, 1)),
    case(Flow::MailOnce, "work.claimed", ("needs_review", 1, 0)),
    case(Flow::MailOnce, "work.finishing", ("needs_review", 1, 1)),
    case(Flow::MailOnce, "work.finished", ("accepted", 1, 1)),
    case(Flow::MailAgain, "record.created", ("accepted", 1, 1)),
    case(Flow::MailAgain, "work.claiming", ("accepted", 1, 1)),
    case(Flow::MailAgain, "work.claimed", ("accepted", 2, 1)),
    case(Flow::MailAgain, "work.finishing", ("accepted", 2, 2)),
    case(Flow::MailAgain, "work.finished", ("accepted", 1, 1)),
];

/// A case whose worker was killed.
struct Killed {
    case: &'static Case,
    died: Instant,
    suggestion: Option<String>,
    notification: String,
}

/// How a case ended.
struct End {
    work: Work<String>,
    /// Mails of the notification that came of it.
    mails: u64,
    after: Duration,
}

/// Orders a death, does what leads to it, and waits until it has happened.
async fn kill(stack: &Stack, case: &'static Case) -> Killed {
    let acme = stack.org("acme");
    let order = |work: &str| -> PathBuf {
        let file = Path::new(stack.text("/fault_points")).join(format!("{}@{work}", case.point));
        fs::write(&file, "").expect("an order");
        file
    };
    let (file, suggestion, notification) = match case.flow {
        Flow::Webhook | Flow::Suggestion => {
            let (body, number) = new_application();
            let event = format!("kill-{number}");
            let application = json!({"id": acme.application_id(&number.to_string())});
            let (suggestion, notification) = followers("acme", &application);
            let file = match (case.flow, case.point) {
                (Flow::Webhook, "record.created") => order(&suggestion),
                (Flow::Webhook, _) => order(&event),
                (_, "record.created") => order(&notification),
                _ => order(&suggestion),
            };
            assert_eq!(acme.deliver(&body, &event).await.status, 200);
            (file, Some(suggestion), notification)
        }
        Flow::MailOnce | Flow::MailAgain => {
            let key = format!("kill-{}", crate::e2e::harness::stack::fresh_number());
            let id = NotificationId::derived(&"acme".parse().expect("org"), &["idempotency-key", &key]).to_string();
            let file = order(&id);
            let (kind, data) = match case.flow {
                Flow::MailOnce => ("flag-resolved", json!({"name": "Ada", "flag": "f", "resolution": "r"})),
                _ => (
                    "password-reset",
                    json!({"name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 5}),
                ),
            };
            let body = json!({"kind": kind, "to": "killed@example.com", "data": data});
            let request = acme.request(Method::POST, "/api/notifications").header("idempotency-key", &key);
            let answer = stack.send(request.json(&body)).await;
            // A process that dies in the middle of a request promises nothing.
            assert_eq!(answer.status.is_success(), case.point != "record.created", "{answer:?}");
            (file, None, id)
        }
    };
    let begin = Instant::now();
    while file.exists() {
        assert!(begin.elapsed() < PATIENCE, "{:?}: nobody passed {}", case.flow, case.point);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let killed = Killed { case, died: Instant::now(), suggestion, notification };
    if killed.suggestion.is_none() && case.point == "record.created" {
        // Only the sweep sends this message, and only when it is overdue.
        let old = time::now() - OVERDUE - SignedDuration::from_secs(60);
        let old = waiting_since(old, SignedDuration::ZERO).to_string();
        stack.set_text("records", ("ORG#acme#notification", &killed.notification), "waiting_since", &old).await;
        stack.invoke("maintenance", &json!({})).await.expect("the sweep works");
    }
    let has_successor = match case.flow {
        Flow::Webhook => ["work.finishing", "work.finished"].contains(&case.point),
        Flow::Suggestion => false,
        Flow::MailOnce | Flow::MailAgain => case.point == "record.created",
    };
    if has_successor {
        // What follows from this work must not be in the same process as the next death.
        acme.until_state(&format!("/api/notifications/{}", killed.notification), &SETTLED).await;
    }
    killed
}

/// The number of requests to the model about the application of a suggestion.
async fn model_requests(stack: &Stack, acme: &Org<'_>, suggestion: &Value) -> u64 {
    let id = suggestion["application_id"].as_str().expect("id");
    let application = acme.get(&format!("/api/applications/{id}")).await.body;
    // The last name is the number of the application; the prompt escapes some characters of other names.
    let name = application["candidate"]["name"].as_str().and_then(|name| name.rsplit(' ').next()).expect("a name");
    let requests = stack.control("gemini", Method::GET, "/requests?limit=5000", None).await.body;
    let about = |request: &&Value| {
        let text = request["body"]["contents"][0]["parts"][0]["text"].as_str().unwrap_or_default();
        text.contains(name)
    };
    let count = requests["items"].as_array().expect("requests").iter().filter(about).count();
    u64::try_from(count).expect("a small number")
}

/// Waits for the end of a case.
async fn end(stack: &Stack, killed: &Killed, within: Duration) -> End {
    let acme = stack.org("acme");
    let until = async |path: String, states: &[&str]| {
        loop {
            let answer = acme.get(&path).await;
            if answer.body["state"].as_str().is_some_and(|state| states.contains(&state)) {
                return answer.body;
            }
            let (flow, point) = (killed.case.flow, killed.case.point);
            assert!(killed.died.elapsed() < within, "{flow:?} at {point} is stranded: {answer:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let mut ended = match &killed.suggestion {
        Some(id) => Some(until(format!("/api/suggestions/{id}"), &["succeeded", "failed"]).await),
        None => None,
    };
    let sent = until(format!("/api/notifications/{}", killed.notification), &SETTLED).await;
    let after = killed.died.elapsed();
    let mails = stack.mails_of(&killed.notification).await;
    assert!(mails.iter().all(|mail| mail["message_id"] == mails[0]["message_id"]), "one mail has one Message-ID");
    let mails = u64::try_from(mails.len()).expect("a small number");
    let effects = match &ended {
        Some(suggestion) => model_requests(stack, &acme, suggestion).await,
        None => mails,
    };
    let work = ended.take().unwrap_or(sent);
    let state = work["state"].as_str().expect("a state").to_owned();
    End { work: (state, work["attempts"].as_u64().expect("attempts"), effects), mails, after }
}

async fn hide_for(stack: &Stack, seconds: Duration) {
    for queue in QUEUES {
        stack.set_visibility(queue, seconds.as_secs()).await;
    }
}

#[test]
fn a_killed_worker_leaves_work_that_is_done_once() {
    let _guard = disturbing_first(&REVIEW, &[]);
    run(async {
        let stack = Stack::open();
        let long = std::env::var_os("PROVE_LONG").is_some();
        let visibility = if long { time::on_machine(VISIBILITY) } else { SHORT_VISIBILITY };
        assert!(stack.control("gemini", Method::POST, "/reset", None).await.status.is_success());
        hide_for(&stack, visibility).await;
        let begin = Instant::now();
        let mut all = Vec::new();
        for case in &CASES {
            all.push(kill(&stack, case).await);
        }
        // On a machine so slow that messages came again before the last death, one death may have met the work of
        // another: then only the rules that hold for every number of deaths are checked.
        let apart = begin.elapsed() < visibility;
        println!("killed: {} workers in {:.0?}, apart={apart}", all.len(), begin.elapsed());
        let within = visibility + LEASE + PATIENCE;
        let ends = join_all(all.iter().map(|killed| end(&stack, killed, within))).await;
        for (killed, End { work: (state, claims, effects), mails, after }) in all.iter().zip(ends) {
            let Case { flow, point, wanted } = killed.case;
            println!(
                "killed: {:<10} {point:<14} {state:<12} claims={claims} effects={effects} mails={mails} after={after:.0?}",
                format!("{flow:?}")
            );
            assert!(effects <= claims, "{flow:?} at {point}: {effects} effects in {claims} leases");
            assert!(*flow == Flow::MailAgain || mails <= 1, "{flow:?} at {point}: nobody gets two");
            assert!(state != "needs_review" || *flow == Flow::MailOnce, "{flow:?} at {point}: {state}");
            assert!(!["failed", "rejected"].contains(&state.as_str()), "{flow:?} at {point}: {state}");
            if apart {
                assert_eq!((state.as_str(), claims, effects), *wanted, "{flow:?} at {point}");
                assert!(killed.suggestion.is_none() || mails == 1, "{flow:?} at {point}: staff are told once");
            }
        }
        for queue in QUEUES {
            stack.until_empty(queue, Instant::now() + visibility + PATIENCE).await;
        }
        hide_for(&stack, time::on_machine(VISIBILITY)).await;
    });
}
