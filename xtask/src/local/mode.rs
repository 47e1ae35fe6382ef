//! How a stack is brought up.

use super::time_scale::TimeScale;

#[derive(Default)]
pub(crate) struct Mode {
    pub(crate) sam_build: bool,
    pub(crate) containers: bool,
    /// Who takes the e-mails; none for the SMTP server of the stack.
    pub(crate) mail_provider: Option<String>,
    /// How fast the clock of the stack is.
    pub(crate) time: TimeScale,
}
