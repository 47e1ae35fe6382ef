//! The bodies of webhooks, in the shapes of the official samples.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    state::State,
    table::{Row, Table, date, time},
};
use crate::wire::with;

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
    let row = id.and_then(|id| state.store.row(Table::Users, id));
    row.map_or(Value::Null, |row| row.part("email=primary_email name employee_id"))
}

fn url(path: &str) -> String {
    format!("https://app.greenhouse.example/{path}")
}

fn custom_field(name: &str) -> Value {
    json!({"name": name, "type": "short_text", "value": null})
}

/// `application` of most events.
pub fn application(state: &State, id: u64) -> Value {
    json!({"application": fields_of_application(state, id)})
}

fn fields_of_application(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Applications, id) else { return Value::Null };
    let candidate = row.number("candidate_id").unwrap_or_default();
    let source = state.store.parent(row, "source_id", Table::Sources);
    // A prospect is told with the jobs that it is considered for, though the list names no job of it.
    let named = row.number("job_id").into_iter().chain(row.references("prospective_job_ids"));
    // One that was deleted since is not told.
    let jobs: Vec<Value> = named.map(|id| job(state, id)).filter(Value::is_object).collect();
    let status = match row.text("status") {
        Some("in_process") | None => "active",
        Some(other) => other,
    };
    let reason = rejection_reason(state, id);
    let details = if reason.is_null() { Value::Null } else { json!({"custom_fields": {}}) };
    json!({
        "id": id, "rejected_at": whole(row.get("rejected_at")), "prospect": row.get("prospect"), "status": status,
        "applied_at": seconds(row.created), "last_activity_at": seconds(row.updated),
        "url": url(&format!("people/{candidate}?application_id={id}")),
        "source": source.map(|row| row.part("name public_name=name")),
        "credited_to": user(state, row.number("recruiter_id")),
        "rejection_reason": reason, "rejection_details": details,
        "current_stage": stage(state, row, candidate),
        "prospect_detail": {"prospect_pool": null, "prospect_stage": null, "prospect_owner": null},
        "custom_fields": {"notice_period": custom_field("Notice period")},
        "candidate": self::candidate(state, candidate), "jobs": jobs,
    })
}

fn rejection_reason(state: &State, application: u64) -> Value {
    let details = state.store.children(Table::Applications, application, Table::RejectionDetails).next();
    let reason = details.and_then(|row| state.store.parent(row, "rejection_reason_id", Table::RejectionReasons));
    reason.map_or(Value::Null, |row| row.part("name type"))
}

fn stage(state: &State, application: &Row, candidate: u64) -> Value {
    let Some(stage) = state.store.parent(application, "_held_stage", Table::JobInterviewStages) else {
        return Value::Null;
    };
    let planned = state.store.children(Table::JobInterviewStages, stage.id, Table::JobInterviews);
    let interviews: Vec<Value> = planned
        .map(|row| {
            let questions = json!([{"id": row.id, "question": "What would you ask first?"}]);
            let path = format!("guides/{}/people/{candidate}?application_id={}", row.id, application.id);
            json!({
                "id": row.id, "name": row.get("name"), "status": "to_be_scheduled", "interviewers": [],
                "interview_kit": {"url": url(&path), "content": "<p>Ask & listen.</p>", "questions": questions},
            })
        })
        .collect();
    json!({"id": stage.id, "name": stage.get("name"), "interviews": interviews})
}

fn candidate(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Candidates, id) else { return Value::Null };
    let resume = format!("https://files.greenhouse.example/{id}/resume.pdf?a=1&b=2");
    let own = row.part(
        "first_name last_name title company is_private=private can_email phone_numbers email_addresses addresses \
         website_addresses social_media_addresses tags",
    );
    let further = json!({
        "created_at": seconds(row.created), "external_id": null, "photo_url": null, "url": url(&format!("people/{id}")),
        "educations": [{
            "school_name": "Technical University", "degree": "Master's Degree", "discipline": "Computer Science",
            "start_date": "2012-09-01", "end_date": "2017-06-30",
        }],
        "employments": [], "recruiter": user(state, Some(1)), "coordinator": null,
        "attachments": [{"filename": "resume.pdf", "url": resume, "type": "resume"}],
        "custom_fields": {"expected_salary": custom_field("Expected salary")},
    });
    with(own, further)
}

/// `candidate` of `update_candidate`.
pub fn candidate_alone(state: &State, id: u64) -> Value {
    json!({"candidate": candidate(state, id)})
}

/// `person` of what happens to people who are gone afterwards.
pub fn person(row: &Row) -> Value {
    let further = json!({
        "created_at": seconds(row.created), "headline": null, "recruiter_user_id": 1, "coordinator_user_id": null,
    });
    with(row.part("first_name last_name company title is_private=private can_email"), further)
}

/// `job` of the events of jobs, and an element of `jobs` of an application.
pub fn job(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Jobs, id) else { return Value::Null };
    let parts = |table: Table, ids: Vec<u64>, names: &str| -> Vec<Value> {
        ids.into_iter().filter_map(|id| state.store.row(table, id)).map(|row| row.part(names)).collect()
    };
    let departments = parts(Table::Departments, row.references("department_id"), "name external_id");
    let offices = parts(Table::Offices, row.references("office_ids"), "name location external_id");
    let openings = parts(Table::Openings, state.store.of(Table::Jobs, id, Table::Openings), "opening_id");
    let openings: Vec<Value> = openings.into_iter().map(|one| with(one, json!({"custom_fields": []}))).collect();
    let member = json!({"user_id": 1, "employee_id": null});
    let further = json!({
        "job_post_id": state.store.of(Table::Jobs, id, Table::JobPosts).first(), "created_by_id": 1,
        "created_at": seconds(row.created), "opened_at": whole(row.get("opened_at")),
        "closed_at": whole(row.get("closed_at")), "url": url(&format!("sdash/{id}")), "departments": departments,
        "offices": offices, "openings": openings,
        "hiring_team": {"hiring_managers": [member], "sourcers": [], "recruiters": [member], "coordinators": []},
    });
    with(row.part("name requisition_id notes confidential status custom_fields"), further)
}

/// `application` of `hire_candidate`, with the opening and the offer that led to it.
pub fn hired(state: &State, id: u64, opening: u64) -> Value {
    let fields = fields_of_application(state, id);
    let offer = state.store.children(Table::Applications, id, Table::Offers).next_back().map(|row| {
        let further = json!({
            "created_at": seconds(row.created), "resolved_at": whole(row.get("resolved_at")),
            "custom_fields": {"salary": custom_field("Salary")},
        });
        with(row.part("version sent_at=sent_on starts_at=starts_on"), further)
    });
    let named = state.store.row(Table::Openings, opening).map(|row| row.get("opening_id").clone());
    let job = fields.pointer("/jobs/0").cloned().unwrap_or_default();
    let dates = json!({"open_date": job.get("opened_at"), "close_date": job.get("closed_at")});
    let opening = json!({"opening_id": named, "custom_fields": []});
    let hired = json!({"opening": opening, "offer": offer, "job": with(job, dates)});
    json!({"application": with(fields, hired)})
}

/// `application` of `delete_application`.
pub fn deleted_application(row: &Row) -> Value {
    let further = json!({
        "created_at": seconds(row.created), "candidate_rejection_reason_id": null, "rejection_note_id": null,
        "rejected_at": whole(row.get("rejected_at")), "rejected_by_user_id": null,
    });
    json!({"application": with(row.part("candidate_id job_id source_id referrer_id prospect"), further)})
}

/// The flat payload of the events of offers.
pub fn offer(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::Offers, id) else { return Value::Null };
    // Month, day and year with slashes, as nowhere else.
    let start = row.text("starts_on").and_then(|day| {
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        Some(format!("{month}/{day}/{year}"))
    });
    let further = json!({
        "user_id": 1, "resolved_at": whole(row.get("resolved_at")), "start_date": start, "notes": null,
        "custom_fields": {"salary": custom_field("Salary")},
    });
    with(row.part("application_id job_id version sent_on offer_status=status"), further)
}

/// `offer` of `offer_deleted`.
pub fn deleted_offer(row: &Row) -> Value {
    let further = json!({
        "offering_user_id": 1, "sent_on": date(row.created), "resolved_at": whole(row.get("resolved_at")), "notes": null,
    });
    json!({"offer": with(row.part("application_id offer_status=status version job_id"), further)})
}

/// The flat payload of the events of job posts.
pub fn post(state: &State, id: u64) -> Value {
    let Some(row) = state.store.row(Table::JobPosts, id) else { return Value::Null };
    let question =
        json!({"required": false, "private": false, "label": "LinkedIn Profile", "type": "input_text", "values": []});
    let further = json!({
        "location": "Dublin, Ireland", "internal_content": null, "updated_at": time(row.updated),
        "external": !row.is("internal"), "questions": [question],
    });
    with(row.part("title content job_id internal live"), further)
}
