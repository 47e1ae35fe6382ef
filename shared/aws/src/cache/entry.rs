//! An entry of the cache, and its stored form in the shared tier.

use std::sync::Arc;
use std::time::Duration;

use domain::FORMAT_VERSION;
use jiff::Timestamp;
use resilience::cache::{Freshness, Lifetime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::Key;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The content of the answer.
    pub(super) content: Arc<str>,
    /// A strong validator: a hash of the answer.
    pub(super) etag: Arc<str>,
    /// The time at which the read of the origin began. Later writes are not in the answer.
    pub(super) read_at: Timestamp,
    /// The time for which the answer may be cached.
    pub(super) lifetime: Lifetime,
}

impl Entry {
    pub(super) fn new(content: String, read_at: Timestamp, lifetime: Lifetime) -> Self {
        let hash = hex::encode(Sha256::digest(&content));
        let etag = format!("\"{}\"", hash.get(..32).unwrap_or(&hash));
        Self { content: content.into(), etag: etag.into(), read_at, lifetime }
    }

    /// The age of the entry; zero for one from the future, because clocks differ.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        now.duration_since(self.read_at).try_into().unwrap_or(Duration::ZERO)
    }

    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        self.lifetime.freshness(self.age(now))
    }

    pub(super) fn bytes(&self) -> usize {
        self.content.len() + self.etag.len() + size_of::<Self>()
    }
}

/// The stored form of an entry: with the request that it answers, so that it can answer no other one, and the generation in
/// which it was read.
#[derive(Serialize, Deserialize)]
struct StoredEntry {
    v: u8,
    key: String,
    generation: String,
    read_at: Timestamp,
    lifetime: Lifetime,
    content: String,
}

/// The stored form of an entry; none when it cannot be written as JSON.
pub(super) fn write(entry: &Entry, key: &Key, generation: &str) -> Option<String> {
    let Entry { content, etag: _, read_at, lifetime } = entry;
    let stored = StoredEntry {
        v: FORMAT_VERSION,
        key: key.text().to_owned(),
        generation: generation.to_owned(),
        read_at: *read_at,
        lifetime: *lifetime,
        content: content.as_ref().to_owned(),
    };
    serde_json::to_string(&stored).ok()
}

/// Parses the stored form of an entry. None for an entry of another format version, of another request or of another
/// generation.
pub(super) fn read(text: &str, key: &Key, generation: &str) -> Option<Entry> {
    let StoredEntry { v, key: of, generation: in_generation, read_at, lifetime, content } =
        serde_json::from_str(text).ok()?;
    let ours = v == FORMAT_VERSION && of == key.text() && in_generation == generation;
    ours.then(|| Entry::new(content, read_at, lifetime))
}

#[cfg(test)]
mod tests {
    use resilience::cache::{Kind, Reach};

    use super::*;

    fn key(org: &str) -> Result<Key, String> {
        Ok(Key::new(&org.parse().map_err(|e| format!("{e}"))?, Kind::Jobs, "/api/jobs", &[]))
    }

    #[test]
    fn an_entry_is_read_by_its_request_in_its_generation_only() -> Result<(), String> {
        let at: Timestamp = "2026-11-22T10:00:00.123Z".parse().map_err(|e| format!("{e}"))?;
        let entry = Entry::new("{\"items\":[\"ä\"]}".to_owned(), at, Lifetime::of(Kind::Jobs, Reach::Fleet, None));
        let acme = key("acme")?;
        let text = write(&entry, &acme, "g1").ok_or("not written")?;
        assert_eq!(read(&text, &acme, "g1"), Some(entry));
        assert_eq!(read(&text, &acme, "g2"), None, "another generation");
        assert_eq!(read(&text, &key("globex")?, "g1"), None, "another organisation");
        assert_eq!(read(&text.replacen("\"v\":1", "\"v\":2", 1), &acme, "g1"), None, "another version");
        for torn in ["", "{", "null", text.get(..text.len() / 2).unwrap_or_default()] {
            assert_eq!(read(torn, &acme, "g1"), None, "{torn}");
        }
        Ok(())
    }

    #[test]
    fn the_validator_follows_the_content_and_age_is_never_negative() -> Result<(), String> {
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().map_err(|e| format!("{e}"))?;
        let lifetime = Lifetime::of(Kind::Jobs, Reach::Fleet, None);
        let entry = |content: &str| Entry::new(content.to_owned(), at, lifetime);
        assert_eq!(entry("a").etag, entry("a").etag);
        assert!(entry("a").etag != entry("b").etag && entry("a").etag.starts_with('"'));
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(entry("a").age(at + second), Duration::from_secs(1));
        assert_eq!(entry("a").age(at - second), Duration::ZERO);
        Ok(())
    }
}
