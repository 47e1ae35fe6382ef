//! What a client of Harvest should have, in the product's words.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Row, Table, time},
};
use crate::world::Truth;

/// The kinds that a client knows, and the lists that tell them.
pub const KINDS: [(&str, Table); 11] = [
    ("job", Table::Jobs),
    ("opening", Table::Openings),
    ("post", Table::JobPosts),
    ("candidate", Table::Candidates),
    ("application", Table::Applications),
    ("interview", Table::Interviews),
    ("offer", Table::Offers),
    ("scorecard", Table::Scorecards),
    ("department", Table::Departments),
    ("office", Table::Offices),
    ("user", Table::Users),
];

/// All objects that the lists tell.
#[must_use]
pub fn truth(state: &State) -> Truth {
    let mut truth = Truth::new();
    for (kind, table) in KINDS {
        for (id, row) in state.store.rows(table) {
            if let Value::Object(fields) = told(table, row) {
                truth.insert(format!("{kind}/{id}"), fields);
            }
        }
    }
    truth
}

fn told(table: Table, row: &Row) -> Value {
    match table {
        Table::Jobs => job(row),
        Table::Openings => opening(row),
        Table::JobPosts => post(row),
        Table::Candidates => candidate(row),
        Table::Applications => application(row),
        Table::Interviews => interview(row),
        Table::Offers => offer(row),
        Table::Scorecards => scorecard(row),
        Table::Departments => department(row),
        Table::Offices => office(row),
        Table::Users => user(row),
        _ => Value::Null,
    }
}

/// A reference as text, or null.
fn id(row: &Row, field: &str) -> Value {
    json!(row.number(field).map(|id| id.to_string()))
}

fn job(row: &Row) -> Value {
    let offices = row.get("office_ids").as_array().into_iter().flatten().filter_map(Value::as_u64);
    let status = match row.text("status") {
        Some(status @ ("draft" | "open" | "closed")) => status,
        Some(_) | None => "unknown",
    };
    json!({
        "title": row.get("name"),
        "status": status,
        "provider_status": row.get("status"),
        "departments": row.number("department_id").map(|id| id.to_string()).into_iter().collect::<Vec<_>>(),
        "offices": offices.map(|id| id.to_string()).collect::<Vec<_>>(),
    })
}

fn opening(row: &Row) -> Value {
    json!({"job": id(row, "job_id"), "status": if row.is("open") { "open" } else { "closed" }})
}

/// A deleted post is told only to who asks for those that are not active.
fn post(row: &Row) -> Value {
    if !row.is("active") {
        return Value::Null;
    }
    json!({"job": id(row, "job_id"), "title": row.get("title"), "live": row.is("live")})
}

fn candidate(row: &Row) -> Value {
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

/// The list tells no reason of a rejection: that is a matter of two others.
fn application(row: &Row) -> Value {
    let status = match row.text("status") {
        Some("in_process") => "active",
        Some(status @ ("rejected" | "hired")) => status,
        Some(_) | None => "unknown",
    };
    json!({
        "candidate": id(row, "candidate_id"),
        "job": id(row, "job_id"),
        "status": status,
        "provider_status": row.get("status"),
        "stage": row.get("stage_name"),
        "applied_at": time(row.created),
    })
}

/// The list tells neither the candidate, whom the application tells, nor a name or who asks, which others tell.
fn interview(row: &Row) -> Value {
    let status = match row.text("status") {
        Some("scheduled") => "scheduled",
        Some("awaiting_feedback" | "collect_feedback") => "awaiting-feedback",
        Some("complete") => "complete",
        Some("skipped") => "canceled",
        Some(_) | None => "unknown",
    };
    json!({
        "application": id(row, "application_id"),
        "status": status,
        "provider_status": row.get("status"),
        "starts_at": row.get("starts_at"),
        "ends_at": row.get("ends_at"),
    })
}

fn offer(row: &Row) -> Value {
    let status = match row.text("status") {
        Some("Created") => "unresolved",
        Some("Accepted") => "accepted",
        Some("Rejected") => "rejected",
        Some("Deprecated") => "deprecated",
        Some(_) | None => "unknown",
    };
    json!({
        "application": id(row, "application_id"),
        "status": status,
        "provider_status": row.get("status"),
        "starts_on": row.get("starts_on"),
    })
}

fn scorecard(row: &Row) -> Value {
    let recommendation = match row.text("candidate_rating") {
        Some("strong_yes") => "strong-yes",
        Some("yes") => "yes",
        Some("mixed") => "mixed",
        Some("no") => "no",
        Some("definitely_not") => "strong-no",
        Some("no_decision") | None => "none",
        Some(_) => "unknown",
    };
    json!({
        "application": id(row, "application_id"),
        "recommendation": recommendation,
        "provider_recommendation": row.get("candidate_rating"),
        "submitted_by": id(row, "submitter_id"),
        "submitted_at": row.get("submitted_at"),
    })
}

fn department(row: &Row) -> Value {
    json!({"name": row.get("name"), "parent": id(row, "parent_id")})
}

fn office(row: &Row) -> Value {
    json!({"name": row.get("name"), "location": row.get("location"), "parent": id(row, "parent_id")})
}

fn user(row: &Row) -> Value {
    json!({"name": row.get("name"), "email": row.get("primary_email"), "active": !row.is("deactivated")})
}
