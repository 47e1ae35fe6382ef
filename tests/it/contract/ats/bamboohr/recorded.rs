//! Recorded answers of BambooHR: all of them are read, and of each field it is known where it goes, or why it does not.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::ats::{Kind, ObjectRef, Record};
use domain::write_back::Change;
use http::{HeaderMap, StatusCode};
use providers::ats::port::{ChangeProgress, Next, Page};
use providers::transport::http::Reply;
use serde_json::{Value, json};

use super::bamboohr;
use crate::contract::ats::harness::Harness;
use crate::contract::fixtures::read as fixture;

/// The use of a field.
type Fate = Option<&'static str>;
/// It is in a record.
const MAPPED: Fate = None;
const DETAIL: Fate = Some("only the application itself tells it, and a record must not depend on how it was asked for");
const EMPLOYEE: Fate = Some("employees are no records");
const PICTURE: Fate = Some("pictures are not kept");
const ADDRESS: Fate = Some("a part of the location's name, which is kept");
const COUNT: Fate = Some("follows from the applications");
const NUMBER: Fate = Some("a number of a name that is kept");
const TWICE: Fate = Some("the job itself tells it");

/// Fields of a row of the list.
const ROW: [(&str, Fate); 14] = [
    ("id", MAPPED),
    ("appliedDate", MAPPED),
    ("status.label", MAPPED),
    ("applicant.id", MAPPED),
    ("applicant.firstName", MAPPED),
    ("applicant.lastName", MAPPED),
    ("applicant.email", MAPPED),
    ("job.id", MAPPED),
    ("status.id", NUMBER),
    ("rating", Some("a rating is no field of an application")),
    ("applicant.avatar", PICTURE),
    ("applicant.source", Some("how the person came; not needed")),
    ("job.title.id", NUMBER),
    ("job.title.label", TWICE),
];

/// Fields of an application beyond those of its row.
const BEYOND: [(&str, Fate); 30] = [
    ("status.dateChanged", DETAIL),
    ("status.changedByUser", EMPLOYEE),
    ("applicant.phoneNumber", DETAIL),
    ("applicant.address", DETAIL),
    ("applicant.linkedinUrl", DETAIL),
    ("applicant.twitterUsername", DETAIL),
    ("applicant.websiteUrl", DETAIL),
    ("applicant.availableStartDate", DETAIL),
    ("applicant.education", DETAIL),
    ("job.hiringLead.employeeId", EMPLOYEE),
    ("job.hiringLead.firstName", EMPLOYEE),
    ("job.hiringLead.lastName", EMPLOYEE),
    ("job.hiringLead.avatar", PICTURE),
    ("job.hiringLead.jobTitle.id", EMPLOYEE),
    ("job.hiringLead.jobTitle.label", EMPLOYEE),
    ("resumeFileId", DETAIL),
    ("coverLetterFileId", DETAIL),
    ("movedTo", DETAIL),
    ("movedFrom", DETAIL),
    ("alsoConsideredForCount", DETAIL),
    ("duplicateApplicationCount", DETAIL),
    ("referredBy", DETAIL),
    ("desiredSalary", DETAIL),
    ("commentCount", DETAIL),
    ("emailCount", DETAIL),
    ("attachmentCount", DETAIL),
    ("eventCount", DETAIL),
    ("questionsAndAnswers", DETAIL),
    ("attachments", DETAIL),
    ("applicationReferences", DETAIL),
];

/// Fields of a job.
const JOB: [(&str, Fate); 29] = [
    ("id", MAPPED),
    ("title.label", MAPPED),
    ("status.label", MAPPED),
    ("department.label", MAPPED),
    ("location.label", MAPPED),
    ("title.id", NUMBER),
    ("status.id", NUMBER),
    ("department.id", NUMBER),
    ("location.id", NUMBER),
    ("location.address.name", ADDRESS),
    ("location.address.description", ADDRESS),
    ("location.address.addressLine1", ADDRESS),
    ("location.address.addressLine2", ADDRESS),
    ("location.address.city", ADDRESS),
    ("location.address.state", ADDRESS),
    ("location.address.zipcode", ADDRESS),
    ("location.address.country", ADDRESS),
    ("location.address.phoneNumber", ADDRESS),
    ("postedDate", Some("a draft is posted whenever it is asked for; a job has no such time")),
    ("postingUrl", Some("follows from the company and the id")),
    ("hiringLead.employeeId", EMPLOYEE),
    ("hiringLead.firstName", EMPLOYEE),
    ("hiringLead.lastName", EMPLOYEE),
    ("hiringLead.avatar", PICTURE),
    ("hiringLead.jobTitle.id", EMPLOYEE),
    ("hiringLead.jobTitle.label", EMPLOYEE),
    ("newApplicantsCount", COUNT),
    ("activeApplicantsCount", COUNT),
    ("totalApplicantsCount", COUNT),
];

/// Recorded calls that are not made here, and why.
const OTHERS: [(&str, &str); 3] = [
    ("create-webhook", "webhooks tell of employees only"),
    ("list-webhooks", "webhooks tell of employees only"),
    ("delete-webhook", "webhooks tell of employees only"),
];

/// Paths of all values that are no objects or lists with something in them.
fn leaves(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| leaves(value, &below(name), found));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().for_each(|value| leaves(value, &format!("{place}[]"), found));
        }
        _ => drop(found.insert(place.to_owned())),
    }
}

fn unknown<'a>(rows: impl IntoIterator<Item = &'a Value>, fates: &[(&str, Fate)]) -> Vec<String> {
    let mut found = BTreeSet::new();
    rows.into_iter().for_each(|row| leaves(row, "", &mut found));
    found.into_iter().filter(|leaf| !fates.iter().any(|(known, _)| known == leaf)).collect()
}

fn reply(call: &Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("date", call["headers"]["date"].as_str().expect("a date").parse().expect("a header"));
    let status = call["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let status = StatusCode::from_u16(status).expect("a status");
    Reply { status, headers, body: Bytes::from(call["response"].to_string()) }
}

fn read(bamboohr: &Harness, cursor: &str, call: &Value) -> Page {
    bamboohr.ats.parse_page(&bamboohr.context(), cursor, &reply(call)).expect("readable")
}

fn records(page: &Page) -> BTreeMap<(Kind, String), Value> {
    let key = |record: &Record| (record.kind(), record.provider_id().expect("an id").to_owned());
    page.observations.iter().map(|seen| (key(&seen.record), json!(seen.record))).collect()
}

#[tokio::test]
async fn every_field_of_the_recorded_rows_is_mapped_or_listed() {
    let Some(calls) = fixture("ats/bamboohr_recorded_calls.json") else {
        println!("skipped: FIXTURES names no folder");
        return;
    };
    let (bamboohr, _) = bamboohr(0).await;
    for name in ["applicants", "list-applicants"] {
        for call in calls[name].as_array().expect("calls") {
            let rows = call["response"]["applications"].as_array().expect("rows");
            assert_eq!(unknown(rows, &ROW), Vec::<String>::new(), "{name}: a field that nobody decided about");
            let page = read(&bamboohr, "all:1", call);
            assert_eq!((page.skipped.len(), page.next.clone()), (0, Next::End));
            assert!(page.server_time.is_some());
            let records = records(&page);
            assert_eq!(records.len(), 2 * rows.len(), "each applicant has one application");
            for row in rows {
                let application = &records[&(Kind::Application, row["id"].to_string())];
                let candidate = &records[&(Kind::Candidate, row["applicant"]["id"].to_string())];
                assert_eq!(application["stage"], row["status"]["label"]);
                assert_eq!(application["job"], bamboohr.origin.job(&row["job"]["id"].to_string()).to_string());
                assert_eq!(application["candidate"], candidate["id"]);
                let at: jiff::Timestamp = row["appliedDate"].as_str().expect("a date").parse().expect("a time");
                assert_eq!(application["applied_at"], json!(at));
                assert_eq!(candidate["email"], row["applicant"]["email"]);
                let name = ["firstName", "lastName"].map(|part| row["applicant"][part].as_str().expect("a name"));
                assert_eq!(candidate["name"], name.join(" "));
            }
        }
    }
    for name in ["job-openings", "list-job-openings"] {
        let call = &calls[name][0];
        let rows = call["response"].as_array().expect("rows");
        assert_eq!(unknown(rows, &JOB), Vec::<String>::new(), "{name}: a field that nobody decided about");
        let page = read(&bamboohr, "jobs", call);
        assert_eq!((page.observations.len(), page.skipped.len()), (rows.len(), 0));
        let records = records(&page);
        for row in rows {
            let job = &records[&(Kind::Job, row["id"].to_string())];
            assert_eq!(job["title"], row["title"]["label"]);
            assert_eq!(job["provider_status"], row["status"]["label"]);
            assert_eq!(job["department"], row["department"]["label"]);
            assert_eq!(job["location"], row["location"]["label"]);
            assert_ne!(job["status"], "unknown", "{row}");
        }
    }
    assert_eq!(
        records(&read(&bamboohr, "jobs", &calls["job-openings"][0])),
        records(&read(&bamboohr, "jobs", &calls["list-job-openings"][0])),
        "four days later nothing changed, though a draft tells another time",
    );
}

#[tokio::test]
async fn an_application_by_its_number_is_what_its_row_is() {
    let Some(calls) = fixture("ats/bamboohr_recorded_calls.json") else {
        println!("skipped: FIXTURES names no folder");
        return;
    };
    let (bamboohr, _) = bamboohr(0).await;
    let call = &calls["get-applicant"][0];
    let fates: Vec<(&str, Fate)> = ROW.iter().chain(&BEYOND).copied().collect();
    assert_eq!(unknown([&call["response"]], &fates), Vec::<String>::new(), "a field that nobody decided about");
    let alone = records(&read(&bamboohr, "application:61", call));
    let listed = records(&read(&bamboohr, "all:1", &calls["list-applicants"][0]));
    assert_eq!(alone.len(), 2);
    assert!(alone.iter().all(|(key, record)| listed.get(key) == Some(record)));

    let made = &calls["create-applicant"][0];
    let submit = Change::Submit {
        job: made["request"]["data"]["jobId"].to_string(),
        first_name: "Validation".to_owned(),
        last_name: "Run".to_owned(),
        email: "validation.run@example.com".to_owned(),
        phone: None,
    };
    let acted = bamboohr.write_back().parse_change(&bamboohr.context(), &submit, "write ", &reply(made));
    let touched = ObjectRef::new(Kind::Application, "61");
    assert_eq!(acted, Ok(ChangeProgress::Done(vec![touched.clone()])), "what is called a candidate is the application");
    let found =
        bamboohr.write_back().parse_change(&bamboohr.context(), &submit, "", &reply(&calls["list-applicants"][0]));
    assert_eq!(found, Ok(ChangeProgress::Done(vec![touched])), "the newest one with that address");
    let known =
        ["applicants", "list-applicants", "get-applicant", "job-openings", "list-job-openings", "create-applicant"];
    for name in calls.as_object().expect("calls").keys() {
        let other = OTHERS.iter().any(|(other, _)| other == name);
        assert!(known.contains(&name.as_str()) || other, "{name} was recorded and is not read");
    }
}
