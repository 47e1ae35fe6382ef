//! Adapters to AWS: tables, queues, secrets, clients, telemetry, the batch runner.
//!
//! Architecture invariants: only this crate names `aws_sdk_dynamodb`, `aws_sdk_sqs` and `aws_sdk_ssm`; nothing here knows a
//! provider or what is stored in a table.

pub mod batch;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod clients;
pub mod clock;
pub mod dependency;
pub mod environment;
pub mod error;
pub mod fault;
pub mod function;
pub mod limit;
pub mod metrics;
pub mod queue;
pub mod random;
pub mod secrets;
pub mod table;
pub mod telemetry;
pub mod work;
