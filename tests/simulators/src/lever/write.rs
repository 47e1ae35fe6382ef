//! What can be changed: the stage and the end of an opportunity, its notes, and webhooks.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::Error,
    hook::EVENTS,
    model::Hook,
    query::Query,
    render,
    seed::{ORIGINS, REASONS, STAGES},
    state::State,
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

fn created(data: &Value) -> Answer {
    Ok((StatusCode::CREATED, Json(json!({"data": data}))).into_response())
}

/// In whose name, where the request says so.
fn actor(state: &State, query: &Query) -> Result<Option<String>, Error> {
    match query.one("perform_as") {
        Some(id) if state.users.get(id).is_none_or(|user| user.deactivated.is_some()) => {
            Err(Error::bad("perform_as: no such user"))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn shown(state: &State, id: &str) -> Answer {
    let query = Query::parse("", &[])?;
    let of = state.opportunities.get(id).ok_or_else(|| Error::missing("Opportunity"))?;
    Ok(Json(json!({"data": render::opportunity(state, of, &query)})).into_response())
}

pub(super) fn stage(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewStage { stage } = body(call)?;
    let user = actor(state, query)?;
    let known = STAGES.iter().position(|(id, _)| *id == stage);
    let stage = known.ok_or_else(|| Error::bad("stage: no such stage"))?;
    if !state.move_stage(call.at(0), stage, user) {
        return Err(Error::missing("Opportunity"));
    }
    shown(state, call.at(0))
}

/// With a reason it ends the opportunity, with null it takes that back.
pub(super) fn archived(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewEnd { reason, clean_interviews } = body(call)?;
    actor(state, query)?;
    let id = call.at(0);
    let wrong = || Error::bad("reason: no such archive reason");
    let reason = match reason {
        None => return Err(Error::bad("reason: is required")),
        Some(None) => None,
        Some(Some(reason)) => Some(REASONS.iter().position(|known| known.0 == reason).ok_or_else(wrong)?),
    };
    if !state.archive(id, reason) {
        return Err(Error::missing("Opportunity"));
    }
    let now = state.now();
    let pending = |state: &State| {
        state.opportunities.get(id)?.interviews.iter().position(|one| one.canceled.is_none() && one.date > now)
    };
    while clean_interviews && let Some(position) = pending(state) {
        state.delete_interview(id, position);
    }
    shown(state, id)
}

pub(super) fn note(state: &mut State, call: &Call, query: &Query) -> Answer {
    let NewNote { value, secret } = body(call)?;
    if value.is_empty() {
        return Err(Error::bad("value: is required"));
    }
    let user = actor(state, query)?;
    let (note, at) = (state.id(), state.stamp());
    let of = state.opportunities.get_mut(call.at(0)).ok_or_else(|| Error::missing("Opportunity"))?;
    let user = user.unwrap_or_else(|| of.owner.clone());
    let field = json!({
        "createdAt": at, "score": null, "stage": STAGES.get(of.stage).map(|(id, _)| *id), "text": "Comment",
        "type": "note", "user": user, "value": value,
    });
    let made = json!({
        "id": note, "text": "Note", "fields": [field], "user": user, "secret": secret, "completedAt": at,
        "deletedAt": null, "createdAt": at, "noteId": note,
    });
    of.notes.push(made.clone());
    created(&made)
}

pub(super) fn hooks(state: &mut State, _: &Call, _: &Query) -> Answer {
    let hooks: Vec<Value> = state.hooks.iter().map(|hook| render::hook(hook, false)).collect();
    Ok(Json(json!({"data": hooks})).into_response())
}

pub(super) fn create_hook(state: &mut State, call: &Call, _: &Query) -> Answer {
    let NewHook { event, url, configuration } = body(call)?;
    let known = EVENTS.into_iter().find(|(known, _)| *known == event);
    let (event, by_origin) = known.ok_or_else(|| Error::bad("event: no such event"))?;
    if !url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(Error::bad("url: must be an URL"));
    }
    let asked = configuration.pointer("/conditions/origins").and_then(Value::as_array);
    let origins = asked.map_or_else(
        || ORIGINS.map(str::to_owned).to_vec(),
        |origins| origins.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    );
    let (id, signature_token, at) = (state.id(), state.hex(48), state.stamp());
    let hook = Hook { id, event, url, origins: by_origin.then_some(origins), signature_token, created: at };
    let answer = render::hook(&hook, true);
    state.hooks.push(hook);
    created(&answer)
}

pub(super) fn delete_hook(state: &mut State, call: &Call, _: &Query) -> Answer {
    let before = state.hooks.len();
    state.hooks.retain(|hook| hook.id != call.at(0));
    let found = state.hooks.len() < before;
    if found { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Error::missing("Webhook")) }
}
