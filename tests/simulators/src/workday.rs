//! Workday Recruiting, `/workday/ccx/...`: SOAP for requisitions and candidates, REST for prospects and postings, a report.
//!
//! Faithful where a client gets it wrong: pages shift while things change unless `As_Of_Entry_DateTime` is pinned; groups that
//! were not asked for are silently missing; candidates cannot be asked for by time of change, so that a move of an old
//! application shows in its `Status_Timestamp` only, and a new e-mail address nowhere; a refused password is a SOAP fault
//! with status 500; every id comes twice, as WID and as a business id. Sources of the shapes: the types of the
//! Recruiting v31.2 WSDL, Workday's public pages, and faults that users published.

pub mod account;
pub mod candidates;
pub mod controls;
pub mod data;
pub mod gate;
pub mod moves;
pub mod report;
pub mod requisitions;
pub mod rest;
pub mod service;
pub mod soap;
pub mod steps;
pub mod tenant;
pub mod truth;
pub mod xml;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;

pub use account::World;

use crate::{simulator::Simulator, world::Clock};

/// The simulator with a fresh world, whose time is this machine's.
pub fn simulator() -> Simulator {
    simulator_of(World::new(Clock::system()))
}

/// The simulator of a world that the caller holds as well.
pub fn simulator_of(world: Arc<World>) -> Simulator {
    let about = "Workday Recruiting: SOAP, tokens, prospects and postings by REST, a report";
    let wire = Router::new()
        .route("/ccx/service/{tenant}/{service}/{version}", post(service::service))
        .route("/ccx/service/customreport2/{tenant}/{owner}/{report}", get(report::report))
        .route("/ccx/oauth2/{tenant}/token", post(rest::token))
        .route("/ccx/api/recruiting/v4/{tenant}/jobPostings", get(rest::postings))
        .route("/ccx/api/recruiting/v4/{tenant}/prospects", post(rest::prospect))
        .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({"error": "invalid request"}))) });
    Simulator::of_world(("workday", about), &world, wire, controls::controls(), |_| None)
}
