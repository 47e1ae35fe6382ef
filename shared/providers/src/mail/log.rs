//! Mail for development: a line in the log that there would have been one, and nothing else.
//!
//! The line has the notification's id and two sizes. Recipient, subject and bodies are personal data and secrets (a
//! link that resets a password), and are not logged. Production refuses this provider, because its mails have to
//! arrive.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::info::ProviderInfo;
use crate::mail::events::MailEventSource;
use crate::mail::port::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer};
use crate::transport::access::mail_may_be_logged;

pub(super) const INFO: ProviderInfo =
    ProviderInfo { id: "log", name: "Log (sends nothing)", reference: "https://docs.rs/tracing", secrets: &[] };

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider = MailProvider { info: INFO, base_url: None, set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = None;

struct Log;

fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    mail_may_be_logged(setup.stage, INFO.id)?;
    Ok(Box::new(Log))
}

impl Mailer for Log {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
        _secrets: &'a [SecretString],
        _timeout: Duration,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Accepted, MailError>> {
        std::future::ready(note(mail)).boxed()
    }
}

/// Mails that other providers refuse are refused here, too, so that the error is found in development.
fn note(mail: &Mail) -> Result<Accepted, MailError> {
    mail.sendable()?;
    let Mail { from: _, to: _, subject: _, text, html, message_id: _, reference, unsubscribe: _ } = mail;
    let notification = reference.notification;
    tracing::info!(
        mail.provider = INFO.id,
        %notification,
        mail.text_bytes = text.len(),
        mail.html_bytes = html.len(),
        "a mail was logged and not sent"
    );
    Ok(Accepted { provider_message_id: format!("log-{notification}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::port::sample;
    use domain::stage::Stage;

    #[test]
    fn mail_is_logged_outside_production_if_it_is_valid() {
        let setup = |stage| MailSetup { stage, domain: "example.com", replacement: None, setting: &|_| None };
        assert!(set_up(&setup(Stage::Prod)).is_err());
        assert!(set_up(&setup(Stage::Dev)).is_ok());
        let mail = sample();
        assert_eq!(
            note(&mail),
            Ok(Accepted { provider_message_id: "log-0190f5fe-7c00-7a00-8000-000000000001".into() })
        );
        let evil = Mail { to: "ada".into(), ..mail };
        assert!(matches!(note(&evil), Err(MailError::Rejected(_))));
    }
}
