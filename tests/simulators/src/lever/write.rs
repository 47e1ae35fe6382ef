//! What can be changed: the stage and the end of an opportunity, its notes, and webhooks.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::Error,
    hook::EVENTS,
    query::Query,
    render,
    seed::{ORIGINS, REASONS, STAGES},
    state::State,
    table::Table,
};
use crate::wire::Call;

type Answer = Result<Response, Error>;

#[derive(Deserialize)]
struct NewStage {
    stage: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewEnd {
    /// Outside: the field is there; inside: it is not null.
    #[serde(default, deserialize_with = "there")]
    reason: Option<Option<String>>,
    #[serde(default)]
    clean_interviews: bool,
}

fn there<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct NewNote {
    value: String,
    #[serde(default)]
    secret: bool,
}

#[derive(Deserialize)]
struct NewHook {
    event: String,
    url: String,
    #[serde(default)]
    configuration: Value,
}

fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Error> {
    serde_json::from_slice(&call.body).map_err(|error| Error::bad(error.to_string()))
}

fn created(data: Option<Value>) -> Answer {
    Ok((StatusCode::CREATED, Json(json!({"data": data}))).into_response())
}

/// In whose name, where the request says so.
fn actor(state: &State, query: &Query) -> Result<Option<String>, Error> {
    let user = query.one("perform_as");
    let active = |id: &str| state.find(Table::Users, id).is_some_and(|user| user.get("deactivatedAt").is_null());
    if user.is_none_or(active) { Ok(user.map(str::to_owned)) } else { Err(Error::bad("perform_as: no such user")) }
}

/// The opportunity as it is after a change, where that could be made.
fn changed(state: &State, id: u64, done: bool) -> Answer {
    let query = Query::parse("", &[])?;
    let row =
        state.store.row(Table::Opportunities, id).filter(|_| done).ok_or_else(|| Error::missing("Opportunity"))?;
    Ok(Json(json!({"data": render::opportunity(state, row, &query)})).into_response())
}

pub(super) fn stage(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewStage { stage } = body(call)?;
    let user = actor(state, query)?;
    let known = STAGES.iter().position(|(id, _)| *id == stage);
    let stage = known.ok_or_else(|| Error::bad("stage: no such stage"))?;
    let id = state.number_of(call.at(0));
    let done = state.move_stage(id, stage, user);
    changed(state, id, done)
}

/// With a reason it ends the opportunity, with null it takes that back.
pub(super) fn archived(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewEnd { reason, clean_interviews } = body(call)?;
    actor(state, query)?;
    let wrong = || Error::bad("reason: no such archive reason");
    let reason = match reason {
        None => return Err(Error::bad("reason: is required")),
        Some(None) => None,
        Some(Some(reason)) => Some(REASONS.iter().position(|known| known.0 == reason).ok_or_else(wrong)?),
    };
    let id = state.number_of(call.at(0));
    let done = state.archive(id, reason);
    let now = state.now_ms();
    let parts = state.parts(id, Table::Interviews).filter(|row| row.get("canceledAt").is_null());
    let pending: Vec<u64> = parts.filter(|row| row.get("date").as_i64() > Some(now)).map(|row| row.id).collect();
    for interview in pending.into_iter().filter(|_| clean_interviews) {
        state.delete_interview(interview);
    }
    changed(state, id, done)
}

pub(super) fn note(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewNote { value, secret } = body(call)?;
    if value.is_empty() {
        return Err(Error::bad("value: is required"));
    }
    let user = actor(state, query)?;
    let of = state.find(Table::Opportunities, call.at(0)).ok_or_else(|| Error::missing("Opportunity"))?;
    let (id, stage) = (of.id, of.get("stage").clone());
    let user = user.map_or_else(|| of.get("owner").clone(), Value::String);
    let note = state.add_part(Table::Notes, id, json!({"user": user, "secret": secret}));
    if let Some(row) = state.store.row_mut(Table::Notes, note) {
        row.push("fields", json!({
            "createdAt": row.created, "score": null, "stage": stage, "text": "Comment", "type": "note", "user": user,
            "value": value,
        }));
    }
    created(state.store.row(Table::Notes, note).map(|row| render::note(state, row)))
}

pub(super) fn hooks(state: &mut State, _: &Call, _: &Query) -> Answer {
    let hooks: Vec<Value> =
        state.store.rows(Table::Webhooks).values().map(|row| render::hook(state, row, false)).collect();
    Ok(Json(json!({"data": hooks})).into_response())
}

pub(super) fn create_hook(state: &mut State, call: &Call, _: &Query) -> Answer {
    let NewHook { event, url, configuration } = body(call)?;
    let known = EVENTS.into_iter().find(|(known, _)| *known == event);
    let (event, by_origin) = known.ok_or_else(|| Error::bad("event: no such event"))?;
    if !url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(Error::bad("url: must be an URL"));
    }
    let wanted = configuration.pointer("/conditions/origins").cloned().unwrap_or_else(|| json!(ORIGINS));
    let (origins, token) = (by_origin.then_some(wanted), state.hex(48));
    let hook = json!({"event": event, "url": url, "_origins": origins, "_token": token});
    let id = state.add(Table::Webhooks, hook);
    created(state.store.row(Table::Webhooks, id).map(|row| render::hook(state, row, true)))
}

pub(super) fn delete_hook(state: &mut State, call: &Call, _: &Query) -> Answer {
    let found = state.store.remove(Table::Webhooks, state.number_of(call.at(0))).is_some();
    if found { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Error::missing("Webhook")) }
}
