//! Passes through a provider's lists. The progress of a pass, and so its checkpoint, is in [`crate::progress`].

pub(crate) mod lists;
pub(crate) mod pass;
mod pending;
mod sweep;
