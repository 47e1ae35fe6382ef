//! The frontend's API: everything it reads and requests. Long work is recorded, enqueued and accepted with 202.
//!
//! Every handler reads the organisation from the verified token and from nowhere else, so another organisation's id is
//! simply not found. What must never be here: a call to a third party.

mod actions;
mod api;
mod applications;
mod ats_records;
mod audit;
mod cached_list;
mod connections;
mod integrations;
mod jobs;
mod notifications;
mod operations;
mod records;
mod request;
mod response;
mod suggestions;
mod suppressions;

use axum::Router;

pub use crate::api::Api;

impl Api {
    /// The routes of all resources.
    pub fn routes(self) -> Router {
        Router::new()
            .merge(actions::routes())
            .merge(applications::routes())
            .merge(ats_records::routes())
            .merge(audit::routes())
            .merge(connections::routes())
            .merge(integrations::routes())
            .merge(jobs::routes())
            .merge(notifications::routes())
            .merge(operations::routes())
            .merge(suggestions::routes())
            .merge(suppressions::routes())
            .with_state(self)
    }
}
