//! Limits and tokens of one account. An access token is named by its number and account, so that it says whose it is.

use crate::gate::{Bucket, Tokens};

/// Lifetime of an access token.
const ACCESS_MS: i64 = 3_600_000;
const ACCESS: &str = "local-lever-access-";
const FIRST: &str = "local-lever-refresh-";
const NEXT: &str = "local-lever-refreshed-";

/// Limits and tokens of one account.
#[derive(Debug)]
pub struct Gate {
    pub api: Option<Bucket>,
    pub intake: Bucket,
    pub maintenance: bool,
    pub tokens: Tokens,
    account: String,
}

impl Gate {
    /// With the documented limits, 10 requests a second of one key and 2 applications a second of one site.
    pub fn new(account: &str, now_ms: i64) -> Self {
        let (intake, tokens, account) = (Bucket::new((2, 2), now_ms), Tokens::default(), account.to_owned());
        let mut gate = Self { api: None, intake, maintenance: false, tokens, account };
        gate.set_limit(Some((10, 20)), now_ms);
        gate.authorise();
        gate
    }

    /// Requests a second and at once from now on; none is no limit.
    pub fn set_limit(&mut self, limit: Option<(u32, u32)>, now_ms: i64) {
        self.api = limit.map(|limit| Bucket::new(limit, now_ms));
    }

    /// A person authorises the application: the first refresh token is good, and no other one is.
    pub fn authorise(&mut self) -> String {
        self.tokens.forget_refresh();
        let first = format!("{FIRST}{}", self.account);
        self.tokens.allow(&first, i64::MAX);
        first
    }

    /// Trades a refresh token for an access token, the next refresh token and the access token's lifetime in seconds.
    pub fn trade(&mut self, refresh: &str, now_ms: i64) -> Option<(String, String, i64)> {
        if !self.tokens.redeem(refresh, now_ms) {
            return None;
        }
        let number = self.tokens.number();
        let [access, next] = [ACCESS, NEXT].map(|kind| format!("{kind}{number}-{}", self.account));
        self.tokens.issue(&access, (now_ms, now_ms.saturating_add(ACCESS_MS)), true);
        self.tokens.allow(&next, i64::MAX);
        Some((access, next, ACCESS_MS / 1_000))
    }
}

/// The account that a token is named after.
pub fn account_of(token: &str) -> Option<&str> {
    let numbered = |prefix| token.strip_prefix(prefix)?.split_once('-').map(|(_, account)| account);
    token.strip_prefix(FIRST).or_else(|| numbered(NEXT)).or_else(|| numbered(ACCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_good_once_and_an_access_token_for_an_hour() {
        let mut gate = Gate::new("acme", 0);
        let (access, next, lifetime) = gate.trade("local-lever-refresh-acme", 0).unwrap_or_default();
        assert_eq!((lifetime, gate.trade("local-lever-refresh-acme", 0)), (3_600, None));
        assert_eq!((account_of(&access), account_of(&next)), (Some("acme"), Some("acme")));
        assert!(gate.tokens.check(&access, 3_599_999).is_some() && gate.tokens.check(&access, 3_600_000).is_none());
        let (_, next, lifetime) = gate.trade(&next, 4_000_000).unwrap_or_default();
        assert_eq!(lifetime, 3_600);
        gate.tokens.revoked = true;
        assert_eq!(gate.trade(&next, 4_000_000), None);
    }
}
