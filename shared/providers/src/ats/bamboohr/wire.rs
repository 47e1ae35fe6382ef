//! BambooHR's responses, as far as they are used. Everything but an id may be missing.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A page of applications; its rows are read one by one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    pub(super) applications: Option<Vec<Value>>,
    pub(super) pagination_complete: Option<bool>,
}

/// An error inside of a 200.
#[derive(Deserialize)]
pub(super) struct Inside {
    pub(super) error: Option<Problem>,
}

#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) code: Option<Value>,
}

/// A value with a number of its own.
#[derive(Deserialize)]
pub(super) struct Labelled {
    pub(super) id: Option<u64>,
    pub(super) label: Option<String>,
}

/// An application, in a list or alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) id: u64,
    pub(super) applied_date: Option<Timestamp>,
    pub(super) status: Option<Labelled>,
    pub(super) applicant: Applicant,
    pub(super) job: Option<Numbered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Applicant {
    pub(super) id: u64,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
}

/// An object of which only the number counts.
#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) id: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) title: Option<Labelled>,
    pub(super) status: Option<Labelled>,
    pub(super) department: Option<Labelled>,
    pub(super) location: Option<Labelled>,
}

/// A status that an application can have; its number is a text here.
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) id: Value,
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) enabled: Option<bool>,
}

/// The result of a submitted application.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    pub(super) candidate_id: Value,
}
