//! One customer of BambooHR as tests hold it, and the world of all of them.

use std::sync::Mutex;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    company::Company,
    detail,
    gate::{Error, Limit, Refusal},
    job::JobStatus,
    seed, step,
};
use crate::{
    control::lock,
    wire::{Call, basic},
    world::{self, Chance, Clock, Truth, fields},
};

pub type World = world::World<Account>;

#[derive(Debug)]
pub struct Account(Mutex<Company>);

impl Account {
    pub fn with<T>(&self, work: impl FnOnce(&mut Company) -> T) -> T {
        work(&mut lock(&self.0))
    }

    /// Requests of a minute, or no limit.
    pub fn set_limit(&self, per_minute: Option<u64>) {
        self.with(|company| {
            company.door.rate.limit = per_minute;
            company.door.limit = None;
        });
    }

    /// Refuses after so many requests, once.
    pub fn exhaust(&self, limit: Limit) {
        self.with(|company| company.door.limit = Some(limit));
    }

    pub fn set_refusal(&self, refusal: Refusal) {
        self.with(|company| company.door.refusal = refusal);
    }

    /// Rows of a page.
    pub fn set_page_size(&self, rows: usize) {
        self.with(|company| company.page_size = rows.max(1));
    }

    /// The comments that were written, in order: number of the application and the text.
    pub fn comments(&self) -> Vec<(u64, String)> {
        self.with(|company| company.comments.clone())
    }
}

impl world::Account for Account {
    fn open(name: &str, clock: &Clock) -> Self {
        Self(Mutex::new(seed::company(name, clock)))
    }

    fn grow(&self, chance: &mut Chance, objects: usize) {
        self.with(|company| step::grow(company, chance, objects));
    }

    fn step(&self, chance: &mut Chance) -> String {
        self.with(|company| step::step(company, chance))
    }

    fn truth(&self) -> Truth {
        self.with(|company| truth(company))
    }
}

/// Answers a request to a company whose key it has, where no limit refuses it.
pub(super) fn allowed<T: Serialize>(
    world: &World,
    call: &Call,
    answer: impl FnOnce(&mut Company) -> Result<T, Error>,
) -> Response {
    let Some(account) = world.account(call.at(0)) else {
        return Error(StatusCode::NOT_FOUND, "Company not found").into_response();
    };
    let key = basic(&call.headers).map(|(key, _)| key);
    account.with(|company| match company.door.enter(key.as_deref(), company.clock.now_ms()) {
        Ok(()) => answer(company).map(Json).into_response(),
        Err(closed) => closed.into_response(),
    })
}

/// What a client should have: jobs that were not deleted, applications and their applicants.
fn truth(company: &Company) -> Truth {
    let mut truth = Truth::new();
    for (id, job) in company.jobs().iter().filter(|(_, job)| job.status != JobStatus::Deleted) {
        let text = |pointer: &str| job.detail.pointer(pointer).cloned().unwrap_or_default();
        let told = fields(json!({
            "title": text("/title/label"), "status": job.status.word(), "provider_status": job.status.label(),
            "department": text("/department/label"), "location": text("/location/label"),
        }));
        truth.insert(format!("job/{id}"), told);
    }
    for (id, row) in company.applications() {
        let text = |pointer: &str| row.detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let applicant = row.detail.pointer("/applicant/id").map(ToString::to_string).unwrap_or_default();
        let names: Vec<&str> = [text("/applicant/firstName"), text("/applicant/lastName")]
            .into_iter()
            .filter(|name| !name.trim().is_empty())
            .collect();
        let email = Some(text("/applicant/email")).filter(|email| !email.is_empty());
        let person = fields(json!({"name": names.join(" "), "email": email}));
        truth.insert(format!("candidate/{applicant}"), person);
        let status = detail::status(row.status);
        let label = status.map(|status| status.name);
        let word = match status.map(|status| status.group) {
            Some("HIRED") => "hired",
            Some("INACTIVE") => "rejected",
            Some(_) => "active",
            None => "unknown",
        };
        let told = fields(json!({
            "candidate": applicant, "job": row.job.to_string(), "status": word, "provider_status": label, "stage": label,
            "applied_at": row.applied.to_string(),
        }));
        truth.insert(format!("application/{id}"), told);
    }
    truth
}
