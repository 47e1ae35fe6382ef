//! External systems by category, and the catalog that lists them.
//!
//! Architecture invariants: a provider is one file (an ATS: one folder) and one line of its category's registry; what follows from
//! its `PROVIDER` is written nowhere else; a category knows no other category; nothing here knows AWS or a table. Requests are built and replies are read by plain
//! functions, so that every provider can be tested without a network; only `transport::http` and `mail::smtp` send anything, and
//! `transport::oauth` fetches tokens by `transport::http`.

pub mod ats;
pub mod catalog;
mod cause;
mod info;
pub mod mail;
pub mod model;
pub mod transport;

pub use cause::Cause;
pub use info::ProviderInfo;
