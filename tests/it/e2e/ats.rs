//! Applicant tracking systems: connections, webhooks, sync, changes.

mod actions;
mod connections;
mod freshness;
mod review;
mod sync;
pub(crate) mod webhook;
mod worlds;
