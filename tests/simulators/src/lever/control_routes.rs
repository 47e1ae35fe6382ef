//! Control routes that only Lever has.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Company, World,
    send::{self, Order},
};
use crate::{
    control::{Refused, parse},
    world,
};

/// For `GET /_control`.
pub const INDEX: [&str; 9] = [
    "POST {base}/deliver",
    "GET {base}/{account}/pending",
    "POST {base}/{account}/limit",
    "POST {base}/{account}/maintenance",
    "POST {base}/{account}/access",
    world::INDEX[0],
    world::INDEX[1],
    world::INDEX[2],
    world::INDEX[3],
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// Null: no limit.
    per_second: Option<u32>,
    #[serde(default)]
    burst: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Maintenance {
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    /// Nothing opens the account any more: neither key nor token nor refresh token.
    #[serde(default)]
    revoked: bool,
    /// The access tokens end now.
    #[serde(default)]
    expired: bool,
}

/// The routes.
pub fn routes(world: Arc<World>) -> Router {
    let of_open = Arc::clone(&world);
    let open: world::Open = Arc::new(move |name| {
        of_open.account(name).map(|account| {
            let account: Arc<dyn world::Account> = account;
            account
        })
    });
    Router::new()
        .route("/deliver", post(deliver))
        .route("/{account}/pending", get(pending))
        .route("/{account}/limit", post(limit))
        .route("/{account}/maintenance", post(maintenance))
        .route("/{account}/access", post(access))
        .with_state(world)
        .merge(world::routes(open))
}

fn opened(world: &World, name: &str) -> Result<Arc<Company>, Refused> {
    world.account(name).ok_or_else(|| Refused("account: there is none with such a name, or too many".to_owned()))
}

async fn deliver(State(world): State<Arc<World>>, body: Bytes) -> Result<impl IntoResponse, Refused> {
    let order: Order = parse(&body)?;
    let attempts = send::send(&opened(&world, &order.account)?, &order).await?;
    Ok(Json(json!({"responses": attempts})))
}

async fn pending(State(world): State<Arc<World>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({"pending": opened(&world, &name)?.pending()})))
}

async fn limit(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Limit { per_second, burst } = parse(&body)?;
    if per_second == Some(0) {
        return Err(Refused("per_second: must be at least 1, or null for no limit".to_owned()));
    }
    opened(&world, &name)?.set_limit(per_second.map(|rate| (rate, burst.unwrap_or(rate).max(1))));
    Ok(StatusCode::NO_CONTENT)
}

async fn maintenance(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let Maintenance { on } = parse(&body)?;
    opened(&world, &name)?.set_maintenance(on);
    Ok(StatusCode::NO_CONTENT)
}

async fn access(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Access { revoked, expired } = parse(&body)?;
    let company = opened(&world, &name)?;
    company.set_revoked(revoked);
    if expired {
        company.expire_tokens();
    }
    Ok(StatusCode::NO_CONTENT)
}
