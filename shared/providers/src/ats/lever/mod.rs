//! Lever: opportunities, postings, interviews, offers and users, webhooks, write-back and the public postings API.
//!
//! Facts: <https://hire.lever.co/developer/documentation> and <https://github.com/lever/postings-api>. Basic auth with
//! the API key as user and no password, or OAuth with an access token of an hour and refresh tokens for one use. Lists
//! have `limit` (at most 100) and `offset`, an opaque token that Lever has percent-encoded already and that is encoded
//! once more like any other value; `next` is absent on the last page. They begin with the newest, by the time of
//! creation: what exists during a whole pass is on one of its pages. `updated_at_start` is inclusive; `updatedAt` is
//! null on opportunities that are older than that field (964 of 1,004 recorded ones), which only a full pass finds.
//! Rows are non-confidential without `confidentiality=all`. The limit is 10 requests a second for a key, 20 at once; a
//! 429 does not state the wait. Times are milliseconds.
//!
//! # What is read
//!
//! | stream | full pass | since the last one |
//! |---|---|---|
//! | `users` | `/users?includeDeactivated=true` | the same: the list has no times of change |
//! | `postings` | `/postings` | `updated_at_start`, then `/postings/deleted` (Lever allows 30 days) |
//! | `opportunities` | `/stages`, `/archive_reasons`, `/opportunities?expand=applications` | the same with `updated_at_start`, then `/opportunities/deleted` |
//! | `interviews` | `/opportunities`, and of each `/interviews` and `/offers` | the same with `updated_at_start` |
//!
//! An interview or an offer that changes moves no `updatedAt` of its opportunity: webhooks report interviews, and the
//! next full pass finds the rest. It needs two requests for each opportunity, which are most of the requests to Lever:
//! the setting `interviews` decides which are read. Deleted applications are not looked up: their opportunity has none
//! any more, and its `updatedAt` moves. A stage or an archive reason that is renamed moves nothing: the next full pass
//! finds it.
//!
//! # Mapping
//!
//! An opportunity is a candidate **and** an application; both have its id. Interviews and offers have no address of their own:
//! their id here is `<opportunity>/<id>`.
//!
//! | job (posting) | from |
//! |---|---|
//! | `title` | `text` |
//! | `status` | `state`: `published`, `internal` are open; `draft`, `pending` draft; `closed`, `rejected` closed |
//! | `provider_status` | `state` |
//! | `department`, `location` | `categories.department`, `categories.location` |
//! | `description` | `content.description` |
//! | version | `updatedAt` |
//!
//! | candidate (opportunity) | from |
//! |---|---|
//! | `name`, `email`, `phone` | `name`, the first of `emails`, the first of `phones` that has a `value` |
//! | `company` | `applications[0].company` |
//! | `title` | nothing: `headline` is a list of former employers and schools |
//! | version | `updatedAt`, which covers all of these; on old ones the latest of `createdAt`, `lastInteractionAt`, `lastAdvancedAt`, `archived.archivedAt` |
//!
//! | application (opportunity) | from |
//! |---|---|
//! | `candidate` | `id` |
//! | `job` | `applications[0].posting`; there is one application at most |
//! | `status` | `archived`: null is active; a reason of the type `hired` hired; any other rejected |
//! | `stage`, `history` | the names of `stage` and `stageChanges[].toStageId` in `/stages`, with `stageChanges[].updatedAt` |
//! | `applied_at` | `applications[0].createdAt`, else `createdAt` |
//! | `rejection_reason` | the name of `archived.reason` in `/archive_reasons`, unless hired |
//! | version | as of the candidate |
//!
//! | interview | from |
//! |---|---|
//! | `application`, `candidate` | the opportunity |
//! | `name` | `subject` |
//! | `status` | `canceledAt` canceled; else `feedbackForms` complete; else scheduled |
//! | `starts_at`, `ends_at` | `date`, and `duration` minutes later |
//! | `interviewers` | `interviewers[].id` |
//! | version | none |
//!
//! | offer | from |
//! |---|---|
//! | `application` | the opportunity |
//! | `status` | `status`: `signed` accepted; `denied` rejected; `draft`, `approval-sent`, `approved`, `sent`, `sent-manually`, `opened` unresolved |
//! | `provider_status` | `status` |
//! | `starts_on` | the field `anticipated_start_date` of `fields`, a UTC midnight |
//! | version | none |
//!
//! | user | from |
//! |---|---|
//! | `name`, `email` | the same |
//! | `active` | `deactivatedAt` is null |
//! | version | none |

mod auth;
mod cursor;
mod mapping;
mod requests;
mod responses;
mod webhooks;
mod wire;
mod write_back;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use jiff::{SignedDuration, Timestamp};

use self::cursor::{Cursor, Part, Place};
use crate::ats::port::{
    Ats, AtsError, AtsProvider, Budget, Context, Login, Page, Setting, Stream, SyncMethod, TokenGrant,
    WebhookSubscriptions, WriteBack,
};
use crate::info::ProviderInfo;
use crate::transport::access::Host;
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::webhook::WebhookVerifier;

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "lever",
    name: "Lever",
    reference: "https://hire.lever.co/developer/documentation",
    secrets: &["credentials", "webhook_secret"],
};

/// The provider as the registry lists it.
pub static PROVIDER: AtsProvider = AtsProvider {
    info: INFO,
    api: &Lever,
    // No webhook reports postings: they are polled more often than objects with webhooks.
    sync: SyncMethod::Webhook { reconcile: SignedDuration::from_hours(1), contract: SignedDuration::from_mins(30) },
    hosts: &[
        Host { name: "api", live: "https://api.lever.co", local: "/api", suffixes: &[] },
        Host { name: "auth", live: "https://auth.lever.co", local: "/auth", suffixes: &[] },
    ],
    webhooks: Some(&Lever),
};

pub(super) const VERIFIER: Option<&dyn WebhookVerifier> = Some(&Lever);

struct Lever;

const LOGINS: [Login; 2] = [
    Login { method: LoginMethod::RefreshToken, secrets: &["client_id", "client_secret", "refresh_token"] },
    Login { method: LoginMethod::ApiKey, secrets: &["api_key"] },
];
const SETTINGS: [Setting; 3] = [
    Setting {
        name: INTERVIEWS_OF,
        required: false,
        about: "Whose interviews and offers are read: of `all` opportunities (when nothing is said), only of those that are \
                `active` (of the others, what webhooks tell), or of `none`",
        check: whose,
    },
    Setting {
        name: requests::CONFIDENTIAL,
        required: false,
        about: "`no` leaves confidential postings and opportunities out: for a key without access to them",
        check: yes_or_no,
    },
    Setting {
        name: write_back::REJECTION_REASON,
        required: false,
        about: "Lever's id of the archive reason for rejections that name none",
        check: archive_reason,
    },
];

const USERS: Stream = Stream { name: "users", complete: &[Kind::User] };
const POSTINGS: Stream = Stream { name: "postings", complete: &[Kind::Job] };
const OPPORTUNITIES: Stream = Stream { name: "opportunities", complete: &responses::OPPORTUNITY };
const INTERVIEWS: Stream = Stream { name: "interviews", complete: &[Kind::Interview, Kind::Offer] };

/// The number of opportunities that one cursor looks up, one after the other, with one lookup of the names of stages
/// and reasons.
const TOGETHER: usize = 50;

/// The setting that decides which interviews and offers are read.
const INTERVIEWS_OF: &str = "interviews";

fn whose(value: &str) -> Result<(), String> {
    if ["all", "active", "none"].contains(&value) { Ok(()) } else { Err("must be all, active or none".to_owned()) }
}

fn yes_or_no(value: &str) -> Result<(), String> {
    if ["yes", "no"].contains(&value) { Ok(()) } else { Err("must be yes or no".to_owned()) }
}

fn archive_reason(value: &str) -> Result<(), String> {
    if responses::plain(value) { Ok(()) } else { Err("must be an id of Lever".to_owned()) }
}

impl Ats for Lever {
    fn logins(&self) -> &'static [Login] {
        &LOGINS
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn budget(&self) -> Budget {
        Budget { requests: 8, window: Duration::from_secs(1) }
    }

    fn token_grant(&self, login: LoginMethod) -> Option<&dyn TokenGrant> {
        if login == LoginMethod::RefreshToken { Some(self) } else { None }
    }

    fn write_back(&self) -> Option<&dyn WriteBack> {
        Some(self)
    }

    fn webhook_subscriptions(&self) -> Option<&dyn WebhookSubscriptions> {
        Some(self)
    }

    fn streams(&self, settings: &BTreeMap<String, String>) -> Vec<Stream> {
        let interviews = match settings.get(INTERVIEWS_OF).map(String::as_str) {
            Some("none") => None,
            Some("active") => Some(Stream { complete: &[], ..INTERVIEWS }),
            Some(_) | None => Some(INTERVIEWS),
        };
        [USERS, POSTINGS, OPPORTUNITIES].into_iter().chain(interviews).collect()
    }

    fn first_cursor(
        &self,
        stream: &Stream,
        settings: &BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> Option<String> {
        let since = since.map(Timestamp::as_millisecond);
        let place = Place { since, offset: None };
        let active = settings.get(INTERVIEWS_OF).is_some_and(|whose| whose == "active");
        let cursor = match stream.name {
            "users" => Cursor::Users(Place::default()),
            "postings" => Cursor::Postings(place),
            "opportunities" => Cursor::opportunities(None, since),
            "interviews" => Cursor::Walk { place, active },
            _ => return None,
        };
        Some(cursor.text())
    }

    fn lookup_cursors(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>> {
        let each = |cursor: fn(String) -> Cursor| provider_ids.iter().map(|id| cursor(id.clone()).text()).collect();
        match kind {
            Kind::User => Some(each(|id| Cursor::User { id })),
            Kind::Job => Some(each(|id| Cursor::Posting { id })),
            Kind::Candidate | Kind::Application => {
                let together = provider_ids.chunks(TOGETHER);
                Some(together.map(|ids| Cursor::opportunities(Some(ids.to_vec()), None).text()).collect())
            }
            Kind::Interview => Some(parts(provider_ids, Cursor::Interviews)),
            Kind::Offer => Some(parts(provider_ids, Cursor::Offers)),
            Kind::Opening | Kind::Post | Kind::Scorecard | Kind::Department | Kind::Office => None,
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

/// One cursor for each opportunity of these. An id without an opportunity can be none of Lever's.
fn parts(provider_ids: &[String], cursor: fn(Part) -> Cursor) -> Vec<String> {
    let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (opportunity, id) in provider_ids.iter().filter_map(|id| id.split_once('/')) {
        of.entry(opportunity).or_default().insert(id);
    }
    of.into_iter()
        .map(|(of, want)| {
            let want = want.into_iter().map(str::to_owned).collect();
            cursor(Part { of: of.to_owned(), offset: None, want, both: false }).text()
        })
        .collect()
}
