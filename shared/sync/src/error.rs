//! The reasons for which work on a connection stops before its end.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws::error::AwsError;
use aws::telemetry::chain;
use providers::ats::port::AtsError;

/// The reason for which work on a connection stops before its end; each variant calls for another reaction.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The limit of requests is reached: the connection waits.
    #[error("{} asks to wait {} s", if *.ours { "our own budget of requests" } else { "the provider" }, .wait.as_secs())]
    RateLimited {
        /// The time to wait.
        wait: Duration,
        /// Whether our own budget of requests requires the wait, and not the provider.
        ours: bool,
    },
    /// The work cannot continue until a person acts.
    #[error(transparent)]
    Failed(Detail),
    /// A person has to authorise the connection again.
    #[error(transparent)]
    ReauthorizationRequired(Detail),
    /// The provider does not respond; the same request may succeed soon.
    #[error(transparent)]
    Unavailable(Detail),
    /// The response of the provider cannot be read.
    #[error(transparent)]
    InvalidResponse(Detail),
    /// The cursor is no longer valid: the list has to be read from its beginning.
    #[error(transparent)]
    CursorExpired(Detail),
    /// The invocation is about to end.
    #[error("there is no time left")]
    DeadlineReached,
    /// The lease passed, and another worker may hold the connection.
    #[error("another worker took the connection over")]
    LeaseLost,
    /// A call to AWS failed.
    #[error("failed to call AWS")]
    Aws(#[from] AwsError),
}

/// A sentence for the people who look after a connection, and the error behind it.
#[derive(Debug)]
pub struct Detail {
    sentence: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Detail {
    /// "failed to …", completed by the error that is the cause.
    pub(crate) fn failed_to(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { sentence: format!("failed to {cause}"), cause: Some(Box::new(cause)) }
    }

    /// "failed to …", completed by an error of a provider and by all that is behind it: what a provider says is for people.
    pub(crate) fn of_provider(error: &dyn Error) -> Self {
        Self::from(format!("failed to {}", chain(error)))
    }
}

impl From<String> for Detail {
    fn from(sentence: String) -> Self {
        Self { sentence, cause: None }
    }
}

impl From<&str> for Detail {
    fn from(sentence: &str) -> Self {
        Self::from(sentence.to_owned())
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Error for Detail {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The sentence has the text of the cause, so the chain continues behind it.
        self.cause.as_deref().and_then(|cause| cause.source())
    }
}

impl From<AtsError> for SyncError {
    fn from(error: AtsError) -> Self {
        let variant = match &error {
            AtsError::RateLimited { wait, .. } => return Self::RateLimited { wait: *wait, ours: false },
            AtsError::ReauthorizationRequired(_) => Self::ReauthorizationRequired,
            AtsError::Unauthorised(_) | AtsError::Refused(_) => Self::Failed,
            AtsError::CursorExpired(_) => Self::CursorExpired,
            AtsError::Unavailable(_) => Self::Unavailable,
            AtsError::InvalidResponse(_) => Self::InvalidResponse,
        };
        variant(Detail::of_provider(&error))
    }
}
