//! Suggestions: text that a model writes for recruiting staff.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::failure::Failure;
use crate::id::{ApplicationId, OrgId, SuggestionId};

/// The task of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuggestionKind {
    /// A short review of one application: summary, strengths, concerns, next step.
    ApplicationReview,
}

/// The state of the work. `Accepted` means durable and waiting, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuggestionState {
    /// Recorded; a worker has not begun.
    Accepted,
    /// A worker holds it.
    Running,
    /// The result is there.
    Succeeded,
    /// It will not be retried; the failure has the reason.
    Failed,
}

/// The review itself, in the shape of the prompt's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationReview {
    /// Two or three sentences.
    pub summary: String,
    /// The strengths of the candidate.
    pub strengths: Vec<String>,
    /// The points to look into.
    pub concerns: Vec<String>,
    /// The recommended next step, in one sentence.
    pub next_step: String,
}

/// The facts of a text's generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The id of the prompt that was used.
    pub prompt_id: String,
    /// The version of the prompt that was used.
    pub prompt_version: u32,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, with what the model spent on thinking.
    pub output_tokens: u64,
    /// The duration of the call, in milliseconds.
    pub duration_ms: u64,
    /// True when no live model was called, as everywhere outside production.
    pub mock: bool,
}

/// A suggestion of the model, and the state of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The version of the stored format.
    pub v: u8,
    pub id: SuggestionId,
    /// The task of the model.
    pub kind: SuggestionKind,
    /// The application under review.
    pub application_id: ApplicationId,
    /// Whether recruiting staff get an e-mail when it is finished.
    pub notify: bool,
    /// The state of the work.
    pub state: SuggestionState,
    /// The number of attempts.
    pub attempts: u32,
    /// The result; none until the work has succeeded.
    pub result: Option<ApplicationReview>,
    /// The reason of the failure, or of the last retry.
    pub failure: Option<Failure>,
    /// The facts of the text's generation.
    pub generation: Option<Generation>,
    /// The time of the request.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl Suggestion {
    /// A suggestion that is recorded and waits for a worker.
    #[must_use]
    pub fn accepted(id: SuggestionId, application_id: ApplicationId, notify: bool, now: Timestamp) -> Self {
        Self {
            v: FORMAT_VERSION,
            id,
            kind: SuggestionKind::ApplicationReview,
            application_id,
            notify,
            state: SuggestionState::Accepted,
            attempts: 0,
            result: None,
            failure: None,
            generation: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The id of the one suggestion that follows from the arrival of an application.
#[must_use]
pub fn id_for_new_application(org: &OrgId, application: ApplicationId) -> SuggestionId {
    SuggestionId::derived(org, &["new-application", &application.to_string()])
}
