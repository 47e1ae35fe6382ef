//! What a client of Harvest should have, in the product's words.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Row, Table, time},
};
use crate::world::{Truth, fields};

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

/// All objects that the lists tell. A deleted post is told only to a client that asks for those that are not active.
pub fn truth(state: &State) -> Truth {
    let rows = KINDS.into_iter().flat_map(|(kind, table)| {
        state.store.rows(table).values().map(move |row| (format!("{kind}/{}", row.id), table, row))
    });
    let known = rows.filter(|(_, table, row)| *table != Table::JobPosts || row.is("active"));
    known.map(|(key, table, row)| (key, fields(of_client(table, row)))).collect()
}

/// A reference as text, or null.
fn id(row: &Row, field: &str) -> Value {
    json!(row.number(field).map(|id| id.to_string()))
}

fn ids(row: &Row, field: &str) -> Vec<String> {
    row.references(field).iter().map(ToString::to_string).collect()
}

/// The product's word for a field's, of pairs like `Created=unresolved`; `unknown` where there is none.
fn word(row: &Row, field: &str, words: &'static str) -> &'static str {
    let mut pairs = words.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| row.text(field) == Some(known)).map_or("unknown", |(_, word)| word)
}

/// The list of applications tells no reason of a rejection, which is a matter of two others. That of interviews tells neither the
/// candidate, whom the application tells, nor a name or who asks, which others tell.
fn of_client(table: Table, row: &Row) -> Value {
    let get = |field: &str| row.get(field);
    let first = |list: &str| row.get(list).pointer("/0/value").cloned().unwrap_or_default();
    match table {
        Table::Jobs => {
            let status = word(row, "status", "draft=draft open=open closed=closed");
            json!({
                "title": get("name"), "status": status, "provider_status": get("status"),
                "departments": ids(row, "department_id"), "offices": ids(row, "office_ids"),
            })
        }
        Table::Openings => json!({"job": id(row, "job_id"), "status": if row.is("open") { "open" } else { "closed" }}),
        Table::JobPosts => json!({"job": id(row, "job_id"), "title": get("title"), "live": row.is("live")}),
        Table::Candidates => {
            let names = ["first_name", "last_name"].into_iter().filter_map(|name| row.text(name));
            let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
            json!({
                "name": names.join(" "), "email": first("email_addresses"), "phone": first("phone_numbers"),
                "title": get("title"), "company": get("company"),
            })
        }
        Table::Applications => {
            let words = "in_process=active rejected=rejected hired=hired";
            json!({
                "candidate": id(row, "candidate_id"), "job": id(row, "job_id"), "status": word(row, "status", words),
                "provider_status": get("status"), "stage": get("stage_name"), "applied_at": time(row.created),
            })
        }
        Table::Interviews => {
            let words = "scheduled=scheduled awaiting_feedback=awaiting-feedback \
                         collect_feedback=awaiting-feedback complete=complete skipped=canceled";
            json!({
                "application": id(row, "application_id"), "status": word(row, "status", words),
                "provider_status": get("status"), "starts_at": get("starts_at"), "ends_at": get("ends_at"),
            })
        }
        Table::Offers => {
            let words = "Created=unresolved Accepted=accepted Rejected=rejected Deprecated=deprecated";
            json!({
                "application": id(row, "application_id"), "status": word(row, "status", words),
                "provider_status": get("status"), "starts_on": get("starts_on"),
            })
        }
        Table::Scorecards => {
            let words = "strong_yes=strong-yes yes=yes mixed=mixed no=no definitely_not=strong-no no_decision=none";
            let rated = row.text("candidate_rating").map_or("none", |_| word(row, "candidate_rating", words));
            json!({
                "application": id(row, "application_id"), "recommendation": rated,
                "provider_recommendation": get("candidate_rating"), "submitted_by": id(row, "submitter_id"),
                "submitted_at": get("submitted_at"),
            })
        }
        Table::Departments => json!({"name": get("name"), "parent": id(row, "parent_id")}),
        Table::Offices => json!({"name": get("name"), "location": get("location"), "parent": id(row, "parent_id")}),
        Table::Users => json!({"name": get("name"), "email": get("primary_email"), "active": !row.is("deactivated")}),
        _ => Value::Null,
    }
}
