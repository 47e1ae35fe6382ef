//! What happens in a tenant, and where a client can see it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use simulators::workday::{data::Person, tenant::Tenant, xml::Element};
use simulators::world::{Account, Chance};

use super::{NOON, Stage, around, by_wid, fault, number, operate, rows, server_time, stage, wid};
use crate::{call, fixture, get, post};

#[tokio::test]
async fn requisitions_are_found_by_what_was_entered_and_by_status() {
    let stage = stage();
    let tenant = stage.world.account("acme").unwrap();
    stage.ms.fetch_add(3_600_000, Ordering::SeqCst);
    let since = server_time(&stage).await;
    let mut touched = BTreeSet::new();
    let before = tenant.truth();
    let mut chance = Chance::new(5);
    for _ in 0..60 {
        tenant.step(&mut chance);
    }
    let after = tenant.truth();
    for (key, job) in after.iter().filter(|(key, _)| key.starts_with("job/")) {
        if before.get(key) != Some(job) {
            touched.insert(key.strip_prefix("job/").unwrap().to_owned());
        }
    }
    let names = ["Request_Criteria", "Transaction_Log_Criteria_Data", "Transaction_Date_Range_Data", "Updated_From"];
    let log = around(&names, &since);
    let found = |response: &Element| -> BTreeSet<String> {
        rows(response, "Job_Requisition").map(|row| wid(row, "Job_Requisition_Reference")).collect()
    };
    let listed = found(&operate(&stage.app, "Get_Job_Requisitions", &log).await);
    assert!(!touched.is_empty() && listed.is_superset(&touched), "{touched:?} {listed:?}");
    let open = "<bsvc:ID bsvc:type=\"Job_Requisition_Status_ID\">Open</bsvc:ID>";
    let open = around(&["Request_Criteria", "Job_Requisition_Status_Reference"], open);
    let listed = found(&operate(&stage.app, "Get_Job_Requisitions", &open).await);
    let open: BTreeSet<String> = after
        .iter()
        .filter(|(_, fields)| fields.get("status") == Some(&json!("open")))
        .map(|(key, _)| key.replace("job/", ""))
        .collect();
    assert_eq!(listed, open);
}

/// Fields of every object that SOAP tells, in the words of the truth.
async fn answered(stage: &Stage) -> BTreeMap<String, Value> {
    let mut answered = BTreeMap::new();
    let all = around(&["Response_Filter", "Count"], "999");
    let jobs = operate(&stage.app, "Get_Job_Requisitions", &all).await;
    for row in rows(&jobs, "Job_Requisition") {
        let title = row.text_at(&["Job_Requisition_Data", "Job_Requisition_Detail_Data", "Job_Posting_Title"]);
        let status = row
            .at(&["Job_Requisition_Data", "Job_Requisition_Status_Reference"])
            .and_then(|status| status.attribute("Descriptor"));
        answered.insert(
            format!("job/{}", wid(row, "Job_Requisition_Reference")),
            json!({"title": title, "provider_status": status}),
        );
    }
    let people = operate(&stage.app, "Get_Candidates", &all).await;
    for row in rows(&people, "Candidate") {
        let person = wid(row, "Candidate_Reference");
        let data = row.child("Candidate_Data").unwrap();
        let contact = |name| data.text_at(&["Contact_Data", name]);
        answered.insert(
            format!("candidate/{person}"),
            json!({"email": contact("Email_Address"), "phone": contact("Phone_Number")}),
        );
        for application in
            data.all("Job_Application_Data").filter_map(|application| application.child("Job_Applied_To_Data"))
        {
            let name = |reference| application.child(reference).and_then(|reference| reference.attribute("Descriptor"));
            let fields = json!({
                "candidate": person, "job": wid(application, "Job_Requisition_Reference"),
                "stage": name("Stage_Reference"), "rejection_reason": name("Disposition_Reference"),
            });
            answered.insert(format!("application/{}", wid(application, "Job_Application_Reference")), fields);
        }
    }
    answered
}

#[tokio::test]
async fn the_truth_is_what_the_operations_say_whatever_happens() {
    let stage = stage();
    let tenant = stage.world.account("acme").unwrap();
    let mut chance = Chance::new(11);
    let mut kinds = BTreeSet::new();
    for _ in 0..12 {
        for _ in 0..25 {
            let done = tenant.step(&mut chance);
            kinds.insert(done.rsplit_once(' ').unwrap().0.to_owned());
        }
        let answered = answered(&stage).await;
        let truth = tenant.truth();
        assert_eq!(answered.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
        for (key, fields) in &answered {
            for (name, value) in fields.as_object().unwrap() {
                assert_eq!(truth.get(key).and_then(|fields| fields.get(name)), Some(value), "{key} {name}");
            }
        }
    }
    for kind in ["rejected", "hired", "moved", "candidate purged", "taken back", "requisition created", "applied again"]
    {
        assert!(kinds.contains(kind), "{kind} happens: {kinds:?}");
    }
    assert!(tenant.state().people.all().any(|person| person.withdrawn));
    let moved = |email: &String| email.starts_with("new.");
    assert!(tenant.state().people.all().any(|person| person.email.as_ref().is_some_and(moved)));
    let statuses: BTreeSet<String> = tenant
        .truth()
        .into_iter()
        .filter(|(key, _)| key.starts_with("application/"))
        .filter_map(|(_, fields)| fields.get("status")?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(statuses, BTreeSet::from(["active", "rejected", "hired"].map(str::to_owned)));
}

#[tokio::test]
async fn a_move_of_an_old_application_shows_in_its_requisition_only() {
    let stage = stage();
    let people = operate(&stage.app, "Get_Candidates", "").await;
    let row = rows(&people, "Candidate")
        .find(|row| row.at(&["Candidate_Data", "Job_Application_Data"]).is_some())
        .cloned()
        .unwrap();
    let person = wid(&row, "Candidate_Reference");
    let application = row.at(&["Candidate_Data", "Job_Application_Data", "Job_Applied_To_Data"]).cloned().unwrap();
    let (id, job) = (wid(&application, "Job_Application_Reference"), wid(&application, "Job_Requisition_Reference"));
    stage.ms.fetch_add(86_400_000, Ordering::SeqCst);
    let since = server_time(&stage).await;
    let to = |kind: &str, step: &str| {
        let id_of_step = format!("<bsvc:ID bsvc:type=\"Workflow_Step_ID\">{step}</bsvc:ID>");
        let step = around(&["Dynamic_Business_Process_Parameters", kind], &id_of_step);
        step + &around(&["Move_Candidate_Data"], &by_wid("Job_Application_Reference", &id))
    };
    stage.ms.fetch_add(1_000, Ordering::SeqCst);
    let moved = operate(&stage.app, "Move_Candidate", &to("Next_Step_Reference", "OFFER")).await;
    assert_eq!(wid(&moved, "Event_Reference").len(), 32);
    for window in ["Created", "Applied"] {
        let criteria =
            format!("<bsvc:Request_Criteria><bsvc:{window}_From>{since}</bsvc:{window}_From></bsvc:Request_Criteria>");
        assert_eq!(number(&operate(&stage.app, "Get_Candidates", &criteria).await, "Total_Results"), 0, "{window}");
    }
    let of_job =
        format!("<bsvc:Request_Criteria>{}</bsvc:Request_Criteria>", by_wid("Job_Requisition_Reference", &job));
    let found = operate(&stage.app, "Get_Candidates", &of_job).await;
    let seen = rows(&found, "Candidate").find(|row| wid(row, "Candidate_Reference") == person).cloned().unwrap();
    let after = seen.at(&["Candidate_Data", "Job_Application_Data", "Job_Applied_To_Data"]).cloned().unwrap();
    assert_eq!(after.child("Stage_Reference").and_then(|stage| stage.attribute("Descriptor")), Some("Offer"));
    assert_ne!(after.text_at(&["Status_Timestamp"]), application.text_at(&["Status_Timestamp"]));
    assert_eq!(after.text_at(&["Job_Application_Date"]), application.text_at(&["Job_Application_Date"]));

    operate(&stage.app, "Move_Candidate", &to("Disposition_Step_Reference", "NO_SHOW")).await;
    let (_, text, _) = fault(&stage.app, "Move_Candidate", &to("Next_Step_Reference", "OFFER")).await;
    assert!(text.contains("not active"), "{text}");
    let (_, text, _) = fault(&stage.app, "Move_Candidate", &to("Next_Step_Reference", "NOWHERE")).await;
    assert!(text.contains("not a valid ID value"), "{text}");
    let truth = stage.world.account("acme").unwrap().truth();
    assert_eq!(
        truth.get(&format!("application/{id}")).and_then(|fields| fields.get("status")),
        Some(&json!("rejected"))
    );
}

#[tokio::test]
async fn a_candidate_can_be_put_once_and_prospects_need_a_country() {
    let stage = stage();
    let tenant = stage.world.account("acme").unwrap();
    let open = tenant
        .truth()
        .into_iter()
        .find(|(_, fields)| fields.get("status") == Some(&json!("open")))
        .unwrap()
        .0
        .replace("job/", "");
    let data = |job: &str| {
        let id_of_stage = "<bsvc:ID bsvc:type=\"Recruiting_Stage_ID\">REVIEW</bsvc:ID>";
        let applied = by_wid("Job_Requisition_Reference", job) + &around(&["Stage_Reference"], id_of_stage);
        let person = [
            around(&["Candidate_ID"], "OURS-1"),
            around(&["Name_Data"], &(around(&["First_Name"], "Ada") + &around(&["Last_Name"], "L&amp;ce"))),
            around(&["Contact_Data", "Email_Address"], "ada@example.com"),
            around(&["Job_Application_Data", "Job_Applied_To_Data"], &applied),
        ];
        around(&["Candidate_Data"], &person.concat())
    };
    let put = operate(&stage.app, "Put_Candidate", &data(&open)).await;
    let application =
        put.child("Candidate_Job_Application_Data").map(|data| wid(data, "Job_Application_Reference")).unwrap();
    let key = format!("application/{application}");
    assert_eq!(tenant.truth().get(&key).and_then(|fields| fields.get("job")), Some(&json!(open)));
    let (_, text, _) = fault(&stage.app, "Put_Candidate", &data(&open)).await;
    assert!(text.contains("in use already"), "{text}");
    let by_mail = around(&["Request_Criteria", "Candidate_Email_Address"], "ADA@example.com");
    let found = operate(&stage.app, "Get_Candidates", &by_mail).await;
    let rows: Vec<_> = rows(&found, "Candidate").collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows.first().and_then(|row| row.text_at(&["Candidate_Data", "Name_Data", "Last_Name"])), Some("L&ce"));

    let token = tenant.state().gate.grant(NOON);
    let bearer = format!("Bearer {token}");
    let path = "/workday/ccx/api/recruiting/v4/acme/prospects";
    let prospect = async |body: Value| call(&stage.app, "POST", path, &[("authorization", &bearer)], &body).await;
    assert_eq!(prospect(json!({"candidate": {"name": {"lastName": "Doe"}}})).await.status, 400);
    let made =
        prospect(json!({"candidate": {"name": {"country": {"id": "USA"}, "firstName": "Jo", "lastName": "Doe"}}}))
            .await;
    assert_eq!(made.status, 201);
    let candidate = made.json().pointer("/candidate/id").and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(
        tenant.truth().get(&format!("candidate/{candidate}")).and_then(|fields| fields.get("name")),
        Some(&json!("Jo Doe"))
    );
    let listed = call(
        &stage.app,
        "GET",
        "/workday/ccx/api/recruiting/v4/acme/jobPostings?limit=1&offset=0",
        &[("authorization", &bearer)],
        &Value::Null,
    )
    .await
    .json();
    assert_eq!(listed.get("data").and_then(Value::as_array).map(Vec::len), Some(1));
    assert!(listed.get("total").and_then(Value::as_u64).is_some_and(|total| total >= 1));
    assert_eq!(get(&stage.app, "/workday/ccx/api/recruiting/v4/acme/jobPostings").await.status, 401);
}

#[tokio::test]
async fn a_report_has_its_authors_names_a_prompt_and_may_be_slow() {
    let stage = stage();
    let tenant = stage.world.account("acme").unwrap();
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ISU_hiring:local-workday-password-acme"));
    let read = async |query: &str| {
        let path = format!("/workday/ccx/service/customreport2/acme/ISU_hiring/Job_Applications?format=json{query}");
        call(&stage.app, "GET", &path, &[("authorization", &basic)], &Value::Null).await
    };
    let all = read("").await.json();
    let rows = all.get("Report_Entry").and_then(Value::as_array).unwrap();
    let applications = tenant.truth().keys().filter(|key| key.starts_with("application/")).count();
    assert_eq!(rows.len(), applications);
    for name in ["Candidate_WID", "Requisition_Title", "Stage", "Last_Functionally_Updated"] {
        assert!(rows.iter().all(|row| row.get(name).is_some_and(Value::is_string)), "{name}");
    }
    stage.ms.fetch_add(60_000, Ordering::SeqCst);
    change_a_mail_address(&tenant);
    let changed = read("&Updated_From=2026-11-18T11:07:40Z").await.json();
    assert!(
        changed.get("Report_Entry").and_then(Value::as_array).is_some_and(
            |rows| !rows.is_empty() && rows.iter().all(|row| row.get("Email") == Some(&json!("new@example.com")))
        ),
        "{changed}"
    );
    post(&stage.app, "/_control/workday/acme/report_delay", json!({"ms": 80})).await;
    let begun = std::time::Instant::now();
    assert_eq!(read("").await.status, 200);
    assert!(begun.elapsed().as_millis() >= 80);
    assert_eq!(
        get(&stage.app, "/workday/ccx/service/customreport2/acme/ISU_hiring/Job_Applications?format=json").await.status,
        401
    );
}

#[tokio::test]
async fn every_element_that_is_sent_is_one_of_the_wsdl() {
    let Some(shapes) = fixture("ats/workday_recruiting_v31_2_shapes.json") else { return };
    let stage = stage();
    stage.world.account("acme").unwrap().grow(&mut Chance::new(3), 40);
    let groups = ["Reference", "Job_Requisition_Definition_Data", "Job_Requisition_Restrictions_Data", "Organizations"];
    let groups: String = groups.iter().map(|name| format!("<bsvc:Include_{name}>1</bsvc:Include_{name}>")).collect();
    for (operation, inner) in [
        ("Get_Candidates", String::new()),
        ("Get_Job_Requisitions", format!("<bsvc:Response_Group>{groups}</bsvc:Response_Group>")),
    ] {
        let response = operate(&stage.app, operation, &inner).await;
        check(&shapes, &format!("{}ResponseType", operation.replace('_', "")), &response);
    }
}

fn change_a_mail_address(tenant: &Tenant) {
    let mut state = tenant.state();
    let at = state.stamp_after(NOON + 60_000);
    let mut people = state.people.open.iter().filter_map(|number| state.person(*number));
    let applicant = people.find(|person| !person.applications.is_empty()).unwrap();
    let person = Person { email: Some("new@example.com".to_owned()), ..Person::clone(applicant) };
    state.put_person(at, person);
}

/// Whether an element has only the children that its type has, in the order of the type.
fn check(shapes: &Value, name: &str, element: &Element) {
    let Some(fields) = shapes.pointer(&format!("/types/{name}/fields")).and_then(Value::as_array) else { return };
    let mut at = 0;
    for child in &element.children {
        let place = fields.iter().position(|field| field.get("el") == Some(&json!(child.name)));
        let place = place.unwrap_or_else(|| panic!("{name} has no {}", child.name));
        assert!(place >= at, "{} comes too late in {name}", child.name);
        at = place;
        let kind = fields.get(place).and_then(|field| field.get("type")).and_then(Value::as_str);
        check(shapes, kind.unwrap(), child);
    }
}
