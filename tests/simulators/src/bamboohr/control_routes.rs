//! Control routes of one company: its true state, and the knobs that only BambooHR has.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    World,
    company::{Application, Limit},
};
use crate::control::{Refused, parse};

/// For `GET /_control`.
pub const INDEX: [&str; 6] = [
    "GET {base}/{company}/applications",
    "POST {base}/{company}/applications",
    "DELETE {base}/{company}/applications/{id}",
    "POST {base}/{company}/page_size",
    "POST {base}/{company}/rate_limit",
    "POST {base}/{company}/keys",
];

const PAGE_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageSize {
    page_size: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    remaining: Option<u64>,
    #[serde(default = "two")]
    retry_after_s: u32,
}

const fn two() -> u32 {
    2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<String>,
}

/// The routes below `/_control/bamboohr`.
pub fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/{company}/applications", get(truth).post(change))
        .route("/{company}/applications/{id}", delete(remove))
        .route("/{company}/page_size", post(page_size))
        .route("/{company}/rate_limit", post(rate_limit))
        .route("/{company}/keys", post(keys))
        .with_state(world)
}

fn too_many() -> Refused {
    Refused("company: there are too many companies".to_owned())
}

fn shown(application: &Application) -> Value {
    let mut detail = application.detail.clone();
    if let Some(fields) = detail.as_object_mut() {
        fields.insert("lastUpdated".to_owned(), json!(application.updated));
    }
    detail
}

async fn truth(State(world): State<Arc<World>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let items: Vec<Value> =
        world.with(&name, |company| company.applications.values().map(shown).collect()).ok_or_else(too_many)?;
    Ok(Json(json!({"count": items.len(), "items": items})))
}

async fn change(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let change: Value = parse(&body)?;
    let changed = world.with(&name, |company| {
        let (id, created) = company.merge(change, Timestamp::now())?;
        Ok((created, company.applications.get(&id).map(shown)))
    });
    let (created, application) = changed.ok_or_else(too_many)?.map_err(Refused)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(application)).into_response())
}

async fn remove(State(world): State<Arc<World>>, Path((name, id)): Path<(String, u64)>) -> StatusCode {
    match world.with(&name, |company| company.applications.remove(&id)).flatten() {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn page_size(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let PageSize { page_size } = parse(&body)?;
    if !(1..=PAGE_MAX).contains(&page_size) {
        return Err(Refused(format!("page_size: must be 1 to {PAGE_MAX}")));
    }
    world.with(&name, |company| company.page_size = page_size).ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rate_limit(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let RateLimit { remaining, retry_after_s } = parse(&body)?;
    let limit = remaining.map(|remaining| Limit { remaining, retry_after_s, until: None });
    world.with(&name, |company| company.limit = limit).ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keys(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Keys { keys } = parse(&body)?;
    world.with(&name, |company| company.keys = keys).ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}
