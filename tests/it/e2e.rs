//! End to end on the deployed stack: real binaries, real template, simulators in place of third parties.

mod bad_input;
mod breaker;
mod cache;
mod faults;
mod frontend;
mod idempotency;
mod killed;
mod outbox;
mod sync;
mod webhook;
