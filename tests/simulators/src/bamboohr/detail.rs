//! The details of jobs and applications as BambooHR writes them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Rows of a page until control says otherwise.
pub const PAGE_SIZE: usize = 20;

/// A step of the hiring process.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    pub id: u64,
    pub code: Option<&'static str>,
    pub name: &'static str,
    /// The value of `applicationStatus` that selects it.
    pub group: &'static str,
}

const fn status_of(id: u64, code: Option<&'static str>, name: &'static str, group: &'static str) -> Status {
    Status { id, code, name, group }
}

/// The steps of every company.
pub const STATUSES: [Status; 13] = [
    status_of(1, Some("NEW"), "New", "NEW"),
    status_of(2, Some("REVIEWED"), "Reviewed", "ACTIVE"),
    status_of(3, None, "Schedule Phone Screen", "ACTIVE"),
    status_of(4, None, "Phone Screened", "ACTIVE"),
    status_of(5, None, "Schedule Interview", "ACTIVE"),
    status_of(6, None, "Interviewed", "ACTIVE"),
    status_of(7, None, "Put on Hold", "ACTIVE"),
    status_of(8, None, "Checking References", "ACTIVE"),
    status_of(9, None, "Not a Fit", "INACTIVE"),
    status_of(10, None, "Declined Offer", "INACTIVE"),
    status_of(11, None, "Not Qualified", "INACTIVE"),
    status_of(15, Some("HIRED"), "Hired", "HIRED"),
    status_of(20, None, "Made an Offer", "ACTIVE"),
];

/// The step with this number.
pub fn status(id: u64) -> Option<Status> {
    STATUSES.into_iter().find(|status| status.id == id)
}

/// The body of `statuses`; here, unlike in an application, the id is a string.
pub fn statuses() -> Value {
    STATUSES
        .iter()
        .map(|status| {
            json!({
                "id": status.id.to_string(), "code": status.code, "name": status.name, "translatedName": status.name,
                "description": null, "enabled": true, "manageable": status.code.is_none(),
            })
        })
        .collect()
}

/// A time as the service writes it: `+00:00`, no fraction.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The job as the body of an application shows it.
pub fn job_of_application(job: &Value) -> Value {
    let part = |name: &str| job.get(name).cloned().unwrap_or_default();
    let mut lead = part("hiringLead");
    if let Some(fields) = lead.as_object_mut() {
        fields.insert("jobTitle".to_owned(), json!({"id": null, "label": "Team Lead"}));
    }
    json!({"id": part("id"), "title": part("title"), "hiringLead": lead})
}

/// An application without content, for one that control adds: `New`, for the job with the lowest id unless it says more.
pub fn blank(id: u64, now: Timestamp) -> Value {
    json!({
        "id": id,
        "appliedDate": time(now),
        "status": {"id": 1, "label": "New", "dateChanged": time(now), "changedByUser": null},
        "rating": null,
        "applicant": {
            "id": id + 56, "firstName": "Sam", "lastName": "Example", "avatar": null,
            "email": format!("applicant.{id}@example.com"), "source": null, "phoneNumber": null, "address": null,
            "linkedinUrl": null, "twitterUsername": null, "websiteUrl": null, "availableStartDate": null, "education": null,
        },
        "job": {"id": null, "title": {"id": null, "label": null}, "hiringLead": null},
        "resumeFileId": null, "coverLetterFileId": null, "movedTo": null, "movedFrom": null,
        "alsoConsideredForCount": 0, "duplicateApplicationCount": 0, "referredBy": null, "desiredSalary": null,
        "commentCount": 0, "emailCount": 0, "attachmentCount": null, "eventCount": 1,
        "questionsAndAnswers": [], "attachments": null, "applicationReferences": null,
    })
}

/// Sets a field that there is.
pub fn set(detail: &mut Value, pointer: &str, value: impl Serialize) {
    if let Some(field) = detail.pointer_mut(pointer) {
        *field = json!(value);
    }
}

/// The part of an application that a list shows.
pub fn listed(detail: &Value, job: Option<&Value>) -> Value {
    let part = |pointer: &str| detail.pointer(pointer).cloned().unwrap_or_default();
    json!({
        "id": part("/id"), "appliedDate": part("/appliedDate"), "rating": part("/rating"),
        "status": {"id": part("/status/id"), "label": part("/status/label")},
        "applicant": {
            "id": part("/applicant/id"), "firstName": part("/applicant/firstName"), "lastName": part("/applicant/lastName"),
            "avatar": part("/applicant/avatar"), "email": part("/applicant/email"), "source": part("/applicant/source"),
        },
        "job": {"id": part("/job/id"), "title": job.and_then(|job| job.get("title")).cloned()},
    })
}
