//! One customer of BambooHR as tests hold it, and the world of all of them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{company::Company, detail, gate::Error, job::JobStatus, seed, step};
use crate::{
    wire::{Call, basic},
    world::{self, Chance, Clock, Customer, Locked, Truth, fields},
};

pub type World = world::World<Account>;

pub type Account = Locked<Company>;

impl Account {
    /// Requests of a minute, or no limit.
    pub fn set_limit(&self, per_minute: Option<u64>) {
        let door = &mut self.state().door;
        (door.rate.limit, door.limit) = (per_minute, None);
    }

    /// Rows of a page.
    pub fn set_page_size(&self, rows: usize) {
        self.state().page_size = rows.max(1);
    }
}

impl Customer for Company {
    fn open(name: &str, clock: &Clock) -> Self {
        seed::company(name, clock)
    }

    fn grow(&mut self, chance: &mut Chance, objects: usize) {
        step::grow(self, chance, objects);
    }

    fn step(&mut self, chance: &mut Chance) -> String {
        world::state::step(self, chance, &step::CHANGES)
    }

    fn truth(&self) -> Truth {
        truth(self)
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
    let company = &mut *account.state();
    match company.door.enter(key.as_deref(), company.clock.now_ms()) {
        Ok(()) => answer(company).map(Json).into_response(),
        Err(closed) => closed.into_response(),
    }
}

/// What a client should have: jobs that were not deleted, applications and their applicants.
fn truth(company: &Company) -> Truth {
    let mut truth = Truth::new();
    for (id, job) in company.jobs().iter().filter(|(_, job)| job.status != JobStatus::Deleted) {
        let text = |pointer: &str| job.detail.pointer(pointer).cloned().unwrap_or_default();
        let expected = fields(json!({
            "title": text("/title/label"), "status": job.status.word(), "provider_status": job.status.label(),
            "department": text("/department/label"), "location": text("/location/label"),
        }));
        truth.insert(format!("job/{id}"), expected);
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
        let expected = fields(json!({
            "candidate": applicant, "job": row.job.to_string(), "status": word, "provider_status": label, "stage": label,
            "applied_at": row.applied.to_string(),
        }));
        truth.insert(format!("application/{id}"), expected);
    }
    truth
}
