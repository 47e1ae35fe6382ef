//! One file an external system, and the registry that lists them.
//!
//! Architecture invariants: a provider is one file and one line of `providers!`; what follows from its [`Spec`] is written
//! nowhere else; nothing here knows AWS or a table. Requests are built and replies are read by plain functions, so that
//! every provider can be tested without a network; only `http` and `smtp` send anything, and `oauth` fetches tokens by `http`.

pub mod access;
mod address;
pub mod ats;
pub mod http;
mod json;
pub mod mail;
pub mod mail_client;
pub mod mail_events;
mod mime;
pub mod mock_model;
pub mod model;
pub mod model_client;
mod oauth;
pub mod spec;
pub mod webhook;

use std::collections::BTreeSet;

use crate::spec::Spec;

/// Declares the providers: each name is a file of this crate with a `SPEC`.
macro_rules! providers {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+

        /// Every provider.
        pub static ALL: &[&Spec] = &[$(&$name::SPEC),+];
    };
}

providers! {
    bamboohr,
    brevo,
    gemini,
    gmail,
    greenhouse,
    lever,
    log,
    mailgun,
    sendgrid,
    ses,
    smtp,
    workday,
}

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
    use crate::spec::{Category, SyncMethod};

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
            let apart = |source: &&dyn mail_events::MailEventSource| {
                source.secrets().iter().all(|name| name.starts_with("mail/webhook/"))
            };
            assert!(spec.mail_events.as_ref().is_none_or(apart), "{}", spec.id);
            assert!(spec.mail_events.is_none() || spec.mail.is_some(), "{}", spec.id);
            assert!(!spec.secrets.iter().any(|name| name.starts_with("mail/webhook/")), "{}", spec.id);
        }
    }
}
