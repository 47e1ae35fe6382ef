//! The port of mail events: webhooks of mail providers are verified, and parsed into events.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use domain::mail_event::{MailEvent, MailReference};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::transport::http::excerpt;
use crate::transport::webhook::{NotAuthentic, Unreadable};

/// The most events of one delivery: SendGrid sends up to some hundreds at once.
pub const MAX_EVENTS: usize = 2_000;

/// The oldest signed delivery that is accepted: providers retry for up to a day, and sign once.
const OLDEST: SignedDuration = SignedDuration::from_hours(25);
/// The largest lead of a provider's clock.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The events of a mail provider. Its account is the deployment's, so that one address receives the events of all
/// organisations: the organisation follows from the reference that is stored with the mail.
pub trait MailEventSource: Sync {
    /// Names of the secrets that a delivery is checked with; each begins with `mail/webhook/`. Empty for a provider whose events
    /// do not come over HTTP: then no delivery is authentic.
    fn secrets(&self) -> &'static [&'static str];

    /// Whether the proof of a delivery covers its body. Otherwise the body is a hint: the mail is looked up before
    /// anything is recorded, see [`crate::mail::port::MailLookup::look_up`].
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

    /// Parses a verified body into events of our mails. Events of other kinds, and those without a reference of ours,
    /// are left out. `received_at` replaces a time that the provider did not state.
    ///
    /// # Errors
    /// When the body does not have the documented shape.
    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable>;
}

/// The secret of a provider that has one. An empty one proves nothing.
pub(crate) fn only_secret(secrets: &[SecretString]) -> Result<&str, NotAuthentic> {
    match secrets {
        [secret] if !secret.expose_secret().is_empty() => Ok(secret.expose_secret()),
        _ => Err(NotAuthentic),
    }
}

/// Refuses what was signed too long ago, so that a recorded delivery is worth nothing later. `seconds` are since 1970.
pub(crate) fn check_age(seconds: &str, now: Timestamp) -> Result<(), NotAuthentic> {
    let at = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or(NotAuthentic)?;
    let age = now.duration_since(at);
    if age > OLDEST || age < -MAX_CLOCK_SKEW { Err(NotAuthentic) } else { Ok(()) }
}

/// Whether both texts are the same, in constant time. An empty secret is none: it is the same as nothing.
pub(crate) fn same_secret(given: &str, secret: &str) -> bool {
    // Hashes are compared, so that not even the length is revealed.
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    !secret.is_empty() && verify_slices_are_equal(&hash(given), &hash(secret)).is_ok()
}

/// Refuses a delivery of more events than are read.
pub(crate) fn within_limit(events: &[Value]) -> Result<(), Unreadable> {
    if events.len() > MAX_EVENTS {
        return Err(Unreadable(format!("there are more than {MAX_EVENTS} events").into()));
    }
    Ok(())
}

/// A text of a provider's JSON. None when it is empty or no text: what is of no use for us must not make a body unreadable.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A reference of ours in a provider's JSON. None for whatever else an account's other senders put there.
pub(crate) fn reference(value: &Value, pointer: &str) -> Option<MailReference> {
    text(value, pointer)?.parse().ok()
}

/// A provider's words about an event, short and on one line.
pub(crate) fn detail(words: Option<&str>) -> Option<String> {
    words.map(excerpt).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_within_a_day_is_fresh() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("time");
        let at = |seconds: i64| (now.as_second() + seconds).to_string();
        for (seconds, fresh) in [
            (at(0), true),
            (at(-25 * 3600), true),
            (at(-25 * 3600 - 1), false),
            (at(300), true),
            (at(301), false),
            (String::new(), false),
            ("soon".to_owned(), false),
            ("9".repeat(30), false),
            (i64::MAX.to_string(), false),
        ] {
            assert_eq!(check_age(&seconds, now).is_ok(), fresh, "{seconds}");
        }
    }

    #[test]
    fn nothing_is_the_same_as_an_empty_secret() {
        assert!(same_secret("token", "token"));
        for (given, secret) in [("", ""), ("token", ""), ("", "token"), ("Token", "token"), ("token ", "token")] {
            assert!(!same_secret(given, secret), "{given:?} {secret:?}");
        }
    }
}
