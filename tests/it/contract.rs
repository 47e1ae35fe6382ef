//! What each provider promises, against its simulator or recorded payloads, without a stack.

pub(crate) mod ats;
pub(crate) mod fixtures;
mod gmail;
mod mail_event_fixtures;
mod mail_parsed_back;
mod mail_providers;
pub(crate) mod mail_world;
mod models;
mod ses;
mod smtp;
