//! The public postings API, by which a career page hands over applications: `POST /v0/postings/{site}/{posting}?key=`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    World,
    model::{Application, Contact, Opportunity},
    seed::APPLICANT,
    state::State,
};

type Form = BTreeMap<String, String>;

/// What its errors look like.
struct Wrong(StatusCode, &'static str);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"ok": false, "error": self.1}))).into_response()
    }
}

pub(super) async fn apply(
    Shared(world): Shared<Arc<World>>,
    Path((site, posting)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let applied = || {
        let missing = || Wrong(StatusCode::NOT_FOUND, "Document not found");
        let company = world.account(&site).ok_or_else(missing)?;
        let parameters: Form = form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect();
        if parameters.get("key") != Some(&format!("local-lever-postings-key-{site}")) {
            return Err(Wrong(StatusCode::FORBIDDEN, "Invalid API key"));
        }
        let form = form(&headers, &bytes).ok_or(Wrong(StatusCode::BAD_REQUEST, "The body cannot be read"))?;
        company.with(|state| {
            let now = state.now();
            if !state.gate.intake.take(now) {
                return Err(Wrong(StatusCode::TOO_MANY_REQUESTS, "Too many requests"));
            }
            let found = state.postings.get(&posting);
            let found = found.filter(|posting| posting.state == "published" && !posting.confidential);
            let title = found.map(|posting| posting.text.clone()).ok_or_else(missing)?;
            let field = |name: &str| form.get(name).filter(|value| !value.is_empty()).cloned();
            let name = field("name").ok_or(Wrong(StatusCode::BAD_REQUEST, "Missing required field: name"))?;
            let email = field("email").filter(|email| email.contains('@'));
            let email = email.ok_or(Wrong(StatusCode::BAD_REQUEST, "Missing required field: email"))?;
            let id = applied(state, &posting, &title, (name, email), &field);
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
        let (id, headline, location) = (String::new(), field("org").unwrap_or_default(), String::new());
        state.add_contact(Contact { id, name, headline, location, emails, phones, opportunities: Vec::new() }, false)
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
    let id = state.add_opportunity(
        Opportunity::new(contact, APPLICANT, owner, confidential, "applied", sources, vec![title.to_owned()]),
        false,
    );
    let (comments, company) = (field("comments"), field("org"));
    let posting = posting.to_owned();
    let make = |id, created| Application { id, kind: "posting", posting, created, comments, company };
    state.add_application(&id, make).unwrap_or_default()
}

/// The fields of a form or of JSON, and those of a multipart form that are no files.
fn form(headers: &HeaderMap, bytes: &Bytes) -> Option<Form> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if kind.starts_with("application/json") {
        let fields: BTreeMap<String, Value> = serde_json::from_slice(bytes).ok()?;
        let text = |(name, value): (String, Value)| value.as_str().map(|text| (name.clone(), text.to_owned()));
        return Some(fields.into_iter().filter_map(text).collect());
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        return Some(form_urlencoded::parse(bytes).into_owned().collect());
    }
    let (_, boundary) = kind.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="))?;
    multipart(bytes, boundary.trim_matches('"'))
}

fn multipart(bytes: &[u8], boundary: &str) -> Option<Form> {
    let text = String::from_utf8_lossy(bytes);
    let mut form = Form::new();
    for part in text.split(&format!("--{boundary}")).skip(1) {
        if part.starts_with("--") {
            return Some(form);
        }
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next())?;
        if !head.contains("filename=") {
            form.insert(name.to_owned(), value.strip_suffix("\r\n")?.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_multipart_form_are_read_and_its_files_are_not() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda L\r\n--xyz\r\nContent-Disposition: \
                    form-data; name=\"resume\"; filename=\"cv.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--xyz--\r\n";
        let form = multipart(body.as_bytes(), "xyz");
        assert_eq!(form, Some(Form::from([("name".to_owned(), "Ada L".to_owned())])));
        assert_eq!(multipart(&body.as_bytes()[..60], "xyz"), None);
    }
}
