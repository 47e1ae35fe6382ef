//! The port of webhooks: deliveries are verified, and parsed into events.

use domain::ats::{ObjectRef, Observation, Origin};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::cause::Cause;
use crate::transport::json::InvalidJson;

/// The delivery is not from who it claims to be from. Deliberately without a reason: from outside all refusals look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verify the delivery")]
pub struct NotAuthentic;

/// A verified body does not have the documented shape. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the event")]
pub struct Unreadable(#[source] pub Cause);

impl From<InvalidJson> for Unreadable {
    fn from(error: InvalidJson) -> Self {
        Self(error.into())
    }
}

/// An event, in the product's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's name of it.
    pub action: String,
    /// The meaning of the event.
    pub meaning: Meaning,
}

/// The meaning of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    Ping,
    Changed(ChangedObjects),
    /// Nothing that this version acts on.
    Ignored {
        /// The reason, as a sentence.
        reason: String,
    },
}

/// The objects that an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedObjects {
    /// The objects that the event contains, whole or in part. Empty where the signature does not cover the body: then the body
    /// is a hint, and the objects are looked up.
    pub reported: Vec<Observation>,
    /// The objects that are gone; empty where the body is a hint.
    pub gone: Vec<ObjectRef>,
    /// The objects to look up, where the connection has a login; the results are recorded instead of `reported`.
    pub about: Vec<ObjectRef>,
    /// The provider's id of a new application, for which a suggestion is requested.
    pub new_application: Option<String>,
}

/// Verifies the webhooks of a provider.
pub trait WebhookVerifier: Sync {
    /// Name of the connection's secret that deliveries are signed with.
    fn secret(&self) -> &'static str;

    /// Checks the signature over the raw bytes in constant time and returns the key of deduplication. A delivery that is too
    /// old at `now` is refused, where the signature covers a time.
    ///
    /// # Errors
    /// When the signature is missing or wrong, or the delivery is too old.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<String, NotAuthentic>;
}

/// Parses the webhooks of a provider, whose deliveries were verified before.
pub trait WebhookSource: WebhookVerifier {
    /// Parses a verified body. `received_at` is the version of an object that carries none.
    ///
    /// # Errors
    /// When it does not have the documented shape.
    fn interpret(&self, origin: &Origin, body: &[u8], received_at: Timestamp) -> Result<Event, Unreadable>;
}

/// The most characters of a provider's event id; longer or stranger ones are replaced by the body's hash.
const EVENT_ID_LIMIT: usize = 128;

/// The key of deduplication: the provider's event id when it is a plain word, else a hash of the body.
#[must_use]
pub fn event_id(given: Option<&str>, body: &[u8]) -> String {
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= EVENT_ID_LIMIT
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    match given.filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("body-{}", hex::encode(Sha256::digest(body))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_event_ids_are_replaced_by_the_bodys_hash() {
        assert_eq!(event_id(Some("4f1c-9"), b"x"), "4f1c-9");
        let hashed = event_id(None, b"x");
        assert!(hashed.starts_with("body-"));
        for strange in ["", "a b", "a#b", "é", &"x".repeat(129)] {
            assert_eq!(event_id(Some(strange), b"x"), hashed, "{strange}");
        }
    }
}
