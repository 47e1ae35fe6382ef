//! Control routes of one company: its true state, and the settings that only BambooHR has.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::{Account, World},
    company::{Application, Company},
    gate::{Limit, Refusal},
    job::{Job, JobStatus},
    seed,
};
use crate::{
    control::{Controls, Refused},
    wire::with,
    world::Chance,
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
    retry_after_s: Option<u32>,
    per_minute: Option<u64>,
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

/// The table of these routes.
pub(super) fn controls() -> Controls<Arc<World>> {
    Controls::default()
        .show("GET /{account}/applications", |account: &Account| {
            account.with(|company| {
                let items: Vec<Value> = company.applications().values().map(|row| rendered(company, row)).collect();
                Json(json!({"count": items.len(), "items": items}))
            })
        })
        .answer("POST /{account}/applications", |account: &Account, change: Value| {
            account.with(|company| {
                let (id, created) = company.merge(change).map_err(Refused)?;
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                Ok((status, Json(company.applications().get(&id).map(|row| rendered(company, row)))))
            })
        })
        .route("DELETE /{account}/applications/{id}", remove)
        .answer("POST /{account}/jobs", |account: &Account, change: JobChange| {
            account.with(|company| change_job(company, change))
        })
        .set("POST /{account}/page_size", |account: &Account, PageSize { page_size }| {
            if !(1..=PAGE_MAX).contains(&page_size) {
                return Err(Refused(format!("page_size: must be 1 to {PAGE_MAX}")));
            }
            account.set_page_size(page_size);
            Ok(())
        })
        .set("POST /{account}/rate_limit", |account: &Account, limit: RateLimit| {
            let RateLimit { remaining, retry_after_s, per_minute } = limit;
            account.set_limit(per_minute);
            let once =
                remaining.map(|remaining| Limit { remaining, retry_after_s: retry_after_s.unwrap_or(2), until: None });
            account.with(|company| company.door.limit = once);
            Ok(())
        })
        .set("POST /{account}/refusal", |account: &Account, Refuse { refusal }| {
            account.state().door.refusal = refusal;
            Ok(())
        })
        .set("POST /{account}/keys", |account: &Account, Keys { keys, without_ats }| {
            account.with(|company| (company.door.keys, company.door.without_ats) = (keys, without_ats));
            Ok(())
        })
}

fn rendered(company: &Company, application: &Application) -> Value {
    with(company.detail(application), json!({"lastUpdated": application.updated}))
}

async fn remove(State(world): State<Arc<World>>, Path((name, id)): Path<(String, u64)>) -> StatusCode {
    let removed = world.account(&name).and_then(|account| account.with(|company| company.remove(id)));
    if removed.is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn change_job(company: &mut Company, change: JobChange) -> Result<(StatusCode, Json<Value>), Refused> {
    let JobChange { id, title, status } = change;
    let find = |label: String| JobStatus::ALL.into_iter().find(|status| status.label() == label);
    let status =
        status.map(|label| find(label).ok_or_else(|| Refused("status: no such status".to_owned()))).transpose()?;
    let answered = if id.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let id = id.unwrap_or_else(|| {
        let (id, now) = (company.next_job(), company.clock.now());
        let detail = seed::make_job(&company.name, id, seed::JOBS[0], now, &mut Chance::new(0));
        company.set_job(Some(id), Job { detail, status: JobStatus::Open })
    });
    let known = company.change_job(id, |job| {
        if let Some(title) = &title {
            job.retitle(title);
        }
        job.status = status.unwrap_or(job.status);
    });
    if known { Ok((answered, Json(json!({"id": id})))) } else { Err(Refused(format!("id: no job {id}"))) }
}
