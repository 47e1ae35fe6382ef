//! The rows of Harvest's lists: only what is mapped. All but the id may be absent or null.

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;

/// The common fields of rows.
#[derive(Deserialize)]
pub(super) struct Stamp {
    pub(super) id: u64,
    pub(super) updated_at: Option<Timestamp>,
}

/// An address or number.
#[derive(Deserialize)]
pub(super) struct Valued {
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    pub(super) department_id: Option<u64>,
    pub(super) office_ids: Option<Vec<u64>>,
}

#[derive(Deserialize)]
pub(super) struct Opening {
    pub(super) job_id: Option<u64>,
    pub(super) open: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Post {
    pub(super) job_id: Option<u64>,
    pub(super) title: Option<String>,
    pub(super) live: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Candidate {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) company: Option<String>,
    pub(super) email_addresses: Option<Vec<Valued>>,
    pub(super) phone_numbers: Option<Vec<Valued>>,
}

#[derive(Deserialize)]
pub(super) struct Application {
    pub(super) created_at: Option<Timestamp>,
    pub(super) candidate_id: Option<u64>,
    pub(super) job_id: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) stage_name: Option<String>,
}

/// The row of an application as far as a change looks at it.
#[derive(Deserialize)]
pub(super) struct ApplicationStatus {
    pub(super) id: u64,
    pub(super) job_id: Option<u64>,
    pub(super) candidate_id: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) job_interview_stage_id: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Interview {
    pub(super) application_id: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct Offer {
    pub(super) application_id: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) starts_on: Option<Date>,
}

#[derive(Deserialize)]
pub(super) struct Scorecard {
    pub(super) application_id: Option<u64>,
    pub(super) candidate_rating: Option<String>,
    pub(super) submitter_id: Option<u64>,
    pub(super) submitted_at: Option<Timestamp>,
}

/// A department or an office.
#[derive(Deserialize)]
pub(super) struct Unit {
    pub(super) name: Option<String>,
    pub(super) parent_id: Option<u64>,
    pub(super) location: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) primary_email: Option<String>,
    pub(super) deactivated: Option<bool>,
    pub(super) site_admin: Option<bool>,
}
