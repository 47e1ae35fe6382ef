//! A kept answer, and how it is written in the shared tier.

use std::sync::Arc;
use std::time::Duration;

use domain::FORMAT_VERSION;
use jiff::Timestamp;
use resilience::cache::{Lifetime, Verdict};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::Key;

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The answer.
    pub(super) content: Arc<str>,
    /// A strong validator: a hash of the answer.
    pub(super) etag: Arc<str>,
    /// When the reading of the origin began: what was written later is not in it.
    pub(super) read_at: Timestamp,
    /// How long it may be kept.
    pub(super) lifetime: Lifetime,
}

impl Entry {
    pub(super) fn new(content: String, read_at: Timestamp, lifetime: Lifetime) -> Self {
        let hash = hex::encode(Sha256::digest(&content));
        let etag = format!("\"{}\"", hash.get(..32).unwrap_or(&hash));
        Self { content: content.into(), etag: etag.into(), read_at, lifetime }
    }

    /// How old it is; one from the future (clocks differ) is new.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        now.duration_since(self.read_at).try_into().unwrap_or(Duration::ZERO)
    }

    pub(super) fn decide(&self, now: Timestamp) -> Verdict {
        self.lifetime.decide(self.age(now))
    }

    pub(super) fn bytes(&self) -> usize {
        self.content.len() + self.etag.len() + size_of::<Self>()
    }
}

/// An entry as it is written: with the request that it answers, so that it can answer no other one, and the generation in
/// which it was read.
#[derive(Serialize, Deserialize)]
struct Written {
    v: u8,
    key: String,
    generation: String,
    read_at: Timestamp,
    lifetime: Lifetime,
    content: String,
}

/// Writes an entry for the shared tier; none when it cannot be written as JSON.
pub(super) fn write(entry: &Entry, key: &Key, generation: &str) -> Option<String> {
    let Entry { content, etag: _, read_at, lifetime } = entry;
    let written = Written {
        v: FORMAT_VERSION,
        key: key.text().to_owned(),
        generation: generation.to_owned(),
        read_at: *read_at,
        lifetime: *lifetime,
        content: content.as_ref().to_owned(),
    };
    serde_json::to_string(&written).ok()
}

/// Reads what the shared tier holds. None for what another version wrote, what answers another request, and what was read
/// in another generation: each is as good as nothing.
pub(super) fn read(text: &str, key: &Key, generation: &str) -> Option<Entry> {
    let Written { v, key: of, generation: in_generation, read_at, lifetime, content } =
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
    fn what_is_written_is_read_by_the_same_request_in_the_same_generation_only() -> Result<(), String> {
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
