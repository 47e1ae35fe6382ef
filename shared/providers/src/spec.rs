//! What the product knows of a provider without asking it.

use jiff::SignedDuration;

use crate::access::Host;
use crate::ats::Ats;
use crate::mail::MailProvider;
use crate::mail_events::MailEventSource;
use crate::model::ModelApi;
use crate::webhook::WebhookSource;

/// What a provider is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Applicant tracking.
    Ats,
    /// Text generation.
    Model,
    /// E-mail.
    Mail,
}

/// How records come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMethod {
    /// The provider calls us; what changed is also asked for, to find what no call told.
    Webhook {
        /// Longest time between two polls while its calls arrive.
        reconcile: SignedDuration,
        /// Longest time between two polls while they do not.
        contract: SignedDuration,
    },
    /// We ask the provider.
    Polled {
        /// Longest time between two polls.
        contract: SignedDuration,
    },
    /// There is nothing to sync.
    None,
}

/// One provider. Secret paths, registry entries and documentation follow from it.
pub struct Spec {
    /// Stable name, also the name of its file and of its simulator.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What it is for.
    pub category: Category,
    /// The API's documentation.
    pub reference: &'static str,
    /// Base URL. None where it is a setting, or there are several hosts.
    pub base_url: Option<&'static str>,
    /// Its hosts, for an applicant tracking system.
    pub hosts: &'static [Host],
    /// How records come in.
    pub sync: SyncMethod,
    /// Names of its secrets: of a connection for an ATS, of the deployment for the others.
    pub secrets: &'static [&'static str],
    /// Verifies and reads its webhooks.
    pub webhooks: Option<&'static dyn WebhookSource>,
    /// Asks it, as an applicant tracking system.
    pub ats: Option<&'static dyn Ats>,
    /// Speaks to its model.
    pub model: Option<&'static dyn ModelApi>,
    /// Takes mail.
    pub mail: Option<&'static dyn MailProvider>,
    /// Tells what became of mail.
    pub mail_events: Option<&'static dyn MailEventSource>,
}

impl Spec {
    /// The name of its breaker, where its credentials belong to the deployment; none where each connection has its own.
    #[must_use]
    pub fn breaker(&self) -> Option<String> {
        match self.category {
            Category::Ats => None,
            // Whichever model it is: there is one at a time.
            Category::Model => Some("model".to_owned()),
            Category::Mail => Some(format!("mail-{}", self.id)),
        }
    }
}
