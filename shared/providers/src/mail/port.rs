//! The port of mail providers: sending one message, and looking up the events of one that may have been sent.

use std::time::Duration;

use domain::mail_event::{MailEvent, MailReference};
use domain::stage::Stage;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
pub use resilience::delivery::DeliveryLookup;
use secrecy::SecretString;

use crate::cause::Cause;
use crate::info::ProviderInfo;
use crate::mail::address;
use crate::mail::events::MailEventSource;
use crate::transport::access::AccessError;
pub(crate) use crate::transport::http::excerpt;
use crate::transport::http::{RequestError, SendError};
use crate::transport::oauth::TokenError;

/// The longest wait that is granted to a provider. After it the request is repeated, and the provider may name a new wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// The id of an accepted mail to which the provider gave none.
pub const NO_ID: &str = "not given";

/// The longest value of a header, in bytes: a line of a mail is no longer (RFC 5322, 2.1.1), and not all providers fold.
const LONGEST_VALUE: usize = 998;
/// The longest subject, in characters: with the header's name it fits into a line.
const LONGEST_SUBJECT: usize = 988;

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub subject: String,
    /// Body for readers without HTML.
    pub text: String,
    pub html: String,
    /// The same at each attempt and each provider, because receivers deduplicate on it.
    pub message_id: String,
    /// The provider stores it with the mail: it repeats it in events, and lookups search for it.
    pub reference: MailReference,
    /// The value of `List-Unsubscribe` (RFC 2369), in angle brackets.
    pub unsubscribe: Option<String>,
}

/// The provider accepted the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's own id of the message.
    pub provider_message_id: String,
}

/// Why a message was not taken, as far as anybody can say. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Certainly not sent; a later try may succeed.
    #[error("send the mail")]
    NotSent(#[source] Cause),
    /// Certainly not sent, and the provider says how long to wait at least.
    #[error("send the mail")]
    Later {
        /// What to wait at least; zero when it was not excerpt, at most [`LONGEST_WAIT`].
        wait: Duration,
        /// What the provider says.
        #[source]
        cause: Cause,
    },
    /// Certainly not sent, and through no fault of this message: the provider cannot be reached.
    #[error("send the mail")]
    Unreachable(#[source] Cause),
    /// Certainly not sent, and every mail will fail like this one until somebody acts: credentials, suspension, quota.
    #[error("send the mail: stopped")]
    Stopped(#[source] Cause),
    #[error("send the mail: refused")]
    Rejected(#[source] Cause),
    /// The reply was lost: it may have been sent.
    #[error("send the mail: no reply")]
    Unknown(#[source] Cause),
}

/// A mail that may have been sent, to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The reference that the provider stored with the mail.
    pub reference: MailReference,
    /// The Message-ID, in angle brackets.
    pub message_id: String,
    pub to: String,
    /// The time at which the notification was requested; no event of the mail is older.
    pub since: Timestamp,
    /// The provider's own id of the mail, where it is known.
    pub provider_message_id: Option<String>,
}

/// The reason why a lookup has no result. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The provider did not reply, or not as documented.
    #[error("look up the mail")]
    Unreachable(#[source] Cause),
    /// The provider's limit is reached.
    #[error("look up the mail")]
    Later {
        /// The least wait that the provider names; zero when it names none, at most [`LONGEST_WAIT`].
        wait: Duration,
        /// The provider's own words.
        #[source]
        cause: Cause,
    },
    /// These credentials may send mail, and not look it up.
    #[error("look up the mail: not allowed")]
    NotAllowed(#[source] Cause),
}

impl Sent {
    /// The mail with its address and Message-ID as they were sent: see [`Mail::sendable`].
    pub(crate) fn as_sent(&self) -> Self {
        let to = address::sendable(&self.to).map_or_else(|_| self.to.clone(), |to| to.to_string());
        let message_id = address::message_id(&self.message_id).unwrap_or_else(|_| self.message_id.clone());
        Self { to, message_id, ..self.clone() }
    }
}

impl From<MailError> for LookupError {
    /// For an error before the lookup: missing credentials can be mended, so the lookup is repeated.
    fn from(error: MailError) -> Self {
        match error {
            MailError::Later { wait, cause } => Self::Later { wait, cause },
            MailError::NotSent(cause)
            | MailError::Unreachable(cause)
            | MailError::Stopped(cause)
            | MailError::Rejected(cause)
            | MailError::Unknown(cause) => Self::Unreachable(cause),
        }
    }
}

/// Without a token nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no access token")]
struct NoToken(#[source] Cause);

impl From<TokenError> for MailError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Later { wait, cause } => {
                Self::Later { wait: wait.min(LONGEST_WAIT), cause: NoToken(cause).into() }
            }
            TokenError::Unreachable(cause) => Self::Unreachable(NoToken(cause).into()),
            TokenError::Refused(cause) => Self::Stopped(NoToken(cause).into()),
        }
    }
}

impl From<RequestError> for MailError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Url(_) => Self::Unreachable(error.into()),
            RequestError::Secret(_) => Self::Stopped(error.into()),
        }
    }
}

impl From<RequestError> for LookupError {
    fn from(error: RequestError) -> Self {
        Self::Unreachable(error.into())
    }
}

/// A mail provider that is set up. It never sends twice by itself: the notification's state machine decides whether a mail is
/// sent again.
pub trait Mailer: Send + Sync {
    /// Sends one message within `timeout`. `secrets` are those that the provider's `INFO` names, in its order.
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Accepted, MailError>>;

    /// The lookup of mails; none where the provider has no such API.
    fn lookup(&self) -> Option<&dyn MailLookup> {
        None
    }

    /// Opens the connection, in INIT, where that saves time later.
    fn preconnect(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// A mail provider whose API gives the events of a mail.
pub trait MailLookup: Send + Sync {
    /// Looks up the events of a mail within `timeout`: all that the provider knows, in any order. No events mean that the
    /// provider knows no such mail, at least not yet.
    fn look_up<'a>(
        &'a self,
        sent: &'a Sent,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<MailEvent>, LookupError>>;
}

/// The mail settings of a deployment.
pub struct MailSetup<'a> {
    /// Decides whether the provider's own host may be called.
    pub stage: Stage,
    /// Domain of the sender's address.
    pub domain: &'a str,
    /// The base URL of the simulators, if there are any.
    pub replacement: Option<&'a str>,
    /// Reads a setting of one provider, such as `SMTP_HOST`; none when it is not set.
    pub setting: &'a dyn Fn(&'static str) -> Option<String>,
}

/// The reason why a provider cannot be used. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailSetupError {
    /// A setting is missing or is not what it should be.
    #[error("read {name}: {rule}")]
    Setting { name: &'static str, rule: &'static str },
    /// The stage forbids a setting.
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Http(#[from] SendError),
    /// The relay cannot be used.
    #[error("set up TLS for the relay")]
    Relay(#[source] Cause),
}

/// A mail provider as the registry lists it.
pub struct MailProvider {
    pub info: ProviderInfo,
    /// The base URL of its API. None where it has no public host.
    pub base_url: Option<&'static str>,
    /// Makes a client of the deployment's settings; opens no connection. Fails when a setting is missing or wrong, or the stage
    /// forbids the provider: then the function does not start.
    pub set_up: fn(&MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError>,
    /// Verifies and parses its events. None where it sends none.
    pub events: Option<&'static dyn MailEventSource>,
}

impl MailProvider {
    /// The name of its breaker.
    #[must_use]
    pub fn breaker(&self) -> String {
        breaker(&self.info)
    }

    /// How the outcome of a mail can be learned from the provider, by this client of it.
    #[must_use]
    pub fn delivery_lookup(&self, mailer: &dyn Mailer) -> DeliveryLookup {
        match (mailer.lookup(), self.events) {
            (Some(_), _) => DeliveryLookup::Supported,
            (None, Some(_)) => DeliveryLookup::EventsOnly,
            (None, None) => DeliveryLookup::Unsupported,
        }
    }
}

/// The name of a mail provider's breaker.
pub(super) fn breaker(info: &ProviderInfo) -> String {
    format!("mail-{}", info.id)
}

impl Mail {
    /// The mail as it may be sent: both addresses one mailbox each and in ASCII, and nothing in it that could break a header.
    ///
    /// # Errors
    /// [`MailError::Rejected`]: no later try would be different.
    pub(crate) fn sendable(&self) -> Result<Self, MailError> {
        let Self { from, to, subject, text: _, html: _, message_id, reference: _, unsubscribe } = self;
        let refused =
            |what: &str, reason: String| MailError::Rejected(format!("the {what} cannot be sent: {reason}").into());
        let unsubscribe = unsubscribe.as_deref().unwrap_or_default();
        for (what, value) in [("subject", subject.as_str()), ("unsubscribe address", unsubscribe)] {
            if value.chars().any(char::is_control) {
                return Err(refused(what, "it has a line break or another control character".to_owned()));
            }
            if value.len() > LONGEST_VALUE {
                return Err(refused(what, format!("it is longer than {LONGEST_VALUE} bytes")));
            }
        }
        if subject.chars().count() > LONGEST_SUBJECT {
            return Err(refused("subject", format!("it is longer than {LONGEST_SUBJECT} characters")));
        }
        if !unsubscribe.is_ascii() {
            return Err(refused("unsubscribe address", "it is not ASCII".to_owned()));
        }
        Ok(Self {
            from: address::sendable(from).map_err(|reason| refused("sender", reason))?.to_string(),
            to: address::sendable(to).map_err(|reason| refused("recipient", reason))?.to_string(),
            message_id: address::message_id(message_id).map_err(|reason| refused("message id", reason))?,
            ..self.clone()
        })
    }

    /// The headers that a mail has besides the standard ones, at every provider.
    pub(crate) fn further_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("X-Notification-Id", self.reference.notification.to_string()),
            // Suppresses automatic replies, such as vacation notices (RFC 3834).
            ("Auto-Submitted", "auto-generated".to_owned()),
        ];
        if let Some(unsubscribe) = &self.unsubscribe {
            headers.push(("List-Unsubscribe", unsubscribe.clone()));
        }
        headers
    }
}

/// The reference of the mail for the tests of all providers.
#[cfg(test)]
pub(crate) const SAMPLE_REFERENCE: &str = "acme_0190f5fe-7c00-7a00-8000-000000000001";

/// A mail for the tests of all providers.
#[cfg(test)]
pub(crate) fn sample() -> Mail {
    Mail {
        from: "hiring@example.com".into(),
        to: "ada@example.com".into(),
        subject: "Grüße".into(),
        text: "Hello".into(),
        html: "<p>Hello</p>".into(),
        message_id: "<n-1@example.com>".into(),
        reference: SAMPLE_REFERENCE.parse().expect("a reference"),
        unsubscribe: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_one_address_and_nothing_breaks_a_header() {
        let good = sample();
        assert_eq!(good.sendable(), Ok(good.clone()));
        let refused = |evil: Mail| assert!(matches!(evil.sendable(), Err(MailError::Rejected(_))), "{evil:?}");
        for address in
            ["", "<>", "ada", "a@b.example, e@b.example", "A <a@b.example>", "a@b.example\r\nBcc: e@e.e", "ä@b.example"]
        {
            refused(Mail { to: address.into(), ..good.clone() });
            refused(Mail { from: address.into(), ..good.clone() });
        }
        for evil in (0..0x20).chain([0x7f, 0x85]).filter_map(char::from_u32) {
            refused(Mail { subject: format!("Hi{evil}Bcc: eve@example.com"), ..good.clone() });
            refused(Mail { message_id: format!("<n-1{evil}@example.com>"), ..good.clone() });
            refused(Mail { unsubscribe: Some(format!("<https://example.com/{evil}>")), ..good.clone() });
        }
        for (length, fine) in [(LONGEST_SUBJECT, true), (LONGEST_SUBJECT + 1, false)] {
            assert_eq!(Mail { subject: "s".repeat(length), ..good.clone() }.sendable().is_ok(), fine, "{length}");
        }
        refused(Mail { subject: "ü".repeat(500), ..good.clone() });
        refused(Mail { unsubscribe: Some("u".repeat(999)), ..good.clone() });
        refused(Mail { unsubscribe: Some("<https://bücher.example>".into()), ..good });
    }

    #[test]
    fn what_is_looked_up_is_in_the_words_that_were_sent() {
        let mail = Mail { to: "ada@bücher.example".into(), message_id: "<n-1@bücher.example>".into(), ..sample() };
        let sent = Sent {
            reference: mail.reference.clone(),
            message_id: mail.message_id.clone(),
            to: mail.to.clone(),
            since: Timestamp::UNIX_EPOCH,
            provider_message_id: None,
        };
        let mail = mail.sendable().expect("sendable");
        assert_eq!((sent.as_sent().to, sent.as_sent().message_id), (mail.to, mail.message_id));
    }
}
