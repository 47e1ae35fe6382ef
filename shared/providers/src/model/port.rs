//! The port of model providers: building a request from a prompt, and parsing the reply as one JSON document.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::cause::Cause;
use crate::info::ProviderInfo;
use crate::transport::http::{HttpRequest, Reply};

#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    pub model: String,
    pub system: String,
    /// The case at hand.
    pub user: String,
    /// JSON Schema of the answer.
    pub schema: Value,
    /// Temperature, above 0 to 2.
    pub temperature: f64,
    /// The most tokens of the answer, thinking included.
    pub max_output_tokens: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    pub value: Value,
    /// The model that answered, as it names itself.
    pub model: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, thinking included.
    pub output_tokens: u64,
}

/// The reason why there is no answer. Completes "failed to …".
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
    #[error("ask the model")]
    RateLimited {
        /// The least wait that the provider names; zero when it names none.
        wait: Duration,
        /// The provider's own words.
        #[source]
        cause: Cause,
    },
    /// The provider does not respond or failed.
    #[error("ask the model")]
    Unavailable(#[source] Cause),
    /// The request or the key is wrong; only a change on our side helps.
    #[error("ask the model: refused")]
    Refused(#[source] Cause),
    /// The reply does not have the documented shape.
    #[error("ask the model")]
    Malformed(#[source] Cause),
}

/// Whether to repeat a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// After at least this time.
    After(Duration),
    /// A repetition would not help.
    Never,
}

impl ModelError {
    /// Whether a repetition may help. A repeated request does no harm but costs its price.
    #[must_use]
    pub const fn retry_advice(&self) -> RetryAdvice {
        match self {
            Self::RateLimited { wait, .. } => RetryAdvice::After(*wait),
            Self::Unavailable(_) | Self::Malformed(_) | Self::CutOff => RetryAdvice::After(Duration::ZERO),
            Self::PromptBlocked(_) | Self::AnswerBlocked(_) | Self::Refused(_) => RetryAdvice::Never,
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

/// A model provider as the registry lists it.
pub struct ModelProvider {
    pub info: ProviderInfo,
    /// The base URL of its API.
    pub base_url: &'static str,
    pub api: &'static dyn ModelApi,
}

/// The API of a model provider.
pub trait ModelApi: Sync {
    /// Name of the deployment's secret that requests carry.
    fn secret(&self) -> &'static str;

    /// Builds the request; `timeout` is how long we wait, so that the provider can give up, too.
    ///
    /// # Errors
    /// When the model's name or the key cannot be sent.
    fn request(
        &self,
        base: &Url,
        prompt: &Prompt,
        key: &SecretString,
        timeout: Duration,
    ) -> Result<HttpRequest, ModelError>;

    /// Reads a reply.
    ///
    /// # Errors
    /// When it is an error, was blocked, was cut off, or does not have the documented shape.
    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Generated, ModelError>;
}
