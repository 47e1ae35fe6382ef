//! Jobs: those of applicant tracking systems, and those created here.

use aws::clock;
use aws::error::AwsError;
use aws::random;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::FORMAT_VERSION;
use domain::ats::{Job, JobStatus, Source, content_hash};
use domain::id::{DepartmentId, JobId, OfficeId, OrgId};
use garde::Validate;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use resilience::cache::Kind;
use serde::{Deserialize, Serialize};
use store::records::{Created, Recorded, Records};
use web::accept::id_for;
use web::body::Checked;
use web::identity::Identity;
use web::problem::Problem;

use crate::api::Api;
use crate::cached_list::{self, CachedList};
use crate::records::{FromRecord, read};
use crate::response::{not_found, unavailable};

/// The body of a request to create a job.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct CreateJobRequest {
    #[garde(length(chars, min = 1, max = 200))]
    title: String,
    #[garde(inner(length(chars, min = 1, max = 200)))]
    department: Option<String>,
    #[garde(inner(length(chars, min = 1, max = 200)))]
    location: Option<String>,
    #[garde(inner(length(chars, min = 1, max = 20_000)))]
    description: Option<String>,
}

/// A job, as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct JobResponse {
    id: JobId,
    title: String,
    status: JobStatus,
    provider_status: Option<String>,
    department: Option<String>,
    location: Option<String>,
    departments: Vec<DepartmentId>,
    offices: Vec<OfficeId>,
    description: Option<String>,
    source: Option<Source>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl FromRecord<Job> for JobResponse {
    fn from_record(recorded: Recorded<Job>) -> Self {
        let Recorded { value, created_at, updated_at } = recorded;
        let Job {
            v: _,
            id,
            title,
            status,
            provider_status,
            department,
            location,
            departments,
            offices,
            description,
            source,
        } = value;
        Self {
            id,
            title,
            status,
            provider_status,
            department,
            location,
            departments,
            offices,
            description,
            source,
            created_at,
            updated_at,
        }
    }
}

impl CachedList for Job {
    const CACHE_KIND: Kind = Kind::Jobs;
    const ROUTE: &'static str = "/api/jobs";
    type Item = JobResponse;

    async fn render(_: &Records, _: &OrgId, found: Vec<Recorded<Self>>) -> Result<Vec<JobResponse>, AwsError> {
        Ok(found.into_iter().map(JobResponse::from_record).collect())
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/jobs", get(cached_list::list::<Job>).post(create))
        .route("/api/jobs/{id}", get(read::<Job, JobResponse, JobId>))
}

async fn create(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    Checked(new): Checked<CreateJobRequest>,
) -> Result<Response, Problem> {
    let request = content_hash(&new);
    let id = id_for(&headers, &identity.org, || JobId::fresh(random::fresh_id()), JobId::derived)?;
    let CreateJobRequest { title, department, location, description } = new;
    let job = Job {
        v: FORMAT_VERSION,
        id,
        title,
        // A job that is created here is open for applications at once.
        status: JobStatus::Open,
        provider_status: None,
        department,
        location,
        departments: vec![],
        offices: vec![],
        description,
        source: None,
    };
    let now = clock::now();
    let created = api.records.create(&identity.org, &job, &request, now).await.map_err(|e| unavailable(&e))?;
    // Also for an existing job: the request that created it may have ended before this line.
    api.cache.invalidate(&identity.org, &[Kind::Jobs]).await;
    let job = match created {
        Created::New => Recorded { value: job, created_at: now, updated_at: now },
        Created::Same(_) => {
            let found = api.records.get_recorded::<Job>(&identity.org, &id.to_string()).await;
            found.map_err(|e| unavailable(&e))?.ok_or_else(|| not_found("job"))?
        }
        Created::Other => return Err(Problem::key_reused()),
    };
    let location = [(header::LOCATION, format!("/api/jobs/{id}"))];
    Ok((StatusCode::CREATED, location, Json(JobResponse::from_record(job))).into_response())
}
