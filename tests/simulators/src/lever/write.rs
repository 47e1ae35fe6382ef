//! What can be changed: the stage and the end of an opportunity, its notes, and webhooks.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Error, World,
    hook::EVENTS,
    model::Hook,
    query::Query,
    render,
    seed::{ORIGINS, REASONS, STAGES},
    state::State,
};

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

fn body<T: serde::de::DeserializeOwned>(bytes: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::bad(error.to_string()))
}

/// In whose name, where the request says so.
fn actor(state: &State, query: &Query) -> Result<Option<String>, Error> {
    match query.one("perform_as") {
        Some(id) if state.users.get(id).is_none_or(|user| user.deactivated.is_some()) => {
            Err(Error::bad("perform_as: no such user".to_owned()))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn shown(state: &State, id: &str) -> Result<Json<Value>, Error> {
    let query = Query::parse(None, &[])?;
    let of = state.opportunities.get(id).ok_or_else(|| Error::missing("Opportunity"))?;
    Ok(Json(json!({"data": render::opportunity(state, of, &query)})))
}

pub(super) async fn stage(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Error> {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["perform_as"])?;
    let NewStage { stage } = body(&bytes)?;
    company.with(|state| {
        let user = actor(state, &query)?;
        let known = STAGES.iter().position(|(id, _)| *id == stage);
        let stage = known.ok_or_else(|| Error::bad("stage: no such stage".to_owned()))?;
        if !state.move_stage(&id, stage, user) {
            return Err(Error::missing("Opportunity"));
        }
        shown(state, &id)
    })
}

/// With a reason it ends the opportunity, with null it takes that back.
pub(super) async fn archived(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Error> {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["perform_as"])?;
    let NewEnd { reason, clean_interviews } = body(&bytes)?;
    company.with(|state| {
        actor(state, &query)?;
        let wrong = || Error::bad("reason: no such archive reason".to_owned());
        let reason = match reason {
            None => return Err(Error::bad("reason: is required".to_owned())),
            Some(None) => None,
            Some(Some(reason)) => Some(REASONS.iter().position(|known| known.0 == reason).ok_or_else(wrong)?),
        };
        if !state.archive(&id, reason) {
            return Err(Error::missing("Opportunity"));
        }
        let now = state.now();
        let pending = |state: &State| {
            let of = state.opportunities.get(&id)?;
            of.interviews.iter().position(|one| one.canceled.is_none() && one.date > now)
        };
        while clean_interviews && let Some(position) = pending(state) {
            state.delete_interview(&id, position);
        }
        shown(state, &id)
    })
}

pub(super) async fn note(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Error> {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["perform_as", "note_id"])?;
    let NewNote { value, secret } = body(&bytes)?;
    if value.is_empty() {
        return Err(Error::bad("value: is required".to_owned()));
    }
    company.with(|state| {
        let user = actor(state, &query)?;
        let (note, at) = (state.id(), state.stamp());
        let of = state.opportunities.get_mut(&id).ok_or_else(|| Error::missing("Opportunity"))?;
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
        Ok((StatusCode::CREATED, Json(json!({"data": made}))).into_response())
    })
}

pub(super) async fn notes(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Error> {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &[])?;
    let page = company.read(|state| {
        let notes = &state.opportunities.get(&id)?.notes;
        let text = |note: &'_ Value, name: &str| note.get(name).cloned().unwrap_or_default();
        let rows = notes.iter().rev().map(|note| {
            let id = note.get("id").and_then(Value::as_str).unwrap_or_default();
            (text(note, "createdAt").as_i64().unwrap_or_default(), id, note)
        });
        Some(query.short(rows, Value::clone))
    });
    page.map(Json).ok_or_else(|| Error::missing("Opportunity"))
}

pub(super) async fn hooks(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Result<Json<Value>, Error> {
    let company = world.enter(&headers)?;
    Ok(Json(
        company.read(
            |state| json!({"data": state.hooks.iter().map(|hook| render::hook(hook, false)).collect::<Vec<_>>()}),
        ),
    ))
}

pub(super) async fn create_hook(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Error> {
    let company = world.enter(&headers)?;
    let NewHook { event, url, configuration } = body(&bytes)?;
    let (event, by_origin) = EVENTS
        .into_iter()
        .find(|(known, _)| *known == event)
        .ok_or_else(|| Error::bad("event: no such event".to_owned()))?;
    if !url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(Error::bad("url: must be an URL".to_owned()));
    }
    let asked = configuration.pointer("/conditions/origins").and_then(Value::as_array);
    let origins = asked.map_or_else(
        || ORIGINS.map(str::to_owned).to_vec(),
        |origins| origins.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    );
    company.with(|state| {
        let (id, signature_token, created) = (state.id(), state.hex(48), state.stamp());
        let hook = Hook { id, event, url, origins: by_origin.then_some(origins), signature_token, created };
        let answer = json!({"data": render::hook(&hook, true)});
        state.hooks.push(hook);
        Ok((StatusCode::CREATED, Json(answer)).into_response())
    })
}

pub(super) async fn delete_hook(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let company = world.enter(&headers)?;
    company.with(|state| {
        let before = state.hooks.len();
        state.hooks.retain(|hook| hook.id != id);
        if state.hooks.len() < before { Ok(StatusCode::NO_CONTENT) } else { Err(Error::missing("Webhook")) }
    })
}
