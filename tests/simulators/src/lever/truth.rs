//! What an account holds, in the words of every ATS.
//!
//! An interview and an offer have no address of their own at Lever: their ids are `<opportunity>/<interview>`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    seed::{HIRED, REASONS, STAGES},
    state::State,
    table::{Row, Table},
};
use crate::world::{self, Truth};

fn at(ms: Option<i64>) -> Option<Timestamp> {
    ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

fn stage(id: &Value) -> Value {
    json!(STAGES.iter().find(|(known, _)| id == known).map(|(_, name)| *name))
}

fn job(row: &Row) -> Value {
    let status = match row.text("state") {
        Some("published" | "internal") => "open",
        Some("draft" | "pending") => "draft",
        Some("closed" | "rejected") => "closed",
        _ => "unknown",
    };
    let category = |name: &str| row.get("categories").get(name);
    json!({
        "title": row.get("text"), "status": status, "provider_status": row.get("state"),
        "department": category("department"), "location": category("location"),
    })
}

fn application(state: &State, of: &Row, first: Option<&Row>) -> Value {
    let reason = of.get("archived").get("reason");
    let reason = REASONS.iter().enumerate().find(|(_, (id, ..))| reason.is_some_and(|reason| reason == id));
    let (status, reason) = match reason {
        None => ("active", None),
        Some((HIRED, _)) => ("hired", None),
        Some((_, (_, text, ..))) => ("rejected", Some(*text)),
    };
    let entered =
        |change: &Value| json!({"stage": stage(&change["toStageId"]), "at": at(change["updatedAt"].as_i64())});
    json!({
        "candidate": state.uuid(of.id), "job": first.map(|first| first.get("posting")), "status": status,
        "stage": stage(of.get("stage")), "applied_at": at(Some(first.map_or(of.created, |first| first.created))),
        "rejection_reason": reason,
        "history": of.get("stageChanges").as_array().into_iter().flatten().map(entered).collect::<Vec<_>>(),
    })
}

fn interview(of: &str, row: &Row) -> Value {
    let status = match (row.get("canceledAt").is_null(), row.texts("feedbackForms").count()) {
        (false, _) => "canceled",
        (true, 1..) => "complete",
        (true, 0) => "scheduled",
    };
    let begin = row.get("date").as_i64();
    let end = begin.zip(row.get("duration").as_i64()).map(|(begin, minutes)| begin + minutes * 60_000);
    json!({
        "application": of, "candidate": of, "name": row.get("subject"), "status": status, "starts_at": at(begin),
        "ends_at": at(end), "interviewers": [row.get("_interviewer")],
    })
}

fn offer(of: &str, row: &Row) -> Value {
    let status = match row.text("status") {
        Some("signed") => "accepted",
        Some("denied") => "rejected",
        _ => "unresolved",
    };
    let starts = at(row.get("_starts").as_i64()).map(|at| at.strftime("%Y-%m-%d").to_string());
    json!({"application": of, "status": status, "provider_status": row.get("status"), "starts_on": starts})
}

pub(super) fn truth(state: &State) -> Truth {
    let mut all = Truth::new();
    let mut put = |kind: &str, id: &str, fields: Value| {
        all.insert(format!("{kind}/{id}"), world::fields(fields));
    };
    for row in state.store.rows(Table::Postings).values() {
        put("job", &state.uuid(row.id), job(row));
    }
    for of in state.store.rows(Table::Opportunities).values() {
        let (id, first) = (&*state.uuid(of.id), state.parts(of.id, Table::Applications).next());
        if let Some(person) = state.store.parent(of, "_contact", Table::Contacts) {
            let phone = person.get("phones").get(0).and_then(|phone| phone.get("value"));
            let (name, email) = (person.get("name"), person.get("emails").get(0));
            let company = first.map(|first| first.get("company"));
            put("candidate", id, json!({"name": name, "email": email, "phone": phone, "company": company}));
        }
        put("application", id, application(state, of, first));
        for row in state.parts(of.id, Table::Interviews) {
            put("interview", &format!("{id}/{}", state.uuid(row.id)), interview(id, row));
        }
        for row in state.parts(of.id, Table::Offers) {
            put("offer", &format!("{id}/{}", state.uuid(row.id)), offer(id, row));
        }
    }
    for row in state.store.rows(Table::Users).values() {
        let active = row.get("deactivatedAt").is_null();
        put("user", &state.uuid(row.id), json!({"name": row.get("name"), "email": row.get("email"), "active": active}));
    }
    all
}
