//! Workday Recruiting, `/workday/ccx/...`: SOAP for requisitions and candidates, REST for prospects and postings, a report.
//!
//! Faithful where a client gets it wrong: pages shift while things change unless `As_Of_Entry_DateTime` is pinned; groups that
//! were not asked for are silently missing; candidates cannot be asked for by time of change, so that a move of an old
//! application shows in its `Status_Timestamp` only, and a new e-mail address nowhere; a refused password is a SOAP fault
//! with status 500; every id comes twice, as WID and as a business id. Sources of the shapes: the types of the
//! Recruiting v31.2 WSDL, Workday's public pages, and faults that users published.

pub mod candidates;
pub mod control_routes;
pub mod data;
pub mod gate;
pub mod moves;
pub mod report;
pub mod requisitions;
pub mod rest;
pub mod soap;
pub mod steps;
pub mod tenant;
pub mod xml;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::{
    Simulator,
    control::{Control, lock},
    world::{self, Account, Chance, Clock, Open},
};
use gate::Limit;
use tenant::Tenant;

/// Tenants kept at once; one is made when it is first asked for.
pub const TENANTS_MAX: usize = 200;

/// What a new tenant has, entered up to a month ago.
const FIRST_OBJECTS: usize = 30;
const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// All tenants.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    tenants: Mutex<BTreeMap<String, Arc<Tenant>>>,
}

impl World {
    /// One without tenants, whose time is that of the clock.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, tenants: Mutex::default() })
    }

    /// A tenant, which is made with its first data when it is new. None when there are too many.
    pub fn account(&self, name: &str) -> Option<Arc<Tenant>> {
        let mut tenants = lock(&self.tenants);
        if let Some(tenant) = tenants.get(name) {
            return Some(Arc::clone(tenant));
        }
        if tenants.len() >= TENANTS_MAX {
            return None;
        }
        let tenant = Arc::new(Tenant::new(name, self.clock.clone()));
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let until = self.clock.now_ms() - MONTH_MS;
        steps::grow(&mut tenant.state(), &mut Chance::new(seed), FIRST_OBJECTS, until);
        tenants.insert(name.to_owned(), Arc::clone(&tenant));
        Some(tenant)
    }
}

/// The simulator with a fresh world, whose time is this machine's.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that somebody else holds, too.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let (of_reset, of_open) = (Arc::clone(&world), Arc::clone(&world));
    let open: Open = Arc::new(move |name| -> Option<Arc<dyn Account>> { Some(of_open.account(name)?) });
    Simulator {
        name: "workday",
        about: "Workday Recruiting: SOAP, tokens, prospects and postings by REST, a report",
        wire: Router::new()
            .route("/ccx/service/{tenant}/{service}/{version}", post(soap::service))
            .route("/ccx/service/customreport2/{tenant}/{owner}/{report}", get(report::report))
            .route("/ccx/oauth2/{tenant}/token", post(rest::token))
            .route("/ccx/api/recruiting/v4/{tenant}/jobPostings", get(rest::postings))
            .route("/ccx/api/recruiting/v4/{tenant}/prospects", post(rest::prospect))
            .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({"error": "invalid request"}))) })
            .layer(middleware::from_fn_with_state(Arc::clone(&world), dated))
            .with_state(Arc::clone(&world)),
        extra: control_routes::routes(world).merge(world::routes(open)),
        extra_index: &INDEX,
        control: Control::new(|_| None, move || lock(&of_reset.tenants).clear()),
    }
}

const INDEX: [&str; 8] = {
    // It sends no webhooks.
    let ([a, b, c, _deliveries], [d, e, f, g, h]) = (world::INDEX, control_routes::INDEX);
    [a, b, c, d, e, f, g, h]
};

/// Answers with the date of the world's clock.
async fn dated(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&world.clock.now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The answer when the second's requests are used up.
fn limited() -> Response {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(json!({"error": "rate limit exceeded"}))).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    response.headers_mut().insert("x-ratelimit-remaining", HeaderValue::from(0));
    response
}

/// Says how many requests are left.
fn remaining(response: &mut Response, limit: Limit) {
    if let Some(remaining) = limit.remaining {
        response.headers_mut().insert("x-ratelimit-remaining", HeaderValue::from(remaining));
    }
}

/// The answer to a token that is not good, or not any more.
fn refused_token() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_token"}))).into_response()
}
