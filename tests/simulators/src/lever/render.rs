//! Objects as the API shows them: the fields that recorded answers of Lever have.

use serde_json::{Value, json};

use super::{
    query::Query,
    seed::{REASONS, STAGES},
    state::{State, Tombstone},
    table::{Row, Table},
};
use crate::wire::{given, with};

/// A row with its id and the time of its creation.
fn created(state: &State, row: &Row, further: Value) -> Value {
    with(row.with(json!({"id": state.uuid(row.id), "createdAt": row.created})), further)
}

pub(super) fn user(state: &State, row: &Row) -> Value {
    created(state, row, json!({}))
}

pub(super) fn stage(stage: usize) -> Value {
    STAGES.get(stage).map_or(Value::Null, |(id, text)| json!({"id": id, "text": text}))
}

pub(super) fn reason(reason: usize) -> Value {
    REASONS
        .get(reason)
        .map_or(Value::Null, |(id, text, status, kind)| json!({"id": id, "text": text, "status": status, "type": kind}))
}

/// When an opportunity changed last; old ones that did not change since Lever keeps this have no such time.
pub(super) fn updated(row: &Row) -> Option<i64> {
    (!row.is("_unstamped")).then_some(row.updated)
}

pub(super) fn posting(state: &State, row: &Row) -> Value {
    let list = format!("https://jobs.lever.co/{}", state.name);
    let (show, text) = (format!("{list}/{}", state.uuid(row.id)), row.text("text").unwrap_or_default());
    let public = matches!(row.text("state"), Some("published" | "internal" | "closed"));
    let further = json!({
        "updatedAt": row.updated,
        "content": {
            "description": format!("We look for: {text}\n"), "descriptionHtml": format!("<div>We look for: {text}</div>"),
            "lists": [], "closing": "", "closingHtml": "",
        },
        "urls": public.then(|| json!({"list": list, "show": show, "apply": format!("{show}/apply")})),
    });
    created(state, row, further)
}

fn contact(state: &State, row: &Row) -> Value {
    row.with(json!({"id": state.uuid(row.id), "location": {"name": row.get("location")}}))
}

pub(super) fn application(state: &State, of: &Row, row: &Row) -> Value {
    let applied = row.text("type") == Some("posting");
    let person = state.store.parent(of, "_contact", Table::Contacts).filter(|_| applied);
    let first = |list: &str| person.and_then(|person| person.get(list).get(0));
    let phone = first("phones").map(|phone| json!({"type": null, "value": phone.get("value")}));
    let posting = state.store.parent(row, "_posting", Table::Postings);
    let further = json!({
        "postingOwner": posting.map(|posting| posting.get("owner")), "name": person.map(|person| person.get("name")),
        "phone": phone, "email": first("emails"), "user": if applied { &Value::Null } else { of.get("owner") },
        "archived": of.get("archived"),
    });
    created(state, row, further)
}

pub(super) fn opportunity(state: &State, row: &Row, query: &Query) -> Value {
    let person = state.store.parent(row, "_contact", Table::Contacts);
    let of_person = |name: &str| person.map(|person| person.get(name));
    let someone = |what: &str| {
        let owner = row.get("owner");
        let found = owner.as_str().filter(|_| query.expands(what)).and_then(|id| state.find(Table::Users, id));
        found.map_or_else(|| owner.clone(), |found| user(state, found))
    };
    let expanded = |one: &Row| match query.expands("applications") {
        true => application(state, row, one),
        false => json!(state.uuid(one.id)),
    };
    let applications: Vec<Value> = state.parts(row.id, Table::Applications).map(expanded).collect();
    let number = STAGES.iter().position(|(id, _)| row.text("stage") == Some(id)).filter(|_| query.expands("stage"));
    let further = json!({
        "updatedAt": updated(row), "name": of_person("name"), "headline": of_person("headline"),
        "location": of_person("location"), "phones": of_person("phones"), "emails": of_person("emails"),
        "contact": person.filter(|_| query.expands("contact")).map_or_else(|| row.get("contact").clone(), |one| contact(state, one)),
        "stage": number.map_or_else(|| row.get("stage").clone(), stage),
        "sourcedBy": someone("sourcedBy"), "owner": someone("owner"), "followers": [someone("followers")],
        "applications": applications,
        "urls": {
            "list": "https://hire.lever.co/candidates",
            "show": format!("https://hire.lever.co/candidates/{}", state.uuid(row.id)),
        },
    });
    // Absent for an opportunity without a posting.
    let location = location(state, row).map(|location| location.as_str().unwrap_or("unspecified"));
    with(created(state, row, further), given("opportunityLocation", location))
}

/// The location of the posting that an opportunity is for.
pub(super) fn location<'a>(state: &'a State, of: &Row) -> Option<&'a Value> {
    let application = state.parts(of.id, Table::Applications).next()?;
    state.store.parent(application, "_posting", Table::Postings)?.get("categories").get("location")
}

pub(super) fn interview(state: &State, of: &Row, row: &Row) -> Value {
    let user = row.text("_interviewer").and_then(|id| state.find(Table::Users, id));
    let interviewer = user.map(|user| {
        with(user.part("name email"), json!({"id": state.uuid(user.id), "feedbackTemplate": "no-feedback"}))
    });
    let postings: Vec<&Value> = state.parts(of.id, Table::Applications).map(|one| one.get("posting")).collect();
    let interviewers: Vec<Value> = interviewer.into_iter().collect();
    created(state, row, json!({"interviewers": interviewers, "user": of.get("owner"), "postings": postings}))
}

pub(super) fn offer(state: &State, of: &Row, row: &Row) -> Value {
    let person = state.store.parent(of, "_contact", Table::Contacts);
    let posting = row.text("posting").and_then(|id| state.find(Table::Postings, id));
    let name = person.map(|person| person.get("name"));
    let field =
        |text: &str, identifier: &str, value: Value| json!({"text": text, "identifier": identifier, "value": value});
    let further = json!({
        "fields": [
            field("Job title", "job_title", json!(posting.map(|posting| posting.get("text")))),
            field("Candidate name", "candidate_name", json!(name)),
            field("Offered compensation amount", "salary_amount", json!(5_000)),
            field("Anticipated start date", "anticipated_start_date", row.get("_starts").clone()),
        ],
        "signatures": {
            "candidate": {"role": "candidate", "name": name, "email": person.and_then(|person| person.get("emails").get(0))},
        },
    });
    created(state, row, further)
}

pub(super) fn note(state: &State, row: &Row) -> Value {
    created(state, row, json!({"completedAt": row.created, "noteId": state.uuid(row.id)}))
}

pub(super) fn deleted(state: &State, Tombstone { table, at, row }: &Tombstone) -> Value {
    let ends = json!({"opportunityId": row.get("opportunityId"), "postingId": row.get("posting")});
    let further = if *table == Table::Applications { ends } else { json!({}) };
    with(json!({"id": state.uuid(row.id), "deletedAt": at}), further)
}

/// A webhook; the signature token is application when it is created and never again.
pub(super) fn hook(state: &State, row: &Row, secret: bool) -> Value {
    let origins = Some(row.get("_origins")).filter(|origins| !origins.is_null());
    let conditions = given("conditions", origins.map(|origins| json!({"origins": origins})));
    let configuration = with(conditions, given("signatureToken", secret.then(|| row.get("_token"))));
    created(state, row, json!({"configuration": configuration, "updatedAt": row.created}))
}
