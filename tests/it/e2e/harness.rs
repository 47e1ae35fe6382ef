//! The running stack, as tests see it.

pub(crate) mod aws;
pub(crate) mod calls;
pub(crate) mod claims;
pub(crate) mod stack;
pub(crate) mod time;
