//! Why work on a connection stops before its end.

use std::time::Duration;

use aws::error::AwsError;

/// Why work on a connection stops before its end, and so what is to be done.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Wait.
    #[error("{} asks to wait {} s", if *.ours { "our own budget of requests" } else { "the provider" }, .wait.as_secs())]
    RateLimited {
        /// How long.
        wait: Duration,
        /// Whether our own budget of requests asks, and not the provider.
        ours: bool,
    },
    /// It cannot go on until somebody acts.
    #[error("{0}")]
    Failed(String),
    /// A person has to authorise the connection again.
    #[error("{0}")]
    ReauthorizationRequired(String),
    /// It may go on soon.
    #[error("{0}")]
    Unavailable(String),
    /// The response of the provider cannot be read.
    #[error("{0}")]
    InvalidResponse(String),
    /// The cursor is no longer valid: the list has to be read from its beginning.
    #[error("{0}")]
    CursorExpired(String),
    /// The invocation is about to end.
    #[error("there is no time left")]
    DeadlineReached,
    /// The lease passed, and another worker may hold the connection.
    #[error("another worker took the connection over")]
    LeaseLost,
    /// AWS did not do its part.
    #[error("failed to {0}")]
    Aws(#[from] AwsError),
}
