//! BambooHR applicant tracking, `/bamboohr/{company}/api/v1/applicant_tracking/...`, Basic `key:x`.
//!
//! Faithful where a client gets it wrong: `per_page` is ignored, a page after the last is empty with 200, errors have an
//! empty body and the header `x-bamboohr-error-message`, `newSince` looks at the day of application only, and the time of
//! the last change orders the list but is never shown. Source of the shapes: BambooHR's public OpenAPI document and
//! recorded answers of the service.

pub mod company;
pub mod control_routes;
pub mod query;
pub mod seed;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Simulator,
    control::{Control, lock},
};
use company::{Company, Gate};

/// Companies kept at once; one is made when it is first asked for.
pub const COMPANIES_MAX: usize = 200;

/// All companies.
#[derive(Debug, Default)]
pub struct World {
    companies: Mutex<BTreeMap<String, Company>>,
}

impl World {
    /// Works on a company, which is made with its initial data when it is new. None when there are too many.
    pub fn with<T>(&self, name: &str, work: impl FnOnce(&mut Company) -> T) -> Option<T> {
        let mut companies = lock(&self.companies);
        if companies.len() >= COMPANIES_MAX && !companies.contains_key(name) {
            return None;
        }
        Some(work(companies.entry(name.to_owned()).or_insert_with(|| seed::company(name))))
    }
}

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let world = Arc::new(World::default());
    let of_reset = Arc::clone(&world);
    Simulator {
        name: "bamboohr",
        about: "BambooHR applicant tracking: applications, jobs, statuses",
        wire: Router::new()
            .route("/{company}/api/v1/applicant_tracking/applications", get(list))
            .route("/{company}/api/v1/applicant_tracking/applications/{id}", get(one))
            .route("/{company}/api/v1/applicant_tracking/jobs", get(jobs))
            .route("/{company}/api/v1/applicant_tracking/statuses", get(statuses))
            .fallback(|| async { Error(StatusCode::NOT_FOUND, "Not found") })
            .with_state(Arc::clone(&world)),
        extra: control_routes::routes(world),
        extra_index: &control_routes::INDEX,
        control: Control::new(|_| None, move || lock(&of_reset.companies).clear()),
    }
}

/// An error of the wire: no body, the reason in a header.
#[derive(Debug)]
pub struct Error(pub StatusCode, pub &'static str);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.0, Body::empty()).into_response();
        response.headers_mut().insert("x-bamboohr-error-message", HeaderValue::from_static(self.1));
        response
    }
}

fn limited(seconds: u64) -> Response {
    let mut response = Error(StatusCode::TOO_MANY_REQUESTS, "Limit exceeded").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The user name of a Basic header: BambooHR takes the key there and does not look at the password.
fn key(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(decoded).ok()?;
    pair.split_once(':').map(|(user, _)| user.to_owned())
}

fn allowed<T: Serialize>(
    world: &World,
    company: &str,
    headers: &HeaderMap,
    answer: impl FnOnce(&Company) -> Result<T, Error>,
) -> Response {
    let key = key(headers);
    let gated = world.with(company, |company| match company.enter(key.as_deref(), Timestamp::now()) {
        Gate::Open => answer(company).map(Json).into_response(),
        Gate::WrongKey => Error(StatusCode::UNAUTHORIZED, "Invalid API key").into_response(),
        Gate::Limited { retry_after_s } => limited(retry_after_s),
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
        let found = id.parse().ok().and_then(|id: u64| company.applications.get(&id));
        found.map(|application| application.detail.clone()).ok_or(Error(StatusCode::NOT_FOUND, "Application not found"))
    })
}

async fn jobs(State(world): State<Arc<World>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    allowed(&world, &name, &headers, |company| Ok(company.jobs_with_counts()))
}

async fn statuses(State(world): State<Arc<World>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    allowed(&world, &name, &headers, |_| Ok(seed::statuses()))
}
