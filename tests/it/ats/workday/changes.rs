//! Workday: what changed since a time, a report that says so, and changes that we make.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use domain::write_back::Change;
use providers::ats::CallError;
use serde_json::{Value, json};
use simulators::workday::data::{DISPOSITIONS, Person, Requisition, STAGES, STATUSES, of};
use simulators::workday::tenant::Tenant;
use simulators::world::{Account, Chance};

use super::{GRANT, KINDS, connected};
use crate::ats::harness::differences;

/// Sets the status of every requisition.
fn set_all(tenant: &Tenant, status: &str) {
    let mut state = tenant.state();
    for number in state.open_requisitions.clone() {
        let mut requisition = Requisition::clone(state.requisition(number).expect("there"));
        requisition.status = of(&STATUSES, status).expect("a status");
        let at = state.stamp(tenant.clock.now_ms());
        state.put_requisition(at, requisition);
    }
}

/// Changes the e-mail address of an applicant, and answers the candidate's WID.
fn new_address(tenant: &Tenant) -> String {
    let mut state = tenant.state();
    let at = state.stamp(tenant.clock.now_ms());
    let mut people = state.open_people.iter().filter_map(|number| state.person(*number));
    let person = Person::clone(people.find(|person| !person.applications.is_empty()).expect("an applicant"));
    let wid = state.person_wid(person.number);
    state.put_person(at, Person { email: Some("new@example.com".to_owned()), ..person });
    wid
}

fn email(records: &BTreeMap<(Kind, String), Value>, wid: &str) -> Option<Value> {
    records.get(&(Kind::Candidate, wid.to_owned())).map(|record| record["email"].clone())
}

#[tokio::test]
async fn a_window_has_everything_of_the_open_requisitions_and_nothing_stale() {
    let (harness, tenant) = connected().await;
    tenant.grow(&mut Chance::new(1), 400);
    set_all(&tenant, "Open");
    harness.pass(Duration::from_secs(3_600));
    let all = harness.pass_through(None).await;
    let begun = all.begun.expect("a time");
    let before = tenant.truth();
    let mut chance = Chance::new(9);
    for _ in 0..60 {
        harness.pass(Duration::from_secs(20));
        tenant.step(&mut chance);
    }
    let found = harness.pass_through(Some(begun)).await;
    let mut records = all.records.clone();
    records.extend(found.records);
    let after = tenant.truth();
    // Purged objects and people whom no open requisition leads to are for the complete pass.
    let visible = |key: &String| {
        let fields = &after[key];
        let job = fields.get("job").and_then(Value::as_str).and_then(|job| after.get(&format!("job/{job}")));
        key.starts_with("job/") || !before.contains_key(key) || job.is_some_and(|job| job["status"] == "open")
    };
    let mut seen = after.clone();
    seen.retain(|key, _| visible(key));
    records.retain(|(kind, id), _| seen.contains_key(&format!("{}/{id}", kind.as_str())));
    assert_eq!(differences(&harness.origin, &records, &seen, &KINDS), Vec::<String>::new());
    assert!(seen.iter().any(|(key, fields)| before.get(key).is_some_and(|old| old != fields)), "something changed");
    let again = harness.pass_through(None).await;
    assert_eq!(differences(&harness.origin, &again.records, &after, &KINDS), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_address_is_found_while_a_requisition_is_open_and_later_by_a_report_only() {
    let (mut harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    harness.pass(Duration::from_secs(3_600));
    let since = Some(harness.pass_through(None).await.begun.expect("a time"));
    harness.pass(Duration::from_secs(600));
    let wid = new_address(&tenant);
    let found = harness.pass_through(since).await;
    assert_eq!(email(&found.records, &wid), Some(json!("new@example.com")));

    set_all(&tenant, "Closed");
    harness.pass(Duration::from_secs(3_600));
    let since = Some(harness.pass_through(None).await.begun.expect("a time"));
    harness.pass(Duration::from_secs(600));
    let wid = new_address(&tenant);
    let found = harness.pass_through(since).await;
    assert_eq!(email(&found.records, &wid), None, "nothing leads there");
    for (name, value) in [
        ("raas_owner", "ISU_hiring"),
        ("raas_report", "Job_Applications"),
        ("raas_mapping", "{\"candidate\":\"Candidate_WID\"}"),
        ("raas_prompt", "Updated_From"),
    ] {
        harness.settings.insert(name.to_owned(), value.to_owned());
    }
    for with_token in [false, true] {
        if with_token {
            harness.with_login(LoginMethod::RefreshToken, &GRANT);
            harness.sign_in().await.expect("granted");
        }
        let found = harness.pass_through(since).await;
        assert_eq!(email(&found.records, &wid), Some(json!("new@example.com")));
        assert!(found.requests < 12, "the report says whom to ask for: {} requests", found.requests);
    }
    harness.settings.insert("raas_mapping".to_owned(), "{\"candidate\":\"Nothing\"}".to_owned());
    let found = harness.pass_through(since).await;
    assert!(found.skipped.iter().all(|said| said.contains("has no `Nothing`")) && !found.skipped.is_empty());
    harness.settings.insert("raas_report".to_owned(), "Other".to_owned());
    let stream = harness.ats.streams(&harness.settings).pop().expect("the report's");
    let cursor = harness.ats.first(&stream, &harness.settings, since).expect("a cursor");
    assert!(matches!(harness.read(&cursor).await, Err(CallError::Refused(_))));
}

#[tokio::test]
async fn a_requisition_that_goes_while_its_batch_waits_does_not_take_the_others_along() {
    let (harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    let since = Some(harness.now());
    harness.pass(Duration::from_secs(600));
    let all = harness.pass_through(since).await;
    let jobs: Vec<String> =
        all.records.keys().filter(|(kind, _)| *kind == Kind::Job).map(|(_, id)| id.clone()).collect();
    let mut with_one_gone = jobs.clone();
    with_one_gone.insert(1, "0123456789abcdef0123456789abcdef".to_owned());
    let at = harness.now();
    let mut cursors = vec![json!({"k": "of", "jobs": with_one_gone, "at": at, "page": 1}).to_string()];
    let mut found = 0;
    while let Some(cursor) = cursors.pop() {
        let page = harness.read(&cursor).await.expect("a page");
        found += page.observations.iter().filter(|seen| seen.record.kind() == Kind::Application).count();
        cursors.extend(page.follow);
    }
    let truth = tenant.truth();
    let of_these = truth.iter().filter(|(key, fields)| {
        key.starts_with("application/") && fields["job"].as_str().is_some_and(|job| jobs.iter().any(|id| id == job))
    });
    assert!(found >= of_these.count() && found > 0, "{found}");
}

#[tokio::test]
async fn changes_are_made_once_also_when_they_are_made_twice() {
    let (mut harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    let truth = tenant.truth();
    let mut active = truth.iter().filter(|(key, fields)| {
        key.starts_with("application/") && fields["status"] == "active" && fields["stage"] == "Review"
    });
    let mut next = || active.next().expect("an active application").0.replace("application/", "");
    let told = |id: &str, field: &str| tenant.truth()[&format!("application/{id}")][field].clone();

    let application = next();
    let to = Change::MoveStage { application: application.clone(), stage: STAGES[2].id.to_owned() };
    let (touched, _) = harness.change(&to).await.expect("moved");
    assert_eq!(touched[0].provider_id, application);
    assert_eq!(told(&application, "stage"), STAGES[2].name);
    let again = harness.change(&to).await.expect_err("there already");
    assert!(matches!(again, CallError::Refused(_)), "{again}");

    let reject =
        |reason: Option<&str>| Change::Reject { application: application.clone(), reason: reason.map(str::to_owned) };
    assert!(matches!(harness.change(&reject(None)).await, Err(CallError::Refused(_))), "a reason is needed");
    harness.change(&reject(Some(DISPOSITIONS[3].id))).await.expect("turned down");
    assert_eq!(
        (told(&application, "status"), told(&application, "rejection_reason")),
        (json!("rejected"), json!(DISPOSITIONS[3].name))
    );
    assert!(harness.change(&reject(Some(DISPOSITIONS[0].id))).await.is_err());
    assert_eq!(told(&application, "rejection_reason"), DISPOSITIONS[3].name, "as it was");

    let application = next();
    let hire = Change::Hire { application: application.clone() };
    assert!(matches!(harness.change(&hire).await, Err(CallError::Refused(_))), "no step is set");
    harness.settings.insert("hire_step".to_owned(), "HIRE".to_owned());
    harness.change(&hire).await.expect("hired");
    assert_eq!(told(&application, "status"), "hired");
}

#[tokio::test]
async fn an_application_is_handed_in_once_and_a_known_person_is_not_made_again() {
    let (harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    let jobs: Vec<String> =
        tenant.truth().keys().filter_map(|key| key.strip_prefix("job/").map(str::to_owned)).collect();
    let submit = |job: &str| Change::Submit {
        job: job.to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace & <Co>".to_owned(),
        email: "ada@example.com".to_owned(),
        phone: Some("+44 1".to_owned()),
    };
    let people =
        || tenant.truth().values().filter(|fields| fields.get("email") == Some(&json!("ada@example.com"))).count();
    let (first, _) = harness.change(&submit(&jobs[0])).await.expect("handed in");
    assert_eq!(first.len(), 2);
    let (twice, _) = harness.change(&submit(&jobs[0])).await.expect("is there already");
    assert_eq!((&twice, people()), (&first, 1));
    let application = &tenant.truth()[&format!("application/{}", first[1].provider_id)];
    assert_eq!((&application["job"], &application["candidate"]), (&json!(jobs[0]), &json!(first[0].provider_id)));
    tenant.grow(&mut Chance::new(4), 40);
    set_all(&tenant, "Open");
    let (other, _) = harness.change(&submit(&jobs[1])).await.expect("handed in");
    assert_eq!((other[0].clone(), people()), (first[0].clone(), 1));
    assert_ne!(other[1], first[1]);
    let refused = harness.change(&submit("0123456789abcdef0123456789abcdef")).await.expect_err("no such job");
    assert!(matches!(&refused, CallError::Refused(said) if !said.contains("ada@")), "{refused}");
}
