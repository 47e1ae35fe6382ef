//! Applications, newest first.

use axum::Router;
use axum::routing::get;
use domain::application::{Application, ApplicationStatus, CandidateRef, JobRef, Source};
use domain::id::ApplicationId;
use jiff::Timestamp;
use platform::records::Recorded;
use serde::Serialize;

use crate::{Api, cached, read};

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
    Router::new()
        .route("/api/applications", get(cached::list::<Application, View>))
        .route("/api/applications/{id}", get(read::<Application, View, ApplicationId>))
}
