//! Every provider of every category, and what the product knows of each without calling it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::ats::port::Ats;
use crate::mail::events::MailEventSource;
use crate::mail::port::MailProvider;
use crate::model::port::ModelApi;
use crate::transport::access::Host;
use crate::transport::webhook::WebhookSource;
use crate::{ats, mail, model};

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

/// Every provider.
pub static ALL: &[&Spec] = &[
    &ats::bamboohr::SPEC,
    &ats::greenhouse::SPEC,
    &ats::lever::SPEC,
    &ats::workday::SPEC,
    &mail::brevo::SPEC,
    &mail::gmail::SPEC,
    &mail::log::SPEC,
    &mail::mailgun::SPEC,
    &mail::sendgrid::SPEC,
    &mail::ses::SPEC,
    &mail::smtp::SPEC,
    &model::gemini::SPEC,
];

/// The provider of that id. None for a name that this version does not know.
#[must_use]
pub fn find(id: &str) -> Option<&'static Spec> {
    ALL.iter().copied().find(|spec| spec.id == id)
}

/// The names of the breakers of all providers whose credentials belong to the deployment.
#[must_use]
pub fn breakers() -> BTreeSet<String> {
    ALL.iter().filter_map(|spec| spec.breaker()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_complete_and_its_spec_agrees_with_its_capabilities() {
        for spec in ALL {
            assert_eq!(find(spec.id).map(|found| found.id), Some(spec.id), "ids are unique");
            assert!(spec.reference.starts_with("https://"), "{} names its reference", spec.id);
            assert_eq!(spec.webhooks.is_some(), matches!(spec.sync, SyncMethod::Webhook { .. }), "{}", spec.id);
            assert_eq!(spec.model.is_some(), matches!(spec.category, Category::Model), "{}", spec.id);
            assert_eq!(spec.mail.is_some(), matches!(spec.category, Category::Mail), "{}", spec.id);
            // The role of email-worker may read what is below `mail/` and nothing else.
            let readable = spec.secrets.iter().all(|name| name.starts_with("mail/"));
            assert!(spec.mail.is_none() || readable, "{}: {:?}", spec.id, spec.secrets);
            // The role of the function that takes mail events may read what is below `mail/webhook/` and nothing else.
            let apart =
                |source: &&dyn MailEventSource| source.secrets().iter().all(|name| name.starts_with("mail/webhook/"));
            assert!(spec.mail_events.as_ref().is_none_or(apart), "{}", spec.id);
            assert!(spec.mail_events.is_none() || spec.mail.is_some(), "{}", spec.id);
            assert!(!spec.secrets.iter().any(|name| name.starts_with("mail/webhook/")), "{}", spec.id);
        }
    }
}
