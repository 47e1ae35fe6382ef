//! Applications with their candidates and jobs, newest first.

use aws::error::AwsError;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use domain::ats::{Application, ApplicationInFull, ApplicationStatus, CandidateRef, JobRef, Source, StageEntry};
use domain::id::{ApplicationId, OrgId};
use jiff::Timestamp;
use resilience::cache::Kind;
use serde::Serialize;
use store::records::{Recorded, Records, Stored as _};
use web::identity::Identity;
use web::problem::Problem;

use crate::api::Api;
use crate::cached_list::{self, CachedList};
use crate::request::id;
use crate::response::{not_found, unavailable};

/// An application with its candidate and its job, as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ApplicationResponse {
    id: ApplicationId,
    candidate: CandidateRef,
    job: Option<JobRef>,
    status: ApplicationStatus,
    provider_status: Option<String>,
    stage: Option<String>,
    rejection_reason: Option<String>,
    /// The stages of the application, oldest first.
    history: Vec<StageEntry>,
    source: Source,
    applied_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Renders an application with its candidate and its job.
fn application_response(
    in_full: ApplicationInFull,
    (created_at, updated_at): (Timestamp, Timestamp),
) -> ApplicationResponse {
    let ApplicationInFull { application, candidate, job } = in_full;
    let Application {
        v: _,
        id,
        candidate: _,
        job: _,
        status,
        provider_status,
        stage,
        applied_at,
        rejection_reason,
        history,
        source,
    } = application;
    let history = history.unwrap_or_default();
    ApplicationResponse {
        id,
        candidate,
        job,
        status,
        provider_status,
        stage,
        rejection_reason,
        history,
        source,
        applied_at,
        created_at,
        updated_at,
    }
}

impl CachedList for Application {
    const CACHE_KIND: Kind = Kind::Applicants;
    const ROUTE: &'static str = "/api/applications";
    type Item = ApplicationResponse;

    async fn render(
        records: &Records,
        org: &OrgId,
        found: Vec<Recorded<Self>>,
    ) -> Result<Vec<ApplicationResponse>, AwsError> {
        let (applications, times): (Vec<Self>, Vec<_>) =
            found.into_iter().map(|r| (r.value, (r.created_at, r.updated_at))).unzip();
        let in_full = records.in_full(org, applications).await?;
        Ok(in_full.into_iter().zip(times).map(|(in_full, times)| application_response(in_full, times)).collect())
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/applications", get(cached_list::list::<Application>))
        .route("/api/applications/{id}", get(read))
}

async fn read(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
) -> Result<Json<ApplicationResponse>, Problem> {
    let id: ApplicationId = id(&text, Application::KIND)?;
    let rendered = async {
        let found = api.records.get_recorded::<Application>(&identity.org, &id.to_string()).await?;
        Application::render(&api.records, &identity.org, found.into_iter().collect()).await
    };
    let item = rendered.await.map_err(|e| unavailable(&e))?.pop();
    item.map(Json).ok_or_else(|| not_found(Application::KIND))
}
