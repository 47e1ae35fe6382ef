//! One page of the list of applications: filters, order, the fixed page size.

use std::cmp::Ordering;

use axum::http::StatusCode;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    company::{Application, Company},
    detail,
    gate::Error,
    job::JobStatus,
};

const GROUPS: [&str; 6] = ["ALL", "ALL_ACTIVE", "NEW", "ACTIVE", "INACTIVE", "HIRED"];
const ORDERS: [&str; 7] = ["first_name", "job_title", "rating", "phone", "status", "last_updated", "created_date"];

/// The parameters that are looked at; `per_page` and any other are ignored, as the service does.
#[derive(Debug)]
struct Wanted {
    page: usize,
    job: Option<u64>,
    statuses: Option<Vec<u64>>,
    groups: Option<Vec<String>>,
    job_statuses: Vec<JobStatus>,
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
            statuses: None,
            groups: None,
            // Who asks for nothing gets active applications to jobs that can be applied to: so it was recorded.
            job_statuses: vec![JobStatus::Draft, JobStatus::Open],
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
                    let ids = value.split(',').map(|id| id.trim().parse()).collect::<Result<_, _>>();
                    wanted.statuses = Some(ids.map_err(|_| bad("applicationStatusId must be integers"))?);
                }
                "applicationStatus" => {
                    let groups: Vec<String> = value.split(',').map(|group| group.trim().to_owned()).collect();
                    if !groups.iter().all(|group| GROUPS.contains(&group.as_str())) {
                        return Err(bad("applicationStatus is not one of the known groups"));
                    }
                    wanted.groups = Some(groups);
                }
                "jobStatusGroups" => {
                    let statuses = JobStatus::of_groups(&value);
                    wanted.job_statuses = statuses.ok_or_else(|| bad("jobStatusGroups has an unknown group"))?;
                }
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

    fn keeps(&self, company: &Company, row: &Application) -> bool {
        let title = || company.jobs().get(&row.job).map_or("", |job| job.text("/title/label"));
        let found = |text: &str| text.to_lowercase().contains(&self.search);
        let in_job = || {
            let status = company.jobs().get(&row.job).map(|job| job.status);
            status.is_some_and(|status| self.job_statuses.contains(&status))
        };
        self.in_group(row.status)
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&row.status))
            && self.job.is_none_or(|job| row.job == job)
            && in_job()
            && self.since.is_none_or(|since| row.applied >= since)
            && (self.search.is_empty()
                || found(title())
                || ["/applicant/firstName", "/applicant/lastName", "/applicant/email"]
                    .iter()
                    .any(|pointer| found(text(row, pointer))))
    }

    fn in_group(&self, status: u64) -> bool {
        let group = detail::status(status).map_or("", |status| status.group);
        let active = matches!(group, "NEW" | "ACTIVE");
        match &self.groups {
            None => active || self.statuses.is_some(),
            Some(groups) => groups.iter().any(|wanted| match wanted.as_str() {
                "ALL" => true,
                "ALL_ACTIVE" => active,
                other => group == other,
            }),
        }
    }

    /// The rows that are kept, in order.
    fn rows<'a>(&self, company: &'a Company) -> Vec<&'a Application> {
        let matching = company.applications().iter().filter(|(_, row)| self.keeps(company, row));
        let mut rows: Vec<(&u64, &Application)> = matching.collect();
        rows.sort_by(|(one, left), (other, right)| {
            let order = self.compare(company, left, right).then_with(|| one.cmp(other));
            if self.descending { order.reverse() } else { order }
        });
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn compare(&self, company: &Company, left: &Application, right: &Application) -> Ordering {
        let by_text = |pointer: &str| text(left, pointer).to_lowercase().cmp(&text(right, pointer).to_lowercase());
        let title = |row: &Application| company.jobs().get(&row.job).map_or("", |job| job.text("/title/label"));
        let rating = |row: &Application| row.detail.pointer("/rating").and_then(Value::as_u64);
        match self.order.as_str() {
            "job_title" => title(left).to_lowercase().cmp(&title(right).to_lowercase()),
            "phone" => by_text("/applicant/phoneNumber"),
            "rating" => rating(left).cmp(&rating(right)),
            "status" => left.status.cmp(&right.status),
            "last_updated" => left.updated.cmp(&right.updated),
            "created_date" => left.applied.cmp(&right.applied),
            _ => by_text("/applicant/firstName"),
        }
    }
}

fn text<'a>(row: &'a Application, pointer: &str) -> &'a str {
    row.detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// One page. `base` is the URL without query, for `nextPageUrl`.
///
/// # Errors
/// 400 for a parameter with a value that the service refuses.
pub fn page(company: &Company, raw: &str, base: &str) -> Result<Value, Error> {
    let wanted = Wanted::read(raw)?;
    let mut rows = wanted.rows(company).into_iter().skip((wanted.page - 1).saturating_mul(company.page_size));
    let applications: Vec<Value> = rows.by_ref().take(company.page_size).map(|row| company.listed(row)).collect();
    let complete = rows.next().is_none();
    let next = (!complete).then(|| {
        let others = form_urlencoded::parse(raw.as_bytes()).filter(|(name, _)| name != "page");
        let next = (wanted.page + 1).to_string();
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("page", &next).extend_pairs(others).finish();
        format!("{base}?{query}")
    });
    Ok(json!({"paginationComplete": complete, "applications": applications, "nextPageUrl": next}))
}
