//! The token server: refresh tokens that are good once.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::World;

/// What the first refresh token of an account begins with.
pub(super) const FIRST: &str = "local-lever-refresh-";
const NEXT: &str = "local-lever-refreshed-";
const ACCESS: &str = "local-lever-access-";

/// Number and account of an access token.
#[must_use]
pub(super) fn access(token: &str) -> Option<(u64, &str)> {
    numbered(token, ACCESS)
}

fn numbered<'a>(token: &'a str, prefix: &str) -> Option<(u64, &'a str)> {
    let (number, account) = token.strip_prefix(prefix)?.split_once('-')?;
    Some((number.parse().ok()?, account))
}

struct Wrong(StatusCode, &'static str, &'static str);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1, "error_description": self.2}))).into_response()
    }
}

pub(super) async fn token(Shared(world): Shared<Arc<World>>, bytes: Bytes) -> Response {
    granted(&world, &bytes).into_response()
}

fn granted(world: &World, bytes: &Bytes) -> Result<Json<Value>, Wrong> {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(bytes).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("grant_type") != "refresh_token" {
        return Err(Wrong(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant type"));
    }
    let unknown = || Wrong(StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token.");
    let token = field("refresh_token");
    let first = token.strip_prefix(FIRST).map(|account| (0, account));
    let (number, account) = first.or_else(|| numbered(token, NEXT)).ok_or_else(unknown)?;
    if field("client_id") != format!("local-lever-{account}")
        || field("client_secret") != format!("local-lever-secret-{account}")
    {
        return Err(Wrong(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized"));
    }
    let company = world.account(account).ok_or_else(unknown)?;
    let (number, lifetime) = company
        .with(|state| {
            let now = state.now();
            state.gate.refresh(number, now)
        })
        .ok_or_else(unknown)?;
    Ok(Json(json!({
        "access_token": format!("{ACCESS}{number}-{account}"),
        "refresh_token": format!("{NEXT}{number}-{account}"),
        "scope": "opportunities:read:admin postings:read:admin offline_access",
        "expires_in": lifetime,
        "token_type": "Bearer",
    })))
}
