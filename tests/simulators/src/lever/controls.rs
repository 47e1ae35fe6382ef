//! Control routes that only Lever has.

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::{Company, World},
    send::{self, DeliverRequest},
};
use crate::control::{Controls, Refused, parse};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// Null for no limit.
    per_second: Option<u32>,
    burst: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Maintenance {
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Access {
    /// Neither key nor token nor refresh token opens the account any more.
    revoked: bool,
    /// The access tokens end now.
    expired: bool,
}

/// The table of these routes.
pub(super) fn controls() -> Controls<Arc<World>> {
    Controls::default()
        .route("POST /deliver", deliver)
        .show("GET /{account}/pending", |company: &Company| Json(json!({"pending": company.pending()})))
        .set("POST /{account}/limit", |company: &Company, Limit { per_second, burst }| {
            if per_second == Some(0) {
                return Err(Refused("per_second: must be at least 1, or null for no limit".to_owned()));
            }
            company.set_limit(per_second.map(|rate| (rate, burst.unwrap_or(rate).max(1))));
            Ok(())
        })
        .set("POST /{account}/maintenance", |company: &Company, Maintenance { on }| {
            company.state().vendor.gate.maintenance = on;
            Ok(())
        })
        .set("POST /{account}/access", |company: &Company, Access { revoked, expired }| {
            company.state().vendor.gate.tokens.revoked = revoked;
            if expired {
                company.expire_tokens();
            }
            Ok(())
        })
}

async fn deliver(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let order: DeliverRequest = parse(&body)?;
    let attempts = send::send(&*world.controlled(&order.account)?, &order).await?;
    Ok(Json(json!({"responses": attempts})))
}
