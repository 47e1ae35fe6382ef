//! The AWS side of the product: tables, queues, secrets, clients, telemetry, the batch runner.
//!
//! Architecture invariants: only this crate names `aws_sdk_*`; nothing here knows a provider; every key begins with the
//! organisation, and no function can be called without one (the lists of what is due and of what is overdue, and the
//! deployment's breakers, are the exceptions).

pub mod api_keys;
pub mod audit;
pub mod batch;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod clients;
pub mod clock;
pub mod connections;
pub mod control;
pub mod delivery;
pub mod dependency;
pub mod email_queues;
pub mod environment;
pub mod error;
pub mod fault;
mod item;
pub mod lease;
pub mod limit;
pub mod metrics;
pub mod observed;
pub mod outbox;
pub mod queue;
pub mod records;
pub mod secrets;
pub mod suppression;
pub mod sync;
pub mod table;
pub mod telemetry;
pub mod work;
