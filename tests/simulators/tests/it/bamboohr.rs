//! The applicant tracking API of BambooHR and the control of its data.

use std::collections::BTreeSet;

use axum::Router;
use serde_json::{Value, json};

use crate::{Answer, call, fixture, get, missing, paths, post};

pub(crate) const ACME: &str = "Basic bG9jYWwtYmFtYm9vaHIta2V5LWFjbWU6eA==";
pub(crate) const BASE: &str = "/bamboohr/acme/api/v1/applicant_tracking";

pub(crate) async fn read(app: &Router, path: &str) -> Answer {
    call(app, "GET", &format!("{BASE}/{path}"), &[("authorization", ACME)], &Value::Null).await
}

pub(crate) fn ids(page: &Value) -> Vec<u64> {
    let rows = page.get("applications").and_then(Value::as_array).unwrap();
    rows.iter().map(|row| row.get("id").and_then(Value::as_u64).unwrap()).collect()
}

pub(crate) async fn all(app: &Router, query: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for page in 1..200 {
        let page = read(app, &format!("applications?page={page}&applicationStatus=ALL&jobStatusGroups=ALL&{query}"))
            .await
            .json();
        found.extend(ids(&page));
        if page.get("paginationComplete") == Some(&json!(true)) {
            return found;
        }
    }
    panic!("the pages do not end");
}

#[tokio::test]
async fn three_pages_hold_every_application_once_the_next_is_empty() {
    let app = simulators::app();
    let mut path = format!("{BASE}/applications?applicationStatus=ALL&sortBy=last_updated&sortOrder=DESC&per_page=2");
    let mut sizes = Vec::new();
    let mut found = BTreeSet::new();
    loop {
        let page = call(&app, "GET", &path, &[("authorization", ACME)], &Value::Null).await.json();
        sizes.push(ids(&page).len());
        found.extend(ids(&page));
        match page.get("nextPageUrl").and_then(Value::as_str) {
            Some(next) => path = next.strip_prefix("http://127.0.0.1:9").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!((sizes.as_slice(), found.len()), (&[20, 20, 5][..], 45));
    let after = read(&app, "applications?page=4").await.json();
    assert_eq!(after, json!({"paginationComplete": true, "applications": [], "nextPageUrl": null}));
    assert_eq!(post(&app, "/_control/bamboohr/acme/page_size", json!({"page_size": 45})).await.status, 204);
    assert_eq!(ids(&read(&app, "applications?applicationStatus=ALL").await.json()).len(), 45);
}

#[tokio::test]
async fn companies_differ_and_each_is_the_same_at_every_start() {
    let names =
        async |app: &Router, company: &str| get(app, &format!("/_control/bamboohr/{company}/applications")).await.text;
    let (one, two) = (simulators::app(), simulators::app());
    assert_eq!(names(&one, "acme").await, names(&two, "acme").await);
    assert_ne!(names(&one, "acme").await, names(&one, "globex").await);
}

#[tokio::test]
async fn the_shapes_are_the_recorded_ones() {
    let Some(recorded) = fixture("ats/bamboohr_recorded_calls.json") else { return };
    let app = simulators::app();
    let body = |place: &str| recorded.pointer(&format!("{place}/response")).unwrap();
    let list = read(&app, "applications").await.json();
    assert_eq!(paths(body("/applicants/0")), paths(&list));
    let id = *ids(&list).first().unwrap();
    let one = read(&app, &format!("applications/{id}")).await.json();
    assert_eq!(paths(body("/get-applicant/0")), paths(&one));
    let jobs = read(&app, "jobs").await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(6));
    assert_eq!(missing(body("/job-openings/0"), &jobs, &[]), Vec::<String>::new());
    assert_eq!(missing(&jobs, body("/job-openings/0"), &[]), Vec::<String>::new());
}

#[tokio::test]
async fn errors_have_no_body_and_a_reason_in_the_header() {
    let app = simulators::app();
    let globex = "Basic bG9jYWwtYmFtYm9vaHIta2V5LWdsb2JleDp4";
    // (authorization, path, status)
    let table = [
        ("", "jobs", 401),
        ("Basic !", "jobs", 401),
        ("Bearer x", "jobs", 401),
        (globex, "jobs", 401),
        (ACME, "applications?page=0", 400),
        (ACME, "applications?sortBy=name", 400),
        (ACME, "applications?sortOrder=down", 400),
        (ACME, "applications?newSince=2026-11-22T10:00:00Z", 400),
        (ACME, "applications?applicationStatus=OPEN", 400),
        (ACME, "applications?applicationStatus=NEW,OPEN", 400),
        (ACME, "applications?jobStatusGroups=Closed", 400),
        (ACME, "jobs?statusGroups=Closed", 400),
        (ACME, "applications/1", 404),
        (ACME, "applications/x", 404),
        (ACME, "candidates", 404),
    ];
    for (authorization, path, status) in table {
        let headers = if authorization.is_empty() { vec![] } else { vec![("authorization", authorization)] };
        let answer = call(&app, "GET", &format!("{BASE}/{path}"), &headers, &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
        assert!(!answer.header("x-bamboohr-error-message").is_empty(), "{path}");
    }
    assert_eq!(
        post(&app, "/_control/bamboohr/acme/keys", json!({"keys": ["local-bamboohr-key-globex"]})).await.status,
        204
    );
    assert_eq!(
        call(&app, "GET", &format!("{BASE}/jobs"), &[("authorization", globex)], &Value::Null).await.status,
        200
    );
    assert_eq!(read(&app, "jobs").await.status, 401);
}

#[tokio::test]
async fn filters_and_orders_agree_with_the_true_state() {
    let app = simulators::app();
    let truth = get(&app, "/_control/bamboohr/acme/applications").await.json();
    let rows = truth.get("items").and_then(Value::as_array).unwrap();
    let expected = |keep: &dyn Fn(&Value) -> bool, by: &str| {
        let mut matching: Vec<(String, u64)> = rows
            .iter()
            .filter(|row| keep(row))
            .map(|row| {
                (
                    row.pointer(by).and_then(Value::as_str).unwrap_or_default().to_lowercase(),
                    row.get("id").and_then(Value::as_u64).unwrap(),
                )
            })
            .collect();
        matching.sort();
        matching.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    let job = rows.first().and_then(|row| row.pointer("/job/id")).cloned().unwrap();
    let since = "2026-10-15";
    assert_eq!(all(&app, "sortBy=last_updated&sortOrder=ASC").await, expected(&|_| true, "/lastUpdated"));
    assert_eq!(all(&app, "sortBy=first_name&sortOrder=ASC").await, expected(&|_| true, "/applicant/firstName"));
    assert_eq!(
        all(&app, &format!("jobId={job}&sortOrder=ASC")).await,
        expected(&|row| row.pointer("/job/id") == Some(&job), "/appliedDate")
    );
    assert_eq!(
        all(&app, "applicationStatus=ALL&applicationStatusId=1&sortOrder=ASC").await,
        expected(&|row| row.pointer("/status/id") == Some(&json!(1)), "/appliedDate")
    );
    assert_eq!(
        all(&app, &format!("newSince={since}%2000:00:00&sortOrder=ASC")).await,
        expected(&|row| row.get("appliedDate").and_then(Value::as_str).is_some_and(|at| at >= since), "/appliedDate")
    );
}

#[tokio::test]
async fn a_changed_application_comes_first_but_not_in_new_since() {
    let app = simulators::app();
    let oldest = *all(&app, "sortBy=last_updated&sortOrder=ASC").await.first().unwrap();
    let changed = post(&app, "/_control/bamboohr/acme/applications", json!({"id": oldest, "status": {"id": 5}})).await;
    assert_eq!(
        (changed.status.as_u16(), changed.json().pointer("/status/label")),
        (200, Some(&json!("Schedule Interview")))
    );
    let newest = read(&app, "applications?sortBy=last_updated&sortOrder=DESC").await.json();
    assert_eq!(ids(&newest).first(), Some(&oldest));
    assert!(!all(&app, "newSince=2026-11-20%2000:00:00").await.contains(&oldest));
    let text = serde_json::to_string(&newest).unwrap();
    assert!(!text.contains("lastUpdated"), "the time of the change is never shown");

    let added = post(
        &app,
        "/_control/bamboohr/acme/applications",
        json!({"applicant": {"firstName": "Ada", "email": "ada@example.com"}}),
    )
    .await;
    assert_eq!(added.status, 201);
    let id = added.json().get("id").and_then(Value::as_u64).unwrap();
    let one = read(&app, &format!("applications/{id}")).await.json();
    assert_eq!(
        (one.pointer("/applicant/firstName"), one.pointer("/status/label")),
        (Some(&json!("Ada")), Some(&json!("New")))
    );
    assert!(one.pointer("/job/title/label").is_some_and(Value::is_string));
    let path = format!("/_control/bamboohr/acme/applications/{id}");
    assert_eq!(call(&app, "DELETE", &path, &[], &Value::Null).await.status, 204);
    assert_eq!(read(&app, &format!("applications/{id}")).await.status, 404);

    post(&app, "/_control/bamboohr/reset", Value::Null).await;
    assert_eq!(all(&app, "sortBy=last_updated&sortOrder=ASC").await.first(), Some(&oldest));
}

#[tokio::test]
async fn counts_of_a_job_and_statuses_fit_the_applications() {
    let app = simulators::app();
    let jobs = read(&app, "jobs").await.json();
    let total: u64 = jobs.as_array().unwrap().iter().filter_map(|job| job.get("totalApplicantsCount")?.as_u64()).sum();
    assert_eq!(total, 45);
    let statuses = read(&app, "statuses").await.json();
    assert_eq!(statuses.pointer("/0/id"), Some(&json!("1")));
}

#[tokio::test]
async fn the_rate_limit_says_how_long_to_wait() {
    let app = simulators::app();
    post(&app, "/_control/bamboohr/acme/rate_limit", json!({"remaining": 1, "retry_after_s": 30})).await;
    assert_eq!(read(&app, "jobs").await.status, 200);
    for _ in 0..2 {
        let limited = read(&app, "jobs").await;
        assert_eq!((limited.status.as_u16(), limited.header("retry-after"), limited.text.as_str()), (429, "30", ""));
    }
    post(&app, "/_control/bamboohr/acme/rate_limit", json!({"remaining": null})).await;
    assert_eq!(read(&app, "jobs").await.status, 200);
}
