//! Logs: one JSON line an event, to standard output. No bodies, no personal data.

use std::error::Error;
use std::fmt;
use std::time::Instant;

use tracing_subscriber::EnvFilter;

use crate::environment;

/// Starts logging at `LOG_LEVEL` (default `info`; the SDK's own chatter stays at `warn`).
pub fn init() {
    let level = environment::optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    let filter =
        EnvFilter::try_new(format!("{level},aws_smithy_runtime=warn,hyper=warn,rustls=warn,lambda_runtime=warn"))
            .unwrap_or_else(|_| EnvFilter::new("info"));
    let _already_set = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .try_init();
}

/// Logs the duration of the start, from the begin of `main` to the first event.
pub fn started(begin: Instant) {
    let name = environment::optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unknown".to_owned());
    let init_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(function.name = name, init_ms, "cold start");
}

/// An error with all its causes in one line, for the log.
#[must_use]
pub fn chain(error: &dyn Error) -> impl fmt::Display {
    Chain(error)
}

struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}
