//! Applications, newest first.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use domain::application::{Application, ApplicationStatus, CandidateRef, JobRef, Source};
use domain::id::ApplicationId;
use jiff::Timestamp;
use platform::records::Recorded;
use serde::Serialize;
use web::identity::Identity;
use web::page::{List, PageRequest};
use web::problem::Problem;

use crate::{Api, cursor, id, not_found, unavailable};

/// An application as the frontend sees it.
#[derive(Debug, Serialize)]
struct View {
    id: ApplicationId,
    candidate: CandidateRef,
    job: Option<JobRef>,
    status: ApplicationStatus,
    stage: Option<String>,
    source: Source,
    applied_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Recorded<Application>> for View {
    fn from(recorded: Recorded<Application>) -> Self {
        let Recorded { value, created_at, updated_at } = recorded;
        let Application { v: _, id, candidate, job, status, stage, applied_at, source } = value;
        Self { id, candidate, job, status, stage, source, applied_at, created_at, updated_at }
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/api/applications", get(list)).route("/api/applications/{id}", get(read))
}

async fn list(State(api): State<Api>, identity: Identity, page: PageRequest) -> Result<Json<List<View>>, Problem> {
    let after = cursor(&page)?;
    let found = api.records.list::<Application>(&identity.org, page.limit, after.as_ref()).await;
    let (items, next) = found.map_err(|e| unavailable(&e))?;
    Ok(Json(List { items: items.into_iter().map(View::from).collect(), next_cursor: next.map(|c| c.to_string()) }))
}

async fn read(State(api): State<Api>, identity: Identity, Path(text): Path<String>) -> Result<Json<View>, Problem> {
    let id: ApplicationId = id(&text, "application")?;
    let found = api.records.get_recorded::<Application>(&identity.org, &id.to_string()).await;
    let found = found.map_err(|e| unavailable(&e))?;
    found.map(|recorded| Json(View::from(recorded))).ok_or_else(|| not_found("application"))
}
