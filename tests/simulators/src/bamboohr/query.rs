//! One page of the list of applications: filters, order, the fixed page size.

use std::cmp::Ordering;

use axum::http::StatusCode;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Error,
    company::{Application, Company},
    seed,
};

const GROUPS: [&str; 6] = ["ALL", "ALL_ACTIVE", "NEW", "ACTIVE", "INACTIVE", "HIRED"];
const ORDERS: [&str; 7] = ["first_name", "job_title", "rating", "phone", "status", "last_updated", "created_date"];

/// The parameters that are looked at; `per_page` and any other are ignored, as the service does.
#[derive(Debug)]
struct Wanted {
    page: usize,
    job: Option<u64>,
    status: Option<u64>,
    group: String,
    search: String,
    order: String,
    descending: bool,
    since: Option<Timestamp>,
}

impl Wanted {
    fn read(raw: &str) -> Result<Self, Error> {
        let bad = |reason| Error(StatusCode::BAD_REQUEST, reason);
        let mut wanted = Self {
            page: 1,
            job: None,
            status: None,
            group: "ALL".to_owned(),
            search: String::new(),
            order: "created_date".to_owned(),
            descending: true,
            since: None,
        };
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            match &*name {
                "page" => {
                    let page = value.parse().ok().filter(|page| *page >= 1);
                    wanted.page = page.ok_or_else(|| bad("page must be a positive integer"))?;
                }
                "jobId" => wanted.job = Some(value.parse().map_err(|_| bad("jobId must be an integer"))?),
                "applicationStatusId" => {
                    wanted.status = Some(value.parse().map_err(|_| bad("applicationStatusId must be an integer"))?);
                }
                "applicationStatus" if GROUPS.contains(&&*value) => wanted.group = value.into_owned(),
                "applicationStatus" => return Err(bad("applicationStatus is not one of the known groups")),
                "searchString" => wanted.search = value.to_lowercase(),
                "sortBy" if ORDERS.contains(&&*value) => wanted.order = value.into_owned(),
                "sortBy" => return Err(bad("sortBy is not one of the known fields")),
                "sortOrder" if value == "ASC" || value == "DESC" => wanted.descending = value == "DESC",
                "sortOrder" => return Err(bad("sortOrder must be ASC or DESC")),
                "newSince" => {
                    let at = DateTime::strptime("%Y-%m-%d %H:%M:%S", &*value)
                        .and_then(|at| at.to_zoned(TimeZone::UTC))
                        .map_err(|_| bad("newSince must be like 2026-11-22 10:00:00"))?;
                    wanted.since = Some(at.timestamp());
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn keeps(&self, application: &Application) -> bool {
        let detail = &application.detail;
        let text = |pointer| detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let group = seed::status(detail).map_or("", |status| status.group);
        let in_group = match self.group.as_str() {
            "ALL" => true,
            "ALL_ACTIVE" => matches!(group, "NEW" | "ACTIVE"),
            other => group == other,
        };
        let applied = || text("/appliedDate").to_uppercase().parse::<Timestamp>().ok();
        in_group
            && self.job.is_none_or(|job| detail.pointer("/job/id") == Some(&json!(job)))
            && self.status.is_none_or(|status| detail.pointer("/status/id") == Some(&json!(status)))
            && self.since.is_none_or(|since| applied().is_some_and(|applied| applied >= since))
            && (self.search.is_empty()
                || ["/applicant/firstName", "/applicant/lastName", "/applicant/email", "/job/title/label"]
                    .iter()
                    .any(|pointer| text(pointer).contains(&self.search)))
    }

    fn compare(&self, left: &Application, right: &Application) -> Ordering {
        let by_text = |pointer: &str| {
            let text = |row: &Application| {
                row.detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase()
            };
            text(left).cmp(&text(right))
        };
        let by_number = |pointer: &str| {
            let number = |row: &Application| row.detail.pointer(pointer).and_then(Value::as_u64);
            number(left).cmp(&number(right))
        };
        let order = match self.order.as_str() {
            "last_updated" => left.updated.cmp(&right.updated),
            "first_name" => by_text("/applicant/firstName"),
            "job_title" => by_text("/job/title/label"),
            "phone" => by_text("/applicant/phoneNumber"),
            "rating" => by_number("/rating"),
            "status" => by_number("/status/id"),
            _ => by_text("/appliedDate"),
        };
        let order = order.then_with(|| by_number("/id"));
        if self.descending { order.reverse() } else { order }
    }
}

/// One page. `base` is the URL without query, for `nextPageUrl`.
///
/// # Errors
/// 400 for a parameter with a value that the service refuses.
pub fn page(company: &Company, raw: &str, base: &str) -> Result<Value, Error> {
    let wanted = Wanted::read(raw)?;
    let mut rows: Vec<&Application> = company.applications.values().filter(|row| wanted.keeps(row)).collect();
    rows.sort_by(|left, right| wanted.compare(left, right));
    let first = (wanted.page - 1).saturating_mul(company.page_size);
    let applications: Vec<Value> =
        rows.iter().skip(first).take(company.page_size).map(|row| seed::listed(&row.detail)).collect();
    let complete = first.saturating_add(company.page_size) >= rows.len();
    let next = (!complete).then(|| {
        let others = form_urlencoded::parse(raw.as_bytes()).filter(|(name, _)| name != "page");
        let next = (wanted.page + 1).to_string();
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("page", &next).extend_pairs(others).finish();
        format!("{base}?{query}")
    });
    Ok(json!({"paginationComplete": complete, "applications": applications, "nextPageUrl": next}))
}
