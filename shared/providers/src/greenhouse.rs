//! Greenhouse Recruiting: webhooks, Harvest v3, job board.

mod webhooks;

use jiff::SignedDuration;

use crate::access::Host;
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "greenhouse",
    name: "Greenhouse",
    category: Category::Ats,
    reference: "https://harvestdocs.greenhouse.io/docs",
    base_url: None,
    hosts: &[
        Host { name: "harvest", live: "https://harvest.greenhouse.io", local: "/harvest", suffixes: &[] },
        Host { name: "auth", live: "https://auth.greenhouse.io", local: "/auth", suffixes: &[] },
        Host { name: "boards", live: "https://boards-api.greenhouse.io", local: "/boards", suffixes: &[] },
    ],
    sync: SyncMethod::Webhook { reconcile: SignedDuration::from_hours(6), contract: SignedDuration::from_mins(30) },
    secrets: &["credentials", "webhook_secret"],
    webhooks: Some(&Greenhouse),
    ats: None,
    model: None,
    mail: None,
    mail_events: None,
};

struct Greenhouse;
