//! Which mail provider this deployment uses, and its credentials.

use platform::environment::{self, EnvironmentError};
use platform::secrets::Secrets;
use providers::mail::{MailError, MailSetup, MailSetupError, Mailer};
use providers::spec::Spec;
use secrecy::SecretString;

/// Why the function cannot start. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// No provider of that name takes mail.
    #[error("find the mail provider `{0}` that MAIL_PROVIDER names")]
    UnknownProvider(String),
    /// The provider cannot be used as it is set up.
    #[error(transparent)]
    Setup(#[from] MailSetupError),
}

/// The mail provider and the sender's address.
pub struct Mailers {
    secrets: Secrets,
    spec: &'static Spec,
    mailer: Box<dyn Mailer>,
    from: String,
    domain: String,
}

impl Mailers {
    /// Reads `MAIL_PROVIDER`, `MAIL_FROM` and what the provider asks for.
    ///
    /// # Errors
    /// When one is missing, not usable, or forbidden in this stage: then the function does not start.
    pub fn from_environment(secrets: Secrets) -> Result<Self, StartError> {
        let name = environment::required("MAIL_PROVIDER")?;
        let found = providers::find(&name).and_then(|spec| Some((spec, spec.mail?)));
        let (spec, provider) = found.ok_or(StartError::UnknownProvider(name))?;
        let from = environment::required("MAIL_FROM")?;
        let domain = match from.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => domain.to_owned(),
            _ => {
                let rule = "an address such as hiring@example.com";
                return Err(EnvironmentError::Invalid { name: "MAIL_FROM", rule }.into());
            }
        };
        let replacement = environment::optional("PROVIDER_BASE_URL");
        let mailer = provider.set_up(&MailSetup {
            stage: environment::stage()?,
            domain: &domain,
            replacement: replacement.as_deref(),
            setting: &|name| environment::optional(name),
        })?;
        Ok(Self { secrets, spec, mailer, from, domain })
    }

    /// The provider.
    #[must_use]
    pub fn mailer(&self) -> &dyn Mailer {
        self.mailer.as_ref()
    }

    /// The provider's id.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.spec.id
    }

    /// The provider's credentials as they are now; they are read at most once a minute.
    ///
    /// # Errors
    /// When there are none: nothing was sent, and the mail waits until there are.
    pub async fn credentials(&self) -> Result<Vec<SecretString>, MailError> {
        let mut read = Vec::with_capacity(self.spec.secrets.len());
        for name in self.spec.secrets {
            let secret = self.secrets.read(name).await;
            let secret = secret.map_err(|error| MailError::NotSent(format!("failed to {error}")))?;
            read.push(secret.ok_or_else(|| MailError::NotSent(format!("there is no secret {name}")))?);
        }
        Ok(read)
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
