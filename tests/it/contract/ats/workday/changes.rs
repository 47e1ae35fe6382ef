//! Workday: what changed since a time, a report that says so, and changes that we make.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use domain::write_back::Change;
use providers::ats::port::AtsError;
use serde_json::{Value, json};
use simulators::workday::data::{DISPOSITIONS, Person, Requisition, STAGES, STATUSES, of};
use simulators::workday::tenant::Tenant;
use simulators::world::{Account, Chance};

use super::connected;

/// Sets the status of every requisition.
fn set_all(tenant: &Tenant, status: &str) {
    let mut state = tenant.state();
    for number in state.requisitions.open.clone() {
        let mut requisition = Requisition::clone(state.requisition(number).expect("there"));
        requisition.status = of(&STATUSES, status).expect("a status");
        let at = state.stamp();
        state.put_requisition(at, requisition);
    }
}

/// Changes the e-mail address of an applicant, and answers the candidate's WID.
fn new_address(tenant: &Tenant) -> String {
    let mut state = tenant.state();
    let at = state.stamp();
    let mut people = state.people.open.iter().filter_map(|number| state.person(*number));
    let person = Person::clone(people.find(|person| !person.applications.is_empty()).expect("an applicant"));
    let wid = state.person_wid(person.number);
    state.put_person(at, Person { email: Some("new@example.com".to_owned()), ..person });
    wid
}

fn email(objects: &BTreeMap<String, Value>, wid: &str) -> Option<Value> {
    objects.get(&format!("candidate/{wid}")).map(|record| record["email"].clone())
}

#[tokio::test]
async fn a_window_has_all_of_the_open_requisitions_and_nothing_stale() {
    let (harness, tenant) = connected().await;
    tenant.grow(&mut Chance::new(1), 400);
    set_all(&tenant, "Open");
    harness.pass_time(Duration::from_secs(3_600));
    let all = harness.pass(None).await.expect("a pass");
    let begun = all.began.expect("a time");
    let before = tenant.truth();
    let mut chance = Chance::new(9);
    for _ in 0..60 {
        harness.pass_time(Duration::from_secs(20));
        tenant.step(&mut chance);
    }
    let found = harness.pass(Some(begun)).await.expect("a pass");
    let mut records = all.objects.clone();
    records.extend(found.objects);
    let after = tenant.truth();
    // Purged objects and people whom no open requisition leads to are for the complete pass.
    let visible = |key: &String| {
        let fields = &after[key];
        let job = fields.get("job").and_then(Value::as_str).and_then(|job| after.get(&format!("job/{job}")));
        key.starts_with("job/") || !before.contains_key(key) || job.is_some_and(|job| job["status"] == "open")
    };
    let mut seen = after.clone();
    seen.retain(|key, _| visible(key));
    records.retain(|place, _| seen.contains_key(place));
    assert_eq!(harness.differences(&records, &seen), Vec::<String>::new());
    assert!(seen.iter().any(|(key, fields)| before.get(key).is_some_and(|old| old != fields)), "something changed");
    let again = harness.pass(None).await.expect("a pass");
    assert_eq!(harness.differences(&again.objects, &after), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_address_needs_an_open_requisition_or_a_report() {
    let (mut harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    harness.pass_time(Duration::from_secs(3_600));
    let since = Some(harness.pass(None).await.expect("a pass").began.expect("a time"));
    harness.pass_time(Duration::from_secs(600));
    let wid = new_address(&tenant);
    let found = harness.pass(since).await.expect("a pass");
    assert_eq!(email(&found.objects, &wid), Some(json!("new@example.com")));

    set_all(&tenant, "Closed");
    harness.pass_time(Duration::from_secs(3_600));
    let since = Some(harness.pass(None).await.expect("a pass").began.expect("a time"));
    harness.pass_time(Duration::from_secs(600));
    let wid = new_address(&tenant);
    let found = harness.pass(since).await.expect("a pass");
    assert_eq!(email(&found.objects, &wid), None, "nothing leads there");
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
            harness.connection.login = LoginMethod::RefreshToken;
            harness.sign_in().await.expect("granted");
        }
        let found = harness.pass(since).await.expect("a pass");
        assert_eq!(email(&found.objects, &wid), Some(json!("new@example.com")));
        assert!(found.requests < 12, "the report says whom to ask for: {} requests", found.requests);
    }
    harness.settings.insert("raas_mapping".to_owned(), "{\"candidate\":\"Nothing\"}".to_owned());
    let found = harness.pass(since).await.expect("a pass");
    assert!(found.skipped.iter().all(|said| said.contains("has no `Nothing`")) && !found.skipped.is_empty());
    harness.settings.insert("raas_report".to_owned(), "Other".to_owned());
    let stream = harness.ats.streams(&harness.settings).pop().expect("the report's");
    let cursor = harness.ats.first_cursor(&stream, &harness.settings, since).expect("a cursor");
    assert!(matches!(harness.read(&cursor).await, Err(AtsError::Refused(_))));
}

#[tokio::test]
async fn a_requisition_that_vanishes_does_not_fail_its_batch() {
    let (harness, tenant) = connected().await;
    set_all(&tenant, "Open");
    let since = Some(harness.context().now);
    harness.pass_time(Duration::from_secs(600));
    let all = harness.pass(since).await.expect("a pass");
    let jobs: Vec<String> = all.objects.keys().filter_map(|key| key.strip_prefix("job/").map(str::to_owned)).collect();
    let mut with_one_gone = jobs.clone();
    with_one_gone.insert(1, "0123456789abcdef0123456789abcdef".to_owned());
    let at = harness.context().now;
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
    let actual = |id: &str, field: &str| tenant.truth()[&format!("application/{id}")][field].clone();

    let application = next();
    let to = Change::MoveStage { application: application.clone(), stage: STAGES[2].id.to_owned() };
    let touched = harness.make(&to).await.expect("moved");
    assert_eq!(touched[0].provider_id, application);
    assert_eq!(actual(&application, "stage"), STAGES[2].name);
    let again = harness.make(&to).await.expect_err("there already");
    assert!(matches!(again, AtsError::Refused(_)), "{again}");

    let reject =
        |reason: Option<&str>| Change::Reject { application: application.clone(), reason: reason.map(str::to_owned) };
    assert!(matches!(harness.make(&reject(None)).await, Err(AtsError::Refused(_))), "a reason is needed");
    harness.make(&reject(Some(DISPOSITIONS[3].id))).await.expect("turned down");
    assert_eq!(
        (actual(&application, "status"), actual(&application, "rejection_reason")),
        (json!("rejected"), json!(DISPOSITIONS[3].name))
    );
    assert!(harness.make(&reject(Some(DISPOSITIONS[0].id))).await.is_err());
    assert_eq!(actual(&application, "rejection_reason"), DISPOSITIONS[3].name, "as it was");

    let application = next();
    let hire = Change::Hire { application: application.clone() };
    assert!(matches!(harness.make(&hire).await, Err(AtsError::Refused(_))), "no step is set");
    harness.settings.insert("hire_step".to_owned(), "HIRE".to_owned());
    harness.make(&hire).await.expect("hired");
    assert_eq!(actual(&application, "status"), "hired");
}

#[tokio::test]
async fn an_application_is_submitted_once_for_a_known_person_too() {
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
    let first = harness.make(&submit(&jobs[0])).await.expect("handed in");
    assert_eq!(first.len(), 2);
    let twice = harness.make(&submit(&jobs[0])).await.expect("is there already");
    assert_eq!((&twice, people()), (&first, 1));
    let application = &tenant.truth()[&format!("application/{}", first[1].provider_id)];
    assert_eq!((&application["job"], &application["candidate"]), (&json!(jobs[0]), &json!(first[0].provider_id)));
    tenant.grow(&mut Chance::new(4), 40);
    set_all(&tenant, "Open");
    let other = harness.make(&submit(&jobs[1])).await.expect("handed in");
    assert_eq!((other[0].clone(), people()), (first[0].clone(), 1));
    assert_ne!(other[1], first[1]);
    let refused = harness.make(&submit("0123456789abcdef0123456789abcdef")).await.expect_err("no such job");
    assert!(matches!(&refused, AtsError::Refused(said) if !said.to_string().contains("ada@")), "{refused}");
}
