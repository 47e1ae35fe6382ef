//! One company: its applications with the hidden time of the last change, its keys and its rate limit.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::seed;

/// What the API shows of an application, and the time that it only sorts by.
#[derive(Debug, Clone)]
pub struct Application {
    /// The body of `applications/{id}`; a list shows a part of it.
    pub detail: Value,
    /// Time of the last change.
    pub updated: Timestamp,
}

/// A limit that begins to refuse after `remaining` requests and ends `retry_after_s` seconds after the first refusal.
#[derive(Debug, Clone)]
pub struct Limit {
    pub remaining: u64,
    pub retry_after_s: u32,
    pub until: Option<Timestamp>,
}

/// Whether a request may go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    WrongKey,
    Limited { retry_after_s: u64 },
}

/// One tenant.
#[derive(Debug, Clone)]
pub struct Company {
    pub applications: BTreeMap<u64, Application>,
    pub jobs: Vec<Value>,
    pub page_size: usize,
    pub keys: Vec<String>,
    pub limit: Option<Limit>,
}

impl Company {
    /// Checks the key, then the limit; a refused key costs nothing of the limit.
    pub fn enter(&mut self, key: Option<&str>, now: Timestamp) -> Gate {
        if !key.is_some_and(|key| self.keys.iter().any(|known| known == key)) {
            return Gate::WrongKey;
        }
        let Some(limit) = self.limit.as_mut() else { return Gate::Open };
        let until = match limit.until {
            Some(until) if now >= until => {
                self.limit = None;
                return Gate::Open;
            }
            Some(until) => until,
            None if limit.remaining > 0 => {
                limit.remaining -= 1;
                return Gate::Open;
            }
            None => {
                let until =
                    now.saturating_add(SignedDuration::from_secs(i64::from(limit.retry_after_s))).unwrap_or(now);
                limit.until = Some(until);
                until
            }
        };
        // Rounded up: a client that waits exactly this long must be let in.
        let left = until.duration_since(now).as_millis().max(0).unsigned_abs().div_ceil(1_000);
        Gate::Limited { retry_after_s: u64::try_from(left).unwrap_or(u64::MAX) }
    }

    /// Adds or changes an application and bumps its hidden time; answers its id and whether it is new.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn merge(&mut self, mut change: Value, now: Timestamp) -> Result<(u64, bool), String> {
        let Some(fields) = change.as_object_mut() else { return Err(".: must be an object".to_owned()) };
        let updated = match fields.remove("lastUpdated") {
            None => now,
            Some(Value::String(text)) => text.parse().map_err(|error| format!("lastUpdated: {error}"))?,
            Some(_) => return Err("lastUpdated: must be a time like 2026-11-22T10:00:00Z".to_owned()),
        };
        let next = self.applications.last_key_value().map_or(1, |(id, _)| id + 1);
        let id = match fields.get("id") {
            None => next,
            Some(id) => id.as_u64().filter(|id| *id > 0).ok_or("id: must be a positive integer")?,
        };
        let known = self.applications.get(&id);
        let created = known.is_none();
        let mut detail = known.map_or_else(|| seed::blank(id, now), |application| application.detail.clone());
        patch(&mut detail, &change, "")?;
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("id".to_owned(), json!(id));
        }
        if change.get("status").is_some() {
            settle_status(&mut detail, now)?;
        }
        if created && change.get("job").is_none() {
            let first = self.jobs.first().and_then(|job| job.get("id")).cloned().unwrap_or_default();
            patch(&mut detail, &json!({"job": {"id": first}}), "")?;
        }
        if change.get("job").is_some() || created {
            self.settle_job(&mut detail)?;
        }
        self.applications.insert(id, Application { detail, updated });
        Ok((id, created))
    }

    fn settle_job(&self, detail: &mut Value) -> Result<(), String> {
        let id = detail.pointer("/job/id").cloned().unwrap_or_default();
        let job =
            self.jobs.iter().find(|job| job.get("id") == Some(&id)).ok_or_else(|| format!("job.id: no job {id}"))?;
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("job".to_owned(), seed::job_of_application(job));
        }
        Ok(())
    }

    /// The jobs with the numbers of applicants as they are now.
    #[must_use]
    pub fn jobs_with_counts(&self) -> Vec<Value> {
        self.jobs
            .iter()
            .map(|job| {
                let mut job = job.clone();
                let groups: Vec<&str> = self
                    .applications
                    .values()
                    .filter(|application| application.detail.pointer("/job/id") == job.get("id"))
                    .filter_map(|application| seed::status(&application.detail).map(|status| status.group))
                    .collect();
                let count = |wanted: &[&str]| groups.iter().filter(|group| wanted.contains(group)).count();
                if let Some(fields) = job.as_object_mut() {
                    fields.insert("newApplicantsCount".to_owned(), json!(count(&["NEW"])));
                    fields.insert("activeApplicantsCount".to_owned(), json!(count(&["NEW", "ACTIVE"])));
                    fields.insert("totalApplicantsCount".to_owned(), json!(groups.len()));
                }
                job
            })
            .collect()
    }
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

fn settle_status(detail: &mut Value, now: Timestamp) -> Result<(), String> {
    let status = seed::status(detail).ok_or("status.id: no such status")?;
    if let Some(fields) = detail.pointer_mut("/status").and_then(Value::as_object_mut) {
        fields.insert("label".to_owned(), json!(status.name));
        fields.insert("dateChanged".to_owned(), json!(seed::time(now)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_refuses_from_its_request_on_and_lets_in_who_waited() {
        let mut company = seed::company("acme");
        company.limit = Some(Limit { remaining: 1, retry_after_s: 2, until: None });
        let at = |millis: i64| Timestamp::from_millisecond(1_764_000_000_000 + millis).unwrap_or_default();
        let key = "local-bamboohr-key-acme";
        // (milliseconds, key, gate)
        let table = [
            (0, "other", Gate::WrongKey),
            (0, key, Gate::Open),
            (10, key, Gate::Limited { retry_after_s: 2 }),
            (1_500, key, Gate::Limited { retry_after_s: 1 }),
            (2_010, key, Gate::Open),
            (2_011, key, Gate::Open),
        ];
        for (millis, key, gate) in table {
            assert_eq!(company.enter(Some(key), at(millis)), gate, "at {millis} ms");
        }
        assert_eq!(company.enter(None, at(3_000)), Gate::WrongKey);
    }

    #[test]
    fn a_change_touches_its_fields_only_and_an_unknown_one_is_named() {
        let mut company = seed::company("acme");
        let now = Timestamp::from_second(1_795_000_000).unwrap_or_default();
        let (id, before) = company
            .applications
            .iter()
            .next()
            .map(|(id, row)| (*id, row.clone()))
            .unwrap_or((0, Application { detail: Value::Null, updated: now }));
        assert_eq!(
            company.merge(json!({"id": id, "status": {"id": 4}, "applicant": {"email": "new@example.com"}}), now),
            Ok((id, false))
        );
        let after = company.applications.get(&id).map(|row| row.detail.clone()).unwrap_or_default();
        assert_eq!(after.pointer("/status/label"), Some(&json!("Phone Screened")));
        assert_eq!(after.pointer("/applicant/email"), Some(&json!("new@example.com")));
        assert_eq!(after.pointer("/applicant/firstName"), before.detail.pointer("/applicant/firstName"));
        let last = company.applications.last_key_value().map_or(0, |(id, _)| *id);
        assert_eq!(company.merge(json!({"applicant": {"firstName": "Ada"}}), now), Ok((last + 1, true)));
        for (change, field) in [
            (json!({"applicant": {"mail": "x"}}), "applicant.mail"),
            (json!({"id": "7"}), "id"),
            (json!({"status": {"id": 999}}), "status.id"),
            (json!({"job": {"id": 1}}), "job.id"),
            (json!({"lastUpdated": "yesterday"}), "lastUpdated"),
        ] {
            assert!(company.merge(change, now).is_err_and(|said| said.starts_with(field)), "{field}");
        }
    }
}
