//! Changes that we make. Each looks first whether it is there already, so that making it twice makes it once.
//!
//! | change | steps |
//! |---|---|
//! | move to a stage | the opportunity; `PUT /opportunities/{id}/stage` |
//! | note | its notes, page by page, for our reference; `POST /opportunities/{id}/notes` |
//! | rejection | the opportunity; `PUT /opportunities/{id}/archived` |
//! | hire | the archive reasons; the opportunity; `PUT /opportunities/{id}/archived` with the first one that means a hire |
//! | application | opportunities of that address and posting; `POST /v0/postings/{site}/{posting}`; the opportunity that it made |
//!
//! The last one goes to the public postings API, which accepts two a second of one site and **loses** further ones: 429
//! is an error like any other, and the step is repeated.

use bytes::Bytes;
use domain::ats::{Kind, ObjectRef};
use domain::write_back::{Change, ChangeKind};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Lever;
use super::requests::{call, refused, url};
use super::responses::{hired, identified};
use super::wire::{List, Note, One, Opportunity};
use crate::ats::port::{AtsError, ChangeProgress, Context, WriteBack};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The reason of a rejection that names none.
pub(super) const REJECTION_REASON: &str = "rejection_reason";

/// Steps after the first one, `""`, which looks.
const WRITE: &str = "write";
const FIND: &str = "find";
const LOOK: &str = "look ";
const END: &str = "end ";

impl WriteBack for Lever {
    fn changes(&self) -> &'static [ChangeKind] {
        &[ChangeKind::MoveStage, ChangeKind::Note, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit]
    }

    fn change_request(&self, context: &Context<'_>, change: &Change, step: &str) -> Result<HttpRequest, AtsError> {
        match (change, step) {
            (Change::MoveStage { application, .. }, "") | (Change::Reject { application, .. }, "") => {
                opportunity(context, application)
            }
            (Change::MoveStage { application, stage }, WRITE) => {
                put(context, application, "stage", json!({"stage": stage}))
            }
            (Change::Reject { application, reason }, WRITE) => {
                let reason = reason.as_ref().or_else(|| context.settings.get(REJECTION_REASON));
                let none = || {
                    AtsError::Refused(
                        format!("no reason was given, and there is no setting `{REJECTION_REASON}`").into(),
                    )
                };
                put(context, application, "archived", json!({"reason": reason.ok_or_else(none)?}))
            }
            (Change::Hire { .. }, "") => {
                let mut url = url(context, &["archive_reasons"])?;
                url.query_pairs_mut().append_pair("limit", "100");
                call(context, Method::GET, url, None)
            }
            (Change::Hire { application }, step) if step.starts_with(LOOK) => opportunity(context, application),
            (Change::Hire { application }, step) => match step.strip_prefix(END) {
                Some(reason) => put(context, application, "archived", json!({"reason": reason})),
                None => Err(invalid_step()),
            },
            (Change::Note { application, text, reference, .. }, WRITE) => {
                let url = url(context, &["opportunities", application, "notes"])?;
                call(context, Method::POST, url, Some(&json!({"value": format!("{text}\n\n[{reference}]")})))
            }
            (Change::Note { application, .. }, step) => {
                let mut url = url(context, &["opportunities", application, "notes"])?;
                url.query_pairs_mut().append_pair("limit", "100");
                match (step, step.strip_prefix(LOOK)) {
                    ("", _) => {}
                    (_, Some(offset)) => drop(url.query_pairs_mut().append_pair("offset", offset)),
                    (_, None) => return Err(invalid_step()),
                }
                call(context, Method::GET, url, None)
            }
            (Change::Submit { job, email, .. }, "" | FIND) => {
                let mut url = url(context, &["opportunities"])?;
                url.query_pairs_mut()
                    .append_pair("email", email)
                    .append_pair("posting_id", job)
                    .append_pair("confidentiality", super::requests::confidentiality(context));
                call(context, Method::GET, url, None)
            }
            (Change::Submit { .. }, WRITE) => submit(context, change),
            (Change::MoveStage { .. } | Change::Reject { .. } | Change::Submit { .. }, _) => Err(invalid_step()),
        }
    }

    fn parse_change(
        &self,
        context: &Context<'_>,
        change: &Change,
        step: &str,
        reply: &Reply,
    ) -> Result<ChangeProgress, AtsError> {
        if ![StatusCode::OK, StatusCode::CREATED].contains(&reply.status) {
            return Err(refused(context, reply));
        }
        let touched = |id: &str| ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, id)]);
        match (change, step) {
            (Change::MoveStage { application, stage }, "") => {
                Ok(if parse_opportunity(reply)?.stage.as_ref() == Some(stage) {
                    touched(application)
                } else {
                    next(WRITE)
                })
            }
            (Change::Reject { application, reason }, "") => {
                let there = ended(reply)?.is_some_and(|end| reason.as_ref().is_none_or(|reason| *reason == end));
                Ok(if there { touched(application) } else { next(WRITE) })
            }
            (Change::Hire { .. }, "") => match hired(reply)? {
                reasons if reasons.is_empty() => Err(AtsError::Refused("no archive reason means a hire".into())),
                reasons => Ok(ChangeProgress::Next(format!("{LOOK}{}", reasons.join(" ")))),
            },
            (Change::Hire { application }, step) if step.starts_with(LOOK) => {
                let reasons: Vec<&str> = step.split(' ').skip(1).collect();
                let end = ended(reply)?;
                if end.is_some_and(|end| reasons.contains(&end.as_str())) {
                    return Ok(touched(application));
                }
                Ok(ChangeProgress::Next(format!("{END}{}", reasons.first().copied().unwrap_or_default())))
            }
            (Change::Note { application, reference, .. }, step) if step != WRITE => {
                let List { data, next: offset, has_next } = json::read(&reply.body)?;
                let reference = reference.to_string();
                if data.into_iter().any(|note| holds(note, &reference)) {
                    return Ok(touched(application));
                }
                Ok(offset
                    .filter(|_| has_next)
                    .map_or_else(|| next(WRITE), |offset| ChangeProgress::Next(format!("{LOOK}{offset}"))))
            }
            (Change::Submit { .. }, "") => {
                let there = identified(reply)?;
                Ok(if there.is_empty() { next(WRITE) } else { of(&there) })
            }
            (Change::Submit { .. }, FIND) => Ok(of(&identified(reply)?)),
            (Change::Submit { .. }, _) => match json::read(&reply.body)? {
                Taken { ok: true } => Ok(next(FIND)),
                Taken { ok: false } => Err(AtsError::Refused("the postings API did not take the application".into())),
            },
            (
                Change::MoveStage { application, .. }
                | Change::Reject { application, .. }
                | Change::Hire { application }
                | Change::Note { application, .. },
                _,
            ) => Ok(touched(application)),
        }
    }
}

/// The response of the postings API.
#[derive(Deserialize)]
struct Taken {
    ok: bool,
}

fn next(step: &str) -> ChangeProgress {
    ChangeProgress::Next(step.to_owned())
}

fn of(ids: &[String]) -> ChangeProgress {
    ChangeProgress::Done(ids.iter().map(|id| ObjectRef::new(Kind::Application, id)).collect())
}

fn invalid_step() -> AtsError {
    AtsError::Refused("this change has no such step".into())
}

fn opportunity(context: &Context<'_>, id: &str) -> Result<HttpRequest, AtsError> {
    let mut url = url(context, &["opportunities", id])?;
    // As every reader of an opportunity expects it.
    url.query_pairs_mut().append_pair("expand", "applications");
    call(context, Method::GET, url, None)
}

fn put(context: &Context<'_>, id: &str, what: &str, body: Value) -> Result<HttpRequest, AtsError> {
    call(context, Method::PUT, url(context, &["opportunities", id, what])?, Some(&body))
}

fn parse_opportunity(reply: &Reply) -> Result<Opportunity, AtsError> {
    let One { data } = json::read(&reply.body)?;
    Ok(json::read_value(data)?)
}

/// The reason for which an opportunity has ended; empty when none is given.
fn ended(reply: &Reply) -> Result<Option<String>, AtsError> {
    Ok(parse_opportunity(reply)?.archived.map(|archived| archived.reason.unwrap_or_default()))
}

/// Whether a note has our reference in it.
fn holds(note: Value, reference: &str) -> bool {
    let Ok(Note { fields }) = json::read_value(note) else { return false };
    fields.unwrap_or_default().iter().any(|field| field.value.as_str().is_some_and(|text| text.contains(reference)))
}

/// Submits an application. The key of the postings API is another one than that of the API, and a part of the URL, as
/// Lever requires.
fn submit(context: &Context<'_>, change: &Change) -> Result<HttpRequest, AtsError> {
    let Change::Submit { job, first_name, last_name, email, phone } = change else { return Err(invalid_step()) };
    let mut url: Url = context.hosts.url("api", "/v0/postings")?;
    url.path_segments_mut().map_err(|()| invalid_step())?.extend([context.account, job.as_str()]);
    url.query_pairs_mut().append_pair("key", context.credentials.get("postings_key")?.expose_secret());
    let name: Vec<&str> =
        [first_name.as_str(), last_name.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let mut body = json!({"name": name.join(" "), "email": email});
    if let (Some(fields), Some(phone)) = (body.as_object_mut(), phone) {
        fields.insert("phone".to_owned(), json!(phone));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(body.to_string()) })
}
