//! BambooHR as a world that changes: jobs, filters, what can be written, refusals, and the truth that the lists tell.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicI64},
    time::Instant,
};

use axum::Router;
use serde_json::{Value, json};
use simulators::{
    bamboohr::{
        self, World,
        gate::{Limit, Refusal},
        step::CHANGES,
    },
    world::{Account as _, Chance, Clock},
};

use crate::{
    Answer,
    bamboohr::{ACME, BASE, all, ids, read},
    call, get, post,
};

/// The time of the world: 2026-11-24T10:00:00Z.
const NOW: i64 = 1_795_514_400_000;

/// The server of a world.
fn serving(world: &Arc<World>) -> Router {
    simulators::app_of(vec![bamboohr::simulator_of(Arc::clone(world))])
}

fn new_world() -> (Arc<AtomicI64>, Arc<World>) {
    let now = Arc::new(AtomicI64::new(NOW));
    let world = World::new(Clock::manual(Arc::clone(&now)));
    (now, world)
}

async fn send(app: &Router, path: &str, kind: &str, body: Value) -> Answer {
    let headers = [("authorization", ACME), ("content-type", kind)];
    call(app, "POST", &format!("{BASE}/{path}"), &headers, &body).await
}

async fn send_json(app: &Router, path: &str, body: Value) -> Answer {
    send(app, path, "application/json", body).await
}

async fn apply(app: &Router, form: &str) -> Answer {
    send(app, "application", "application/x-www-form-urlencoded", json!(form)).await
}

async fn jobs(app: &Router, query: &str) -> Vec<Value> {
    read(app, &format!("jobs?{query}")).await.json().as_array().unwrap().clone()
}

fn job_ids(jobs: &[Value]) -> Vec<u64> {
    jobs.iter().map(|job| job.get("id").and_then(Value::as_u64).unwrap()).collect()
}

#[tokio::test]
async fn without_filters_a_list_is_not_complete() {
    let (_, world) = new_world();
    let app = serving(&world);
    world.account("acme").unwrap().set_page_size(500);
    let first = *job_ids(&jobs(&app, "sortOrder=ASC").await).first().unwrap();
    let of_first = all(&app, &format!("jobId={first}")).await;
    let silent = ids(&read(&app, "applications").await.json());
    let active = ids(&read(&app, "applications?applicationStatus=NEW,ACTIVE").await.json());
    assert_eq!(silent, active, "active ones only");
    assert!(silent.len() < all(&app, "").await.len());
    let rejected = ids(&read(&app, "applications?applicationStatusId=9,10,11").await.json());
    let inactive = ids(&read(&app, "applications?applicationStatus=INACTIVE").await.json());
    assert_eq!(rejected, inactive, "a status by its number is not cut to active ones");
    assert!(!inactive.is_empty());
    let order = json!({"id": first, "status": "Filled"});
    assert_eq!(post(&app, "/_control/bamboohr/acme/jobs", order).await.status, 200);
    let silent = ids(&read(&app, "applications").await.json());
    assert!(!of_first.is_empty() && silent.iter().all(|id| !of_first.contains(id)), "a filled job's are not there");
    let filled = ids(&read(&app, "applications?applicationStatus=ALL&jobStatusGroups=Filled,On%20Hold").await.json());
    assert_eq!(filled, of_first);
    let searched = read(&app, "applications?applicationStatus=ALL&searchString=%40ACME.example").await.json();
    assert!(ids(&searched).len() > 30);
}

#[tokio::test]
async fn jobs_come_change_and_go() {
    let (_, world) = new_world();
    let app = serving(&world);
    let order = async |order| {
        let answer = post(&app, "/_control/bamboohr/acme/jobs", order).await;
        (answer.status.as_u16(), answer.json().get("id").and_then(Value::as_u64))
    };
    let before = jobs(&app, "").await;
    assert!(job_ids(&before).is_sorted_by(|one, next| one > next), "the newest comes first");
    let (status, id) = order(json!({"title": "Baker", "status": "Draft"})).await;
    assert_eq!((status, id), (201, job_ids(&before).first().map(|id| id + 1)));
    let id = id.unwrap();
    let baker = async |query: &str| jobs(&app, query).await.into_iter().find(|job| job.get("id") == Some(&json!(id)));
    let draft = baker("").await.unwrap();
    assert_eq!(draft.pointer("/title/label"), Some(&json!("Baker")));
    assert_eq!(draft.get("newApplicantsCount"), Some(&Value::Null));
    assert_eq!(
        draft.get("postedDate"),
        Some(&json!("2026-11-24T04:00:00+00:00")),
        "a draft was posted now, local time"
    );
    for (word, number) in [("Open", 1), ("On Hold", 3), ("Filled", 4), ("Canceled", 5)] {
        assert_eq!(order(json!({"id": id, "title": "Master Baker", "status": word})).await, (200, Some(id)));
        let job = baker(&format!("statusGroups={}&status_ids={number}", word.replace(' ', "%20"))).await.unwrap();
        assert_eq!(job.get("status"), Some(&json!({"id": number, "label": word})));
        assert_eq!(job.pointer("/title/label"), Some(&json!("Master Baker")));
        assert!(baker("statusGroups=Draft").await.is_none());
    }
    order(json!({"id": id, "status": "Deleted"})).await;
    assert!(baker("").await.is_none(), "deleted jobs are not there unless they are asked for");
    assert!(baker("statusGroups=Deleted").await.is_some() && baker("statusGroups=ALL").await.is_some());
    assert_eq!(order(json!({"id": 1})).await.0, 400);
    assert_eq!(order(json!({"id": id, "status": "Lost"})).await.0, 400);
    let first = *job_ids(&before).first().unwrap();
    order(json!({"id": first, "title": "Renamed"})).await;
    let of_job = read(&app, &format!("applications?applicationStatus=ALL&jobId={first}")).await.json();
    assert_eq!(of_job.pointer("/applications/0/job/title/label"), Some(&json!("Renamed")));
    for (order, rising) in [("count", "/totalApplicantsCount"), ("title", "/title/label"), ("status", "/status/id")] {
        let sorted = jobs(&app, &format!("sortBy={order}&sortOrder=ASC")).await;
        let by = |job: &Value| {
            let value = job.pointer(rising).unwrap();
            (value.as_u64().unwrap_or(0), value.as_str().unwrap_or_default().to_owned())
        };
        assert!(sorted.is_sorted_by_key(by), "{order}");
    }
}

#[tokio::test]
async fn what_is_written_is_there_and_what_cannot_be_has_no_body() {
    let (now, world) = new_world();
    let app = serving(&world);
    let account = world.account("acme").unwrap();
    let job = *job_ids(&jobs(&app, "").await).first().unwrap();
    now.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
    let made = apply(&app, &format!("firstName=Ada&lastName=Lovelace&email=ada%40example.com&jobId={job}")).await;
    let id = made.json().get("candidateId").and_then(Value::as_u64).unwrap();
    assert_eq!(made.json(), json!({"result": "success", "candidateId": id}));
    let one = read(&app, &format!("applications/{id}")).await.json();
    assert_eq!(one.get("appliedDate"), Some(&json!("2026-11-24T10:01:00+00:00")));
    assert_eq!(one.pointer("/applicant/email"), Some(&json!("ada@example.com")));
    assert_eq!(one.pointer("/job/id"), Some(&json!(job)));
    let parts = format!(
        "--b\r\nContent-Disposition: form-data; name=\"firstName\"\r\n\r\nÉva\r\n--b\r\nContent-Disposition: form-data; \
         name=\"lastName\"\r\n\r\nNagy\r\n--b\r\nContent-Disposition: form-data; name=\"jobId\"\r\n\r\n{job}\r\n--b--\r\n"
    );
    let made = send(&app, "application", "multipart/form-data; boundary=b", json!(parts)).await.json();
    assert_eq!(made.get("candidateId"), Some(&json!(id + 1)));

    let moved = send_json(&app, &format!("applications/{id}/status"), json!({"status": 15})).await;
    assert_eq!(moved.json().get("type"), Some(&json!("positionApplicantStatus")));
    assert_eq!(read(&app, &format!("applications/{id}")).await.json().pointer("/status/label"), Some(&json!("Hired")));
    let said = json!({"type": "comment", "comment": "Strong in mathematics."});
    let said = send_json(&app, &format!("applications/{id}/comments"), said).await;
    assert_eq!(said.json(), json!({"type": "comment", "id": 1}));
    assert_eq!(account.state().comments, [(id, "Strong in mathematics.".to_owned())]);
    assert_eq!(read(&app, &format!("applications/{id}")).await.json().get("commentCount"), Some(&json!(1)));

    let comments = format!("applications/{id}/comments");
    let status = format!("applications/{id}/status");
    for (path, body, code) in [
        ("applications/1/status", json!({"status": 2}), 404),
        ("applications/1/comments", json!({"comment": "x"}), 404),
        (&status, json!({"status": 999}), 400),
        (&status, json!({}), 400),
        (&status, json!("no JSON"), 400),
        (&comments, json!({"type": "note", "comment": "x"}), 400),
        (&comments, json!({"comment": " "}), 400),
        ("application", json!({"firstName": "Ada"}), 400),
    ] {
        let answer = send_json(&app, path, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (code, ""), "{path} {body}");
        assert!(!answer.header("x-bamboohr-error-message").is_empty());
    }
    for form in ["firstName=A&jobId=1", "firstName=A&lastName=B&jobId=x", "firstName=A&lastName=B&jobId=1"] {
        assert_eq!(apply(&app, form).await.status, 422, "{form}");
    }
    let bad_email = format!("firstName=A&lastName=B&jobId={job}&email=no");
    assert_eq!(apply(&app, &bad_email).await.status, 422);
    let keys = json!({"keys": [], "without_ats": ["local-bamboohr-key-acme"]});
    post(&app, "/_control/bamboohr/acme/keys", keys).await;
    let forbidden = read(&app, "jobs").await;
    assert_eq!((forbidden.status.as_u16(), forbidden.text.as_str()), (403, ""));
    assert!(!forbidden.header("x-bamboohr-error-message").is_empty());
}

#[tokio::test]
async fn a_limit_is_answered_in_each_way_and_ends_with_the_clock() {
    let (now, world) = new_world();
    let app = serving(&world);
    let account = world.account("acme").unwrap();
    // (refusal, status, retry-after, body)
    let inside = r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#;
    for (refusal, status, after, body) in
        [("429", 429, "30", ""), ("429-untold", 429, "", ""), ("503", 503, "30", ""), ("200", 200, "", inside)]
    {
        account.state().door.limit = Some(Limit { remaining: 0, retry_after_s: 30, until: None });
        let order = json!({"refusal": refusal});
        assert_eq!(post(&app, "/_control/bamboohr/acme/refusal", order).await.status, 204);
        let refused = read(&app, "applications").await;
        let seen = (refused.status.as_u16(), refused.header("retry-after"), refused.text.as_str());
        assert_eq!(seen, (status, after, body));
        now.fetch_add(30_000, std::sync::atomic::Ordering::SeqCst);
        assert!(read(&app, "applications").await.text.contains("paginationComplete"), "{refusal}");
    }
    account.state().door.limit = Some(Limit { remaining: 0, retry_after_s: 30, until: None });
    account.set_limit(None);
    let open = read(&app, "jobs").await;
    assert_eq!((open.status.as_u16(), open.header("date")), (200, "Tue, 24 Nov 2026 10:02:00 GMT"));
    assert_eq!(post(&app, "/_control/bamboohr/acme/refusal", json!({"refusal": "500"})).await.status, 400);
    account.state().door.refusal = Refusal::TooManyRequests;
    account.set_limit(Some(1));
    assert_eq!(read(&app, "jobs").await.status, 200);
    now.fetch_add(20_000, std::sync::atomic::Ordering::SeqCst);
    let refused = read(&app, "jobs").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "40"));
    now.fetch_add(40_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(read(&app, "jobs").await.status, 200);
}

#[tokio::test]
async fn the_lists_equal_the_truth_and_the_latest_change_is_first() {
    let (_, world) = new_world();
    let app = serving(&world);
    let account = world.account("acme").unwrap();
    let mut chance = Chance::new(11);
    let mut done = BTreeSet::new();
    for _ in 0..400 {
        let said = account.step(&mut chance);
        let (what, id) = said.rsplit_once(' ').unwrap();
        done.insert(what.to_owned());
        if what.starts_with("appli") && !what.ends_with("deleted") {
            let id: u64 = id.parse().unwrap();
            let first = account.with(|company| company.ordered(|row| row.updated).last().copied()).unwrap();
            assert_eq!(first.1, id, "{said}");
            assert!(first.0.as_millisecond() - NOW <= 400, "the world does not run ahead of its clock");
        }
    }
    assert_eq!(done, CHANGES.map(|(_, (what, _))| what.to_owned()).into());
    let truth = account.truth();
    let mut seen = BTreeSet::new();
    let text = |row: &Value, pointer: &str| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    for page in 1.. {
        let order = "applicationStatus=ALL&jobStatusGroups=ALL&sortBy=last_updated&sortOrder=DESC";
        let page = read(&app, &format!("applications?{order}&page={page}")).await.json();
        for row in page.get("applications").and_then(Value::as_array).unwrap() {
            let application = format!("application/{}", row.get("id").unwrap());
            let candidate = format!("candidate/{}", row.pointer("/applicant/id").unwrap());
            let (known, person) = (truth.get(&application).unwrap(), truth.get(&candidate).unwrap());
            assert_eq!(known.get("candidate").and_then(Value::as_str), candidate.strip_prefix("candidate/"));
            assert_eq!(known.get("job"), row.pointer("/job/id").map(|id| json!(id.to_string())).as_ref());
            assert_eq!(known.get("stage"), row.pointer("/status/label"));
            let at = text(row, "/appliedDate").replace("+00:00", "Z");
            assert_eq!(known.get("applied_at"), Some(&json!(at)));
            let name = format!("{} {}", text(row, "/applicant/firstName"), text(row, "/applicant/lastName"));
            assert_eq!(person.get("name"), Some(&json!(name)));
            assert_eq!(person.get("email"), row.pointer("/applicant/email"));
            seen.extend([application, candidate]);
        }
        if page.get("paginationComplete") == Some(&json!(true)) {
            break;
        }
    }
    for job in jobs(&app, "").await {
        let key = format!("job/{}", job.get("id").unwrap());
        let known = truth.get(&key).unwrap();
        assert_eq!(known.get("title"), job.pointer("/title/label"));
        assert_eq!(known.get("provider_status"), job.pointer("/status/label"));
        assert_eq!(known.get("department"), job.pointer("/department/label"));
        assert_eq!(known.get("location"), job.pointer("/location/label"));
        seen.insert(key);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), truth.keys().cloned().collect::<Vec<_>>());
    assert_eq!(account.deliveries("secret"), []);
}

#[tokio::test]
async fn a_large_company_is_made_and_read_quickly() {
    let (_, world) = new_world();
    let app = serving(&world);
    let started = Instant::now();
    assert_eq!(post(&app, "/_control/bamboohr/acme/grow", json!({"seed": 3, "count": 4_000})).await.status, 204);
    assert_eq!(post(&app, "/_control/bamboohr/acme/step", json!({"seed": 3, "count": 500})).await.status, 200);
    let truth = get(&app, "/_control/bamboohr/acme/truth").await.json();
    let truth = truth.as_object().unwrap();
    let of = |kind: &str| truth.keys().filter(|key| key.starts_with(kind)).count();
    assert!((3_500..4_500).contains(&truth.len()) && of("job/") > 50, "{}", truth.len());
    let listed = all(&app, "sortBy=last_updated&sortOrder=DESC").await;
    assert_eq!(listed.len(), of("application/"));
    let first = read(&app, "applications?applicationStatus=ALL").await.json();
    assert_eq!(ids(&first).len(), 50);
    assert_eq!(jobs(&app, "").await.len(), of("job/"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
