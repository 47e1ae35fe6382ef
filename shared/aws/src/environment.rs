//! Settings that the template puts into a function's environment.

use domain::stage::{Stage, UnknownStage};

/// The reason why a function cannot start. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The template does not set it.
    #[error("read the environment: {0} is not set")]
    Missing(&'static str),
    /// The setting is invalid.
    #[error("read the environment: {name} must be {rule}")]
    Invalid { name: &'static str, rule: &'static str },
    /// `STAGE` is not a stage.
    #[error(transparent)]
    Stage(#[from] UnknownStage),
}

/// A variable that must be there and not be empty.
///
/// # Errors
/// When it is not.
pub fn required(name: &'static str) -> Result<String, EnvironmentError> {
    optional(name).ok_or(EnvironmentError::Missing(name))
}

/// A variable that must be there and be a number of this type.
///
/// # Errors
/// When it is not.
pub fn number<T: std::str::FromStr>(name: &'static str) -> Result<T, EnvironmentError> {
    required(name)?.parse().map_err(|_| EnvironmentError::Invalid { name, rule: "a whole number that fits" })
}

/// A variable that may be absent; empty counts as absent, because a template parameter cannot be left out.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The deployment stage.
///
/// # Errors
/// When `STAGE` is missing or unknown: a function that does not know its stage must not start.
pub fn stage() -> Result<Stage, EnvironmentError> {
    Ok(required("STAGE")?.parse()?)
}
