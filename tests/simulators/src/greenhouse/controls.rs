//! Control routes of one account: its tokens and its limit.

use std::sync::Arc;

use axum::Json;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, World};
use crate::control::Controls;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<u64>,
    retry_after: Option<bool>,
}

/// The table of these routes.
pub(super) fn controls() -> Controls<Arc<World>> {
    Controls::default()
        .act("POST /{account}/expire", Account::expire_tokens)
        .act("POST /{account}/revoke", |account: &Account| account.state().vendor.gate.revoke())
        .show("POST /{account}/authorize", |account: &Account| Json(json!({"refresh_token": account.authorize()})))
        .set("POST /{account}/limit", |account: &Account, Limit { limit, retry_after }| {
            let gate = &mut account.state().vendor.gate;
            (gate.harvest.limit, gate.retry_after) = (limit, retry_after.unwrap_or(true));
            Ok(())
        })
}
