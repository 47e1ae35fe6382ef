//! What a client of Harvest should have, in the product's words.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Row, Table, time},
};
use crate::world::Truth;

type Tell = fn(&State, &Row) -> Value;

/// All objects that the lists tell.
#[must_use]
pub fn truth(state: &State) -> Truth {
    let kinds: [(&str, Table, Tell); 9] = [
        ("job", Table::Jobs, job),
        ("candidate", Table::Candidates, candidate),
        ("application", Table::Applications, application),
        ("interview", Table::Interviews, interview),
        ("offer", Table::Offers, offer),
        ("scorecard", Table::Scorecards, scorecard),
        ("department", Table::Departments, department),
        ("office", Table::Offices, office),
        ("user", Table::Users, user),
    ];
    let mut truth = Truth::new();
    for (kind, table, told) in kinds {
        for (id, row) in state.store.rows(table) {
            if let Value::Object(fields) = told(state, row) {
                truth.insert(format!("{kind}/{id}"), fields);
            }
        }
    }
    truth
}

/// A reference as text, or null.
fn id(row: &Row, field: &str) -> Value {
    json!(row.number(field).map(|id| id.to_string()))
}

fn name_of(row: Option<&Row>) -> Value {
    row.map_or(Value::Null, |row| row.get("name").clone())
}

fn job(state: &State, row: &Row) -> Value {
    let offices = row.get("office_ids").as_array().and_then(|ids| ids.first()).and_then(Value::as_u64);
    let status = match row.text("status") {
        Some(status @ ("draft" | "open" | "closed")) => status,
        Some(_) | None => "unknown",
    };
    let rows = |table| {
        let ids = state.store.of(Table::Jobs, row.id, table).into_iter();
        ids.filter_map(move |id| state.store.row(table, id))
    };
    let openings: Vec<Value> = rows(Table::Openings)
        .map(|row| json!({"provider_id": row.id.to_string(), "status": if row.is("open") { "open" } else { "closed" }}))
        .collect();
    let posts: Vec<Value> = rows(Table::JobPosts)
        .filter(|row| row.is("active"))
        .map(|row| json!({"provider_id": row.id.to_string(), "title": row.get("title"), "live": row.is("live")}))
        .collect();
    json!({
        "title": row.get("name"),
        "status": status,
        "provider_status": row.get("status"),
        "department": name_of(state.store.parent(row, "department_id", Table::Departments)),
        "location": name_of(offices.and_then(|id| state.store.row(Table::Offices, id))),
        "openings": openings,
        "posts": posts,
    })
}

fn candidate(_: &State, row: &Row) -> Value {
    let names: Vec<&str> = ["first_name", "last_name"]
        .into_iter()
        .filter_map(|name| row.text(name))
        .filter(|name| !name.is_empty())
        .collect();
    let first = |list: &str| row.get(list).pointer("/0/value").cloned().unwrap_or_default();
    json!({
        "name": names.join(" "),
        "email": first("email_addresses"),
        "phone": first("phone_numbers"),
        "title": row.get("title"),
        "company": row.get("company"),
    })
}

fn application(state: &State, row: &Row) -> Value {
    let status = match row.text("status") {
        Some("in_process") => "active",
        Some(status @ ("rejected" | "hired")) => status,
        Some(_) | None => "unknown",
    };
    let details = state.store.of(Table::Applications, row.id, Table::RejectionDetails);
    let details = details.first().and_then(|id| state.store.row(Table::RejectionDetails, *id));
    let reason = details.and_then(|row| state.store.parent(row, "rejection_reason_id", Table::RejectionReasons));
    json!({
        "candidate": id(row, "candidate_id"),
        "job": id(row, "job_id"),
        "status": status,
        "stage": row.get("stage_name"),
        "applied_at": time(row.created),
        "rejection_reason": name_of(reason),
    })
}

/// Harvest tells an interview's application only, which tells its candidate.
fn interview(state: &State, row: &Row) -> Value {
    let status = match row.text("status") {
        Some("scheduled") => "scheduled",
        Some("awaiting_feedback" | "collect_feedback") => "awaiting-feedback",
        Some("complete") => "complete",
        Some(_) | None => "unknown",
    };
    json!({
        "application": id(row, "application_id"),
        "name": name_of(state.store.parent(row, "job_interview_id", Table::JobInterviews)),
        "status": status,
        "starts_at": row.get("starts_at"),
        "ends_at": row.get("ends_at"),
    })
}

fn offer(_: &State, row: &Row) -> Value {
    let status = match row.text("status") {
        Some("Created") => "unresolved",
        Some("Accepted") => "accepted",
        Some("Rejected") => "rejected",
        Some("Deprecated") => "deprecated",
        Some(_) | None => "unknown",
    };
    json!({"application": id(row, "application_id"), "status": status, "starts_on": row.get("starts_on")})
}

fn scorecard(state: &State, row: &Row) -> Value {
    let recommendation = match row.text("candidate_rating") {
        Some("strong_yes") => "strong-yes",
        Some("yes") => "yes",
        Some("mixed") => "mixed",
        Some("no") => "no",
        Some("definitely_not") => "strong-no",
        Some("no_decision") | None => "none",
        Some(_) => "unknown",
    };
    let kit = state.store.parent(row, "interview_kit_id", Table::InterviewKits);
    let interview = kit.and_then(|kit| state.store.parent(kit, "job_interview_id", Table::JobInterviews));
    json!({
        "application": id(row, "application_id"),
        "interview_name": name_of(interview),
        "recommendation": recommendation,
        "submitted_at": row.get("submitted_at"),
    })
}

fn department(_: &State, row: &Row) -> Value {
    json!({"name": row.get("name"), "parent": id(row, "parent_id")})
}

fn office(_: &State, row: &Row) -> Value {
    json!({"name": row.get("name"), "location": row.get("location"), "parent": id(row, "parent_id")})
}

fn user(_: &State, row: &Row) -> Value {
    json!({"name": row.get("name"), "email": row.get("primary_email"), "active": !row.is("deactivated")})
}
