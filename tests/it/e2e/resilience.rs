//! What survives faults, floods and processes that die.

mod breaker;
mod budgets;
mod contention;
mod faults;
mod idempotency;
mod kill_points;
mod limit;
pub(crate) mod outbox;
