//! What was recorded and never enqueued is found by the sweep and worked on once.

use domain::id::{NotificationId, SuggestionId};
use domain::notification::{Notification, NotificationKind};
use domain::suggestion::Suggestion;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use resilience::outbox::{OVERDUE, shard_of, waiting_since};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::e2e::ats::webhook::{application, followers};
use crate::e2e::harness::claims::{Mailer, Relay, alone, disturbing};
use crate::e2e::harness::stack::{PATIENCE, Stack, new_application, run};
use crate::e2e::harness::time;

const NOTIFICATIONS: &str = "ORG#acme#notification";
const SUGGESTIONS: &str = "ORG#acme#suggestion";
const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

/// Writes a record as a function leaves it that dies between the record and its message.
pub(crate) async fn leave(stack: &Stack, pk: &str, id: &str, record: Value, since: Timestamp) {
    let mut item = record;
    item["pk"] = json!(pk);
    item["sk"] = json!(id);
    item["request_hash"] = json!("none");
    item["listed_at"] = json!(format!("{since:.3}#{id}"));
    item["waiting_shard"] = json!(format!("waiting#{}", shard_of(id)));
    item["waiting_since"] = json!(waiting_since(since, SignedDuration::ZERO).to_string());
    stack.put_record(&item).await;
}

async fn leave_notification(stack: &Stack, since: Timestamp) -> String {
    let id = NotificationId::fresh(Uuid::now_v7());
    let data = json!({"name": "Ada", "flag": "f", "resolution": "r"});
    let record = Notification::queued(id, NotificationKind::FlagResolved, "left@example.com".to_owned(), data, since);
    leave(stack, NOTIFICATIONS, &id.to_string(), json!(record), since).await;
    id.to_string()
}

pub(crate) async fn sweep(stack: &Stack) -> (u64, u64) {
    let answer = stack.invoke("maintenance", &json!({})).await.expect("the sweep works");
    let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{name}: {answer}"));
    (count("enqueued"), count("unknown"))
}

/// A record is in the index when it waits, and only then. Gives its state.
async fn state(stack: &Stack, pk: &str, id: &str) -> String {
    let item = stack.record(pk, id).await;
    let state = item["state"]["S"].as_str().unwrap_or_else(|| panic!("a state: {item}")).to_owned();
    let waits = match pk {
        NOTIFICATIONS => state == "queued",
        _ => state == "accepted",
    };
    let indexed = (item["waiting_shard"]["S"].is_string(), item["waiting_since"]["S"].is_string());
    assert_eq!(indexed, (waits, waits), "{item}");
    state
}

async fn until_nothing_is_left(stack: &Stack) {
    let begin = std::time::Instant::now();
    for queue in ["suggestion", "email"] {
        while stack.messages_in(queue).await > 0 {
            assert!(begin.elapsed() < 2 * PATIENCE, "messages are left in {queue}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

#[test]
fn overdue_work_is_enqueued_and_done_once() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (body, number) = new_application();
        assert_eq!(acme.deliver(&body, &format!("o-{number}")).await.status, 200);
        let application = application(&acme, &number.to_string()).await;
        let (_, notification) = followers("acme", &application);
        acme.until_state(&format!("/api/notifications/{notification}"), &SETTLED).await;
        until_nothing_is_left(&stack).await;

        // Three that wait for too long, one of them of an unknown kind, and one that does not.
        let now = time::now();
        let old = now - OVERDUE - SignedDuration::from_secs(60);
        let notification = leave_notification(&stack, old).await;
        let fresh = leave_notification(&stack, now).await;
        let suggestion = SuggestionId::fresh(Uuid::now_v7());
        let application = application["id"].as_str().expect("id").parse().expect("an id");
        let record = json!(Suggestion::accepted(suggestion, application, false, old));
        let suggestion = suggestion.to_string();
        leave(&stack, SUGGESTIONS, &suggestion, record, old).await;
        leave(&stack, "ORG#acme#pigeon", &suggestion, json!({"v": 1, "state": "accepted"}), old).await;

        let first = sweep(&stack).await;
        let second = sweep(&stack).await;
        // The schedule may have been faster than this test; then its sweep found them.
        assert!([(2, 1), (0, 0)].contains(&first), "{first:?}");
        assert_eq!(second, (0, 0), "what was swept is not swept again at once");
        // No run of this test counts the strangers of another.
        stack.set_text("records", ("ORG#acme#pigeon", &suggestion), "waiting_shard", "nobody's").await;

        let sent = acme.until_state(&format!("/api/notifications/{notification}"), &SETTLED).await;
        assert_eq!((sent["state"].as_str(), sent["attempts"].as_u64()), (Some("accepted"), Some(1)), "{sent}");
        let made = acme.until_state(&format!("/api/suggestions/{suggestion}"), &["succeeded", "failed"]).await;
        assert_eq!((made["state"].as_str(), made["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{made}");
        until_nothing_is_left(&stack).await;
        assert_eq!(stack.mails_of(&notification).await.len(), 1, "one mail");
        assert_eq!(state(&stack, NOTIFICATIONS, &notification).await, "accepted");
        assert_eq!(state(&stack, SUGGESTIONS, &suggestion).await, "succeeded");
        assert_eq!(state(&stack, NOTIFICATIONS, &fresh).await, "queued", "a message may still be on its way");
        assert_eq!(stack.mails_of(&fresh).await.len(), 0);

        // A sweep that died after it had sent and before it pushed sends again: the second message finds nothing to do.
        let since = waiting_since(old, SignedDuration::ZERO).to_string();
        stack.set_text("records", (NOTIFICATIONS, &fresh), "waiting_since", &since).await;
        let job = json!({"v": 1, "org": "acme", "notification": fresh}).to_string();
        stack.send_message("email", &job).await;
        sweep(&stack).await;
        acme.until_state(&format!("/api/notifications/{fresh}"), &SETTLED).await;
        until_nothing_is_left(&stack).await;
        assert_eq!(stack.mails_of(&fresh).await.len(), 1, "one mail");
        assert_eq!(state(&stack, NOTIFICATIONS, &fresh).await, "accepted");
        assert_eq!(sweep(&stack).await, (0, 0), "nothing waits any more");
    });
}

#[test]
fn a_record_is_in_the_index_exactly_while_it_waits() {
    let _guard = disturbing(&[Relay], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let url = format!("{}faults", stack.text("/mailbox_url"));
        let order = json!({"stage": "connect", "code": 421, "times": 3});
        assert!(stack.send(stack.http.request(Method::POST, url).json(&order)).await.status.is_success());
        let data = json!({"name": "Ada", "flag": "f", "resolution": "r"});
        let body = json!({"kind": "flag-resolved", "to": "waits@example.com", "data": data});
        let accepted = acme.post("/api/notifications", &body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let id = accepted.body["id"].as_str().expect("id").to_owned();

        // Recorded, claimed, released three times, sent: the index is right at every time.
        let begin = std::time::Instant::now();
        while state(&stack, NOTIFICATIONS, &id).await != "accepted" {
            assert!(begin.elapsed() < PATIENCE, "the mail is not sent after {PATIENCE:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let sent = acme.get(&format!("/api/notifications/{id}")).await.body;
        assert_eq!(sent["attempts"], 4, "{sent}");
        assert_eq!(stack.mails_of(&id).await.len(), 1);
    });
}
