//! Accepts applications from other systems, by API key: they are recorded, queued and accepted with 202.
//!
//! The order of checks is key, rate limit, size of the body, body: the cheapest check comes first, and a refused
//! request costs no call. What must never be here: a call to a third party, or the key's text in a log or a record.

mod body;

use std::time::Duration;

use aws::clients::Aws;
use aws::clock;
use aws::environment;
use aws::error::AwsError;
use aws::function::{Function, StartError};
use aws::limit::SharedLimiter;
use aws::queue::Queue;
use aws::random;
use aws::telemetry::chain;
use axum::extract::{FromRequest, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use domain::FORMAT_VERSION;
use domain::ats::content_hash;
use domain::failure::Failure;
use domain::id::{ApplicationId, CandidateId, IntakeId, OrgId};
use domain::intake::{Intake, IntakeState, Priority};
use domain::message::IntakeJob;
use jiff::Timestamp;
use resilience::limit::Policy;
use serde::Serialize;
use store::api_keys::ApiKeys;
use store::records::{Created, Records};
use web::accept::{accepted, id_for, not_enqueued};
use web::api_key;
use web::body::Checked;
use web::limit::Quota;
use web::problem::Problem;

use crate::body::CreateIntakeRequest;

/// Name of the rate limit, in its headers and in the table.
const POLICY_NAME: &str = "external";

/// The API of intakes.
#[derive(Debug, Clone)]
pub struct Intakes {
    keys: ApiKeys,
    limiter: SharedLimiter,
    /// The requests a minute for a key without a limit of its own.
    limit_per_minute: u32,
    records: Records,
    normal: Queue,
    priority: Queue,
}

/// The organisation of the request's API key.
#[derive(Debug, Clone)]
struct Caller(OrgId);

/// An intake, as the API shows it to its sender. What was sent is not repeated: it is personal data, and the sender has it.
#[derive(Debug, Serialize)]
struct IntakeResponse {
    id: IntakeId,
    state: IntakeState,
    priority: Priority,
    attempts: u32,
    candidate_id: Option<CandidateId>,
    application_id: Option<ApplicationId>,
    failure: Option<Failure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Intake> for IntakeResponse {
    fn from(intake: Intake) -> Self {
        let Intake {
            v: _,
            id,
            priority,
            candidate: _,
            job: _,
            resume: _,
            cover_letter: _,
            source: _,
            applied_at: _,
            state,
            attempts,
            candidate_id,
            application_id,
            failure,
            created_at,
            updated_at,
        } = intake;
        Self { id, state, priority, attempts, candidate_id, application_id, failure, created_at, updated_at }
    }
}

impl Function for Intakes {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let records = Records::new(aws.table("RECORDS_TABLE")?);
        Ok(Self {
            keys: ApiKeys::new(records.clone()),
            limiter: SharedLimiter::new(aws.table("CONTROL_TABLE")?, POLICY_NAME, Duration::from_secs(60)),
            limit_per_minute: environment::number("EXTERNAL_LIMIT_PER_MINUTE")?,
            records,
            normal: aws.queue("INTAKE_QUEUE_URL")?,
            priority: aws.queue("INTAKE_PRIORITY_QUEUE_URL")?,
        })
    }

    /// Both tables are one service, and so are both queues.
    async fn warm_up(&self) {
        let _ignored = tokio::join!(self.records.table().preconnect(), self.normal.waiting());
    }
}

impl Intakes {
    /// The routes. Each requires the key and counts against its limit.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/api/external/job-application", post(create))
            .route("/api/external/job-application/{id}", get(read))
            .route_layer(from_fn_with_state(self.clone(), admit))
            .with_state(self)
    }
}

/// Authenticates the request and counts it against its limit, before its body is read.
async fn admit(State(api): State<Intakes>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let key = api_key::presented(request.headers())?;
    let now = clock::now();
    let found = api.keys.find(&key, now).await.map_err(|error| unavailable(&error))?;
    let record = found.ok_or_else(api_key::unknown)?;
    let policy = Policy::per_minute(record.limit(api.limit_per_minute));
    let decision = api.limiter.admit(key.org(), key.hash(), policy, now).await;
    let quota = decision.map(|decision| Quota {
        policy: POLICY_NAME,
        limit: policy.limit,
        window_seconds: 60,
        remaining: decision.remaining,
        reset_ms: decision.reset_ms,
        allowed: decision.allowed,
    });
    let mut response = match &quota {
        Some(quota) if !quota.allowed => quota.exceeded().into_response(),
        Some(_) | None => {
            request.extensions_mut().insert(Caller(key.org().clone()));
            next.run(request).await
        }
    };
    if let Some(quota) = quota {
        quota.write(response.headers_mut());
    }
    Ok(response)
}

async fn create(
    State(api): State<Intakes>,
    Extension(Caller(org)): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let Checked(new) = Checked::<CreateIntakeRequest>::from_request(request, &()).await?;
    let hash = content_hash(&new);
    let now = clock::now();
    let submission = new.submission(now)?;
    let id = id_for(&headers, &org, || IntakeId::fresh(random::fresh_id()), IntakeId::derived)?;
    let intake = Intake::accepted(id, submission, now);
    let created = api.records.create(&org, &intake, &hash, now).await.map_err(|error| unavailable(&error))?;
    let intake = match created {
        Created::New => intake,
        Created::Same(existing) => existing,
        Created::Other => return Err(Problem::key_reused()),
    };
    if intake.state == IntakeState::Accepted {
        let queue = match intake.priority {
            Priority::Normal => &api.normal,
            Priority::High => &api.priority,
        };
        let job = IntakeJob { v: FORMAT_VERSION, org, intake: id };
        queue.send(&job).await.map_err(|error| not_enqueued(&error))?;
    }
    Ok(accepted(&format!("/api/external/job-application/{id}"), &IntakeResponse::from(intake)))
}

async fn read(
    State(api): State<Intakes>,
    Extension(Caller(org)): Extension<Caller>,
    Path(text): Path<String>,
) -> Result<Json<IntakeResponse>, Problem> {
    let missing = || Problem::not_found("your organisation has no such job application");
    let id: IntakeId = text.parse().map_err(|_| missing())?;
    let found: Option<Intake> = api.records.get(&org, &id.to_string()).await.map_err(|error| unavailable(&error))?;
    found.map(|intake| Json(IntakeResponse::from(intake))).ok_or_else(missing)
}

/// 500 or 503 for a failed call to AWS. The cause goes into the log.
fn unavailable(error: &AwsError) -> Problem {
    tracing::error!(error = %chain(error), "a request failed");
    Problem::data_failed(error.retry())
}
