//! The mail providers of this deployment, with their credentials and breakers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws::breaker::SharedBreaker;
use aws::environment::{self, EnvironmentError};
use aws::secrets::Secrets;
use aws::table::Table;
use aws::telemetry::chain;
use domain::mail_event::MailReference;
use domain::notification::{Notification, NotificationKind};
use domain::stage::Stage;
use providers::ProviderInfo;
use providers::mail::port::{DeliveryLookup, MailError, MailProvider, MailSetup, MailSetupError, Mailer};
use resilience::breaker::POLICY;
use secrecy::SecretString;

/// The most providers for one mail.
const MAX_PROVIDERS: usize = 5;

/// The reason why the function cannot start. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// There is no mail provider of that name.
    #[error("find the mail provider `{0}` that MAIL_PROVIDER or MAIL_FALLBACK names")]
    UnknownProvider(String),
    /// The provider cannot be used as it is set up.
    #[error(transparent)]
    Setup(#[from] MailSetupError),
}

/// A mail provider that is ready to be used.
pub struct Ready {
    pub info: &'static ProviderInfo,
    /// The client that talks to the provider.
    pub mailer: Box<dyn Mailer>,
    /// How the outcome of a mail can be learned from the provider.
    pub delivery_lookup: DeliveryLookup,
    /// The provider's circuit breaker.
    pub breaker: SharedBreaker,
}

/// The mail providers and the sender's address.
pub struct Mailers {
    secrets: Secrets,
    control: Table,
    stage: Stage,
    replacement: Option<String>,
    /// The providers of the deployment, in the order in which they are tried.
    chosen: Vec<Arc<Ready>>,
    /// The providers that an organisation or an earlier deployment chose; none for one that cannot be set up.
    others: Mutex<HashMap<&'static str, Option<Arc<Ready>>>>,
    from: String,
    domain: String,
    unsubscribe: Option<String>,
}

impl Mailers {
    /// Reads `MAIL_PROVIDER`, `MAIL_FALLBACK` (ids separated by commas), `MAIL_FROM`, `MAIL_UNSUBSCRIBE`, and the
    /// settings of the providers.
    ///
    /// # Errors
    /// When one is missing, not usable, or forbidden in this stage: then the function does not start.
    pub fn from_environment(secrets: Secrets, control: Table) -> Result<Self, StartError> {
        let first = environment::required("MAIL_PROVIDER")?;
        let fallback = environment::optional("MAIL_FALLBACK").unwrap_or_default();
        let from = environment::required("MAIL_FROM")?;
        let domain = match from.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => domain.to_owned(),
            _ => {
                let rule = "an address such as hiring@example.com";
                return Err(EnvironmentError::Invalid { name: "MAIL_FROM", rule }.into());
            }
        };
        let mut mailers = Self {
            secrets,
            control,
            stage: environment::stage()?,
            replacement: environment::optional("PROVIDER_BASE_URL"),
            chosen: vec![],
            others: Mutex::default(),
            from,
            domain,
            unsubscribe: environment::optional("MAIL_UNSUBSCRIBE").map(|address| format!("<{address}>")),
        };
        for name in std::iter::once(first.as_str()).chain(fallback.split(',').filter(|name| !name.is_empty())) {
            let provider = providers::mail::find(name).ok_or_else(|| StartError::UnknownProvider(name.to_owned()))?;
            if mailers.chosen.iter().all(|ready| ready.info.id != provider.info.id) {
                let ready = mailers.set_up(provider)?;
                mailers.chosen.push(Arc::new(ready));
            }
        }
        Ok(mailers)
    }

    fn set_up(&self, provider: &'static MailProvider) -> Result<Ready, StartError> {
        let breaker = SharedBreaker::of_deployment(self.control.clone(), &provider.breaker(), POLICY);
        let mailer = (provider.set_up)(&MailSetup {
            stage: self.stage,
            domain: &self.domain,
            replacement: self.replacement.as_deref(),
            setting: &|name| environment::optional(name),
        })?;
        let delivery_lookup = provider.delivery_lookup(mailer.as_ref());
        Ok(Ready { info: &provider.info, mailer, delivery_lookup, breaker })
    }

    /// The deployment's first choice.
    pub(crate) fn first(&self) -> Option<&Ready> {
        self.chosen.first().map(Arc::as_ref)
    }

    /// The provider of that name; none for one that this version does not know or this deployment cannot use.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Ready>> {
        if let Some(ready) = self.chosen.iter().find(|ready| ready.info.id == name) {
            return Some(Arc::clone(ready));
        }
        let provider = providers::mail::find(name)?;
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = others.entry(provider.info.id).or_insert_with(|| match self.set_up(provider) {
            Ok(ready) => Some(Arc::new(ready)),
            Err(error) => {
                tracing::error!(mail.provider = provider.info.id, error = %chain(&error), "a chosen mail provider cannot be set up");
                None
            }
        });
        ready.clone()
    }

    /// The providers of an organisation's mail, in the order of the attempts: its own choice, as far as this deployment
    /// can use it, else that of the deployment.
    pub(crate) fn order(&self, wanted: &[String]) -> Vec<Arc<Ready>> {
        let own: Vec<Arc<Ready>> = wanted.iter().take(MAX_PROVIDERS).filter_map(|name| self.named(name)).collect();
        if own.is_empty() { self.chosen.clone() } else { own }
    }

    /// How the outcome of a mail can be learned from a provider; one that cannot be used any more has no lookup.
    pub(crate) fn delivery_lookup(&self, name: Option<&str>) -> DeliveryLookup {
        name.and_then(|name| self.named(name)).map_or(DeliveryLookup::Unsupported, |ready| ready.delivery_lookup)
    }

    /// A provider's credentials as they are now; they are read at most once a minute.
    ///
    /// # Errors
    /// When there are none, or they cannot be read: nothing was sent, no mail will be, and a person has to act.
    pub(crate) async fn credentials(&self, info: &ProviderInfo) -> Result<Vec<SecretString>, MailError> {
        let mut read = Vec::with_capacity(info.secrets.len());
        for name in info.secrets {
            let secret = self.secrets.read(name).await;
            let secret = secret.map_err(|error| {
                tracing::warn!(mail.provider = info.id, error = %chain(&error), "a secret of a mail provider could not be read");
                MailError::Unreachable(format!("failed to {error}").into())
            })?;
            read.push(secret.ok_or_else(|| MailError::Stopped(format!("there is no secret {name}").into()))?);
        }
        Ok(read)
    }

    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    /// The Message-ID that a notification gets with its first attempt.
    pub(crate) fn message_id(&self, reference: &MailReference) -> String {
        format!("<{}@{}>", reference.notification, self.domain)
    }

    /// The value of `List-Unsubscribe` for mails of this kind.
    pub(crate) fn unsubscribe(&self, kind: NotificationKind) -> Option<String> {
        self.unsubscribe.clone().filter(|_| kind.may_be_unsubscribed())
    }

    /// The Message-ID of a notification: that of its first attempt, where there was one.
    pub(crate) fn message_id_of(&self, notification: &Notification, reference: &MailReference) -> String {
        notification.message_id.clone().unwrap_or_else(|| self.message_id(reference))
    }
}
