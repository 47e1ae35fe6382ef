//! Who may ask, and how often: credentials, tokens and the limit of a tenant.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The API client of every tenant.
pub const CLIENT: &str = "local-workday-client";
/// The integration system user of every tenant.
pub const USER: &str = "ISU_hiring";
/// For how long a token is good.
pub const TOKEN_S: i64 = 3_600;
/// Requests in a second until control says otherwise.
pub const PER_SECOND: u32 = 10;

/// Credentials and limits of one tenant.
#[derive(Debug)]
pub struct Gate {
    /// Secret of the API client.
    pub client_secret: String,
    /// The refresh token, which stays good.
    pub refresh_token: String,
    /// Password of the integration system user.
    pub password: String,
    /// Requests in a second; none for no limit.
    pub per_second: Option<u32>,
    tenant: String,
    tokens: BTreeMap<String, i64>,
    given: u64,
    second: i64,
    used: u32,
}

/// What a limit says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Whether the request is let in.
    pub open: bool,
    /// Requests that are left in this second; none without a limit.
    pub remaining: Option<u32>,
}

impl Gate {
    /// That of a tenant whose credentials follow from its name.
    #[must_use]
    pub fn new(tenant: &str) -> Self {
        Self {
            client_secret: format!("local-workday-secret-{tenant}"),
            refresh_token: format!("local-workday-refresh-{tenant}"),
            password: format!("local-workday-password-{tenant}"),
            per_second: Some(PER_SECOND),
            tenant: tenant.to_owned(),
            tokens: BTreeMap::new(),
            given: 0,
            second: 0,
            used: 0,
        }
    }

    /// Counts a request.
    pub fn enter(&mut self, now_ms: i64) -> Limit {
        let Some(most) = self.per_second else { return Limit { open: true, remaining: None } };
        let second = now_ms.div_euclid(1_000);
        if second != self.second {
            (self.second, self.used) = (second, 0);
        }
        let open = self.used < most;
        self.used = self.used.saturating_add(1).min(most);
        Limit { open, remaining: Some(most - self.used) }
    }

    /// Gives out a token.
    pub fn grant(&mut self, now_ms: i64) -> String {
        self.given += 1;
        self.tokens.retain(|_, until| *until > now_ms);
        let token = hex::encode(Sha256::digest(format!("{}/{}/{now_ms}", self.tenant, self.given)));
        self.tokens.insert(token.clone(), now_ms + TOKEN_S * 1_000);
        token
    }

    /// Makes every token that was given out worthless.
    pub fn expire(&mut self) {
        self.tokens.clear();
    }

    /// Whether a token is good.
    #[must_use]
    pub fn knows_token(&self, token: &str, now_ms: i64) -> bool {
        self.tokens.get(token).is_some_and(|until| *until > now_ms)
    }

    /// Whether a user may ask; with or without the tenant after the name.
    #[must_use]
    pub fn knows_user(&self, user: &str, password: &str) -> bool {
        let named = user.strip_suffix(&format!("@{}", self.tenant)).unwrap_or(user);
        named == USER && password == self.password
    }
}

/// What an `Authorization` header holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// An access token.
    Bearer(String),
    /// A name and a password.
    Basic(String, String),
    /// Nothing that can be read.
    Nothing,
}

/// Reads the `Authorization` header.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Presented {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((scheme, rest)) = text.split_once(' ') else { return Presented::Nothing };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Bearer(rest.trim().to_owned());
    }
    let decoded = BASE64_STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) if scheme.eq_ignore_ascii_case("basic") => {
            Presented::Basic(user.to_owned(), password.to_owned())
        }
        _ => Presented::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_ten_requests_and_the_next_one_ten_more() {
        let mut gate = Gate::new("acme");
        let entered: Vec<Limit> = (0..11).map(|_| gate.enter(5_999)).collect();
        assert_eq!(entered.first(), Some(&Limit { open: true, remaining: Some(9) }));
        assert_eq!(entered.get(9), Some(&Limit { open: true, remaining: Some(0) }));
        assert_eq!(entered.get(10), Some(&Limit { open: false, remaining: Some(0) }));
        assert!(gate.enter(6_000).open);
        gate.per_second = None;
        assert!((0..100).all(|_| gate.enter(6_000).open));
    }

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
