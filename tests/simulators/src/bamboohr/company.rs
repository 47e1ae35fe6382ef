//! One company: its jobs and applications, in the orders in which they are asked for most.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    detail,
    gate::Doorkeeper,
    job::{Job, JobStatus},
};
use crate::{
    wire::with,
    world::{Clock, Stamps},
};

/// What the API shows of an application, and the time that it only sorts by.
#[derive(Debug, Clone)]
pub struct Application {
    /// The body of `applications/{id}` but for its job; a list shows a part of it.
    pub detail: Value,
    /// Time of the last change.
    pub updated: Timestamp,
    /// When it came in.
    pub applied: Timestamp,
    pub job: u64,
    pub status: u64,
}

impl Application {
    fn new(detail: Value, updated: Timestamp) -> Self {
        let number = |pointer: &str| detail.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let applied = detail.pointer("/appliedDate").and_then(Value::as_str).and_then(|text| text.parse().ok());
        Self {
            updated,
            applied: applied.unwrap_or_default(),
            job: number("/job/id"),
            status: number("/status/id"),
            detail,
        }
    }
}

#[derive(Debug)]
pub struct Company {
    pub name: String,
    pub clock: Clock,
    /// Rows of a page.
    pub page_size: usize,
    pub door: Doorkeeper,
    /// What was written to applications, in order: number of the application and the text.
    pub comments: Vec<(u64, String)>,
    applications: BTreeMap<u64, Application>,
    jobs: BTreeMap<u64, Job>,
    next_application: u64,
    stamps: Stamps,
}

impl Company {
    /// One with nothing in it, whose applications are numbered from here.
    pub fn empty(name: &str, clock: &Clock, first_application: u64) -> Self {
        Self {
            name: name.to_owned(),
            clock: clock.clone(),
            page_size: detail::PAGE_SIZE,
            door: Doorkeeper::new(format!("local-bamboohr-key-{name}")),
            comments: Vec::new(),
            applications: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_application: first_application,
            stamps: Stamps::default(),
        }
    }

    pub const fn applications(&self) -> &BTreeMap<u64, Application> {
        &self.applications
    }

    /// A time and the number of all applications, in this order.
    pub fn ordered(&self, time: impl Fn(&Application) -> Timestamp) -> Vec<(Timestamp, u64)> {
        let mut ordered: Vec<_> = self.applications.iter().map(|(id, row)| (time(row), *id)).collect();
        ordered.sort_unstable();
        ordered
    }

    /// Jobs by number, deleted ones among them.
    pub const fn jobs(&self) -> &BTreeMap<u64, Job> {
        &self.jobs
    }

    /// A job that was not deleted.
    pub fn job(&self, id: u64) -> Option<&Job> {
        self.jobs.get(&id).filter(|job| job.status != JobStatus::Deleted)
    }

    /// Changes a job, or adds one under the next number.
    pub fn set_job(&mut self, id: Option<u64>, job: Job) -> u64 {
        let id = id.unwrap_or_else(|| self.next_job());
        self.jobs.insert(id, job);
        id
    }

    /// The number that a new job gets.
    pub fn next_job(&self) -> u64 {
        self.jobs.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    /// Works on a job.
    pub fn change_job(&mut self, id: u64, work: impl FnOnce(&mut Job)) -> bool {
        self.jobs.get_mut(&id).map(work).is_some()
    }

    /// The time of a change that is made now: later than that of the last one.
    pub fn stamp(&mut self) -> Timestamp {
        Timestamp::from_millisecond(self.stamps.next(self.clock.now_ms())).unwrap_or_default()
    }

    /// The number that a new application gets; no number is given twice.
    pub const fn number(&mut self) -> u64 {
        let number = self.next_application;
        self.next_application += 1;
        number
    }

    /// Puts an application in the place of the one with this number, if there was one.
    pub fn put(&mut self, id: u64, detail: Value, updated: Timestamp) {
        self.applications.insert(id, Application::new(detail, updated));
        self.next_application = self.next_application.max(id + 1);
    }

    pub fn remove(&mut self, id: u64) -> Option<Application> {
        self.applications.remove(&id)
    }

    /// Changes an application now. False when there is none.
    pub fn change(&mut self, id: u64, work: impl FnOnce(&mut Value)) -> bool {
        let Some(mut row) = self.remove(id) else { return false };
        work(&mut row.detail);
        let updated = self.stamp();
        self.put(id, row.detail, updated);
        true
    }

    /// Moves an application to another step now. False when there is no such application or step.
    pub fn move_to(&mut self, id: u64, status: u64) -> bool {
        let now = self.clock.now();
        detail::status(status).is_some() && self.change(id, |detail| set_status(detail, status, now))
    }

    /// The body of `applications/{id}`.
    pub fn detail(&self, row: &Application) -> Value {
        let job = self.jobs.get(&row.job).map(|job| json!({"job": detail::job_of_application(&job.detail)}));
        with(row.detail.clone(), job.unwrap_or_default())
    }

    /// The row of an application in a list.
    pub fn listed(&self, row: &Application) -> Value {
        detail::listed(&row.detail, self.jobs.get(&row.job).map(|job| &job.detail))
    }

    /// Adds or changes an application and bumps its hidden time; answers its id and whether it is new.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn merge(&mut self, mut change: Value) -> Result<(u64, bool), String> {
        let Some(fields) = change.as_object_mut() else { return Err(".: must be an object".to_owned()) };
        let updated = time_of_change(fields)?;
        let id = match fields.get("id") {
            None => self.next_application,
            Some(id) => id.as_u64().filter(|id| *id > 0).ok_or("id: must be a positive integer")?,
        };
        let now = self.clock.now();
        let known = self.applications.get(&id);
        let created = known.is_none();
        let mut detail = known.map_or_else(|| detail::blank(id, now), |application| application.detail.clone());
        patch(&mut detail, &change, "")?;
        detail::set(&mut detail, "/id", id);
        if change.get("status").is_some() {
            let status = detail.pointer("/status/id").and_then(Value::as_u64);
            let status = status.filter(|id| detail::status(*id).is_some()).ok_or("status.id: no such status")?;
            set_status(&mut detail, status, now);
        }
        if created && change.get("job").is_none() {
            let first = self.jobs.first_key_value().map(|(id, _)| *id);
            patch(&mut detail, &json!({"job": {"id": first}}), "")?;
        }
        let job = detail.pointer("/job/id").cloned().unwrap_or_default();
        if !job.as_u64().is_some_and(|id| self.jobs.contains_key(&id)) {
            return Err(format!("job.id: no job {job}"));
        }
        let updated = updated.unwrap_or_else(|| self.stamp());
        self.put(id, detail, updated);
        Ok((id, created))
    }
}

fn time_of_change(fields: &mut Map<String, Value>) -> Result<Option<Timestamp>, String> {
    match fields.remove("lastUpdated") {
        None => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|error| format!("lastUpdated: {error}")),
        Some(_) => Err("lastUpdated: must be a time like 2026-11-22T10:00:00Z".to_owned()),
    }
}

fn set_status(detail: &mut Value, id: u64, now: Timestamp) {
    detail::set(detail, "/status/id", id);
    detail::set(detail, "/status/label", detail::status(id).map(|status| status.name));
    detail::set(detail, "/status/dateChanged", detail::time(now));
}

/// Copies the change into fields that exist; a name that the shape does not have is an error.
fn patch(target: &mut Value, change: &Value, place: &str) -> Result<(), String> {
    let (Some(fields), Some(changes)) = (target.as_object_mut(), change.as_object()) else {
        *target = change.clone();
        return Ok(());
    };
    for (name, value) in changes {
        let path = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let field = fields.get_mut(name).ok_or_else(|| format!("{path}: unknown field"))?;
        patch(field, value, &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::seed;
    use super::*;

    #[test]
    fn a_change_touches_its_fields_only_and_an_unknown_one_is_named() {
        let mut company = seed::company("acme", &Clock::system());
        let (id, before) = company.applications.first_key_value().map(|(id, row)| (*id, row.clone())).expect("a row");
        let change = json!({"id": id, "status": {"id": 4}, "applicant": {"email": "new@example.com"}});
        assert_eq!(company.merge(change), Ok((id, false)));
        let after = company.applications.get(&id).map(|row| row.detail.clone()).unwrap_or_default();
        assert_eq!(after.pointer("/status/label"), Some(&json!("Phone Screened")));
        assert_eq!(after.pointer("/applicant/email"), Some(&json!("new@example.com")));
        assert_eq!(after.pointer("/applicant/firstName"), before.detail.pointer("/applicant/firstName"));
        let last = company.applications.last_key_value().map_or(0, |(id, _)| *id);
        assert_eq!(company.merge(json!({"applicant": {"firstName": "Ada"}})), Ok((last + 1, true)));
        for (change, field) in [
            (json!({"applicant": {"mail": "x"}}), "applicant.mail"),
            (json!({"id": "7"}), "id"),
            (json!({"status": {"id": 999}}), "status.id"),
            (json!({"job": {"id": 1}}), "job.id"),
            (json!({"lastUpdated": "yesterday"}), "lastUpdated"),
        ] {
            assert!(company.merge(change).is_err_and(|said| said.starts_with(field)), "{field}");
        }
        company.remove(last + 1);
        assert_eq!(company.number(), last + 2, "no number is given twice");
        assert_eq!(company.ordered(|row| row.updated).len(), company.applications.len());
        assert_eq!(company.ordered(|row| row.applied).len(), company.applications.len());
    }
}
