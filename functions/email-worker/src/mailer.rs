//! Which mail provider this deployment uses, and its credentials.

use providers::mail::MailError;
use providers::smtp::{self, SmtpMailer, SmtpRelay};

use platform::environment::{self, EnvironmentError};
use platform::secrets::Secrets;

/// Why the function cannot start. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A setting is not what it should be.
    #[error("read {name}: {rule}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is expected.
        rule: &'static str,
    },
    /// The relay cannot be used.
    #[error(transparent)]
    Relay(#[from] MailError),
}

/// The mail provider and the sender's address.
pub struct Mailers {
    secrets: Secrets,
    relay: SmtpRelay,
    from: String,
    domain: String,
}

impl Mailers {
    /// Reads `MAIL_PROVIDER`, `MAIL_FROM`, `SMTP_HOST` and `SMTP_PORT`.
    ///
    /// # Errors
    /// When one is missing or not usable: then the function does not start.
    pub fn from_environment(secrets: Secrets) -> Result<Self, StartError> {
        let provider = environment::required("MAIL_PROVIDER")?;
        if provider != smtp::SPEC.id {
            return Err(StartError::Setting { name: "MAIL_PROVIDER", rule: "the known mail provider is smtp" });
        }
        let from = environment::required("MAIL_FROM")?;
        let domain = match from.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => domain.to_owned(),
            _ => return Err(StartError::Setting { name: "MAIL_FROM", rule: "an address such as hiring@example.com" }),
        };
        let port = environment::required("SMTP_PORT")?
            .parse()
            .map_err(|_| StartError::Setting { name: "SMTP_PORT", rule: "a port number" })?;
        let relay = SmtpRelay::new(environment::required("SMTP_HOST")?, port)?;
        Ok(Self { secrets, relay, from, domain })
    }

    /// The provider with its credentials as they are now; they are read at most once a minute.
    ///
    /// # Errors
    /// When there are none: nothing was sent, and the mail waits until there are.
    pub async fn mailer(&self) -> Result<SmtpMailer<'_>, MailError> {
        let [username, password] = smtp::CREDENTIALS;
        let read = async |name: &str| {
            let secret = self.secrets.read(name).await;
            let secret = secret.map_err(|error| MailError::NotSent(format!("failed to {error}")))?;
            secret.ok_or_else(|| MailError::NotSent(format!("there is no secret {name}")))
        };
        Ok(self.relay.sign_in_as(&read(username).await?, &read(password).await?))
    }

    /// The sender's address.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The sender's domain: the right part of every Message-ID.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}
