//! Applications that other systems send by API key: from the request to the records, once, and visible to their
//! organisation only.

use std::time::{Duration, Instant};

use domain::api_key::PresentedKey;
use domain::id::IntakeId;
use domain::intake::{Applicant, AppliedJob, Intake, Priority, Submission};
use domain::message::IntakeJob;
use jiff::SignedDuration;
use reqwest::Method;
use resilience::outbox::OVERDUE;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::e2e::harness::claims::{alone, using};
use crate::e2e::harness::stack::{Answer, PATIENCE, Stack, fresh_number, run};
use crate::e2e::harness::time;
use crate::e2e::resilience::outbox::{leave, sweep};

const PATH: &str = "/api/external/job-application";
const ENDED: [&str; 2] = ["succeeded", "failed"];

/// An API key of its own for each test, so that tests do not use up each other's quota.
pub(crate) struct Key<'a> {
    stack: &'a Stack,
    pub(crate) text: String,
}

impl<'a> Key<'a> {
    /// Puts a fresh key on record; `fields` are further attributes of the record.
    pub(crate) async fn fresh(stack: &'a Stack, org: &str, fields: Value) -> Self {
        let text = format!("hi_{org}_{}", Uuid::new_v4().simple());
        let hash = PresentedKey::parse(&text).expect("a key").hash().to_owned();
        let mut item = json!({"pk": format!("ORG#{org}#api_key"), "sk": hash, "v": 1, "id": hash, "name": "test"});
        item.as_object_mut().expect("an item").extend(fields.as_object().cloned().expect("fields"));
        stack.put_record(&item).await;
        Self { stack, text }
    }

    /// One that is on record.
    pub(crate) fn of(stack: &'a Stack, text: String) -> Self {
        Self { stack, text }
    }

    /// What of it is on record.
    pub(crate) fn hash(&self) -> String {
        PresentedKey::parse(&self.text).expect("a key").hash().to_owned()
    }

    /// One without a limit that a test would reach.
    async fn roomy(stack: &'a Stack, org: &str) -> Self {
        Self::fresh(stack, org, json!({"limit_per_minute": 10_000})).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.stack.text("/api_url"));
        self.stack.http.request(method, url).header("x-api-key", &self.text)
    }

    async fn post(&self, body: &Value) -> Answer {
        self.stack.send(self.request(Method::POST, PATH).json(body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.stack.send(self.request(Method::GET, path)).await
    }

    async fn until_ended(&self, path: &str) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.body["state"].as_str().is_some_and(|state| ENDED.contains(&state)) {
                return answer.body;
            }
            assert!(begin.elapsed() < PATIENCE, "{path} has not ended after {PATIENCE:?}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

fn body(number: u64) -> Value {
    json!({"candidate": {"name": format!("Ada {number}"), "email": format!("Ada{number}@mail.example")},
           "job": {"reference": format!("REQ-{number}"), "title": "Analyst"},
           "resume": {"text": "Notes on the Analytical Engine."}, "source": "careers page"})
}

#[test]
fn an_application_becomes_records_of_its_organisation_only() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let key = Key::roomy(&stack, "acme").await;
        let stranger = Key::roomy(&stack, "globex").await;
        for priority in ["normal", "high"] {
            let number = fresh_number();
            let mut body = body(number);
            body["priority"] = json!(priority);
            let accepted = key.post(&body).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            let id = accepted.body["id"].as_str().expect("id").to_owned();
            let path = format!("{PATH}/{id}");
            assert_eq!(accepted.location.as_ref(), Some(&path));
            assert_eq!(accepted.body["priority"], priority);
            let ended = key.until_ended(&path).await;
            assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
            assert!(!ended.to_string().contains("Analytical"), "what was sent is not shown again");

            let application = format!("/api/applications/{}", ended["application_id"].as_str().expect("an id"));
            let found = acme.get(&application).await.body;
            assert_eq!(found["candidate"]["email"], format!("Ada{number}@mail.example"), "{found}");
            assert_eq!(found["candidate"]["id"], ended["candidate_id"], "{found}");
            assert_eq!((found["job"]["title"].as_str(), found["status"].as_str()), (Some("Analyst"), Some("active")));
            let source = json!({"provider": "external", "connection": "api", "provider_id": id});
            assert_eq!(found["source"], source);

            stranger.get(&path).await.is_problem(404, "not-found");
            stack.org("globex").get(&application).await.is_problem(404, "not-found");
        }
        key.get(&format!("{PATH}/{}", Uuid::now_v7())).await.is_problem(404, "not-found");
        key.get(&format!("{PATH}/Not_an-id")).await.is_problem(404, "not-found");
    });
}

#[test]
fn an_intake_names_a_job_by_id_and_ends_if_it_is_unknown() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = Key::roomy(&stack, "acme").await;
        let job = stack.org("acme").post("/api/jobs", &json!({"title": "Gardener"})).await.body;
        let mut known = body(fresh_number());
        known["job"] = json!({"id": job["id"]});
        let accepted = key.post(&known).await;
        let ended = key.until_ended(&accepted.location.expect("location")).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        let application = format!("/api/applications/{}", ended["application_id"].as_str().expect("an id"));
        let application = stack.org("acme").get(&application).await.body;
        assert_eq!(application["job"], json!({"id": job["id"], "title": "Gardener"}));

        // Another organisation's job is as unknown as one that never was.
        for (org, id) in [("globex", job["id"].clone()), ("acme", json!(Uuid::now_v7()))] {
            let key = Key::roomy(&stack, org).await;
            let mut unknown = body(fresh_number());
            unknown["job"] = json!({"id": id});
            let accepted = key.post(&unknown).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            let ended = key.until_ended(&accepted.location.expect("location")).await;
            assert_eq!(
                (&ended["state"], &ended["failure"]["code"]),
                (&json!("failed"), &json!("unknown-job")),
                "{ended}"
            );
            assert!(ended["application_id"].is_null(), "{ended}");
        }
    });
}

#[test]
fn an_idempotency_key_finds_its_application_and_no_other() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let acme = Key::roomy(&stack, "acme").await;
        let again = Key::roomy(&stack, "acme").await;
        let globex = Key::roomy(&stack, "globex").await;
        let name = format!("key-{}", fresh_number());
        let send = async |key: &Key<'_>, body: &Value| {
            stack.send(key.request(Method::POST, PATH).header("idempotency-key", &name).json(body)).await
        };
        let body = body(fresh_number());
        let first = send(&acme, &body).await;
        assert_eq!(first.status, 202, "{first:?}");
        acme.until_ended(first.location.as_ref().expect("location")).await;
        // The organisation's keys are one caller: a key that is replaced between two tries changes nothing.
        let second = send(&again, &body).await;
        assert_eq!((second.status.as_u16(), &second.body["id"]), (202, &first.body["id"]), "{second:?}");
        assert_eq!(second.body["state"], "succeeded", "{second:?}");
        let mut other = body.clone();
        other["priority"] = json!("high");
        send(&acme, &other).await.is_problem(422, "idempotency-key-reused");
        let foreign = send(&globex, &body).await;
        assert_ne!(foreign.body["id"], first.body["id"], "keys belong to their organisation");
        let bad = acme.request(Method::POST, PATH).header("idempotency-key", "a b").json(&body);
        stack.send(bad).await.blames(400, "Idempotency-Key", "invalid");
    });
}

#[test]
fn five_copies_of_the_message_at_once_make_one_application() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = Key::roomy(&stack, "acme").await;
        let accepted = key.post(&body(fresh_number())).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let id = accepted.body["id"].as_str().expect("id").to_owned();
        let job = IntakeJob { v: 1, org: "acme".parse().expect("org"), intake: id.parse().expect("id") };
        let copies = vec![json!(job).to_string(); 5];
        // Some by the other queue: what they carry is the same work.
        tokio::join!(stack.send_batch("intake", &copies[..3]), stack.send_batch("intake-priority", &copies[3..]));
        let path = accepted.location.expect("location");
        key.until_ended(&path).await;
        // Only when no copy is left, hidden ones included, can nothing more happen.
        let deadline = Instant::now() + 2 * PATIENCE;
        for queue in ["intake", "intake-priority"] {
            stack.until_empty(queue, deadline).await;
        }
        let ended = key.get(&path).await.body;
        assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
        let record = stack.record("ORG#acme#application", ended["application_id"].as_str().expect("an id")).await;
        assert_eq!(record["source"]["M"]["provider_id"]["S"], id, "{record}");
        assert_eq!(record["created_at"], record["updated_at"], "written once: {record}");
    });
}

#[test]
fn every_key_that_is_not_good_gets_the_same_answer() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = Key::roomy(&stack, "acme").await;
        let ended = time::now() - SignedDuration::from_secs(60);
        let revoked = Key::fresh(&stack, "acme", json!({"revoked_at": ended.to_string()})).await;
        let accepted = key.post(&body(fresh_number())).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        let path = accepted.location.expect("location");
        let url = |path: &str| format!("{}{path}", stack.text("/api_url"));
        let mut answers = vec![
            stack.send(stack.http.get(url(&path))).await,
            stack.send(stack.http.post(url(PATH)).json(&body(1))).await,
            stack.org("acme").get(&path).await,
            revoked.get(&path).await,
        ];
        for bad in [
            "x".to_owned(),
            format!("hi_acme_{}", "0".repeat(32)),
            key.text.to_uppercase(),
            key.text.replace("hi_acme_", "hi_globex_"),
            format!("{}0", key.text),
        ] {
            let large = json!({"candidate": {"name": "x".repeat(70_000)}});
            let request = stack.http.post(url(PATH)).header("x-api-key", bad);
            answers.push(stack.send(request.json(&large)).await);
        }
        for answer in &answers {
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.body, answers[0].body);
        }
    });
}

#[test]
fn an_invalid_body_names_its_field_and_stores_nothing() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = Key::roomy(&stack, "globex").await;
        let number = fresh_number();
        let with = |pointer: &str, value: Value| {
            let mut body = body(number);
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
            parent.insert(name.to_owned(), value);
            body
        };
        for (body, field, rule) in [
            (with("/colour", json!("red")), "colour", "unknown"),
            (with("/candidate", json!({"name": "Ada"})), "candidate.email", "missing"),
            (with("/candidate/is_admin", json!(true)), "candidate.is_admin", "unknown"),
            (with("/candidate/name", json!("a\nb")), "candidate.name", "invalid"),
            (with("/job", json!({})), "job", "missing"),
            (with("/job/id", json!(Uuid::now_v7())), "job.id", "invalid"),
            (with("/resume/url", json!("https://a.example")), "resume", "invalid"),
            (with("/priority", json!("urgent")), "priority", "unknown-value"),
            (with("/applied_at", json!("2999-01-01T00:00:00Z")), "applied_at", "range"),
        ] {
            key.post(&body).await.blames(400, field, rule);
        }
        let large = with("/cover_letter", json!("x".repeat(70_000)));
        key.post(&large).await.is_problem(413, "too-large");
        let plain = key.request(Method::POST, PATH).body(body(number).to_string());
        stack.send(plain).await.is_problem(415, "unsupported-media-type");
        let list = stack.org("globex").get("/api/applications?limit=100").await.body;
        assert!(!list.to_string().contains(&number.to_string()), "a refused request left a record");
    });
}

#[test]
fn a_poison_message_ends_in_the_dead_letter_queue_of_its_queue() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        for queue in ["intake", "intake-priority"] {
            let poison = [
                format!("{{ not json {}", fresh_number()),
                json!({"v": 1, "org": "acme", "intake": Uuid::now_v7()}).to_string(),
            ];
            stack.send_batch(queue, &poison).await;
            for (body, reason) in poison.iter().zip(["failed to read", "no such intake"]) {
                let attributes = stack.take_message(&format!("{queue}-dlq"), body).await;
                let given = attributes["reason"]["StringValue"].as_str().unwrap_or_default();
                assert!(given.contains(reason), "{body}: {attributes}");
            }
        }
    });
}

#[test]
fn maintenance_enqueues_intakes_and_ends_unreadable_ones() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let key = Key::roomy(&stack, "acme").await;
        let old = time::now() - OVERDUE - SignedDuration::from_secs(60);
        let mut left = Vec::new();
        for priority in [Priority::Normal, Priority::High] {
            let number = fresh_number();
            let submission = Submission {
                priority,
                candidate: Applicant { name: "Left Behind".into(), email: format!("l{number}@a.example"), phone: None },
                job: AppliedJob::External { reference: format!("REQ-{number}"), title: None },
                resume: None,
                cover_letter: None,
                source: None,
                applied_at: None,
            };
            let id = IntakeId::fresh(Uuid::now_v7());
            let record = json!(Intake::accepted(id, submission, old));
            leave(&stack, "ORG#acme#intake", &id.to_string(), record, old).await;
            left.push(id.to_string());
        }
        let first = sweep(&stack).await;
        // The schedule may have been faster than this test.
        assert!([(2, 0), (0, 0)].contains(&first), "{first:?}");
        for id in &left {
            let ended = key.until_ended(&format!("{PATH}/{id}")).await;
            assert_eq!((ended["state"].as_str(), ended["attempts"].as_u64()), (Some("succeeded"), Some(1)), "{ended}");
        }
        assert_eq!(sweep(&stack).await, (0, 0), "nothing waits any more");

        // Half a record, as no version writes it: it ends with a reason, and its message does not come again and again.
        let id = Uuid::now_v7().to_string();
        let times = json!({"created_at": old.to_string(), "updated_at": old.to_string()});
        let mut broken = json!({"v": 1, "id": id, "state": "accepted", "attempts": 0, "priority": "normal"});
        broken.as_object_mut().expect("an item").extend(times.as_object().cloned().expect("times"));
        leave(&stack, "ORG#acme#intake", &id, broken, time::now()).await;
        stack.send_message("intake", &json!({"v": 1, "org": "acme", "intake": id}).to_string()).await;
        let begin = Instant::now();
        loop {
            let item = stack.record("ORG#acme#intake", &id).await;
            if item["state"]["S"] == "failed" {
                assert_eq!(item["failure"]["M"]["code"]["S"], "unreadable", "{item}");
                assert!(item["waiting_shard"].is_null(), "{item}");
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{item}");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
}
