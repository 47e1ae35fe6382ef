//! Makes our records equal to those of applicant tracking systems.
//!
//! A connection has one worker at a time ([`store::sync_states`]). It reads the provider's lists page by page: everything (a full
//! pass, which also finds what is gone) or what changed since the last time; the two alternate in slices, so that neither waits
//! for the end of the other. Each page is applied with writes that decide by the stored record ([`store::observed`]), and then
//! the checkpoint moves: a worker that resumes repeats at most one page, which changes nothing. Webhooks are applied beside that
//! by the same rules. Every run ends with an outcome; one whose worker died is found by its lease.
//!
//! Architecture invariants: nothing here knows one provider; requests and the parsing of replies are the provider's files.

mod changes;
mod check;
mod client;
mod connections;
mod engine;
mod error;
mod events;
mod leased;
mod objects;
mod passes;
mod plan;
mod poll;
mod progress;
mod requests;
mod runs;
mod session;
mod tokens;
mod writer;

pub use crate::changes::ChangeOutcome;
pub use crate::connections::CREDENTIALS;
pub use crate::engine::{Engine, ProviderAccess, SetUpError};
pub use crate::error::{Detail, SyncError};
pub use crate::events::AppliedEvent;
pub use crate::requests::BUDGET_NAME;
