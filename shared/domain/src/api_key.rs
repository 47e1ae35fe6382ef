//! API keys: how a program of an organisation says who it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::OrgId;

/// The prefix of every key.
const PREFIX: &str = "hi_";
/// Fewest and most hexadecimal digits of a key's secret part: 128 to 256 bits.
const DIGITS: std::ops::RangeInclusive<usize> = 32..=64;

/// A key as a caller presented it, without its secret: the organisation that it names, and the hash under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PresentedKey {
    org: OrgId,
    hash: String,
}

impl PresentedKey {
    /// Reads `hi_<organisation>_<hex>`; none when the text is not of this form. The text itself is not stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (org, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let digits = secret.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !digits || !DIGITS.contains(&secret.len()) {
            return None;
        }
        Some(Self { org: org.parse().ok()?, hash: hex::encode(Sha256::digest(text)) })
    }

    /// The organisation that the key claims to be of; true only when the key is on record there.
    #[must_use]
    pub const fn org(&self) -> &OrgId {
        &self.org
    }

    /// SHA-256 of the whole text, in hex: the record's id.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// A key on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The version of the stored format.
    pub v: u8,
    /// SHA-256 of the key's text, in hex.
    pub id: String,
    /// The name by which people recognise the key.
    pub name: String,
    /// Requests a minute, where this key has a limit of its own; values outside of 1 to 10,000 count as the nearest of the two.
    #[serde(default)]
    pub limit_per_minute: Option<u32>,
    /// From when on it is refused.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key is valid at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none_or(|at| now < at)
    }

    /// Its requests a minute.
    #[must_use]
    pub fn limit(&self, default: u32) -> u32 {
        self.limit_per_minute.unwrap_or(default).clamp(1, 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_a_key_is_one_and_its_text_is_not_stored() {
        let text = format!("hi_gh-acme_{}", "0123456789abcdef".repeat(2));
        let key = PresentedKey::parse(&text).expect("a key");
        assert_eq!((key.org().as_str(), key.hash().len()), ("gh-acme", 64));
        assert_eq!(key.hash(), hex::encode(Sha256::digest(&text)));
        assert!(!format!("{key:?}").contains("0123456789abcdef0123"));
        let digits = "a".repeat(32);
        for bad in [
            String::new(),
            digits.clone(),
            format!("hi_acme_{}", "a".repeat(31)),
            format!("hi_acme_{}", "a".repeat(65)),
            format!("hi_acme_{}", "A".repeat(32)),
            format!("hi_acme_{}g", "a".repeat(31)),
            format!("hi__{digits}"),
            format!("hi_Acme_{digits}"),
            format!("hi_a#b_{digits}"),
            format!("HI_acme_{digits}"),
            format!("hi_acme_{digits} "),
            format!("hi_acme_{digits},hi_acme_{digits}"),
        ] {
            assert_eq!(PresentedKey::parse(&bad), None, "{bad} is not a key");
        }
    }

    #[test]
    fn optional_fields_may_be_missing_and_limits_are_bounded() {
        let json = r#"{"v":1,"id":"x","name":"local","created_at":"2026-11-22T10:00:00Z"}"#;
        let mut key: ApiKey = serde_json::from_str(json).expect("a record");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!((key.is_valid(now), key.limit(100)), (true, 100));
        key.limit_per_minute = Some(0);
        assert_eq!(key.limit(100), 1);
        key.limit_per_minute = Some(20_000);
        assert_eq!(key.limit(100), 10_000);
        key.revoked_at = Some(now);
        assert!(!key.is_valid(now), "refused from that time on");
        assert!(key.is_valid(now - jiff::SignedDuration::from_secs(1)));
    }
}
