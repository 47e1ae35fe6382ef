//! Suggestions: text that a model writes for recruiting staff.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::failure::Failure;
use crate::id::{ApplicationId, OrgId, SuggestionId};

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuggestionKind {
    /// A short review of one application: summary, strengths, concerns, next step.
    ApplicationReview,
}

/// Where the work stands. `Accepted` means durable and waiting, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuggestionState {
    /// Recorded; a worker has not begun.
    Accepted,
    /// A worker holds it.
    Running,
    /// The result is there.
    Succeeded,
    /// It will not be tried again; the failure says why.
    Failed,
}

/// The text itself, as the prompt's schema asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationReview {
    /// Two or three sentences.
    pub summary: String,
    /// What speaks for the candidate.
    pub strengths: Vec<String>,
    /// What to look into.
    pub concerns: Vec<String>,
    /// One sentence.
    pub next_step: String,
}

/// How the text came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The prompt.
    pub prompt_id: String,
    /// Its version.
    pub prompt_version: u32,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, with what the model spent on thinking.
    pub output_tokens: u64,
    /// How long the call took, in milliseconds.
    pub duration_ms: u64,
    /// True when no live model was asked, as everywhere outside production.
    pub mock: bool,
}

/// One suggestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Format version.
    pub v: u8,
    /// Its id.
    pub id: SuggestionId,
    /// What is asked.
    pub kind: SuggestionKind,
    /// Of which application.
    pub application_id: ApplicationId,
    /// Whether recruiting staff are told by e-mail when it is there.
    pub notify: bool,
    /// Where it stands.
    pub state: SuggestionState,
    /// How often a worker took it.
    pub attempts: u32,
    /// The text.
    pub result: Option<ApplicationReview>,
    /// Why not, or why not yet.
    pub failure: Option<Failure>,
    /// How the text came to be.
    pub generation: Option<Generation>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Suggestion {
    /// A new request.
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

/// The one suggestion that the arrival of an application asks for.
#[must_use]
pub fn id_for_new_application(org: &OrgId, application: ApplicationId) -> SuggestionId {
    SuggestionId::derived(org, &["new-application", &application.to_string()])
}
