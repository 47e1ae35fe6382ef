//! The token server: refresh tokens that are good once.

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{account::World, gate::account_of};
use crate::wire::{Refusal, urlencoded};

fn wrong(status: StatusCode, error: &str, description: &str) -> Refusal {
    Refusal(status, json!({"error": error, "error_description": description}))
}

/// `POST /auth/oauth/token`: refresh tokens that are good once.
pub(super) async fn token(Shared(world): Shared<Arc<World>>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let form = urlencoded(&bytes);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("grant_type") != "refresh_token" {
        return Err(wrong(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant type"));
    }
    let unknown = || wrong(StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token.");
    let name = account_of(field("refresh_token")).ok_or_else(unknown)?;
    if field("client_id") != format!("local-lever-{name}")
        || field("client_secret") != format!("local-lever-secret-{name}")
    {
        return Err(wrong(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized"));
    }
    let company = world.account(name).ok_or_else(unknown)?;
    let traded = company.with(|state| state.vendor.gate.trade(field("refresh_token"), state.now_ms()));
    let (access, refresh, lifetime) = traded.ok_or_else(unknown)?;
    Ok(Json(json!({
        "access_token": access,
        "refresh_token": refresh,
        "scope": "opportunities:read:admin postings:read:admin offline_access",
        "expires_in": lifetime,
        "token_type": "Bearer",
    })))
}
