//! What a mail provider must be able to do that tells by webhook what became of mails: prove that it is the sender, and say
//! what happened to which mail.

use domain::mail_event::MailEvent;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::webhook::{NotAuthentic, Unreadable};

/// Most events of one delivery that are read: SendGrid sends up to some hundreds at once.
pub const MOST_EVENTS: usize = 2_000;

/// The events of a mail provider. Its account is the deployment's, so that one address takes the events of all
/// organisations: whose mail an event is about follows from the reference that the mail was given along.
pub trait MailEventSource: Sync {
    /// Names of the secrets that a delivery is checked with; each begins with `mail/webhook/`. Empty for a provider whose events
    /// do not come over HTTP: then no delivery is authentic.
    fn secrets(&self) -> &'static [&'static str];

    /// Whether what the delivery is checked by covers its body. Otherwise the body is a hint: before anything is recorded the
    /// provider is asked, see [`crate::mail::Mailer::ask`].
    fn covers_body(&self) -> bool;

    /// Checks a delivery on its raw bytes, in constant time. `secrets` are those of [`Self::secrets`], in its order.
    ///
    /// # Errors
    /// When it is not from the provider, or so old that it may be a recorded one that is sent again.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
    ) -> Result<(), NotAuthentic>;

    /// Reads a verified body: what happened to mails of ours. Events of other kinds, and those that name no reference of ours,
    /// are left out. `received_at` stands for a time that the provider did not say.
    ///
    /// # Errors
    /// When the body does not have the documented shape.
    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable>;
}
