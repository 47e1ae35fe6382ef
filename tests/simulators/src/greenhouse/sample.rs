//! A `new_candidate_application` of the documented shape, made for tests.

use std::sync::{Arc, atomic::AtomicI64};

use serde_json::{Value, json};

use super::{seed, state::State, table::Table, webhook};
use crate::{
    wire::with,
    world::{
        Chance, Clock,
        words::{FIRST_NAMES, LAST_NAMES, TITLES},
    },
};

/// The first minute of all samples, 2026-11-01T08:00:00Z.
const BEGIN_MS: i64 = 1_793_520_000_000;

/// A whole webhook body. The same arguments give the same body; `seed` chooses person, job and time.
pub fn new_candidate_application(application_id: u64, candidate_id: u64, seed: u64) -> Value {
    let minutes = i64::try_from(seed % 21 * 24 * 60 + seed % 600).unwrap_or_default();
    let clock = Clock::manual(Arc::new(AtomicI64::new(BEGIN_MS + minutes * 60_000)));
    let (mut state, mut chance) = (State::new("Example Hiring", &clock), Chance::new(seed));
    state.in_the_past(1_000, |state| seed::organization(state, &mut Chance::new(0)));
    let first = |table| state.store.rows(table).keys().next().copied();
    let (job, source, department) = (first(Table::Jobs), first(Table::Sources), first(Table::Departments));
    let (office, stage) = (first(Table::Offices), first(Table::JobInterviewStages));
    let fields = json!({"name": chance.pick(&TITLES), "department_id": department, "office_ids": [office]});
    state.in_the_past(1, |state| {
        state.set(Table::Jobs, job.unwrap_or_default(), fields);
    });
    let mail = format!("candidate.{candidate_id}@example.com");
    let phone = format!("+353 1 555 {:04}", candidate_id % 10_000);
    let person = seed::candidate(chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES), Some(&mail), Some(&phone));
    let further = json!({
        "title": "Senior Engineer", "company": "Larch & Pine Ltd.", "tags": ["referral-week"],
        "addresses": [{"value": "4 Mill Lane\nDublin", "type": "home"}],
        "website_addresses": [{"value": format!("https://portfolio.example/{candidate_id}"), "type": "portfolio"}],
    });
    state.add_as(candidate_id, Table::Candidates, with(person, further));
    let application = json!({"candidate_id": candidate_id, "job_id": job, "source_id": source, "_held_stage": stage});
    state.add_as(application_id, Table::Applications, application);
    state.record_event("new_candidate_application", |state| webhook::application(state, application_id));
    state.events.pop_front().unwrap_or_default()
}
