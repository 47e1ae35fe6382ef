//! The messages on the queues. Every message names its organisation and its format version.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::FORMAT_VERSION;
use crate::connection::ConnectionKey;
use crate::id::{ActionId, ConnectionId, IntakeId, NotificationId, OrgId, SuggestionId};
use crate::mail_event::MailEventKind;

/// A verified webhook delivery, for the webhook worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireDelivery", into = "WireDelivery")]
pub struct WebhookDelivery {
    /// The version of the message format.
    pub v: u8,
    /// On what it came in.
    pub sender: Sender,
    /// The provider's id in the registry.
    pub provider: String,
    /// The provider's event id, or a hash of the body where it has none: the key of deduplication.
    pub event_id: String,
    /// The time at which it was accepted.
    pub received_at: Timestamp,
    /// The body, byte by byte as it was received.
    pub body: Vec<u8>,
}

/// On what a delivery came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A connection of one organisation.
    Connection(ConnectionKey),
    /// The deployment's own account at a provider, about things of any organisation.
    Deployment,
}

/// A delivery as it is queued. The body is base64, because a queue accepts only a part of Unicode, and the bytes must
/// stay as they were signed; an event bus, which signs nothing, sends it as JSON.
#[derive(Serialize, Deserialize)]
struct WireDelivery {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<OrgId>,
    provider: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionId>,
    event_id: String,
    received_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// The reason why a queued delivery is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotADelivery {
    #[error("organisation and connection go together")]
    Sender,
    #[error("the body is not base64")]
    Body,
}

impl TryFrom<WireDelivery> for WebhookDelivery {
    type Error = NotADelivery;
    fn try_from(wire: WireDelivery) -> Result<Self, NotADelivery> {
        let WireDelivery { v, org, provider, connection, event_id, received_at, body_base64, body } = wire;
        let sender = match (org, connection) {
            (Some(org), Some(connection)) => Sender::Connection(ConnectionKey { org, connection }),
            (None, None) => Sender::Deployment,
            (Some(_), None) | (None, Some(_)) => return Err(NotADelivery::Sender),
        };
        let body = match (body_base64, body) {
            (Some(text), None) => STANDARD.decode(text).map_err(|_| NotADelivery::Body)?,
            (None, Some(json)) => json.to_string().into_bytes(),
            (Some(_), Some(_)) | (None, None) => return Err(NotADelivery::Body),
        };
        Ok(Self { v, sender, provider, event_id, received_at, body })
    }
}

impl From<WebhookDelivery> for WireDelivery {
    fn from(delivery: WebhookDelivery) -> Self {
        let WebhookDelivery { v, sender, provider, event_id, received_at, body } = delivery;
        let (org, connection) = match sender {
            Sender::Connection(ConnectionKey { org, connection }) => (Some(org), Some(connection)),
            Sender::Deployment => (None, None),
        };
        let body_base64 = Some(STANDARD.encode(body));
        Self { v, org, provider, connection, event_id, received_at, body_base64, body: None }
    }
}

/// A suggestion to be made. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionJob {
    /// The version of the message format.
    pub v: u8,
    /// The organisation of the suggestion.
    pub org: OrgId,
    pub suggestion: SuggestionId,
}

/// An e-mail to be sent. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailJob {
    /// The version of the message format.
    pub v: u8,
    /// The organisation of the notification.
    pub org: OrgId,
    pub notification: NotificationId,
    /// The event of a webhook that does not prove its origin: the worker confirms it by a lookup instead of sending the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<MailEventKind>,
}

impl EmailJob {
    /// To send a notification.
    #[must_use]
    pub const fn to_send(org: OrgId, notification: NotificationId) -> Self {
        Self { v: FORMAT_VERSION, org, notification, hint: None }
    }

    /// The job that looks up whether this event happened.
    #[must_use]
    pub const fn to_confirm(org: OrgId, notification: NotificationId, hint: MailEventKind) -> Self {
        Self { v: FORMAT_VERSION, org, notification, hint: Some(hint) }
    }
}

/// An application that came in and is to be made into records. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeJob {
    /// The version of the message format.
    pub v: u8,
    /// The organisation of the intake.
    pub org: OrgId,
    pub intake: IntakeId,
}

/// A change that is to be made at a provider. The record holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionJob {
    /// The version of the message format.
    pub v: u8,
    /// The organisation of the action.
    pub org: OrgId,
    /// At which connection: it is left alone while its breaker is open, before anything is read.
    pub connection: ConnectionId,
    pub action: ActionId,
}

impl ActionJob {
    #[must_use]
    pub fn connection_key(&self) -> ConnectionKey {
        ConnectionKey::new(&self.org, &self.connection)
    }
}

/// A connection that has work to do. Its sync state says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncJob {
    /// The version of the message format.
    pub v: u8,
    /// The organisation of the connection.
    pub org: OrgId,
    pub connection: ConnectionId,
}

impl SyncJob {
    #[must_use]
    pub fn connection_key(&self) -> ConnectionKey {
        ConnectionKey::new(&self.org, &self.connection)
    }
}

/// The reason why a queue message cannot be read. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or not this message. The text is not repeated, because errors are logged.
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
    fn each_sender_of_a_delivery_is_distinct() {
        let read = |text: &str| read::<WebhookDelivery>(text);
        let common = r#""v":1,"provider":"ses","event_id":"e-1","received_at":"2026-11-22T10:00:00Z""#;
        let connection = read(&format!(r#"{{{common},"org":"acme","connection":"gh-acme","body_base64":"e30="}}"#));
        let connection = connection.expect("a delivery");
        assert!(matches!(connection.sender, Sender::Connection(..)) && connection.body == b"{}");
        let again =
            super::read::<WebhookDelivery>(&serde_json::to_string(&connection).expect("JSON")).expect("a delivery");
        assert_eq!(again, connection);
        let bus = read(&format!(r#"{{{common},"body":{{"eventType":"Send"}}}}"#)).expect("a delivery");
        assert_eq!((bus.sender, bus.body.as_slice()), (Sender::Deployment, br#"{"eventType":"Send"}"#.as_slice()));
        for bad in
            ["", r#","body_base64":"?""#, r#","org":"acme","body_base64":"e30=""#, r#","body":{},"body_base64":"e30=""#]
        {
            assert!(matches!(read(&format!("{{{common}{bad}}}")), Err(MessageError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn only_messages_of_this_version_are_read() {
        let good = r#"{"v":1,"org":"acme","notification":"0190f5fe-7c00-7a00-8000-000000000001","new_field":true}"#;
        assert!(read::<EmailJob>(good).is_ok(), "an unknown field of the same version is ignored");
        let newer = good.replace("\"v\":1", "\"v\":2");
        assert!(matches!(read::<EmailJob>(&newer), Err(MessageError::TooNew(2))));
        for bad in ["", "[]", "{\"v\":1}", "{\"v\":1,\"org\":\"../x\",\"notification\":\"x\"}"] {
            assert!(matches!(read::<EmailJob>(bad), Err(MessageError::Malformed(_))), "{bad} is refused");
        }
    }
}
