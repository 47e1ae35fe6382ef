//! Control routes of one tenant: its limit, its credentials, and what makes it slow or terse.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use bytes::Bytes;
use serde::Deserialize;

use super::{World, tenant::Tenant};
use crate::control::{Refused, parse};

/// For `GET /_control`.
pub const INDEX: [&str; 5] = [
    "POST {base}/{account}/rate_limit",
    "POST {base}/{account}/credentials",
    "POST {base}/{account}/expire",
    "POST {base}/{account}/report_delay",
    "POST {base}/{account}/descriptors",
];

/// The longest time that a report may take, in milliseconds.
const DELAY_MAX_MS: u64 = 600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    per_second: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    client_secret: Option<String>,
    refresh_token: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Descriptors {
    sent: bool,
}

/// The routes below `/_control/workday`.
pub fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/{account}/rate_limit", post(rate_limit))
        .route("/{account}/credentials", post(credentials))
        .route("/{account}/expire", post(expire))
        .route("/{account}/report_delay", post(report_delay))
        .route("/{account}/descriptors", post(descriptors))
        .with_state(world)
}

fn opened(world: &World, name: &str) -> Result<Arc<Tenant>, Refused> {
    world.account(name).ok_or_else(|| Refused("account: there are too many accounts".to_owned()))
}

async fn rate_limit(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let Limit { per_second } = parse(&body)?;
    opened(&world, &name)?.state().gate.per_second = per_second;
    Ok(StatusCode::NO_CONTENT)
}

async fn credentials(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let new: Credentials = parse(&body)?;
    let tenant = opened(&world, &name)?;
    let gate = &mut tenant.state().gate;
    for (place, value) in [
        (&mut gate.client_secret, new.client_secret),
        (&mut gate.refresh_token, new.refresh_token),
        (&mut gate.password, new.password),
    ] {
        if let Some(value) = value {
            *place = value;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn expire(State(world): State<Arc<World>>, Path(name): Path<String>) -> Result<StatusCode, Refused> {
    opened(&world, &name)?.state().gate.expire();
    Ok(StatusCode::NO_CONTENT)
}

async fn report_delay(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let Delay { ms } = parse(&body)?;
    if ms > DELAY_MAX_MS {
        return Err(Refused(format!("ms: must be at most {DELAY_MAX_MS}")));
    }
    opened(&world, &name)?.state().report_delay_ms = ms;
    Ok(StatusCode::NO_CONTENT)
}

async fn descriptors(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let Descriptors { sent } = parse(&body)?;
    opened(&world, &name)?.state().descriptors = sent;
    Ok(StatusCode::NO_CONTENT)
}
