//! Changes at an applicant tracking system: made once, whatever happens in between, rendered with their state, and read
//! again.

mod company;
mod killed;

use domain::message::ActionJob;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::claims::{ActionWorker, Part, Simulator, SyncWorker, alone, using};
use crate::e2e::harness::stack::{Stack, fresh_number, run};
use company::{Company, SETTLED};

/// The parts of the stack that a change at an ATS uses.
const WRITE_BACK: [Part; 3] = [ActionWorker, SyncWorker, Simulator("bamboohr")];

#[test]
fn a_stage_moves_once_for_two_messages_and_updates_the_record() {
    let _guard = using(&WRITE_BACK);
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let row = company.free_row().await;
        let target = company.another_status(&row);
        let body = json!({"action": "move-stage", "stage": target.to_string()});
        let key = format!("move-{}", fresh_number());

        // Five at once with one key are one action.
        let path = format!("/api/applications/{}/actions", company.ours(row.id));
        let request = || company.org.request(Method::POST, &path).header("idempotency-key", &key).json(&body);
        let answers = join_all((0..5).map(|_| stack.send(request()))).await;
        let id = answers[0].body["id"].as_str().expect("id").to_owned();
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), answer.body["id"].as_str()), (202, Some(id.as_str())), "{answer:?}");
            assert_eq!(answer.location.as_deref(), Some(format!("/api/actions/{id}").as_str()));
        }
        for _ in 0..2 {
            stack.send_message("action", &company.job(&id)).await;
        }
        let ended = company.ended(&id).await;
        assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
        assert_eq!(ended["change"]["kind"], "move-stage");
        let after = company.row(row.id).await;
        assert_eq!(after.status, target);
        assert_eq!(company.posts(row.id, "status").await, 1, "once");
        company.until_stage(row.id, &after.label).await;
        assert_eq!(company.posts(row.id, "status").await, 1, "once");

        // Another action for the same status finds it there.
        let again = company.act(row.id, &body).await;
        assert_eq!(company.ended(&again).await["state"], "succeeded");
        assert_eq!(company.posts(row.id, "status").await, 1, "it was there");

        // The same key for something else is no repetition.
        let other = json!({"action": "hire"});
        let other = company.org.request(Method::POST, &path).header("idempotency-key", &key).json(&other);
        stack.send(other).await.is_problem(422, "idempotency-key-reused");
    });
}

#[test]
fn comments_rejections_hires_and_applications_arrive_once() {
    let _guard = using(&WRITE_BACK);
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let (noted, rejected, hired) = (company.free_row().await, company.free_row().await, company.free_row().await);
        let note = company.act(noted.id, &json!({"action": "note", "text": "Call back on Monday."})).await;
        let reject = company.act(rejected.id, &json!({"action": "reject"})).await;
        let hire = company.act(hired.id, &json!({"action": "hire"})).await;
        for id in [&note, &reject, &hire] {
            stack.send_message("action", &company.job(id)).await;
            let ended = company.ended(id).await;
            assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
        }
        assert_eq!(company.posts(noted.id, "comments").await, 1);
        assert_eq!(company.row(noted.id).await.comments, noted.comments + 1);
        company.until(rejected.id, |application| application["status"] == "rejected").await;
        company.until(hired.id, |application| application["status"] == "hired").await;

        let email = format!("applicant-{}@mail.example", fresh_number());
        let body = json!({"job": noted.job.to_string(), "first_name": "Noor", "last_name": "Haddad", "email": email});
        let path = format!("/api/connections/{}/submissions", company.connection);
        let accepted = company.org.post(&path, &body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let id = accepted.body["id"].as_str().expect("id");
        assert_eq!(company.ended(id).await["state"], "succeeded");
        let made: Vec<Value> = company.rows_of(&email).await;
        assert_eq!(made.len(), 1, "{made:?}");
        let made = made[0]["id"].as_u64().expect("id");
        company.until(made, |application| application["candidate"]["email"] == email.as_str()).await;

        let listed = company.org.get("/api/actions?limit=100").await.body;
        let listed = listed["items"].as_array().expect("items");
        assert!(listed.iter().any(|action| action["id"] == id), "{listed:?}");
    });
}

#[test]
fn a_refusal_has_its_reason_and_no_impossible_action_starts() {
    let _guard = using(&WRITE_BACK);
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let row = company.free_row().await;
        let id = company.act(row.id, &json!({"action": "move-stage", "stage": "987654"})).await;
        let ended = company.ended(&id).await;
        assert_eq!(ended["state"], "failed", "{ended}");
        assert_eq!(ended["failure"]["code"], "provider-refused", "{ended}");
        assert!(ended["failure"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{ended}");
        assert_eq!(company.row(row.id).await.status, row.status);
        stack.org("globex").get(&format!("/api/actions/{id}")).await.is_problem(404, "not-found");

        // Another organisation does not know the application, nor do we know an unknown one.
        let hire = json!({"action": "hire"});
        let path = format!("/api/applications/{}/actions", company.ours(row.id));
        stack.org("globex").post(&path, &hire).await.is_problem(404, "not-found");
        company.org.post(&path, &json!({"action": "move-stage"})).await.blames(400, "stage", "missing");

        // A paused connection makes no new request; earlier ones end.
        let record = (format!("ORG#{}#connection", company.org.id()), company.connection.clone());
        stack.set_text("records", (&record.0, &record.1), "status", "paused").await;
        company.org.post(&path, &hire).await.is_problem(409, "conflict");
        let late = company.record_behind(row.id, "3").await;
        stack.send_message("action", &company.job(&late)).await;
        let ended = company.ended(&late).await;
        assert_eq!(ended["failure"]["code"], "not-possible", "{ended}");
    });
}

#[test]
fn an_action_waits_for_a_limit_and_looks_up_a_lost_reply() {
    let _guard = using(&WRITE_BACK);
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let (limited, lost, noted) = (company.free_row().await, company.free_row().await, company.free_row().await);
        company.control(Method::POST, "/rate_limit", json!({"remaining": 0, "retry_after_s": 3})).await;
        let target = company.another_status(&limited);
        let body = json!({"action": "move-stage", "stage": target.to_string()});
        let id = company.act(limited.id, &body).await;
        let path = format!("/api/actions/{id}");
        company.org.until(&path, |answer| answer.body["failure"]["code"] == "rate-limited").await;
        let ended = company.ended(&id).await;
        assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
        assert_eq!(company.posts(limited.id, "status").await, 1);

        // The provider made the change, and its reply was lost.
        let lose = async |row: u64, what: &str| {
            let matching = json!({"method": "POST", "path_contains": format!("/{row}/{what}")});
            let fault = json!({"match": matching, "times": 1, "status": 502, "acts_first": true});
            let answer = stack.control("bamboohr", Method::POST, "/faults", Some(fault)).await;
            assert!(answer.status.is_success(), "{answer:?}");
        };
        lose(lost.id, "status").await;
        lose(noted.id, "comments").await;
        let target = company.another_status(&lost);
        let moved = company.act(lost.id, &json!({"action": "move-stage", "stage": target.to_string()})).await;
        let note = company.act(noted.id, &json!({"action": "note", "text": "Call back on Monday."})).await;
        let ended = company.ended(&moved).await;
        assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(2)), "{ended}");
        assert_eq!(company.posts(lost.id, "status").await, 1, "it was found there");
        // This provider lists no comments: there is no lookup, so a person reviews it.
        let ended = company.ended(&note).await;
        assert_eq!((ended["state"].as_str(), &ended["failure"]["code"]), (Some("needs-review"), &json!("unknown")));
        assert_eq!(company.posts(noted.id, "comments").await, 1, "not twice");
    });
}

#[test]
fn a_move_costs_nine_calls_and_a_second_message_two() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let company = Company::found(&stack).await;
        let deadline = || std::time::Instant::now() + crate::e2e::harness::stack::PATIENCE;
        // The first request of a minute costs one write more, and the begin of another minute as well.
        let (mut least, mut calls) = (u64::MAX, u64::MAX);
        let mut last = String::new();
        for _ in 0..3 {
            let row = company.free_row().await;
            let body = json!({"action": "move-stage", "stage": company.another_status(&row).to_string()});
            stack.until_empty("action", deadline()).await;
            stack.forget_calls().await;
            last = company.act(row.id, &body).await;
            stack.until_empty("action", deadline()).await;
            least = least.min(stack.calls_of("action-worker").await.total());
            calls = calls.min(stack.calls_of("frontend-api").await.total());
            assert_eq!(company.ended(&last).await["state"], "succeeded");
        }
        assert_eq!((calls, least), (4, 9));
        stack.forget_calls().await;
        stack.send_message("action", &company.job(&last)).await;
        stack.until_empty("action", deadline()).await;
        let again = stack.calls_of("action-worker").await;
        assert_eq!((again.total(), again.refused), (2, 1), "{again:?}");
    });
}

/// The message of an action.
fn job(org: &str, connection: &str, action: &str) -> String {
    let (org, connection) = (org.parse().expect("org"), connection.parse().expect("slug"));
    json!(ActionJob { v: 1, org, connection, action: action.parse().expect("an id") }).to_string()
}

/// Whether an action has ended.
fn settled(action: &Value) -> bool {
    action["state"].as_str().is_some_and(|state| SETTLED.contains(&state))
}
