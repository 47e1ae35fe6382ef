//! End to end on the deployed stack: real binaries, real template, simulators in place of third parties.

mod actions;
mod bad_input;
mod breaker;
mod budgets;
mod cache;
mod connections;
mod contention;
mod faults;
mod freshness;
mod frontend;
mod idempotency;
mod intake;
mod kill_points;
mod limit;
mod mail_events;
mod mail_matrix;
mod mail_provider;
mod mail_thousand;
mod operations;
mod outbox;
mod review;
mod sync;
mod webhook;
mod worlds;
