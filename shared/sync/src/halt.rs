//! Why work on a connection stops before its end.

use std::time::Duration;

use aws::error::AwsError;

/// Why work on a connection stops before its end, and so what is to be done.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
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
    /// Somebody has to authorise the connection again.
    #[error("{0}")]
    Reauthorise(String),
    /// It may go on soon.
    #[error("{0}")]
    Unavailable(String),
    /// This page cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The place in the list is lost: it has to be read from its beginning.
    #[error("{0}")]
    PlaceLost(String),
    /// The invocation is about to end.
    #[error("there is no time left")]
    OutOfTime,
    /// Another worker took the connection over.
    #[error("another worker took the connection over")]
    Lost,
    /// AWS did not do its part.
    #[error("failed to {0}")]
    Platform(#[from] AwsError),
}
