//! Answers that all resources share.

use aws::error::AwsError;
use aws::telemetry::chain;
use store::records::Cursor;
use web::page::List;
use web::problem::Problem;

/// 500 or 503 for a failed call to AWS. The cause goes into the log.
pub(crate) fn unavailable(error: &AwsError) -> Problem {
    tracing::error!(error = %chain(error), "a request failed");
    Problem::data_failed(error.retry())
}

/// 404 for a resource that does not exist or belongs to another organisation.
pub(crate) fn not_found(what: &str) -> Problem {
    Problem::not_found(format!("your organisation has no such {what}"))
}

/// A page of a list of rendered items.
pub(crate) fn list_of<T>(items: Vec<T>, next: Option<Cursor>) -> List<T> {
    List { items, next_cursor: next.map(|cursor| cursor.to_string()) }
}
