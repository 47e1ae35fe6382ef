//! The public postings API, by which a career page hands over applications: `POST /v0/postings/{site}/{posting}?key=`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    account::World,
    life::of_posting,
    seed::{APPLICANT, STAGES},
    state::State,
    table::{Row, Table},
};
use crate::wire::{Call, Refusal, form, urlencoded, with};

fn wrong(status: StatusCode, error: &str) -> Refusal {
    Refusal(status, json!({"ok": false, "error": error}))
}

pub(super) async fn apply(Shared(world): Shared<Arc<World>>, call: Call) -> Response {
    let applied = || {
        let missing = || wrong(StatusCode::NOT_FOUND, "Document not found");
        let (site, posting) = (call.at(0), call.at(1));
        let company = world.account(site).ok_or_else(missing)?;
        if urlencoded(call.query.as_bytes()).get("key") != Some(&format!("local-lever-postings-key-{site}")) {
            return Err(wrong(StatusCode::FORBIDDEN, "Invalid API key"));
        }
        let form =
            form(&call.headers, &call.body).ok_or_else(|| wrong(StatusCode::BAD_REQUEST, "The body cannot be read"))?;
        company.with(|state| {
            let now = state.now_ms();
            if !state.vendor.gate.intake.take(now) {
                return Err(wrong(StatusCode::TOO_MANY_REQUESTS, "Too many requests"));
            }
            let public = |row: &&Row| {
                row.text("state") == Some("published") && row.text("confidentiality") == Some("non-confidential")
            };
            let posting = state.find(Table::Postings, posting).filter(public).ok_or_else(missing)?.id;
            let field = |name: &str| form.get(name).filter(|value| !value.is_empty()).cloned();
            let name = field("name").ok_or_else(|| wrong(StatusCode::BAD_REQUEST, "Missing required field: name"))?;
            let email = field("email").filter(|email| email.contains('@'));
            let email = email.ok_or_else(|| wrong(StatusCode::BAD_REQUEST, "Missing required field: email"))?;
            Ok(Json(json!({"ok": true, "applicationId": applied(state, posting, (name, email), &field)})))
        })
    };
    applied().into_response()
}

/// Adds the application; the person is found again by the address, and so is an open opportunity for the same posting.
fn applied(
    state: &mut State,
    posting: u64,
    (name, email): (String, String),
    field: &dyn Fn(&str) -> Option<String>,
) -> String {
    let contact = state.contact_of(&email).unwrap_or_else(|| {
        let phones: Vec<Value> =
            field("phone").map(|phone| json!({"type": "other", "value": phone})).into_iter().collect();
        let headline = field("org").unwrap_or_default();
        state.add_contact(json!({"name": name, "headline": headline, "emails": [email], "phones": phones}))
    });
    let opportunities = state.store.of(Table::Contacts, contact, Table::Opportunities).into_iter();
    let open = |id: &u64| state.store.row(Table::Opportunities, *id).is_some_and(|row| row.get("archived").is_null());
    let mut applications = opportunities.filter(open).flat_map(|id| state.parts(id, Table::Applications));
    let known = applications.find(|row| row.number("_posting") == Some(posting)).map(|row| state.uuid(row.id));
    drop(applications);
    if let Some(application) = known {
        return application;
    }
    let owner = state.store.row(Table::Postings, posting).map(|row| row.get("owner").clone());
    let opportunity = json!({
        "stage": STAGES.get(APPLICANT).map(|(id, _)| *id), "owner": owner, "origin": "applied",
        "sources": [field("source").unwrap_or_else(|| "Job site".to_owned())],
    });
    let id = state.add_opportunity(contact, with(opportunity, of_posting(state, Some(posting))));
    state.add_application(id, posting, json!({"comments": field("comments"), "company": field("org")}))
}
