//! The one integration binary. `cargo xtask test` runs it against a stack of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so at the place where it fails"
)]

mod contract;
mod e2e;
mod repo;
mod worlds;
