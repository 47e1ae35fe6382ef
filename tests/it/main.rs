//! The one integration binary. `cargo xtask test` runs it against a stack of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so at the place where it fails"
)]

mod ats;
mod aws;
mod calls;
mod e2e;
mod events;
mod fixtures;
mod gmail;
mod layout;
mod mail_event_fixtures;
mod mail_parsed_back;
mod mail_providers;
mod mail_world;
mod ses;
mod smtp;
mod stack;
mod template;
mod worlds;
