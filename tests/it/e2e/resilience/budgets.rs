//! What one piece of work costs in calls to AWS, counted between the deployed functions and the emulator. ARCHITECTURE.md says
//! the same numbers.

use std::time::{Duration, Instant};

use domain::message::{EmailJob, SuggestionJob};
use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::ats::webhook::{application, followers};
use crate::e2e::harness::calls::Calls;
use crate::e2e::harness::claims::alone;
use crate::e2e::harness::stack::{Org, PATIENCE, Stack, new_application, run};
use crate::e2e::harness::time;

/// For how long a process believes a closed breaker before it looks at it again.
const BELIEVED: Duration = Duration::from_secs(5);
/// The number of repetitions of a measurement that included a look at the breaker.
const TRIES: usize = 5;
/// Most processes of suggestion-worker.
const PROCESSES: u64 = 5;
/// Each looks once when it starts and once at the breaker.
const MAX_LOOKS: u64 = 2 * PROCESSES;

const UPDATE: &str = "DynamoDB.UpdateItem";
const GET: &str = "DynamoDB.GetItem";
const BATCH: &str = "DynamoDB.BatchGetItem";
const PUT: &str = "DynamoDB.PutItem";
const QUERY: &str = "DynamoDB.Query";
const SEND: &str = "SQS.SendMessage";

async fn until_empty(stack: &Stack, queues: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    for queue in queues {
        stack.until_empty(queue, deadline).await;
    }
}

async fn notify(acme: &Org<'_>, stack: &Stack) -> String {
    let data = json!({"name": "Ada", "flag": "f", "resolution": "r"});
    let accepted = acme
        .post("/api/notifications", &json!({"kind": "flag-resolved", "to": "budget@example.com", "data": data}))
        .await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let calls = stack.calls_of("frontend-api").await;
    assert_eq!(calls, Calls::of(&[(PUT, 1), (SEND, 1)]), "POST /api/notifications");
    until_empty(stack, &["email"]).await;
    accepted.body["id"].as_str().expect("id").to_owned()
}

#[test]
fn a_mail_costs_two_writes_and_no_read() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        // The first one finds or starts the process that the others use.
        acme.get("/api/jobs?limit=1").await;
        stack.forget_calls().await;
        notify(&acme, &stack).await;
        let (success, id) = but_for_a_look(&Calls::of(&[(UPDATE, 2)]), async || {
            stack.forget_calls().await;
            let id = notify(&acme, &stack).await;
            (stack.calls_of("email-worker").await, id)
        })
        .await;
        let state = acme.get(&format!("/api/notifications/{id}")).await.body;
        assert_eq!((state["state"].as_str(), state["attempts"].as_u64()), (Some("accepted"), Some(1)), "{state}");

        let (duplicate, ()) = but_for_a_look(&Calls::of(&[(UPDATE, 1)]).refused(1), async || {
            stack.forget_calls().await;
            let job = EmailJob::to_send("acme".parse().expect("org"), id.parse().expect("id"));
            stack.send_message("email", &json!(job).to_string()).await;
            until_empty(&stack, &["email"]).await;
            (stack.calls_of("email-worker").await, ())
        })
        .await;
        println!("measured: calls_success={} calls_duplicate={}", success.total(), duplicate.total());
    });
}

/// Measures until the calls are exactly as wanted. A look at the breaker, one read more, is accepted when the last one was
/// longer ago than it is believed; a machine so slow that every measurement takes longer has one in each.
async fn but_for_a_look<T>(wanted: &Calls, mut measure: impl AsyncFnMut() -> (Calls, T)) -> (Calls, T) {
    let with_a_look = wanted.clone().and(GET);
    // Once in half a minute a process of email-worker learns what it has to know of an organisation.
    let learned = wanted.clone().and(GET).and(QUERY);
    let with_both = learned.clone().and(GET);
    let mut looked: Option<Instant> = None;
    let mut attempts = 0;
    loop {
        let begin = Instant::now();
        let (calls, result) = measure().await;
        if calls == *wanted {
            return (calls, result);
        }
        if [&learned, &with_both].contains(&&calls) && attempts < TRIES - 1 {
            attempts += 1;
            continue;
        }
        assert_eq!(calls, with_a_look, "wanted, but for a look at the breaker: {wanted:?}");
        let ago = looked.map(|at| at.elapsed());
        assert!(
            ago.is_none_or(|ago| time::by_the_clock(ago) >= BELIEVED),
            "the breaker was looked at again after {ago:?}"
        );
        attempts += 1;
        if attempts == TRIES {
            return (calls, result);
        }
        looked = Some(begin);
    }
}

/// Delivers a new application and waits until everything that follows from it is done.
async fn apply(stack: &Stack, acme: &Org<'_>) -> (String, Value) {
    let (body, number) = new_application();
    assert_eq!(acme.deliver(&body, &format!("budget-{number}")).await.status, 200);
    until_empty(stack, &["webhook", "suggestion", "email"]).await;
    (body, application(acme, &number.to_string()).await)
}

#[test]
fn a_webhook_costs_twenty_calls_at_most_until_its_mail() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        assert!(stack.control("gemini", Method::POST, "/reset", None).await.status.is_success());
        apply(&stack, &acme).await;
        // Application and organisation; its candidate and job; claim and end; the notification. A closed breaker adds nothing.
        let worker = Calls::of(&[(GET, 2), (BATCH, 2), (UPDATE, 2), (PUT, 1), (SEND, 1)]);
        let (_, (body, application)) = but_for_a_look(&worker, async || {
            stack.forget_calls().await;
            let applied = apply(&stack, &acme).await;
            (stack.calls_of("suggestion-worker").await, applied)
        })
        .await;
        assert_eq!(stack.calls_of("webhook-receiver").await, Calls::of(&[(SEND, 1)]));
        // The connection; the stored records; the claim, candidate and application, and the end; the suggestion. A job
        // that is known already is not written.
        let webhook = stack.calls_of("webhook-worker").await;
        let known = Calls::of(&[(GET, 1), (BATCH, 1), (UPDATE, 4), (PUT, 1), (SEND, 1)]);
        assert!(webhook == known || webhook == known.clone().and(UPDATE), "{webhook:?}");
        let (mailer, claim_and_end) = (stack.calls_of("email-worker").await, Calls::of(&[(UPDATE, 2)]));
        assert!(mailer == claim_and_end || mailer == claim_and_end.and(GET), "{mailer:?}");

        // The same event again: one message, one refused claim.
        let (suggestion, _) = followers("acme", &application);
        let number = application["source"]["provider_id"].as_str().expect("id");
        stack.forget_calls().await;
        assert_eq!(acme.deliver(&body, &format!("budget-{number}")).await.status, 200);
        until_empty(&stack, &["webhook"]).await;
        assert_eq!(stack.calls_of("webhook-worker").await, Calls::of(&[(UPDATE, 1)]).refused(1));
        // A second message of the suggestion makes sure that the mail was requested: claim and notification are
        // refused.
        stack.forget_calls().await;
        let copy =
            SuggestionJob { v: 1, org: "acme".parse().expect("org"), suggestion: suggestion.parse().expect("id") };
        stack.send_message("suggestion", &json!(copy).to_string()).await;
        until_empty(&stack, &["suggestion", "email"]).await;
        let again = stack.calls_of("suggestion-worker").await;
        assert_eq!((again.refused, again.starting_with("SQS")), (2, 0), "{again:?}");
        assert!(again.total() <= 8, "{again:?}");
        assert_eq!(stack.calls_of("email-worker").await.total(), 0);
    });
}

#[test]
fn requests_of_a_frontend_cost_what_the_document_says() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let (_, application) = apply(&stack, &acme).await;
        let id = application["id"].as_str().expect("id");
        let spent = async |path: &str| {
            stack.forget_calls().await;
            let answer = acme.get(path).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            stack.calls_of("frontend-api").await
        };
        assert_eq!(spent(&format!("/api/applications/{id}")).await, Calls::of(&[(GET, 1), (BATCH, 2)]));
        // A list costs one query, and one read each for all candidates and all jobs, and nothing while it is cached;
        // right after a write it is cached for a second only.
        let begin = Instant::now();
        let mut queries = 0;
        loop {
            let calls = spent("/api/applications?limit=5").await;
            if calls.total() == 0 && queries > 0 {
                break;
            }
            assert!(calls == Calls::default() || calls == Calls::of(&[(QUERY, 1), (BATCH, 2)]), "{calls:?}");
            queries += calls.total();
            assert!(begin.elapsed() < PATIENCE, "the list is not kept: {calls:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(spent("/api/connections").await.total(), 2);
        assert_eq!(spent("/api/integrations").await.total(), 1);
        assert_eq!(spent("/api/connections/gh-acme/runs").await.total(), 3);
        stack.forget_calls().await;
        assert_eq!(acme.post("/api/jobs", &json!({"title": "Analyst"})).await.status, 201);
        assert_eq!(stack.calls_of("frontend-api").await, Calls::of(&[(PUT, 1)]));

        let body = json!({"kind": "application-review", "application_id": id});
        but_for_a_look(&Calls::of(&[(GET, 1), (PUT, 1), (SEND, 1)]), async || {
            stack.forget_calls().await;
            assert_eq!(acme.post("/api/suggestions", &body).await.status, 202);
            (stack.calls_of("frontend-api").await, ())
        })
        .await;
        until_empty(&stack, &["suggestion"]).await;
    });
}

/// What workers did with messages that waited for a breaker.
pub(crate) struct Looks {
    /// Whether each message was postponed.
    postponed: bool,
    /// Reads of tables in all, and of the last three messages.
    reads: u64,
    newest: [u64; 3],
}

/// While the breaker is open: a worker that knows it puts messages back without a look at a table.
pub(crate) async fn looks_while_open(stack: &Stack, suggestion: &str) -> Looks {
    let copy = SuggestionJob { v: 1, org: "acme".parse().expect("org"), suggestion: suggestion.parse().expect("id") };
    let copy = json!(copy).to_string();
    // Every process that is still unaware reads the breaker once; then none does.
    let mut looks = Looks { postponed: true, reads: 0, newest: [1; 3] };
    while looks.postponed && looks.reads <= MAX_LOOKS && looks.newest.iter().sum::<u64>() > 0 {
        stack.forget_calls().await;
        stack.send_message("suggestion", &copy).await;
        let begin = Instant::now();
        let calls = loop {
            let calls = stack.calls_of("suggestion-worker").await;
            looks.postponed = calls.starting_with("SQS.SendMessage") > 0;
            if looks.postponed || begin.elapsed() > Duration::from_secs(20) {
                break calls;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let reads = calls.starting_with("DynamoDB");
        looks.newest = [looks.newest[1], looks.newest[2], reads];
        looks.reads += reads;
    }
    looks
}

/// Judges what was seen while the breaker was open all the time.
pub(crate) fn judge(looks: &Looks) {
    let Looks { postponed, reads, newest } = looks;
    assert!(postponed, "the message is not postponed");
    assert!(*reads <= MAX_LOOKS, "every process looks once when it starts and once at the breaker: {reads}");
    println!("measured: calls_breaker_open={}", newest.iter().sum::<u64>());
}
