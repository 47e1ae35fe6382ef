//! A mail as MIME (RFC 5322, 2045, 2046, 2047), for the providers that accept a whole message.
//!
//! Built from its arguments and from nothing else, its time too, so that what is sent again in one attempt says the same. Only
//! the boundary between the parts is new each time.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::mail::port::{Mail, MailError};

/// Builds the message and says between whom it goes. What would break a header is refused here, for good.
///
/// # Errors
/// [`MailError::Rejected`]: no later try would be different.
pub(crate) fn compose(mail: &Mail, now: Timestamp) -> Result<(Envelope, Vec<u8>), MailError> {
    let refused = |what: &str, error: &dyn std::fmt::Display| MailError::Rejected(format!("{what}: {error}").into());
    let mail = mail.sendable()?;
    let address = |text: &str| text.parse().map_err(|e: lettre::address::AddressError| refused("not an address", &e));
    let (from, to): (lettre::Address, lettre::Address) = (address(&mail.from)?, address(&mail.to)?);
    let envelope =
        Envelope::new(Some(from.clone()), vec![to.clone()]).map_err(|error| refused("no envelope", &error))?;
    let mut builder = Message::builder()
        .from(Mailbox::new(None, from))
        .to(Mailbox::new(None, to))
        .subject(mail.subject.clone())
        .message_id(Some(mail.message_id.clone()))
        .date(SystemTime::from(now));
    for (name, value) in mail.further_headers() {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let message = builder
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
        .map_err(|error| refused("not a message", &error))?;
    Ok((envelope, message.formatted()))
}

impl Mail {
    /// The whole message as a provider receives it, dated at that time, for the preview.
    ///
    /// # Errors
    /// [`MailError::Rejected`]: no provider would be given it.
    pub fn message(&self, at: Timestamp) -> Result<Vec<u8>, MailError> {
        compose(self, at).map(|(_, message)| message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::sample;

    fn composed(mail: &Mail) -> String {
        let now = "2026-11-22T10:00:00Z".parse().expect("time");
        let (_, bytes) = compose(mail, now).expect("composed");
        String::from_utf8(bytes).expect("ascii")
    }

    #[test]
    fn the_headers_say_who_what_when_and_which_notification() {
        let mut mail = sample();
        mail.to = "ada@bücher.example".into();
        mail.unsubscribe = Some("<https://example.com/u>".into());
        let text = composed(&mail);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        for line in [
            "From: hiring@example.com",
            "To: ada@xn--bcher-kva.example",
            "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
            "Message-ID: <n-1@example.com>",
            "Date: Sun, 22 Nov 2026 10:00:00 +0000",
            "MIME-Version: 1.0",
            "X-Notification-Id: 0190f5fe-7c00-7a00-8000-000000000001",
            "Auto-Submitted: auto-generated",
            "List-Unsubscribe: <https://example.com/u>",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in\n{head}");
        }
        assert!(head.contains("Content-Type: multipart/alternative;"), "{head}");
        let (plain, html) = (body.find("text/plain; charset=utf-8"), body.find("text/html; charset=utf-8"));
        assert!(plain.is_some() && plain < html, "{body}");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn a_mail_is_composed_the_same_way_except_for_its_boundary() {
        let without_boundary = |text: String| {
            let (_, rest) = text.split_once("boundary=\"").expect("a boundary");
            let boundary = rest.split('"').next().expect("a boundary").to_owned();
            text.replace(&boundary, "")
        };
        let mail = Mail { text: "line\n".repeat(400), ..sample() };
        assert_eq!(without_boundary(composed(&mail)), without_boundary(composed(&mail)));
    }

    #[test]
    fn headers_cannot_be_injected() {
        let now = "2026-11-22T10:00:00Z".parse().expect("time");
        for evil in [
            Mail { to: "ada@example.com\r\nBcc: eve@example.com".into(), ..sample() },
            Mail { subject: "Hi\r\nBcc: eve@example.com".into(), ..sample() },
            Mail { unsubscribe: Some("<https://e.e>\r\nBcc: eve@example.com".into()), ..sample() },
        ] {
            assert!(matches!(compose(&evil, now), Err(MailError::Rejected(_))));
        }
    }
}
