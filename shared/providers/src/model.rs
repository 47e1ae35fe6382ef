//! Asking a model: one prompt in, one JSON document out, by the access that the stage allows.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::access::ModelAccess;
use crate::gemini;
use crate::http::{Outbound, SendError};
use crate::mock_model;

/// A rendered prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The model.
    pub model: String,
    /// Instructions.
    pub system: String,
    /// The case at hand.
    pub user: String,
    /// JSON Schema of the answer.
    pub schema: Value,
    /// Temperature, above 0 to 2.
    pub temperature: f64,
    /// Most tokens of the answer, thinking included.
    pub max_output_tokens: u32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The document.
    pub value: Value,
    /// The model that answered, as it names itself.
    pub model: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, thinking included.
    pub output_tokens: u64,
}

/// Why there is no answer. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The model refuses this prompt.
    #[error("ask the model: the prompt was blocked: {0}")]
    PromptBlocked(String),
    /// The model refuses to give this answer.
    #[error("ask the model: the answer was blocked: {0}")]
    AnswerBlocked(String),
    /// The answer did not fit into the tokens.
    #[error("ask the model: the answer was cut off at the token limit")]
    CutOff,
    /// A quota is used up.
    #[error("ask the model: {detail}")]
    RateLimited {
        /// What to wait at least; zero when it was not said.
        wait: Duration,
        /// What the provider says.
        detail: String,
    },
    /// The provider does not answer or failed.
    #[error("ask the model: {0}")]
    Unavailable(String),
    /// The request or the key is wrong: nothing but a change on our side helps.
    #[error("ask the model: refused: {0}")]
    Refused(String),
    /// The reply does not have the documented shape.
    #[error("ask the model: {0}")]
    Malformed(String),
}

/// Whether to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After at least this time.
    After(Duration),
    /// It would not help.
    Never,
}

impl ModelError {
    /// Whether asking again may help. Asking twice is harmless but for its price.
    #[must_use]
    pub const fn again(&self) -> Again {
        match self {
            Self::RateLimited { wait, .. } => Again::After(*wait),
            Self::Unavailable(_) | Self::Malformed(_) | Self::CutOff => Again::After(Duration::ZERO),
            Self::PromptBlocked(_) | Self::AnswerBlocked(_) | Self::Refused(_) => Again::Never,
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PromptBlocked(_) => "prompt-blocked",
            Self::AnswerBlocked(_) => "answer-blocked",
            Self::CutOff => "answer-cut-off",
            Self::RateLimited { .. } => "rate-limited",
            Self::Unavailable(_) => "model-unavailable",
            Self::Refused(_) => "model-refused",
            Self::Malformed(_) => "answer-malformed",
        }
    }
}

/// The model, as this stage may use it.
#[derive(Debug, Clone)]
pub struct ModelClient {
    access: ModelAccess,
    http: Outbound,
}

impl ModelClient {
    /// A client for the given access.
    #[must_use]
    pub fn new(access: ModelAccess, http: Outbound) -> Self {
        Self { access, http }
    }

    /// True unless the live model is asked.
    #[must_use]
    pub const fn is_mock(&self) -> bool {
        !matches!(self.access, ModelAccess::Live(_))
    }

    /// Whether a key is needed.
    #[must_use]
    pub const fn needs_key(&self) -> bool {
        !matches!(self.access, ModelAccess::Mock)
    }

    /// Opens the connection, in INIT.
    pub async fn preconnect(&self) {
        match &self.access {
            ModelAccess::Live(base) | ModelAccess::Simulator(base) => self.http.preconnect(base).await,
            ModelAccess::Mock => {}
        }
    }

    /// Asks once, within `timeout`.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn ask(
        &self,
        prompt: &Prompt,
        key: Option<&SecretString>,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Generated, ModelError> {
        match &self.access {
            ModelAccess::Mock => Ok(mock_model::answer(prompt)),
            ModelAccess::Live(base) | ModelAccess::Simulator(base) => {
                let key = key.ok_or_else(|| ModelError::Refused("there is no API key".to_owned()))?;
                self.ask_over_http(base, prompt, key, timeout, now).await
            }
        }
    }

    async fn ask_over_http(
        &self,
        base: &Url,
        prompt: &Prompt,
        key: &SecretString,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Generated, ModelError> {
        let url = format!("{}/{}", base.as_str().trim_end_matches('/'), gemini::path(&prompt.model));
        let request = self
            .http
            .client()
            .post(url)
            .header("x-goog-api-key", key.expose_secret())
            .header("x-server-timeout", timeout.as_secs().max(1).to_string())
            .json(&gemini::body(prompt));
        match self.http.send(request, timeout).await {
            Ok(reply) => gemini::read(&reply, now),
            Err(SendError::NotSent(detail) | SendError::NoReply(detail)) => Err(ModelError::Unavailable(detail)),
        }
    }
}
