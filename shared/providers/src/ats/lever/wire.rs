//! Lever's responses, as far as they are used. Everything but an id may be missing.

use serde::Deserialize;
use serde_json::Value;

/// A list; its rows are read one by one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    pub(super) data: Vec<Value>,
    #[serde(default)]
    pub(super) next: Option<String>,
    #[serde(default)]
    pub(super) has_next: bool,
}

#[derive(Deserialize)]
pub(super) struct One {
    pub(super) data: Value,
}

/// The body of an error.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

/// A row of which only the id counts.
#[derive(Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// A stage, or an archive reason, whose type is `hired` or `non-hired`.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) text: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) deactivated_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posting {
    pub(super) id: String,
    pub(super) text: Option<String>,
    pub(super) state: Option<String>,
    pub(super) categories: Option<Categories>,
    pub(super) content: Option<Content>,
    pub(super) updated_at: Option<i64>,
}

#[derive(Default, Deserialize)]
pub(super) struct Categories {
    pub(super) department: Option<String>,
    pub(super) location: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Content {
    pub(super) description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opportunity {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) emails: Option<Vec<String>>,
    pub(super) phones: Option<Vec<Phone>>,
    pub(super) stage: Option<String>,
    pub(super) stage_changes: Option<Vec<StageChange>>,
    pub(super) archived: Option<Archived>,
    /// At most one; expanded.
    pub(super) applications: Option<Vec<Application>>,
    pub(super) created_at: Option<i64>,
    pub(super) updated_at: Option<i64>,
    pub(super) last_interaction_at: Option<i64>,
    pub(super) last_advanced_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Phone {
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageChange {
    pub(super) to_stage_id: Option<String>,
    pub(super) updated_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Archived {
    pub(super) reason: Option<String>,
    pub(super) archived_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) posting: Option<String>,
    pub(super) company: Option<String>,
    pub(super) created_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interview {
    pub(super) id: String,
    pub(super) subject: Option<String>,
    pub(super) interviewers: Option<Vec<Interviewer>>,
    pub(super) date: Option<i64>,
    /// The length of the interview, in minutes.
    pub(super) duration: Option<i64>,
    pub(super) feedback_forms: Option<Vec<Value>>,
    pub(super) canceled_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Interviewer {
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) fields: Option<Vec<Field>>,
}

#[derive(Deserialize)]
pub(super) struct Field {
    pub(super) identifier: Option<String>,
    #[serde(default)]
    pub(super) value: Value,
}

/// A note, and the fields that hold its text.
#[derive(Deserialize)]
pub(super) struct Note {
    pub(super) fields: Option<Vec<Field>>,
}
