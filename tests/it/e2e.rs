//! End to end on the deployed stack: real binaries, real template, simulators in place of third parties.

mod bad_input;
mod breaker;
mod faults;
mod frontend;
mod idempotency;
mod intake;
mod killed;
mod limit;
mod outbox;
mod sync;
mod webhook;
