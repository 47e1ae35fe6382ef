//! Access tokens: a refresh token brings one and is replaced by another refresh token, so that each is good once.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Lever;
use super::requests::refused;
use crate::ats::port::{AtsError, Context, TokenGrant, TokenResponse};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// Deliberately without `Debug`.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u32,
    refresh_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
}

impl TokenGrant for Lever {
    fn token_request(&self, context: &Context<'_>) -> Result<HttpRequest, AtsError> {
        let url = context.hosts.url("auth", "/oauth/token")?;
        let secret = |name| Ok::<_, AtsError>(context.credentials.get(name)?.expose_secret());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "refresh_token"),
            ("client_id", secret("client_id")?),
            ("client_secret", secret("client_secret")?),
            ("refresh_token", secret("refresh_token")?),
        ]);
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(form.finish()) })
    }

    fn parse_token(&self, context: &Context<'_>, reply: &Reply) -> Result<TokenResponse, AtsError> {
        if reply.status == StatusCode::OK {
            let Token { access_token, expires_in, refresh_token } = json::read(&reply.body)?;
            let lifetime = SignedDuration::from_secs(i64::from(expires_in));
            return Ok(TokenResponse {
                access_token: SecretString::from(access_token),
                expires_at: context.now.checked_add(lifetime).unwrap_or(context.now),
                refresh_token: refresh_token.map(SecretString::from),
            });
        }
        // Its description is left out: it may repeat secrets that it was sent.
        let Refusal { error } = json::read(&reply.body).unwrap_or_default();
        match (error.as_str(), reply.status) {
            ("invalid_grant", _) => {
                Err(AtsError::ReauthorizationRequired("Lever does not take the refresh token".into()))
            }
            (_, StatusCode::FORBIDDEN) => Err(AtsError::Unauthorised("403".into())),
            _ => Err(refused(context, reply)),
        }
    }
}
