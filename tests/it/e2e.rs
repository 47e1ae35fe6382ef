//! End to end on the deployed stack: real binaries, real template, simulators in place of third parties.

pub(crate) mod api;
pub(crate) mod ats;
pub(crate) mod harness;
mod mail;
pub(crate) mod resilience;
