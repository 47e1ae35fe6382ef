//! BambooHR applicant tracking, `/bamboohr/{company}/api/v1/applicant_tracking/...`, Basic `key:x`.
//!
//! Each company is a world that changes ([`step`]); its key is `local-bamboohr-key-<company>`. Faithful where a client gets it
//! wrong: `per_page` is ignored, a page after the last is empty with 200, errors have an empty body and the header
//! `x-bamboohr-error-message`, `newSince` looks at the day of application only, the time of the last change orders the list but
//! is never shown, and who does not ask for more gets active applications to open and draft jobs. A draft was posted whenever it
//! is asked for. There are no webhooks of applicant tracking. Source of the shapes: BambooHR's public OpenAPI document and
//! recorded answers of the service.
//!
//! Not verified on a real wire, and modelled after the descriptions: what counts as a change (here: status, rating, name, address
//! and comments, not the title of the job); the numbers of canceled and deleted jobs; that `ALL` means deleted jobs, too; that
//! applications to a deleted job stay; that a status asked for by its number is not cut to active ones; which of 400, 404 and 422
//! answers a change that cannot be made; and a shared applicant, which does not occur here.

pub mod account;
pub mod company;
pub mod control_routes;
pub mod gate;
pub mod job;
pub mod query;
pub mod seed;
pub mod step;
pub mod write;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Serialize;

pub use account::{Account, World};

use crate::{Simulator, control::Control, world::Clock};
use company::Company;
use gate::{Error, Gate};

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that the caller holds as well.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let of_reset = Arc::clone(&world);
    Simulator {
        name: "bamboohr",
        about: "BambooHR applicant tracking: applications, jobs, statuses",
        wire: Router::new()
            .route("/{company}/api/v1/applicant_tracking/applications", get(list))
            .route("/{company}/api/v1/applicant_tracking/applications/{id}", get(one))
            .route("/{company}/api/v1/applicant_tracking/applications/{id}/status", post(write::status))
            .route("/{company}/api/v1/applicant_tracking/applications/{id}/comments", post(write::comment))
            .route("/{company}/api/v1/applicant_tracking/application", post(write::apply))
            .route("/{company}/api/v1/applicant_tracking/jobs", get(jobs))
            .route("/{company}/api/v1/applicant_tracking/statuses", get(statuses))
            .fallback(|| async { Error(StatusCode::NOT_FOUND, "Not found") })
            .layer(middleware::map_response_with_state(Arc::clone(&world), dated))
            .with_state(Arc::clone(&world)),
        extra: control_routes::routes(world),
        extra_index: &control_routes::INDEX,
        control: Control::new(|_| None, move || of_reset.clear()),
    }
}

/// Gives an answer the world's time.
async fn dated(State(world): State<Arc<World>>, mut response: Response) -> Response {
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&world.now()).ok();
    if let Some(date) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn allowed<T: Serialize>(
    world: &World,
    company: &str,
    headers: &HeaderMap,
    answer: impl FnOnce(&mut Company) -> Result<T, Error>,
) -> Response {
    let key = gate::key(headers);
    let now = world.now();
    let gated = world.with(company, |company| match company.door.enter(key.as_deref(), now) {
        Gate::Open => answer(company).map(Json).into_response(),
        Gate::WrongKey => Error(StatusCode::UNAUTHORIZED, "Invalid API key").into_response(),
        Gate::Forbidden => Error(StatusCode::FORBIDDEN, "No access to ATS settings").into_response(),
        Gate::Limited { retry_after_s } => company.door.refusal.answer(retry_after_s),
    });
    gated.unwrap_or_else(|| Error(StatusCode::NOT_FOUND, "Company not found").into_response())
}

async fn list(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let base = format!("http://{host}/bamboohr/{name}/api/v1/applicant_tracking/applications");
    allowed(&world, &name, &headers, |company| query::page(company, raw.as_deref().unwrap_or_default(), &base))
}

async fn one(
    State(world): State<Arc<World>>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    allowed(&world, &name, &headers, |company| {
        let found = id.parse().ok().and_then(|id: u64| company.applications().get(&id));
        found
            .map(|application| company.detail(application))
            .ok_or(Error(StatusCode::NOT_FOUND, "Application not found"))
    })
}

async fn jobs(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = world.now();
    allowed(&world, &name, &headers, |company| job::list(company, raw.as_deref().unwrap_or_default(), now))
}

async fn statuses(State(world): State<Arc<World>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    allowed(&world, &name, &headers, |_| Ok(seed::statuses()))
}
