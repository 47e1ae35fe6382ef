//! Control routes of one account: its tokens and its limit.

use std::sync::Arc;

use axum::{Json, http::StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, World};
use crate::control::Controls;

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

/// The table of these routes.
pub(super) fn controls() -> Controls<Arc<World>> {
    Controls::default()
        .show("POST /{account}/expire", |account: &Account| {
            account.expire_tokens();
            StatusCode::NO_CONTENT
        })
        .show("POST /{account}/revoke", |account: &Account| {
            account.revoke();
            StatusCode::NO_CONTENT
        })
        .show("POST /{account}/authorize", |account: &Account| Json(json!({"refresh_token": account.authorize()})))
        .set("POST /{account}/limit", |account: &Account, Limit { limit, retry_after }| {
            account.set_limit(limit);
            account.set_retry_after(retry_after);
            Ok(())
        })
}
