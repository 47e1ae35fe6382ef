//! The frontend's API: everything it reads and asks for. What takes time is recorded, enqueued and answered with 202.
//!
//! Every handler takes the organisation from the verified token and from nowhere else, so another organisation's id is
//! simply not found. What must never be here: a call to a third party.

mod accept;
mod applications;
mod connections;
mod jobs;
mod notifications;
mod suggestions;

use axum::Router;
use platform::control::Control;
use platform::error::PlatformError;
use platform::queue::Queue;
use platform::records::{Cursor, Records};
use web::page::{PageRequest, bad_cursor};
use web::problem::Problem;

/// The API and what it needs.
#[derive(Debug, Clone)]
pub struct Api {
    /// Business data.
    pub records: Records,
    /// Sync states and webhook events.
    pub control: Control,
    /// Where suggestions are put to be made.
    pub suggestion_queue: Queue,
    /// Where notifications are put to be sent.
    pub email_queue: Queue,
}

impl Api {
    /// Opens the connections.
    pub async fn preconnect(&self) {
        let _ignored = tokio::join!(self.records.table().preconnect(), self.email_queue.waiting());
    }

    /// All routes.
    pub fn routes(self) -> Router {
        Router::new()
            .merge(applications::routes())
            .merge(connections::routes())
            .merge(jobs::routes())
            .merge(notifications::routes())
            .merge(suggestions::routes())
            .with_state(self)
    }
}

/// What a caller is told when AWS did not do its part. The cause goes into the log.
fn unavailable(error: &PlatformError) -> Problem {
    tracing::error!(%error, "a request failed");
    if error.retry() {
        Problem::unavailable("the data cannot be reached now; try again", 2)
    } else {
        Problem::internal()
    }
}

/// Reads the cursor of a list.
fn cursor(page: &PageRequest) -> Result<Option<Cursor>, Problem> {
    page.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(bad_cursor)).transpose()
}

/// Reads an id of the path: what is not an id names nothing.
fn id<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| not_found(what))
}

/// 404 for something that is not there or is not the caller's.
fn not_found(what: &str) -> Problem {
    Problem::not_found(format!("your organisation has no such {what}"))
}
