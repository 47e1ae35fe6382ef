//! BambooHR applicant tracking: polled, because its webhooks know employees only.
//!
//! Facts: <https://documentation.bamboohr.com/reference>. Basic auth with the API key as user and `x` as password. The list of
//! applications has pages of the server's own size (`per_page` is ignored), a `nextPageUrl`, and a `paginationComplete` flag;
//! its rows carry no time of change, so a row's version is the time at which it was observed and its hash tells whether it
//! changed. Since 2026-09-16 a rate limit is 429 with `Retry-After`; 503 means unavailable. Errors come in the header
//! `x-bamboohr-error-message`, often with an empty body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::application::{ApplicationStatus, ObservedApplication, ObservedCandidate, ObservedJob};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

use crate::http::Reply;
use crate::json;
use crate::polling::{Page, PageError, PageRequest, PolledSource};
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "bamboohr",
    name: "BambooHR",
    category: Category::Ats,
    reference: "https://documentation.bamboohr.com/reference",
    base_url: Some("https://{account}.bamboohr.com"),
    // No number is documented, only that there is a limit; five pages a second are more than a run needs.
    sync: SyncMethod::Polled { contract: SignedDuration::from_mins(60), requests_per_minute: 300 },
    secrets: &["api_key"],
    webhooks: None,
    polling: Some(&BambooHr),
    model: None,
    mail: None,
    mail_events: None,
};

struct BambooHr;

/// How long to wait after a 429 that does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// More pages than this are a loop, not a list.
const MOST_PAGES: u32 = 10_000;

impl PolledSource for BambooHr {
    fn secret(&self) -> &'static str {
        "api_key"
    }

    fn first_page(&self) -> String {
        "1".to_owned()
    }

    fn request(&self, base: &Url, page: &str, secret: &SecretString) -> Result<PageRequest, PageError> {
        let text = format!("{}/api/v1/applicant_tracking/applications", base.as_str().trim_end_matches('/'));
        let mut url = Url::parse(&text).map_err(|e| PageError::Refused(format!("no URL: {e}")))?;
        // Latest change first: a row that changes during the run moves to the front and pushes others to later pages, where
        // they are met twice, never missed. The changed row itself may be missed; it is met by the next run.
        url.query_pairs_mut()
            .append_pair("page", page)
            .append_pair("applicationStatus", "ALL")
            .append_pair("sortBy", "last_updated")
            .append_pair("sortOrder", "DESC");
        let token = STANDARD.encode(format!("{}:x", secret.expose_secret()));
        let mut authorization = HeaderValue::from_str(&format!("Basic {token}"))
            .map_err(|e| PageError::Unauthorised(format!("the API key cannot be sent: {e}")))?;
        authorization.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(PageRequest { url, headers })
    }

    fn read(&self, page: &str, reply: &Reply, observed: Timestamp) -> Result<Page, PageError> {
        let said = || {
            let header = reply.headers.get("x-bamboohr-error-message").and_then(|v| v.to_str().ok()).unwrap_or_default();
            format!("{} {}", reply.status.as_u16(), header.chars().take(200).collect::<String>())
        };
        match reply.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(PageError::RateLimited { wait: reply.retry_after(observed).unwrap_or(DEFAULT_WAIT) });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(PageError::Unauthorised(said())),
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                return Err(PageError::Unavailable(said()));
            }
            _ => return Err(PageError::Refused(said())),
        }
        let List { applications, pagination_complete, error } =
            json::read(&reply.body).map_err(PageError::Malformed)?;
        if let Some(WireError { code, message }) = error {
            // Some endpoints answer 200 with an error inside.
            return Err(match code {
                429 => PageError::RateLimited { wait: reply.retry_after(observed).unwrap_or(DEFAULT_WAIT) },
                code => PageError::Unavailable(format!("{code} {}", message.unwrap_or_default())),
            });
        }
        let Some(applications) = applications else {
            return Err(PageError::Malformed("there is no list of applications".to_owned()));
        };
        let number: u32 = page.parse().map_err(|_| PageError::Refused(format!("`{page}` is not a page number")))?;
        let more = pagination_complete == Some(false) && !applications.is_empty();
        let next = match number.checked_add(1) {
            Some(next) if more && next <= MOST_PAGES => Some(next.to_string()),
            _ if more => return Err(PageError::Malformed(format!("the list does not end after {MOST_PAGES} pages"))),
            _ => None,
        };
        let rows = applications.into_iter().map(|row| observed_row(row, observed)).collect();
        Ok(Page { rows, next })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    applications: Option<Vec<Row>>,
    pagination_complete: Option<bool>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireError {
    code: u16,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: u64,
    applied_date: Timestamp,
    status: Option<Labelled>,
    applicant: Applicant,
    job: Option<Job>,
}

#[derive(Deserialize)]
struct Labelled {
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Applicant {
    id: u64,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    title: Option<Labelled>,
}

fn observed_row(row: Row, observed: Timestamp) -> ObservedApplication {
    let Row { id, applied_date, status, applicant, job } = row;
    let Applicant { id: applicant_id, first_name, last_name, email } = applicant;
    let names: Vec<String> = [first_name, last_name].into_iter().flatten().filter(|n| !n.trim().is_empty()).collect();
    let label = status.and_then(|status| status.label);
    ObservedApplication {
        provider_id: id.to_string(),
        candidate: ObservedCandidate {
            provider_id: applicant_id.to_string(),
            name: names.join(" "),
            email,
            phone: None,
            title: None,
            company: None,
        },
        job: job.map(|Job { id, title }| ObservedJob {
            provider_id: id.to_string(),
            title: title.and_then(|title| title.label).unwrap_or_default(),
            department: None,
            location: None,
        }),
        // The labels are BambooHR's defaults; companies may rename them, so the stage always keeps the label itself.
        status: match label.as_deref() {
            Some("Hired") => ApplicationStatus::Hired,
            Some("Not a Fit" | "Declined Offer" | "Not Qualified" | "Over Qualified" | "Hired Elsewhere") => {
                ApplicationStatus::Rejected
            }
            Some(_) => ApplicationStatus::Active,
            None => ApplicationStatus::Unknown,
        },
        stage: label,
        applied_at: Some(applied_date),
        version: observed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const PAGE: &str = r#"{"paginationComplete":false,"applications":[{"id":58,"appliedDate":"2026-10-20T17:53:57+00:00","status":{"id":1,"label":"New"},"rating":null,"applicant":{"id":114,"firstName":"Ines","lastName":"Marín","avatar":"","email":"ines@example.com","source":null},"job":{"id":19,"title":{"id":null,"label":"Accountant"}}}],"nextPageUrl":"https://elsewhere.example/"}"#;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).expect("status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn read(page: &str, reply: &Reply) -> Result<Page, PageError> {
        BambooHr.read(page, reply, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn pages_follow_our_own_count_and_end_when_the_provider_says_so() {
        let first = read("1", &reply(200, PAGE)).expect("readable");
        assert_eq!(first.next.as_deref(), Some("2"));
        assert_eq!(first.rows[0].candidate.name, "Ines Marín");
        assert_eq!(first.rows[0].applied_at, "2026-10-20T17:53:57Z".parse().ok());
        let last = read("2", &reply(200, r#"{"paginationComplete":true,"applications":[],"nextPageUrl":null}"#));
        assert_eq!(last, Ok(Page { rows: vec![], next: None }));
        assert!(matches!(read("10000", &reply(200, PAGE)), Err(PageError::Malformed(_))), "a loop is noticed");
    }

    #[test]
    fn errors_are_sorted_by_what_to_do() {
        let mut limited = reply(429, "");
        limited.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        assert_eq!(read("1", &limited), Err(PageError::RateLimited { wait: Duration::from_secs(30) }));
        assert_eq!(read("1", &reply(429, "")), Err(PageError::RateLimited { wait: DEFAULT_WAIT }));
        assert!(matches!(read("1", &reply(401, "")), Err(PageError::Unauthorised(_))));
        assert!(matches!(read("1", &reply(503, "")), Err(PageError::Unavailable(_))));
        assert!(matches!(read("1", &reply(404, "")), Err(PageError::Refused(_))));
        assert!(matches!(read("1", &reply(302, "")), Err(PageError::Refused(_))));
        for broken in ["", "{", "[]", "{}", r#"{"applications":[{"id":"x"}]}"#] {
            assert!(matches!(read("1", &reply(200, broken)), Err(PageError::Malformed(_))), "{broken}");
        }
        let inside = r#"{"error":{"code":429,"message":"slow down"}}"#;
        assert!(matches!(read("1", &reply(200, inside)), Err(PageError::RateLimited { .. })));
    }

    #[test]
    fn the_key_is_sent_as_basic_auth_and_never_shown() {
        let base = Url::parse("https://acme.bamboohr.com").expect("url");
        let request = BambooHr.request(&base, "3", &SecretString::from("key-1")).expect("request");
        assert_eq!(request.url.path(), "/api/v1/applicant_tracking/applications");
        assert!(request.url.query().is_some_and(|q| q.starts_with("page=3&")));
        assert_eq!(request.headers.get(header::AUTHORIZATION).expect("header"), "Basic a2V5LTE6eA==");
        assert!(!format!("{request:?}").contains("a2V5LTE6eA"), "redacted");
    }
}
