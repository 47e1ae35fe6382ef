//! Decisions that keep promises: the holder of work, retries, due and overdue work, admission.
//!
//! Architecture invariant: nothing here does IO, reads a clock or draws a random number. Time and random numbers are
//! arguments; the condition expressions are beside the state that they guard and are executed by `aws` and `store`.

pub mod adaptive;
pub mod batch;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "what is not understood must fail its proof; a release has none of this")]
pub mod condition;
pub mod deadline;
pub mod delivery;
pub mod limit;
#[cfg(test)]
mod model_checker;
pub mod observe;
pub mod outbox;
pub mod poll;
pub mod retry;
pub mod work;
