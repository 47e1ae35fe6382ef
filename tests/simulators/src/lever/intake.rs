//! The public postings API, by which a career page hands over applications: `POST /v0/postings/{site}/{posting}?key=`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    account::World,
    model::{Application, Contact, Opportunity},
    seed::APPLICANT,
    state::State,
};
use crate::wire::{Call, Refusal, form, urlencoded};

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
            let now = state.now();
            if !state.gate.intake.take(now) {
                return Err(wrong(StatusCode::TOO_MANY_REQUESTS, "Too many requests"));
            }
            let found = state.postings.get(posting);
            let found = found.filter(|posting| posting.state == "published" && !posting.confidential);
            let title = found.map(|posting| posting.text.clone()).ok_or_else(missing)?;
            let field = |name: &str| form.get(name).filter(|value| !value.is_empty()).cloned();
            let name = field("name").ok_or_else(|| wrong(StatusCode::BAD_REQUEST, "Missing required field: name"))?;
            let email = field("email").filter(|email| email.contains('@'));
            let email = email.ok_or_else(|| wrong(StatusCode::BAD_REQUEST, "Missing required field: email"))?;
            let id = applied(state, posting, &title, (name, email), &field);
            Ok(Json(json!({"ok": true, "applicationId": id})))
        })
    };
    applied().into_response()
}

/// Adds the application; the person is found again by the address, and so is an open opportunity for the same posting.
fn applied(
    state: &mut State,
    posting: &str,
    title: &str,
    (name, email): (String, String),
    field: &dyn Fn(&str) -> Option<String>,
) -> String {
    let known = state.contact_of(&email).map(|contact| contact.id.clone());
    let contact = known.unwrap_or_else(|| {
        let phones = field("phone").map(|phone| ("other", phone)).into_iter().collect();
        let emails = vec![email];
        let headline = field("org").unwrap_or_default();
        state.add_contact(Contact { name, headline, emails, phones, ..Contact::default() }, false)
    });
    let opportunities = state.contacts.get(&contact).map(|contact| contact.opportunities.clone()).unwrap_or_default();
    let open = opportunities
        .iter()
        .filter_map(|id| state.opportunities.get(id))
        .find(|of| of.archived.is_none() && of.applications.iter().any(|application| application.posting == posting));
    if let Some(application) = open.and_then(|of| of.applications.first()) {
        return application.id.clone();
    }
    let (owner, confidential) =
        state.postings.get(posting).map(|posting| (posting.owner.clone(), posting.confidential)).unwrap_or_default();
    let sources = vec![field("source").unwrap_or_else(|| "Job site".to_owned())];
    let opportunity = Opportunity {
        contact,
        stage: APPLICANT,
        owner,
        confidential,
        origin: "applied",
        sources,
        tags: vec![title.to_owned()],
        ..Opportunity::default()
    };
    let id = state.add_opportunity(opportunity, false);
    let (comments, company) = (field("comments"), field("org"));
    let posting = posting.to_owned();
    let make = |id, created| Application { id, kind: "posting", posting, created, comments, company };
    state.add_application(&id, make).unwrap_or_default()
}
