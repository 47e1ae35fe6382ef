//! The reason why work ended without its result, for people and programs.

use serde::{Deserialize, Serialize};

/// The reason why work, or its last attempt, ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable word for programs, for example `prompt-blocked`.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

impl Failure {
    #[must_use]
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into() }
    }
}
