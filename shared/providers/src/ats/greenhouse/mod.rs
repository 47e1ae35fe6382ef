//! Greenhouse Recruiting: Harvest v3, webhooks, job board.
//!
//! # Facts
//!
//! Harvest v3 (<https://harvestdocs.greenhouse.io/docs>, and the schemas of its reference): `GET /v3/<list>` returns a
//! bare array, highest id first, at most 500 rows. The next page is in the header `Link` (`rel="next"`) as a cursor,
//! which must be the only parameter; the header is absent or empty on the last page. There are no single reads: one
//! object is a list with `ids=`, at most 50 of them. `updated_at=gte|T` narrows a list to changes. The lists are for
//! site admins. The limit is in each response and holds for half a minute, from a full half minute on;
//! `X-RateLimit-Reset` overstates it, `Retry-After` does not. There is no list of deleted objects: they are known from
//! a webhook, or from a pass through all ids. Tokens come from `https://auth.greenhouse.io/token` with Basic
//! authentication and last an hour; refresh tokens are valid for one use and a day.
//!
//! Webhooks: `webhooks.rs` and `event.rs`. Job board: <https://developers.greenhouse.io/job-board.html>.
//!
//! # Connection
//!
//! Client credentials need the setting `user_id`, the site admin for whom requests are made. The account is the token
//! of the job board; submitting applications needs the secret `board_api_key` as well, which no login needs.
//!
//! # Mapping
//!
//! Every row's version is its `updated_at`. `id` is the provider's id everywhere. A complete pass through a list meets every object
//! that exists during all of it: pages go down by id, and an id never changes.
//!
//! | job | `/v3/jobs` |
//! |---|---|
//! | title | `name`, which is the internal one; what the public reads is a post's |
//! | status | `status`: `draft`, `open`, `closed`; else unknown |
//! | provider_status | `status` |
//! | departments | `department_id` |
//! | offices | `office_ids` |
//! | department, location | not available: the job refers to them by id |
//! | description | not available: a post has one |
//!
//! | opening | `/v3/openings` |
//! |---|---|
//! | job | `job_id` |
//! | status | `open`: true is open, false is closed, null unknown |
//! | provider_status | not available as a word |
//!
//! | post | `/v3/job_posts?active=true` |
//! |---|---|
//! | job | `job_id` |
//! | title | `title` |
//! | live | `live`: null is false |
//!
//! Deleted posts are listed by `active=false` only: an incremental run reads these as well, as gone. A complete pass
//! does not need them.
//!
//! | candidate | `/v3/candidates` |
//! |---|---|
//! | name | `first_name`, `last_name`, where they are not blank |
//! | email | the first of `email_addresses` |
//! | phone | the first of `phone_numbers` |
//! | title, company | `title`, `company` |
//!
//! | application | `/v3/applications` |
//! |---|---|
//! | candidate | `candidate_id` |
//! | job | `job_id`: null for a prospect, whatever jobs it is considered for |
//! | status | `status`: `in_process` is active, `rejected`, `hired`; `converted` (a prospect that became another application) and others are unknown |
//! | provider_status | `status` |
//! | stage | `stage_name`: null for a prospect and for what has ended |
//! | applied_at | `created_at`, which replaces `applied_at` in v3 |
//! | rejection_reason | not read: it is two lists away, of details and of reasons. Webhooks have it |
//! | history | not read: it is in `application_stages` |
//!
//! | interview | `/v3/interviews` |
//! |---|---|
//! | application | `application_id` |
//! | candidate | not available: the application has it |
//! | name | not read: it is the name of the planned interview, `job_interview_id` |
//! | status | `scheduled`; `awaiting_feedback`, `collect_feedback` await feedback; `complete`; `skipped` is canceled; `to_be_scheduled` and those of take-home tests are unknown |
//! | provider_status | `status` |
//! | starts_at, ends_at | `starts_at`, `ends_at`: null for whole days |
//! | interviewers | not read: it is a list of its own |
//!
//! | offer | `/v3/offers`, every version of it |
//! |---|---|
//! | application | `application_id` |
//! | status | `status`: `Created` is unresolved, `Accepted`, `Rejected`, `Deprecated`; else unknown |
//! | provider_status | `status` |
//! | starts_on | `starts_on` |
//!
//! | scorecard | `/v3/scorecards`, drafts among them |
//! |---|---|
//! | application | `application_id` |
//! | interview_name | not read: it is two lists away |
//! | recommendation | `candidate_rating`: `strong_yes`, `yes`, `mixed`, `no`, `definitely_not` is a strong no, `no_decision` and null are none; else unknown |
//! | provider_recommendation | `candidate_rating` |
//! | submitted_by | `submitter_id` |
//! | submitted_at | `submitted_at` |
//!
//! | department, office | `/v3/departments`, `/v3/offices` |
//! |---|---|
//! | name | `name` |
//! | location (office) | `location` |
//! | parent | `parent_id` |
//!
//! | user | `/v3/users?show_service_accounts=true` |
//! |---|---|
//! | name | `name`, else `first_name`, `last_name` |
//! | email | `primary_email`: null for a service account |
//! | active | `deactivated` is not true |

mod auth;
mod cursor;
mod events;
#[cfg(test)]
mod fixture;
mod mapping;
mod requests;
mod responses;
mod webhooks;
mod wire;
mod write_back;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use jiff::{SignedDuration, Timestamp};

use self::cursor::Cursor;
use crate::ats::port::{
    Ats, AtsError, AtsProvider, Budget, Context, Login, Page, Setting, Stream, SyncMethod, TokenGrant, WriteBack,
};
use crate::info::ProviderInfo;
use crate::transport::access::Host;
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::webhook::WebhookVerifier;

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "greenhouse",
    name: "Greenhouse",
    reference: "https://harvestdocs.greenhouse.io/docs",
    secrets: &["credentials", "webhook_secret"],
};

/// The provider as the registry lists it.
pub static PROVIDER: AtsProvider = AtsProvider {
    info: INFO,
    api: &Greenhouse,
    sync: SyncMethod::Webhook { reconcile: SignedDuration::from_hours(6), contract: SignedDuration::from_mins(30) },
    hosts: &[
        Host { name: "harvest", live: "https://harvest.greenhouse.io", local: "/harvest", suffixes: &[] },
        Host { name: "auth", live: "https://auth.greenhouse.io", local: "/auth", suffixes: &[] },
        Host { name: "boards", live: "https://boards-api.greenhouse.io", local: "/boards", suffixes: &[] },
    ],
    webhooks: Some(&Greenhouse),
};

pub(super) const VERIFIER: Option<&dyn WebhookVerifier> = Some(&Greenhouse);

struct Greenhouse;

const LOGINS: [Login; 3] = [
    Login { method: LoginMethod::ClientCredentials, secrets: &["client_id", "client_secret"] },
    Login { method: LoginMethod::RefreshToken, secrets: &["client_id", "client_secret", "refresh_token"] },
    Login { method: LoginMethod::WebhookOnly, secrets: &[] },
];

const SETTINGS: [Setting; 1] = [Setting {
    name: auth::USER,
    required: false,
    about: "Number of the site admin in whose name is asked; needed with client credentials",
    check: |value| match value.parse::<u64>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be the number of a user".to_owned()),
    },
}];

impl Ats for Greenhouse {
    fn logins(&self) -> &'static [Login] {
        &LOGINS
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn budget(&self) -> Budget {
        // 150 were seen in each half minute; none is documented.
        Budget { requests: 140, window: Duration::from_secs(30) }
    }

    fn token_grant(&self, login: LoginMethod) -> Option<&dyn TokenGrant> {
        if login != LoginMethod::WebhookOnly { Some(self) } else { None }
    }

    fn write_back(&self) -> Option<&dyn WriteBack> {
        Some(self)
    }

    fn streams(&self, _settings: &BTreeMap<String, String>) -> Vec<Stream> {
        cursor::STREAMS.to_vec()
    }

    fn first_cursor(
        &self,
        stream: &Stream,
        _settings: &BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> Option<String> {
        cursor::first(stream.name, since)
    }

    fn lookup_cursors(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>> {
        cursor::lookup(kind, provider_ids)
    }

    fn check_cursor(&self, settings: &BTreeMap<String, String>) -> String {
        cursor::check(settings.get(auth::USER).map(String::as_str))
    }

    fn build_request(&self, context: &Context<'_>, cursor: &str) -> Result<HttpRequest, AtsError> {
        requests::build(context, Cursor::parse(cursor)?)
    }

    fn parse_page(&self, context: &Context<'_>, cursor: &str, reply: &Reply) -> Result<Page, AtsError> {
        responses::page(context, Cursor::parse(cursor)?, reply)
    }
}
