//! Keys of the cache.

use domain::id::OrgId;
use resilience::cache::Kind;
use sha2::{Digest, Sha256};

/// An organisation's data of one kind: the unit of invalidation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Scope {
    /// The organisation that owns the data.
    pub(super) org: OrgId,
    /// The kind of the data.
    pub(super) kind: Kind,
}

/// A request whose answer may be cached: organisation, kind, route and canonical query. Two requests have the same key exactly
/// when they have the same answer, so two organisations never share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    scope: Scope,
    text: String,
}

impl Key {
    /// The key of a request. The query is sorted here. The caller must fill in defaults, so that a default that is spelt out
    /// has the same key.
    #[must_use]
    pub fn new(org: &OrgId, kind: Kind, route: &str, query: &[(&str, &str)]) -> Self {
        let mut query = query.to_vec();
        query.sort_unstable();
        // As JSON, because that is injective: no choice of names and values can look like another one.
        let text = serde_json::json!([org.as_str(), kind.as_str(), route, query]).to_string();
        Self { scope: Scope { org: org.clone(), kind }, text }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The whole key, as text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A hash of the key: a cursor can make the text long.
    pub(super) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(org: &str, kind: Kind, route: &str, query: &[(&str, &str)]) -> Result<Key, String> {
        let org: OrgId = org.parse().map_err(|e| format!("{e}"))?;
        Ok(Key::new(&org, kind, route, query))
    }

    #[test]
    fn a_key_ignores_only_the_order_of_the_query() -> Result<(), String> {
        let list = |org, query: &[(&str, &str)]| key(org, Kind::Jobs, "/api/jobs", query);
        let one = list("acme", &[("limit", "25"), ("cursor", "a")])?;
        assert_eq!(one, list("acme", &[("cursor", "a"), ("limit", "25")])?);
        let others = [
            list("globex", &[("limit", "25"), ("cursor", "a")])?,
            list("acme", &[("limit", "24"), ("cursor", "a")])?,
            list("acme", &[("limit", "25")])?,
            list("acme", &[("limit", "25\",\"cursor\",\"a")])?,
            key("acme", Kind::Applicants, "/api/jobs", &[("limit", "25"), ("cursor", "a")])?,
            key("acme", Kind::Jobs, "/api/job", &[("limit", "25"), ("cursor", "a")])?,
        ];
        for other in others {
            assert!(one != other && one.digest() != other.digest(), "{other:?}");
        }
        Ok(())
    }
}
