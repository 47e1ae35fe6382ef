//! Changes the status of a connection by compare-and-set, so that two requests at once cannot undo each other.

use aws::clock;
use aws::error::AwsError;
use domain::connection::{ConnectionKey, ConnectionStatus};
use web::problem::Problem;

use super::load::load_connection;
use crate::api::Api;
use crate::audit::Change;
use crate::response::unavailable;

/// The most attempts at a change, when the status changes between the read and the write.
const MAX_ATTEMPTS: u32 = 4;

/// A change of a connection's status; the two are equal when nothing had to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusChange {
    pub(super) before: ConnectionStatus,
    pub(super) after: ConnectionStatus,
}

impl StatusChange {
    /// The change for the audit, with the result for the caller.
    pub(super) fn with<T>(self, result: T) -> Change<T> {
        Change { before: self.before.as_str().to_owned(), after: self.after.as_str().to_owned(), result }
    }
}

/// Changes a connection's status to the one that `next` decides from the present one.
pub(super) async fn change_status(
    api: &Api,
    key: &ConnectionKey,
    next: impl Fn(ConnectionStatus) -> Result<ConnectionStatus, Problem>,
) -> Result<StatusChange, Problem> {
    for _ in 0..MAX_ATTEMPTS {
        let before = load_connection(api, key).await?.status;
        let after = next(before)?;
        let write = async {
            Ok(before == after || api.records.change_connection(key, (before, after), None, clock::now()).await?)
        };
        if write.await.map_err(|e: AwsError| unavailable(&e))? {
            return Ok(StatusChange { before, after });
        }
    }
    Err(Problem::conflict("the connection changed at the same time; look at it, and order again"))
}

/// The refusal of an action on a connection that is being removed or that this version does not know.
pub(super) fn not_changeable(status: ConnectionStatus) -> Problem {
    Problem::conflict(match status {
        ConnectionStatus::Deleted => "the connection is being removed",
        _ => "a later version of this service set this connection up",
    })
}
