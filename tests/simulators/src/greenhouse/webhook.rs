//! The bodies of webhooks, in the shapes of the official samples.

use serde_json::{Value, json};

use super::{
    planning::date,
    state::State,
    table::{Row, Table, time},
};
use jiff::Timestamp;

/// A moment without fractions of a second.
fn seconds(ms: i64) -> Value {
    json!(format!("{:.0}", Timestamp::from_millisecond(ms).unwrap_or_default()))
}

/// A field that holds a moment, without fractions of a second.
fn whole(value: &Value) -> Value {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.map_or(Value::Null, |at| seconds(at.as_millisecond()))
}

fn user(state: &State, id: Option<u64>) -> Value {
    id.and_then(|id| state.store.row(Table::Users, id)).map_or(Value::Null, |row| {
        json!({
            "id": row.id, "email": row.get("primary_email"), "name": row.get("name"),
            "employee_id": row.get("employee_id"),
        })
    })
}

fn url(path: &str) -> String {
    format!("https://app.greenhouse.example/{path}")
}

fn custom_field(name: &str) -> Value {
    json!({"name": name, "type": "short_text", "value": null})
}

/// `application` of most events.
#[must_use]
pub fn application(state: &State, id: u64) -> Value {
    json!({"application": fields_of_application(state, id)})
}

fn fields_of_application(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Applications, id) else { return Value::Null };
    let candidate = row.number("candidate_id").unwrap_or_default();
    let source = state.store.parent(row, "source_id", Table::Sources);
    // A prospect is told with the jobs that it is considered for, though the list names no job of it.
    let considered = row.get("prospective_job_ids").as_array().into_iter().flatten().filter_map(Value::as_u64);
    let named = row.number("job_id").into_iter().chain(considered);
    // One that was deleted since is not told.
    let jobs: Vec<Value> = named.map(|id| job(state, id)).filter(Value::is_object).collect();
    let status = match row.text("status") {
        Some("in_process") | None => "active",
        Some(other) => other,
    };
    let reason = rejection_reason(state, id);
    let details = if reason.is_null() { Value::Null } else { json!({"custom_fields": {}}) };
    json!({
        "id": id,
        "rejected_at": whole(row.get("rejected_at")),
        "prospect": row.get("prospect"),
        "status": status,
        "applied_at": seconds(row.created),
        "last_activity_at": seconds(row.updated),
        "url": url(&format!("people/{candidate}?application_id={id}")),
        "source": source.map(|row| json!({"id": row.id, "name": row.get("name"), "public_name": row.get("name")})),
        "credited_to": user(state, row.number("recruiter_id")),
        "rejection_reason": reason,
        "rejection_details": details,
        "current_stage": stage(state, row, candidate),
        "prospect_detail": {"prospect_pool": null, "prospect_stage": null, "prospect_owner": null},
        "custom_fields": {"notice_period": custom_field("Notice period")},
        "candidate": self::candidate(state, candidate),
        "jobs": jobs,
    })
}

fn rejection_reason(state: &State, application: u64) -> Value {
    let details = state.store.of(Table::Applications, application, Table::RejectionDetails);
    let details = details.first().and_then(|id| state.store.row(Table::RejectionDetails, *id));
    let reason = details.and_then(|row| state.store.parent(row, "rejection_reason_id", Table::RejectionReasons));
    reason.map_or(Value::Null, |row| json!({"id": row.id, "name": row.get("name"), "type": row.get("type")}))
}

fn stage(state: &State, application: &Row, candidate: u64) -> Value {
    let Some(stage) = state.store.parent(application, "_held_stage", Table::JobInterviewStages) else {
        return Value::Null;
    };
    let planned = state.store.of(Table::JobInterviewStages, stage.id, Table::JobInterviews).into_iter();
    let interviews: Vec<Value> = planned
        .filter_map(|id| state.store.row(Table::JobInterviews, id))
        .map(|row| {
            let path = format!("guides/{}/people/{candidate}?application_id={}", row.id, application.id);
            json!({
                "id": row.id, "name": row.get("name"), "status": "to_be_scheduled", "interviewers": [],
                "interview_kit": {"url": url(&path), "content": "<p>Ask & listen.</p>", "questions": []},
            })
        })
        .collect();
    json!({"id": stage.id, "name": stage.get("name"), "interviews": interviews})
}

fn candidate(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Candidates, id) else { return Value::Null };
    json!({
        "id": id,
        "first_name": row.get("first_name"),
        "last_name": row.get("last_name"),
        "title": row.get("title"),
        "company": row.get("company"),
        "created_at": seconds(row.created),
        "external_id": null,
        "photo_url": null,
        "url": url(&format!("people/{id}")),
        "is_private": row.get("private"),
        "can_email": row.get("can_email"),
        "phone_numbers": row.get("phone_numbers"),
        "email_addresses": row.get("email_addresses"),
        "addresses": row.get("addresses"),
        "website_addresses": row.get("website_addresses"),
        "social_media_addresses": row.get("social_media_addresses"),
        "educations": [],
        "employments": [],
        "recruiter": user(state, Some(1)),
        "coordinator": null,
        "attachments": [{
            "filename": "resume.pdf", "url": format!("https://files.greenhouse.example/{id}/resume.pdf?a=1&b=2"),
            "type": "resume",
        }],
        "tags": row.get("tags"),
        "custom_fields": {"expected_salary": custom_field("Expected salary")},
    })
}

/// `candidate` of `update_candidate`.
#[must_use]
pub fn candidate_alone(state: &State, id: u64) -> Value {
    json!({"candidate": candidate(state, id)})
}

/// `person` of what happens to people who are gone afterwards.
#[must_use]
pub fn person(row: &Row) -> Value {
    json!({
        "id": row.id,
        "first_name": row.get("first_name"),
        "last_name": row.get("last_name"),
        "company": row.get("company"),
        "title": row.get("title"),
        "created_at": seconds(row.created),
        "headline": null,
        "is_private": row.get("private"),
        "recruiter_user_id": 1,
        "coordinator_user_id": null,
        "can_email": row.get("can_email"),
    })
}

/// `job` of the events of jobs, and an element of `jobs` of an application.
#[must_use]
pub fn job(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Jobs, id) else { return Value::Null };
    let department = state.store.parent(row, "department_id", Table::Departments);
    let departments: Vec<Value> = department
        .into_iter()
        .map(|row| json!({"id": row.id, "name": row.get("name"), "external_id": row.get("external_id")}))
        .collect();
    let office_ids = row.get("office_ids").as_array().into_iter().flatten().filter_map(Value::as_u64);
    let offices: Vec<Value> = office_ids
        .filter_map(|id| state.store.row(Table::Offices, id))
        .map(|row| {
            json!({
                "id": row.id, "name": row.get("name"), "location": row.get("location"),
                "external_id": row.get("external_id"),
            })
        })
        .collect();
    let openings: Vec<Value> = state
        .store
        .of(Table::Jobs, id, Table::Openings)
        .into_iter()
        .filter_map(|id| state.store.row(Table::Openings, id))
        .map(|row| json!({"id": row.id, "opening_id": row.get("opening_id"), "custom_fields": []}))
        .collect();
    let member = json!({"user_id": 1, "employee_id": null});
    json!({
        "id": id,
        "name": row.get("name"),
        "requisition_id": row.get("requisition_id"),
        "notes": row.get("notes"),
        "confidential": row.get("confidential"),
        "job_post_id": state.store.of(Table::Jobs, id, Table::JobPosts).first(),
        "status": row.get("status"),
        "created_by_id": 1,
        "created_at": seconds(row.created),
        "opened_at": whole(row.get("opened_at")),
        "closed_at": whole(row.get("closed_at")),
        "url": url(&format!("sdash/{id}")),
        "departments": departments,
        "offices": offices,
        "hiring_team": {"hiring_managers": [member], "sourcers": [], "recruiters": [member], "coordinators": []},
        "openings": openings,
        "custom_fields": row.get("custom_fields"),
    })
}

/// `application` of `hire_candidate`, with the opening and the offer that led to it.
#[must_use]
pub fn hired(state: &State, id: u64, opening: u64) -> Value {
    let mut fields = fields_of_application(state, id);
    let offers = state.store.of(Table::Applications, id, Table::Offers);
    let offer = offers.last().and_then(|id| state.store.row(Table::Offers, *id)).map(|row| {
        json!({
            "id": row.id, "version": row.get("version"), "created_at": seconds(row.created),
            "sent_at": row.get("sent_on"), "resolved_at": whole(row.get("resolved_at")),
            "starts_at": row.get("starts_on"), "custom_fields": {"salary": custom_field("Salary")},
        })
    });
    let named = state.store.row(Table::Openings, opening).map(|row| row.get("opening_id").clone());
    if let Some(fields) = fields.as_object_mut() {
        let mut job = fields.get("jobs").and_then(|jobs| jobs.get(0)).cloned().unwrap_or_default();
        if let Some(job) = job.as_object_mut() {
            for (old, new) in [("open_date", "opened_at"), ("close_date", "closed_at")] {
                let value = job.get(new).cloned().unwrap_or_default();
                job.insert(old.to_owned(), value);
            }
        }
        fields.insert("opening".to_owned(), json!({"opening_id": named, "custom_fields": []}));
        fields.insert("offer".to_owned(), json!(offer));
        fields.insert("job".to_owned(), job);
    }
    json!({"application": fields})
}

/// `application` of `delete_application`.
#[must_use]
pub fn deleted_application(row: &Row) -> Value {
    json!({"application": {
        "id": row.id,
        "candidate_id": row.get("candidate_id"),
        "job_id": row.get("job_id"),
        "created_at": seconds(row.created),
        "source_id": row.get("source_id"),
        "candidate_rejection_reason_id": null,
        "rejection_note_id": null,
        "rejected_at": whole(row.get("rejected_at")),
        "referrer_id": row.get("referrer_id"),
        "prospect": row.get("prospect"),
        "rejected_by_user_id": null,
    }})
}

/// The flat payload of the events of offers.
#[must_use]
pub fn offer(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Offers, id) else { return Value::Null };
    // Month, day and year with slashes, as nowhere else.
    let start = row.text("starts_on").and_then(|day| {
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        Some(format!("{month}/{day}/{year}"))
    });
    json!({
        "id": id,
        "application_id": row.get("application_id"),
        "job_id": row.get("job_id"),
        "user_id": 1,
        "version": row.get("version"),
        "sent_on": row.get("sent_on"),
        "resolved_at": whole(row.get("resolved_at")),
        "start_date": start,
        "notes": null,
        "offer_status": row.get("status"),
        "custom_fields": {"salary": custom_field("Salary")},
    })
}

/// `offer` of `offer_deleted`.
#[must_use]
pub fn deleted_offer(row: &Row) -> Value {
    json!({"offer": {
        "id": row.id,
        "application_id": row.get("application_id"),
        "offering_user_id": 1,
        "offer_status": row.get("status"),
        "version": row.get("version"),
        "sent_on": date(row.created),
        "resolved_at": whole(row.get("resolved_at")),
        "notes": null,
        "job_id": row.get("job_id"),
    }})
}

/// The flat payload of the events of job posts.
#[must_use]
pub fn post(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::JobPosts, id) else { return Value::Null };
    let question =
        json!({"required": false, "private": false, "label": "LinkedIn Profile", "type": "input_text", "values": []});
    json!({
        "id": id,
        "title": row.get("title"),
        "location": "Dublin, Ireland",
        "content": row.get("content"),
        "internal_content": null,
        "updated_at": time(row.updated),
        "job_id": row.get("job_id"),
        "external": !row.is("internal"),
        "internal": row.get("internal"),
        "live": row.get("live"),
        "questions": [question],
    })
}
