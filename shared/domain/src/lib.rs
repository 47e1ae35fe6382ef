//! Types and rules of a hiring platform's integrations.
//!
//! What must never be here: IO, a clock, randomness, AWS, HTTP. Time and fresh ids are arguments, so that every rule
//! can be tested as a plain function.

pub mod action;
pub mod api_key;
pub mod ats;
pub mod audit;
pub mod connection;
pub mod failure;
pub mod id;
pub mod intake;
pub mod language;
pub mod mail_event;
pub mod message;
pub mod notification;
pub mod organisation;
pub mod stage;
pub mod suggestion;
pub mod suppression;
pub mod sync;
pub mod text;
pub mod write_back;

/// Version written into every stored record and queued message; readers refuse what is newer than they know.
pub const FORMAT_VERSION: u8 = 1;
