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
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    World,
    company::{Application, Company},
    gate::{Limit, Refusal},
    job::{Job, JobStatus},
    seed,
};
use crate::{
    control::{Refused, parse},
    world,
};

/// For `GET /_control`.
pub const INDEX: [&str; 11] = {
    // It sends no webhooks.
    let [grow, step, truth, _deliveries] = world::INDEX;
    [
        "GET {base}/{company}/applications",
        "POST {base}/{company}/applications",
        "DELETE {base}/{company}/applications/{id}",
        "POST {base}/{company}/jobs",
        "POST {base}/{company}/page_size",
        "POST {base}/{company}/rate_limit",
        "POST {base}/{company}/refusal",
        "POST {base}/{company}/keys",
        grow,
        step,
        truth,
    ]
};

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
    #[serde(default)]
    per_minute: Option<u64>,
}

const fn two() -> u32 {
    2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<String>,
    #[serde(default)]
    without_ats: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    refusal: Refusal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobChange {
    id: Option<u64>,
    title: Option<String>,
    status: Option<String>,
}

/// The routes below `/_control/bamboohr`.
pub fn routes(world: Arc<World>) -> Router {
    let opening = Arc::clone(&world);
    let open: world::Open = Arc::new(move |name: &str| {
        let account: Arc<dyn world::Account> = opening.account(name)?;
        Some(account)
    });
    Router::new()
        .route("/{company}/applications", get(truth).post(change))
        .route("/{company}/applications/{id}", delete(remove))
        .route("/{company}/jobs", post(change_job))
        .route("/{company}/page_size", post(page_size))
        .route("/{company}/rate_limit", post(rate_limit))
        .route("/{company}/refusal", post(refusal))
        .route("/{company}/keys", post(keys))
        .with_state(world)
        .merge(world::routes(open))
}

fn too_many() -> Refused {
    Refused("company: there are too many companies".to_owned())
}

fn shown(company: &Company, application: &Application) -> Value {
    let mut detail = company.detail(application);
    if let Some(fields) = detail.as_object_mut() {
        fields.insert("lastUpdated".to_owned(), json!(application.updated));
    }
    detail
}

async fn truth(State(world): State<Arc<World>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let items: Vec<Value> = world
        .with(&name, |company| company.applications().values().map(|row| shown(company, row)).collect())
        .ok_or_else(too_many)?;
    Ok(Json(json!({"count": items.len(), "items": items})))
}

async fn change(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let change: Value = parse(&body)?;
    let changed = world.with(&name, |company| {
        let (id, created) = company.merge(change)?;
        Ok((created, company.applications().get(&id).map(|row| shown(company, row))))
    });
    let (created, application) = changed.ok_or_else(too_many)?.map_err(Refused)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(application)).into_response())
}

async fn remove(State(world): State<Arc<World>>, Path((name, id)): Path<(String, u64)>) -> StatusCode {
    match world.with(&name, |company| company.remove(id)).flatten() {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn change_job(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let JobChange { id, title, status } = parse(&body)?;
    let find = |label: String| JobStatus::ALL.into_iter().find(|status| status.label() == label);
    let status =
        status.map(|label| find(label).ok_or_else(|| Refused("status: no such status".to_owned()))).transpose()?;
    let changed = world.with(&name, |company| {
        let created = id.is_none();
        let id = id.unwrap_or_else(|| {
            let (id, now) = (company.next_job(), company.clock.now());
            let detail = seed::make_job(&company.name, id, seed::JOBS[0], now, &mut |_| 0);
            company.set_job(Some(id), Job { detail, status: JobStatus::Open })
        });
        let known = company.change_job(id, |job| {
            if let Some(title) = &title {
                job.retitle(title);
            }
            job.status = status.unwrap_or(job.status);
        });
        (id, created, known)
    });
    let (id, created, known) = changed.ok_or_else(too_many)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    if known { Ok((status, Json(json!({"id": id}))).into_response()) } else { Err(Refused(format!("id: no job {id}"))) }
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
    let RateLimit { remaining, retry_after_s, per_minute } = parse(&body)?;
    let limit = remaining.map(|remaining| Limit { remaining, retry_after_s, until: None });
    let limited = world.with(&name, |company| {
        company.door.limit = limit;
        company.door.rate.per_minute = per_minute;
    });
    limited.ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn refusal(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let Refuse { refusal } = parse(&body)?;
    world.with(&name, |company| company.door.refusal = refusal).ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keys(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Keys { keys, without_ats } = parse(&body)?;
    let replaced = world.with(&name, |company| {
        company.door.keys = keys;
        company.door.without_ats = without_ats;
    });
    replaced.ok_or_else(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}
