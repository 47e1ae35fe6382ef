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
pub mod controls;
pub mod detail;
pub mod gate;
pub mod job;
pub mod job_list;
pub mod query;
pub mod seed;
pub mod step;
pub mod write;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};

pub use account::{Account, World};

use crate::{simulator::Simulator, wire::Call, world::Clock};
use account::allowed;
use gate::Error;

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that the caller holds as well.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let about = "BambooHR applicant tracking: applications, jobs, statuses";
    let tracking = Router::new()
        .route("/applications", get(list))
        .route("/applications/{id}", get(one))
        .route("/applications/{id}/status", post(write::status))
        .route("/applications/{id}/comments", post(write::comment))
        .route("/application", post(write::apply))
        .route("/jobs", get(jobs))
        .route("/statuses", get(statuses));
    let wire = Router::new()
        .nest("/{company}/api/v1/applicant_tracking", tracking)
        .fallback(|| async { Error(StatusCode::NOT_FOUND, "Not found") });
    Simulator::of_world(("bamboohr", about), &world, wire, controls::controls(), |_| None)
}

async fn list(State(world): State<Arc<World>>, call: Call) -> Response {
    let base = format!("http://{}/bamboohr/{}/api/v1/applicant_tracking/applications", call.host(), call.at(0));
    allowed(&world, &call, |company| query::page(company, &call.query, &base))
}

async fn one(State(world): State<Arc<World>>, call: Call) -> Response {
    allowed(&world, &call, |company| {
        let found = company.applications().get(&call.number(1)).map(|application| company.detail(application));
        found.ok_or(Error(StatusCode::NOT_FOUND, "Application not found"))
    })
}

async fn jobs(State(world): State<Arc<World>>, call: Call) -> Response {
    allowed(&world, &call, |company| job_list::list(company, &call.query, company.clock.now()))
}

async fn statuses(State(world): State<Arc<World>>, call: Call) -> Response {
    allowed(&world, &call, |_| Ok(detail::statuses()))
}
