//! The mode of a stack.

use super::time_scale::TimeScale;

#[derive(Default)]
pub(crate) struct Mode {
    pub(crate) sam_build: bool,
    pub(crate) containers: bool,
    /// Who takes the e-mails; none for the SMTP server of the stack.
    pub(crate) mail_provider: Option<String>,
    /// The speed of the stack's clock.
    pub(crate) time: TimeScale,
}
