//! The HTTP API as its users see it.

mod bad_input;
mod cache;
mod events;
mod frontend;
pub(crate) mod intake;
mod operations;
