//! Credentials, tokens and the limit of a tenant.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    gate::{Begin, Counted, Tokens, Window},
    wire::{basic, bearer},
};

/// The API client of every tenant.
pub const CLIENT: &str = "local-workday-client";
/// The integration system user of every tenant.
pub const USER: &str = "ISU_hiring";
/// For how long a token is good.
pub const TOKEN_S: i64 = 3_600;

/// Credentials and limits of one tenant.
#[derive(Debug)]
pub struct Gate {
    /// Secret of the API client.
    pub client_secret: String,
    /// The refresh token, which stays good.
    pub refresh_token: String,
    /// Password of the integration system user.
    pub password: String,
    /// Requests in a second, initially 10.
    pub window: Window,
    pub tokens: Tokens,
    tenant: String,
}

impl Gate {
    /// That of a tenant whose credentials follow from its name.
    pub fn new(tenant: &str) -> Self {
        Self {
            client_secret: format!("local-workday-secret-{tenant}"),
            refresh_token: format!("local-workday-refresh-{tenant}"),
            password: format!("local-workday-password-{tenant}"),
            window: Window::new(Begin::Aligned, 1_000, Some(10)),
            tokens: Tokens::default(),
            tenant: tenant.to_owned(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The second's requests are used up.
    pub fn enter(&mut self, now_ms: i64) -> Result<Option<Counted>, Limited> {
        let counted = self.window.count(now_ms);
        if counted.is_some_and(Counted::refused) { Err(Limited(counted)) } else { Ok(counted) }
    }

    /// Gives out a token.
    pub fn grant(&mut self, now_ms: i64) -> String {
        let number = self.tokens.number();
        let token = hex::encode(Sha256::digest(format!("{}/{number}/{now_ms}", self.tenant)));
        self.tokens.issue(&token, (now_ms, now_ms + TOKEN_S * 1_000), true);
        token
    }

    /// Makes every token that was given out worthless.
    pub fn expire(&mut self) {
        self.tokens.expire();
    }

    /// Whether a token is good.
    pub fn knows_token(&self, token: &str, now_ms: i64) -> bool {
        self.tokens.check(token, now_ms).is_some()
    }

    /// Whether a user may ask; with or without the tenant after the name.
    pub fn knows_user(&self, user: &str, password: &str) -> bool {
        let named = user.strip_suffix(&format!("@{}", self.tenant)).unwrap_or(user);
        named == USER && password == self.password
    }

    /// Whether the header has a good token, or name and password of the user.
    pub fn knows(&self, headers: &HeaderMap, now_ms: i64) -> bool {
        match (bearer(headers), basic(headers)) {
            (Some(token), _) => self.knows_token(token, now_ms),
            (None, Some((user, password))) => self.knows_user(&user, &password),
            (None, None) => false,
        }
    }
}

/// The refusal when the second's requests are used up.
#[derive(Debug)]
pub struct Limited(Option<Counted>);

impl IntoResponse for Limited {
    fn into_response(self) -> Response {
        let headers = [(header::RETRY_AFTER, HeaderValue::from(1))];
        let refused = (StatusCode::TOO_MANY_REQUESTS, headers, Json(json!({"error": "rate limit exceeded"})));
        remaining(self.0, refused.into_response())
    }
}

/// Says how many requests are left.
pub fn remaining(counted: Option<Counted>, mut response: Response) -> Response {
    if let Some(counted) = counted {
        response.headers_mut().insert("x-ratelimit-remaining", HeaderValue::from(counted.remaining));
    }
    response
}

/// The answer to a token that is not good, or not any more.
pub fn refused_token() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_token"}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_an_hour_and_only_where_it_was_given() {
        let mut gate = Gate::new("acme");
        let token = gate.grant(1_000);
        assert!(gate.knows_token(&token, 3_600_999) && !gate.knows_token(&token, 3_601_000));
        assert!(!Gate::new("globex").knows_token(&token, 1_000));
        assert_ne!(gate.grant(1_000), token);
        gate.expire();
        assert!(!gate.knows_token(&token, 1_000));
    }

    #[test]
    fn the_user_belongs_to_its_tenant() {
        let gate = Gate::new("acme");
        for (user, password, good) in [
            ("ISU_hiring", "local-workday-password-acme", true),
            ("ISU_hiring@acme", "local-workday-password-acme", true),
            ("ISU_hiring@globex", "local-workday-password-acme", false),
            ("ISU_hiring", "local-workday-password-globex", false),
            ("other", "local-workday-password-acme", false),
        ] {
            assert_eq!(gate.knows_user(user, password), good, "{user}");
        }
    }
}
