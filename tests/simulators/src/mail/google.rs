//! Google's token server, `POST /google/token`: refresh tokens and service accounts.
//!
//! Faithful in that a service account's statement is verified: its signature with the public half of the repository's test key,
//! its audience, times and scopes. The refresh token `revoked` and statements that are not right are `invalid_grant`, the client
//! secret `invalid` is `invalid_client`. The access token is `ya29.sim.` and the refresh token or the mailbox, so that tests can
//! foresee it; what it opens is [`crate::gmail`] and the SMTP server.

use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use crate::{
    clock,
    control::{Control, Controls},
    simulator::Simulator,
    wire::{Refusal, urlencoded},
};

/// The key of the service account in tests and in the local stack.
pub const TEST_KEY: &str = include_str!("../../google_test_key.pem");
/// What access tokens begin with.
pub const TOKEN: &str = "ya29.sim.";
const LIFETIME_S: i64 = 3_599;
const STATEMENT_MAX_S: i64 = 3_600;
const SKEW_S: i64 = 300;

/// The simulator; it keeps nothing.
pub fn simulator() -> Simulator {
    Simulator {
        name: "google",
        about: "Google OAuth 2.0: token",
        wire: Router::new().route("/token", post(token)),
        controls: Controls::default(),
        control: Control::new(|_| Some(json!({"error": "internal_failure"})), || {}),
    }
}

fn refused(status: StatusCode, error: &str, description: &str) -> Refusal {
    Refusal(status, json!({"error": error, "error_description": description}))
}

fn invalid_grant(description: &'static str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, "invalid_grant", description)
}

async fn token(headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    let form = urlencoded(&body);
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (of, scope) = match field("grant_type").as_str() {
        "refresh_token" => {
            let (client_id, client_secret) = (field("client_id"), field("client_secret"));
            let refresh_token = field("refresh_token");
            if client_id.is_empty() || client_secret.is_empty() || client_secret == "invalid" {
                return Err(refused(StatusCode::UNAUTHORIZED, "invalid_client", "The OAuth client was not found."));
            }
            if refresh_token.is_empty() || refresh_token == "revoked" {
                return Err(invalid_grant("Token has been expired or revoked."));
            }
            (refresh_token, "https://www.googleapis.com/auth/gmail.send".to_owned())
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            checked(&field("assertion"), &format!("http://{host}/google/token"), clock::now().as_second())?
        }
        _ => return Err(refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Invalid grant_type.")),
    };
    Ok(Json(json!({
        "access_token": format!("{TOKEN}{of}"), "expires_in": LIFETIME_S, "scope": scope, "token_type": "Bearer",
    })))
}

/// The mailbox and the scopes of a service account's statement.
fn checked(assertion: &str, audience: &str, now: i64) -> Result<(String, String), Refusal> {
    let malformed = || invalid_grant("Invalid JWT.");
    let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed());
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let json = |text: &str| serde_json::from_slice::<Value>(&decoded(text)?).map_err(|_| malformed());
    let (header, claims) = (json(header)?, json(claims)?);
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(malformed());
    }
    let key = PrivatePkcs8KeyDer::from_pem_slice(TEST_KEY.as_bytes()).map_err(|_| malformed())?;
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| malformed())?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .verify(signed.as_bytes(), &decoded(signature)?)
        .map_err(|_| invalid_grant("Invalid JWT Signature."))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (from, until) = (time("iat"), time("exp"));
    if from > now + SKEW_S || until <= now || until - from > STATEMENT_MAX_S {
        return Err(invalid_grant("Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."));
    }
    if text("aud") != audience || text("iss").is_empty() {
        return Err(invalid_grant("Invalid JWT: issuer or audience."));
    }
    let (mailbox, scope) = (text("sub"), text("scope"));
    if mailbox.is_empty() || scope.is_empty() {
        let description = "Client is unauthorized to retrieve access tokens using this method.";
        return Err(refused(StatusCode::UNAUTHORIZED, "unauthorized_client", description));
    }
    Ok((mailbox, scope))
}
