//! Control routes of one account: its tokens, its limit and what its webhooks would tell.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Held},
    http::StatusCode,
    routing::post,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{World, account::Account};
use crate::{
    control::{Refused, parse},
    world,
};

/// For `GET /_control`.
pub const INDEX: [&str; 9] = {
    let [grow, step, truth, deliveries] = world::INDEX;
    [
        "POST {base}/deliver",
        "POST {base}/{account}/expire",
        "POST {base}/{account}/revoke",
        "POST {base}/{account}/authorize",
        "POST {base}/{account}/limit",
        grow,
        step,
        truth,
        deliveries,
    ]
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<u64>,
    #[serde(default = "yes")]
    retry_after: bool,
}

const fn yes() -> bool {
    true
}

/// The routes below `/_control/greenhouse` that have an account in them.
pub fn routes(world: Arc<World>) -> Router {
    let opening = Arc::clone(&world);
    let open: world::Open = Arc::new(move |name: &str| {
        let account: Arc<dyn world::Account> = opening.account(name)?;
        Some(account)
    });
    Router::new()
        .route("/{account}/expire", post(expire))
        .route("/{account}/revoke", post(revoke))
        .route("/{account}/authorize", post(authorize))
        .route("/{account}/limit", post(limit))
        .with_state(world)
        .merge(world::routes(open))
}

fn opened(world: &World, name: &str) -> Result<Arc<Account>, Refused> {
    world.account(name).ok_or_else(|| Refused("account: there are too many accounts".to_owned()))
}

async fn expire(Held(world): Held<Arc<World>>, Path(name): Path<String>) -> Result<StatusCode, Refused> {
    opened(&world, &name)?.expire_tokens();
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(Held(world): Held<Arc<World>>, Path(name): Path<String>) -> Result<StatusCode, Refused> {
    opened(&world, &name)?.revoke();
    Ok(StatusCode::NO_CONTENT)
}

async fn authorize(Held(world): Held<Arc<World>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({"refresh_token": opened(&world, &name)?.authorize()})))
}

async fn limit(Held(world): Held<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Result<StatusCode, Refused> {
    let Limit { limit, retry_after } = parse(&body)?;
    let account = opened(&world, &name)?;
    account.set_limit(limit);
    account.set_retry_after(retry_after);
    Ok(StatusCode::NO_CONTENT)
}
