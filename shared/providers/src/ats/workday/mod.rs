//! Workday Recruiting: polled. SOAP for requisitions and candidates, and for what we change; optionally a report.
//!
//! Facts: the WSDL of Recruiting v31.2 (as types in `ianlopshire/go-workday`), Workday's public pages, and faults that
//! users published. The REST service has neither requisitions nor candidates nor applications, so SOAP is used. What
//! shapes this file:
//!
//! - **Pages shift** while things change, unless `As_Of_Entry_DateTime` is pinned. So every list begins with
//!   `Get_Server_Timestamp`, and every page of it is requested as of that time, which is also the version of its
//!   objects.
//! - **Groups** that are not requested are silently missing, and an empty element is not sent at all.
//! - `Get_Job_Requisitions` filters by changes since a time (transaction log); `Get_Candidates` does not: it filters by
//!   the times at which people were created and applied. So an incremental run requests the candidates of the open
//!   requisitions and of those that changed, in batches, and the new people; unchanged objects are recognised by their
//!   hash. A new e-mail address of a candidate whose requisitions are all closed, or a purged application, is found by
//!   complete passes only.
//! - With a **report** (RaaS) that lists applications by the time of their last change, its rows name the candidates
//!   instead.
//! - References carry a WID and a business id; a WID never changes and is what our ids are derived from. A descriptor is not
//!   always sent; then the business id is used as the name.
//! - A refused password is a SOAP fault with status 500. The limits are not published: ours is half of what is reported.
//! - A change cannot be looked for before it is made, except for `Submit`: nothing finds an application by its id.
//!
//! # Mapping
//!
//! | job | `Get_Job_Requisitions_Response/Response_Data/Job_Requisition` |
//! |---|---|
//! | provider id | `Job_Requisition_Reference/ID[WID]` |
//! | title | `Job_Requisition_Data/Job_Requisition_Detail_Data/Job_Posting_Title` |
//! | status | `Job_Requisition_Data/Job_Requisition_Status_Reference`: Open → open; Frozen, On Hold → on-hold; Closed, Filled, Canceled → closed; Draft, Pending…, In Progress → draft; else unknown |
//! | provider_status | the same reference's name |
//! | department | `Job_Requisition_Data/Supervisory_Organization_Reference`, its name |
//! | location | `Job_Requisition_Data/Hiring_Requirement_Data/Primary_Location_Reference`, its name |
//! | description | not mapped: HTML of any length, which no screen shows |
//!
//! | candidate | `Get_Candidates_Response/Response_Data/Candidate` |
//! |---|---|
//! | provider id | `Candidate_Reference/ID[WID]` |
//! | name | `Candidate_Data/Name_Data/First_Name` and `Last_Name` |
//! | email, phone | `Candidate_Data/Contact_Data/Email_Address`, `Phone_Number` |
//! | title, company | not mapped: a résumé's experience is the candidate's own text |
//!
//! | application | `Candidate/Candidate_Data/Job_Application_Data/Job_Applied_To_Data` |
//! |---|---|
//! | provider id | `Job_Application_Reference/ID[WID]` |
//! | candidate | that of the row |
//! | job | `Job_Requisition_Reference/ID[WID]` |
//! | status | a `Disposition_Reference`, or `Candidate_Data/Status_Data/Withdrawn` → rejected; `Stage_Reference` Hire or Hired → hired; else active |
//! | provider_status | none: there is no word for it beside stage and disposition |
//! | stage | `Stage_Reference`, its name |
//! | applied_at | `Job_Application_Date` |
//! | rejection_reason | `Disposition_Reference`, its name |
//! | history | not available: `Status_Timestamp` is that of the last change only |

mod auth;
mod cursor;
mod mapping;
mod report;
mod requests;
mod responses;
mod soap;
mod write_back;
mod xml;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use jiff::{SignedDuration, Timestamp};

use self::cursor::{Cursor, List};
use crate::ats::port::{
    Ats, AtsError, AtsProvider, Budget, Context, Login, Page, Setting, Stream, SyncMethod, TokenGrant, WriteBack,
};
use crate::info::ProviderInfo;
use crate::transport::access::Host;
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::webhook::WebhookVerifier;

/// Domains of the hosts that a tenant may be at.
const SUFFIXES: [&str; 2] = [".workday.com", ".myworkday.com"];

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "workday",
    name: "Workday",
    reference: "https://community.workday.com/sites/default/files/file-hosting/productionapi/Recruiting/v31.2/Recruiting.html",
    secrets: &["credentials"],
};

/// The provider as the registry lists it.
pub static PROVIDER: AtsProvider = AtsProvider {
    info: INFO,
    api: &Workday,
    sync: SyncMethod::Polled { contract: SignedDuration::from_mins(30) },
    hosts: &[Host { name: "api", live: "https://{host}", local: "", suffixes: &SUFFIXES }],
    webhooks: None,
};

pub(super) const VERIFIER: Option<&dyn WebhookVerifier> = None;

struct Workday;

const REQUISITIONS: Stream = Stream { name: "requisitions", complete: &[Kind::Job] };
const CANDIDATES: Stream = Stream { name: "candidates", complete: &[Kind::Candidate, Kind::Application] };
const REPORT: Stream = Stream { name: "report", complete: &[] };

impl Ats for Workday {
    fn logins(&self) -> &'static [Login] {
        &auth::LOGINS
    }

    fn settings(&self) -> &'static [Setting] {
        &auth::SETTINGS
    }

    fn names_account(&self) -> bool {
        true
    }

    fn budget(&self) -> Budget {
        // Users report ten requests in a second for a tenant, which its other integrations want a part of.
        Budget { requests: 5, window: Duration::from_secs(1) }
    }

    fn token_grant(&self, login: LoginMethod) -> Option<&dyn TokenGrant> {
        if login == LoginMethod::RefreshToken { Some(self) } else { None }
    }

    fn write_back(&self) -> Option<&dyn WriteBack> {
        Some(self)
    }

    fn streams(&self, settings: &BTreeMap<String, String>) -> Vec<Stream> {
        let mut streams = vec![REQUISITIONS, CANDIDATES];
        streams.extend(report::is_configured(settings).then_some(REPORT));
        streams
    }

    fn first_cursor(
        &self,
        stream: &Stream,
        settings: &BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> Option<String> {
        let list = match (stream.name, since) {
            ("requisitions", _) => List::Requisitions,
            ("candidates", Some(_)) if !report::is_configured(settings) => List::Open,
            ("candidates", _) => List::People,
            // A complete pass over the candidates covers everything that a report could list.
            ("report", Some(_)) => return Some(Cursor::Report { since }.to_string()),
            _ => return None,
        };
        Some(Cursor::Begin { list, since }.to_string())
    }

    fn lookup_cursors(&self, kind: Kind, provider_ids: &[String]) -> Option<Vec<String>> {
        let cursor: fn(Vec<String>) -> Cursor = match kind {
            Kind::Job => |ids| Cursor::Jobs { ids },
            Kind::Candidate => |ids| Cursor::Candidates { ids },
            // An application comes with its candidate only, and its id does not name the candidate.
            _ => return None,
        };
        Some(provider_ids.chunks(cursor::LOOKED_UP).map(|ids| cursor(ids.to_vec()).to_string()).collect())
    }

    fn check_cursor(&self, _settings: &BTreeMap<String, String>) -> String {
        Cursor::Check.to_string()
    }

    fn build_request(&self, context: &Context<'_>, cursor: &str) -> Result<HttpRequest, AtsError> {
        match Cursor::parse(cursor)? {
            Cursor::Report { since } => report::call(context, since),
            cursor => soap::call(context, &requests::of(context, &cursor)),
        }
    }

    fn parse_page(&self, context: &Context<'_>, cursor: &str, reply: &Reply) -> Result<Page, AtsError> {
        let cursor = Cursor::parse(cursor)?;
        let mut page = match &cursor {
            Cursor::Report { .. } => report::read(context, reply)?,
            _ => responses::page(context, &cursor, reply)?,
        };
        page.pause = soap::pause(reply);
        Ok(page)
    }
}
