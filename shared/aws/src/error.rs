//! The failures between a function and AWS.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use resilience::batch::Outcome;
use resilience::retry::WORKER;

use crate::telemetry::chain;

/// The cause of a failure; a text where no other error is behind it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A call to AWS that did not do its work. Completes "failed to …"; its causes are for the log, by [`chain`].
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The service did not respond, throttled us or refused us; the same call may succeed later.
    #[error("{operation}: AWS is not available")]
    Unavailable {
        operation: &'static str,
        #[source]
        cause: Cause,
    },
    /// The service refused what was sent; only a change of code or data helps.
    #[error("{operation}: AWS refused it")]
    Refused {
        operation: &'static str,
        #[source]
        cause: Cause,
    },
    /// A stored item does not fit its type.
    #[error("{operation}: the stored item is not readable")]
    Unreadable {
        operation: &'static str,
        #[source]
        cause: Cause,
    },
}

impl AwsError {
    /// A call that may succeed later.
    pub fn unavailable(operation: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Unavailable { operation, cause: cause.into() }
    }

    /// A call that will be refused again.
    pub fn refused(operation: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Refused { operation, cause: cause.into() }
    }

    /// A stored item that does not fit its type.
    pub fn unreadable(operation: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Unreadable { operation, cause: cause.into() }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn retry(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Refused { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// The outcome of the message whose work it stopped.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let reason = format!("failed to {}", chain(self));
        if self.retry() { Outcome::retry(WORKER.cap, reason) } else { Outcome::dead(reason) }
    }

    /// Sorts an SDK error by whether a later call may succeed.
    pub(crate) fn from_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let refused = match &error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::ServiceError(service) => blames_the_call(service.err().code().unwrap_or_default()),
            _ => false,
        };
        if refused { Self::refused(operation, error) } else { Self::unavailable(operation, error) }
    }
}

/// Whether a code blames what was sent. All others may pass: throttling and outages by themselves, a missing permission or
/// resource when the deployment is repaired; until then work must wait and not be thrown away.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_failed_and_its_cause_is_for_the_log() {
        let number = "x".parse::<u8>().expect_err("no number");
        let error = AwsError::unreadable("read the table", number);
        assert_eq!(error.to_string(), "read the table: the stored item is not readable");
        let all = "read the table: the stored item is not readable: invalid digit found in string";
        assert_eq!(chain(&error).to_string(), all);
        assert_eq!(error.outcome(), Outcome::dead(format!("failed to {all}")));
    }
}
