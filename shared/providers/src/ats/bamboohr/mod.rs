//! BambooHR applicant tracking: polled, because its webhooks know employees only.
//!
//! Facts: <https://documentation.bamboohr.com/reference> and BambooHR's OpenAPI document. Basic auth with the API key
//! as user and `x` as password; the key's owner needs access to the settings of applicant tracking. The list of
//! applications has pages of the server's own size (`per_page` is ignored) and a `paginationComplete` flag; a page
//! after the last is empty. **Without a group the list has active applications to draft and open jobs only**, so all
//! groups are requested. Rows carry no time of change: the version of a record is the time at which it was observed,
//! and its content shows whether it changed. `newSince` filters by the time of application and never sees a change of
//! status; it is not used. Jobs are one array without pages, deleted ones left out. Since 2026-09-16 a rate limit is
//! 429 with `Retry-After`, before it was 503 with the same header; 503 without it means unavailable. Some endpoints
//! return 200 with an error inside. Errors come in the header `x-bamboohr-error-message`, often with an empty body. No
//! limit is documented.
//!
//! # What is read
//!
//! | stream | full pass | since the last one |
//! |---|---|---|
//! | `jobs` | `/jobs` | the same: the list has no times of change |
//! | `applications` | `/applications`, the oldest first | `/applications`, the latest change first, until a page has nothing new |
//!
//! The oldest first: a change moves no row, and new rows are appended. A row that is deleted moves those after it one
//! place to the front, so that one may be missed at the border of a page: objects that a pass did not list are looked
//! up by `/applications/{id}`, whose response has the applicant as well. A job is looked up by the list of jobs. The
//! latest change first: a row that changes meanwhile moves to the front and pushes others to later pages, where they
//! are read twice; the next run reads the row itself. Applications' rows have the title of the job too; it is read from
//! the job alone.
//!
//! # Mapping
//!
//! | job | from |
//! |---|---|
//! | `title` | `title.label` |
//! | `status` | `status.label`: `Open` open; `Draft` draft; `On Hold` on-hold; `Filled`, `Canceled` closed; `Deleted` is gone |
//! | `provider_status` | `status.label` |
//! | `department`, `location` | `department.label`, `location.label` |
//! | version | none |
//!
//! | candidate (applicant) | from |
//! |---|---|
//! | id | `applicant.id` |
//! | `name` | `applicant.firstName` and `applicant.lastName` |
//! | `email` | `applicant.email` |
//! | `phone` | nothing: only `/applications/{id}` has it, a request for each row |
//! | `title`, `company` | nothing |
//! | version | none |
//!
//! | application | from |
//! |---|---|
//! | `candidate`, `job` | `applicant.id`, `job.id` |
//! | `status` | `status.label`: `Hired` hired; `Not a Fit`, `Declined Offer`, `Not Qualified`, `Over Qualified`, `Hired Elsewhere` rejected; those of the settings `hired_statuses` and `rejected_statuses` likewise; any other active |
//! | `provider_status`, `stage` | `status.label` |
//! | `applied_at` | `appliedDate` |
//! | `rejection_reason`, `history` | nothing |
//! | version | none |
//!
//! No endpoint has the group of a status, and companies add their own: hence the settings.

mod auth;
mod cursor;
mod mapping;
mod requests;
mod responses;
mod wire;
mod write_back;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use jiff::{SignedDuration, Timestamp};

use self::cursor::Cursor;
use crate::ats::port::{
    Ats, AtsError, AtsProvider, Budget, Context, Login, Page, Setting, Stream, SyncMethod, WriteBack,
};
use crate::info::ProviderInfo;
use crate::transport::access::Host;
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::webhook::WebhookVerifier;

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "bamboohr",
    name: "BambooHR",
    reference: "https://documentation.bamboohr.com/reference",
    secrets: &["credentials"],
};

/// The provider as the registry lists it.
pub static PROVIDER: AtsProvider = AtsProvider {
    info: INFO,
    api: &BambooHr,
    sync: SyncMethod::Polled { contract: SignedDuration::from_mins(60) },
    hosts: &[Host { name: "api", live: "https://{account}.bamboohr.com", local: "/{account}", suffixes: &[] }],
    webhooks: None,
};

pub(super) const VERIFIER: Option<&dyn WebhookVerifier> = None;

struct BambooHr;

// Tokens would need an application that BambooHR has registered; a key does all of this.
const LOGINS: [Login; 1] = [Login { method: LoginMethod::ApiKey, secrets: &["api_key"] }];
const SETTINGS: [Setting; 3] = [
    Setting {
        name: mapping::HIRED,
        required: false,
        about: "names of the company's own statuses that mean a hire, separated by commas",
        check: names,
    },
    Setting {
        name: mapping::REJECTED,
        required: false,
        about: "names of the company's own statuses that end an application without a hire, separated by commas",
        check: names,
    },
    Setting {
        name: write_back::REJECTION_STATUS,
        required: false,
        about: "BambooHR's number of the status for rejections that name none",
        check: number,
    },
];

const JOBS: Stream = Stream { name: "jobs", complete: &[Kind::Job] };
// Applications before candidates: the lookup of an application returns its candidate as well.
const APPLICATIONS: Stream = Stream { name: "applications", complete: &[Kind::Application, Kind::Candidate] };

/// The most characters of a setting.
const LONGEST: usize = 2_000;

fn names(value: &str) -> Result<(), String> {
    let named = value.split(',').all(|name| !name.trim().is_empty());
    if named && value.len() <= LONGEST { Ok(()) } else { Err("must be names separated by commas".to_owned()) }
}

fn number(value: &str) -> Result<(), String> {
    value.parse::<u64>().map(|_| ()).map_err(|_| "must be a number".to_owned())
}

impl Ats for BambooHr {
    fn logins(&self) -> &'static [Login] {
        &LOGINS
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    /// No number is documented; five a second are more than a run needs.
    fn budget(&self) -> Budget {
        Budget { requests: 5, window: Duration::from_secs(1) }
    }

    fn write_back(&self) -> Option<&dyn WriteBack> {
        Some(self)
    }

    fn streams(&self, _settings: &BTreeMap<String, String>) -> Vec<Stream> {
        vec![JOBS, APPLICATIONS]
    }

    fn first_cursor(
        &self,
        stream: &Stream,
        _settings: &BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> Option<String> {
        let cursor = match (stream.name, since) {
            ("jobs", _) => Cursor::Jobs(vec![]),
            ("applications", None) => Cursor::All(1),
            ("applications", Some(_)) => Cursor::Changed(1),
            _ => return None,
        };
        Some(cursor.text())
    }

    fn lookup_cursors(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>> {
        match kind {
            Kind::Job => Some(vec![Cursor::Jobs(provider_ids.to_vec()).text()]),
            Kind::Application => Some(provider_ids.iter().map(|id| Cursor::Application(id.clone()).text()).collect()),
            // An applicant has no address.
            _ => None,
        }
    }

    fn check_cursor(&self, _settings: &BTreeMap<String, String>) -> String {
        Cursor::Check.text()
    }

    fn build_request(&self, context: &Context<'_>, cursor: &str) -> Result<HttpRequest, AtsError> {
        requests::of(context, &Cursor::parse(cursor)?)
    }

    fn parse_page(&self, context: &Context<'_>, cursor: &str, reply: &Reply) -> Result<Page, AtsError> {
        responses::page(context, Cursor::parse(cursor)?, reply)
    }
}
