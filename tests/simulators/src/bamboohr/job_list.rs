//! The list of a company's jobs.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    company::Company,
    detail,
    gate::Error,
    job::{Job, JobStatus},
};
use crate::wire::with;

/// Numbers of applicants of a job: new ones, and new and active ones together, and all.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    new: u64,
    active: u64,
    total: u64,
}

#[derive(Debug)]
struct Wanted {
    statuses: Vec<JobStatus>,
    ids: Option<Vec<u64>>,
    order: String,
    descending: bool,
}

impl Wanted {
    fn read(raw: &str) -> Result<Self, Error> {
        let bad = |reason| Error(StatusCode::BAD_REQUEST, reason);
        let mut wanted = Self {
            statuses: JobStatus::ALL.into_iter().filter(|status| *status != JobStatus::Deleted).collect(),
            ids: None,
            order: "created".to_owned(),
            descending: true,
        };
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            match &*name {
                "statusGroups" => {
                    wanted.statuses =
                        JobStatus::of_groups(&value).ok_or_else(|| bad("statusGroups has an unknown group"))?;
                }
                "status_ids" => {
                    let ids = value.split(',').map(|id| id.trim().parse()).collect::<Result<_, _>>();
                    wanted.ids = Some(ids.map_err(|_| bad("status_ids must be integers"))?);
                }
                "sortBy" if ["count", "title", "lead", "created", "status"].contains(&&*value) => {
                    wanted.order = value.into_owned();
                }
                "sortBy" => return Err(bad("sortBy is not one of the known fields")),
                "sortOrder" if value == "ASC" || value == "DESC" => wanted.descending = value == "DESC",
                "sortOrder" => return Err(bad("sortOrder must be ASC or DESC")),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

/// The whole list, a bare array.
///
/// # Errors
/// 400 for a parameter with a value that the service refuses.
pub fn list(company: &Company, raw: &str, now: Timestamp) -> Result<Value, Error> {
    let wanted = Wanted::read(raw)?;
    let mut counts = std::collections::BTreeMap::<u64, Counts>::new();
    for application in company.applications().values() {
        let group = detail::status(application.status).map_or("", |status| status.group);
        let counted = counts.entry(application.job).or_default();
        counted.total += 1;
        counted.new += u64::from(group == "NEW");
        counted.active += u64::from(group == "NEW" || group == "ACTIVE");
    }
    let counted = |id: &u64| counts.get(id).copied().unwrap_or_default();
    let mut rows: Vec<(&u64, &Job)> = company
        .jobs()
        .iter()
        .filter(|(_, job)| wanted.statuses.contains(&job.status))
        .filter(|(_, job)| wanted.ids.as_ref().is_none_or(|ids| ids.contains(&job.status.id())))
        .collect();
    match wanted.order.as_str() {
        "count" => rows.sort_by_key(|(id, _)| (counted(id).total, **id)),
        "title" => rows.sort_by_key(|(id, job)| (job.text("/title/label"), **id)),
        "lead" => rows.sort_by_key(|(id, job)| (job.text("/hiringLead/lastName"), **id)),
        "status" => rows.sort_by_key(|(id, job)| (job.status.id(), **id)),
        // The numbers grow with time.
        _ => {}
    }
    if wanted.descending {
        rows.reverse();
    }
    Ok(rows.into_iter().map(|(id, job)| row(job, counted(id), now)).collect())
}

fn row(job: &Job, counts: Counts, now: Timestamp) -> Value {
    let draft = job.status == JobStatus::Draft;
    let number = |count: u64| (!draft).then_some(count);
    let counted = json!({
        "status": {"id": job.status.id(), "label": job.status.label()}, "newApplicantsCount": number(counts.new),
        "activeApplicantsCount": number(counts.active), "totalApplicantsCount": counts.total,
    });
    let mut row = with(job.detail.clone(), counted);
    if draft {
        // A draft was posted now, in the company's local time under the name of UTC: so it was recorded, twice.
        let local = now.checked_sub(SignedDuration::from_hours(6)).unwrap_or(now);
        detail::set(&mut row, "/postedDate", detail::time(local));
    }
    row
}
