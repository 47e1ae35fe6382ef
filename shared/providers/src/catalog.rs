//! Every provider of every category, for screens, documentation and health checks.
//!
//! Architecture invariant: entries are names and no code, so that a function that lists providers links none of them. Who calls
//! a provider finds it in its category ([`crate::ats::find`], [`crate::mail::find`], [`crate::model::find`]).

use std::collections::BTreeSet;

use crate::info::ProviderInfo;
use crate::{ats, mail, model};

/// The categories of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Ats,
    Model,
    Mail,
}

/// A provider in the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub category: Category,
    pub info: &'static ProviderInfo,
}

impl Entry {
    /// The name of its breaker, where its credentials belong to the deployment; none where each connection has its own.
    #[must_use]
    pub fn breaker(&self) -> Option<String> {
        match self.category {
            Category::Ats => None,
            Category::Model => Some(model::BREAKER.to_owned()),
            Category::Mail => mail::breaker(self.info.id),
        }
    }
}

pub fn all() -> impl Iterator<Item = Entry> {
    let of = |category| move |info| Entry { category, info };
    let ats = ats::INFO.iter().map(of(Category::Ats));
    ats.chain(mail::INFO.iter().map(of(Category::Mail))).chain(model::INFO.iter().map(of(Category::Model)))
}

/// The names of the breakers of all providers whose credentials belong to the deployment.
#[must_use]
pub fn breakers() -> BTreeSet<String> {
    all().filter_map(|entry| entry.breaker()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_complete_and_listed_once() {
        let ids: BTreeSet<&str> = all().map(|entry| entry.info.id).collect();
        assert_eq!(ids.len(), all().count(), "ids are unique");
        for Entry { category, info } in all() {
            assert!(info.reference.starts_with("https://"), "{} names its reference", info.id);
            assert_eq!(ats::find(info.id).is_some(), category == Category::Ats, "{}", info.id);
            assert_eq!(mail::find(info.id).is_some(), category == Category::Mail, "{}", info.id);
            assert_eq!(model::find(info.id).is_some(), category == Category::Model, "{}", info.id);
        }
    }

    #[test]
    fn a_mail_providers_secrets_are_where_roles_may_read_them() {
        for provider in mail::ALL {
            let info = &provider.info;
            // The role of email-worker may read what is below `mail/` and nothing else.
            assert!(info.secrets.iter().all(|name| name.starts_with("mail/")), "{}: {:?}", info.id, info.secrets);
            assert!(!info.secrets.iter().any(|name| name.starts_with("mail/webhook/")), "{}", info.id);
            // The role of the function for mail events may read the parameters below `mail/webhook/` and nothing else.
            let secrets = provider.events.map(|source| source.secrets()).unwrap_or_default();
            assert!(secrets.iter().all(|name| name.starts_with("mail/webhook/")), "{}", info.id);
        }
    }
}
