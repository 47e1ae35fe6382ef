//! What is behind a failure.

use std::error::Error;
use std::fmt;
use std::iter;
use std::ops::Deref;
use std::sync::Arc;

/// The cause of a failure: another error, or a text where no error is behind it, such as a provider's own words. Two causes are
/// equal when they say the same.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// What it says, and what each error behind it says.
    fn texts(&self) -> impl Iterator<Item = String> {
        let first: &(dyn Error + 'static) = &*self.0;
        iter::successors(Some(first), |&error| error.source()).map(ToString::to_string)
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Cause {
    fn from(cause: E) -> Self {
        Self(Arc::from(cause.into()))
    }
}

impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.texts().eq(other.texts())
    }
}

impl Eq for Cause {}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("ask")]
    struct RequestFailed(#[source] Cause);

    #[test]
    fn a_cause_is_an_error_or_a_text_and_keeps_what_is_behind_it() {
        let number = || "x".parse::<u8>().expect_err("no number");
        let whole = Cause::from(RequestFailed(number().into()));
        assert_eq!(format!("{whole:?}"), r#"["ask", "invalid digit found in string"]"#);
        assert_eq!(whole, RequestFailed("invalid digit found in string".into()).into());
        assert_ne!(whole, RequestFailed("no".into()).into());
        assert!(whole.source().is_some_and(|source| source.is::<std::num::ParseIntError>()));
    }
}
