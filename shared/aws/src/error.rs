//! What can go wrong between a function and AWS.

use std::error::Error;
use std::fmt::Write as _;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use resilience::batch::Outcome;
use resilience::retry::WORKER;

/// A call to AWS that did not do its work. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The service did not answer, asked to slow down or did not let us; the same call may succeed later.
    #[error("{operation}: {detail}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the SDK says.
        detail: String,
    },
    /// The service refused what was sent; only a change of code or data helps.
    #[error("{operation}: {detail}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// What the SDK says.
        detail: String,
    },
    /// A stored item does not fit its type.
    #[error("{operation}: the stored item is not readable: {detail}")]
    Unreadable {
        /// What was tried.
        operation: &'static str,
        /// What does not fit.
        detail: String,
    },
}

impl AwsError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn retry(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Refused { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// What becomes of the message whose work it stopped.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let reason = format!("failed to {self}");
        if self.retry() { Outcome::retry(WORKER.cap, reason) } else { Outcome::dead(reason) }
    }

    /// Sorts an SDK error by whether a later call may succeed.
    pub(crate) fn from_sdk<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        let detail = chain(error);
        let refused = match error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::ServiceError(service) => blames_the_call(service.err().code().unwrap_or_default()),
            _ => false,
        };
        if refused { Self::Refused { operation, detail } } else { Self::Unavailable { operation, detail } }
    }
}

/// Whether a code blames what was sent. All others may pass: throttling and outages by themselves, a missing permission or
/// resource when somebody mends the deployment; until then work must wait and not be thrown away.
fn blames_the_call(code: &str) -> bool {
    matches!(
        code,
        "ValidationException"
            | "ValidationError"
            | "SerializationException"
            | "ItemCollectionSizeLimitExceededException"
            | "InvalidMessageContents"
            | "InvalidParameterValue"
            | "BatchRequestTooLong"
    )
}

/// An error with its causes in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}
