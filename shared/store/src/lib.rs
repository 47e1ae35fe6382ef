//! Our data in the tables: what is stored under which key, and how it is read and written.
//!
//! Architecture invariants: nothing here knows a provider; every key begins with the organisation, and no function can be called
//! without one (the lists of what is due and of what is overdue, and the deployment's breakers, are the exceptions).

pub mod api_keys;
pub mod audit;
pub mod connections;
pub mod control;
pub mod delivery;
pub mod email_queues;
pub mod jobs;
pub mod observed;
pub mod outbox;
pub mod records;
pub mod suppression;
pub mod sync_states;
