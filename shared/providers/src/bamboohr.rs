//! BambooHR applicant tracking: polled, because its webhooks know employees only.
//!
//! Facts: <https://documentation.bamboohr.com/reference>. Basic auth with the API key as user and `x` as password. The list of
//! applications has pages of the server's own size (`per_page` is ignored), a `nextPageUrl`, and a `paginationComplete` flag;
//! its rows carry no time of change, so a row's version is the time at which it was observed and its hash tells whether it
//! changed. Since 2026-09-16 a rate limit is 429 with `Retry-After`; 503 means unavailable. Errors come in the header
//! `x-bamboohr-error-message`, often with an empty body.

use jiff::SignedDuration;

use crate::access::Host;
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "bamboohr",
    name: "BambooHR",
    category: Category::Ats,
    reference: "https://documentation.bamboohr.com/reference",
    base_url: None,
    hosts: &[Host { name: "api", live: "https://{account}.bamboohr.com", local: "/{account}", suffixes: &[] }],
    sync: SyncMethod::Polled { contract: SignedDuration::from_mins(60) },
    secrets: &["credentials"],
    webhooks: None,
    ats: None,
    model: None,
    mail: None,
    mail_events: None,
};
