//! What a mail provider must be able to do: take one message, and say honestly what became of it.

use std::time::Duration;

use futures::future::BoxFuture;

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Sender's address.
    pub from: String,
    /// Recipient's address.
    pub to: String,
    /// Subject, one line.
    pub subject: String,
    /// Body for readers without HTML.
    pub text: String,
    /// Body.
    pub html: String,
    /// The same for the same notification, whoever sends it and how often: receivers deduplicate on it.
    pub message_id: String,
    /// The notification's id, as a header of its own for providers that replace the Message-ID.
    pub correlation: String,
}

/// The provider took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the provider calls it.
    pub provider_message_id: String,
}

/// Why a message was not taken, as far as anybody can say. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Certainly not sent; a later try may succeed.
    #[error("send the mail: {0}")]
    NotSent(String),
    /// Certainly not sent, and through no fault of this message: the provider cannot be reached or does not let us in.
    #[error("send the mail: {0}")]
    Unreachable(String),
    /// Refused for good.
    #[error("send the mail: refused: {0}")]
    Rejected(String),
    /// The reply was lost: it may have been sent.
    #[error("send the mail: no reply: {0}")]
    Unknown(String),
}

/// A mail provider. It never tries twice on its own: whether to send again is decided by the notification's state machine.
pub trait Mailer: Send + Sync {
    /// The provider's id.
    fn id(&self) -> &'static str;

    /// Sends one message within `timeout`.
    fn send<'a>(&'a self, mail: &'a Mail, timeout: Duration) -> BoxFuture<'a, Result<Accepted, MailError>>;
}
