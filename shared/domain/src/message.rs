//! What is put on the queues. Every message names its organisation and its format version.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::id::{ConnectionId, IntakeId, NotificationId, OrgId, SuggestionId};

/// A verified webhook delivery, for the webhook worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    /// Format version.
    pub v: u8,
    /// Whose connection it came in on.
    pub org: OrgId,
    /// The provider's id in the registry.
    pub provider: String,
    /// The connection.
    pub connection: ConnectionId,
    /// The provider's event id, or a hash of the body where it has none: the key of deduplication.
    pub event_id: String,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The raw body, base64: a queue takes only a part of Unicode, and the bytes must stay as they were signed.
    pub body_base64: String,
}

/// A suggestion to be made. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionJob {
    /// Format version.
    pub v: u8,
    /// Whose suggestion.
    pub org: OrgId,
    /// Which.
    pub suggestion: SuggestionId,
}

/// An e-mail to be sent. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailJob {
    /// Format version.
    pub v: u8,
    /// Whose notification.
    pub org: OrgId,
    /// Which.
    pub notification: NotificationId,
}

/// An application that came in and is to be made into records. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeJob {
    /// Format version.
    pub v: u8,
    /// Whose intake.
    pub org: OrgId,
    /// Which.
    pub intake: IntakeId,
}

/// A sync run to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncJob {
    /// Format version.
    pub v: u8,
    /// Whose connection.
    pub org: OrgId,
    /// Which.
    pub connection: ConnectionId,
    /// The time at which the run was due: each due time is worked once.
    pub due_at: Timestamp,
}

/// Why a queue message cannot be read. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or not this message. What stood there is not repeated: this text is logged.
    #[error("read the message: it is not the JSON of this kind of message (line {}, column {})", .0.line(), .0.column())]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer version.
    #[error("read the message: format version {0} is newer than {FORMAT_VERSION}")]
    TooNew(u64),
}

/// Reads a queue message; what is newer than this reader knows is refused, not guessed.
///
/// # Errors
/// When the text is not JSON, lacks a field, or has a higher format version.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, MessageError> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u64,
    }
    let Versioned { v } = serde_json::from_str(text)?;
    if v > u64::from(FORMAT_VERSION) {
        return Err(MessageError::TooNew(v));
    }
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_this_version_are_read_and_newer_or_broken_ones_refused() {
        let good = r#"{"v":1,"org":"acme","notification":"0190f5fe-7c00-7a00-8000-000000000001","new_field":true}"#;
        assert!(read::<EmailJob>(good).is_ok(), "an unknown field of the same version is ignored");
        let newer = good.replace("\"v\":1", "\"v\":2");
        assert!(matches!(read::<EmailJob>(&newer), Err(MessageError::TooNew(2))));
        for bad in ["", "[]", "{\"v\":1}", "{\"v\":1,\"org\":\"../x\",\"notification\":\"x\"}"] {
            assert!(matches!(read::<EmailJob>(bad), Err(MessageError::Malformed(_))), "{bad} is refused");
        }
    }
}
