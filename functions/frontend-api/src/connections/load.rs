//! Reads a connection with its sync state, and refuses one that is missing or does not work.

use aws::clock;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus};
use store::sync_states::SyncState;
use web::identity::Identity;
use web::problem::Problem;

use super::render::connection_response;
use super::types::ConnectionResponse;
use crate::api::Api;
use crate::request::id;
use crate::response::{not_found, unavailable};

/// The word for a connection in responses and in the audit.
pub(super) const KIND: &str = "connection";

/// The key of the caller's connection with the id of the path.
pub(super) fn connection_key(identity: &Identity, text: &str) -> Result<ConnectionKey, Problem> {
    Ok(ConnectionKey { org: identity.org.clone(), connection: id(text, KIND)? })
}

pub(super) async fn load_connection(api: &Api, key: &ConnectionKey) -> Result<Connection, Problem> {
    let found = api.records.get::<Connection>(&key.org, key.connection.as_str()).await;
    found.map_err(|e| unavailable(&e))?.ok_or_else(|| not_found(KIND))
}

/// Reads a connection and its sync state, which it lacks until its creation is complete.
pub(super) async fn load_with_sync(api: &Api, key: &ConnectionKey) -> Result<(Connection, Option<SyncState>), Problem> {
    let syncs = api.syncs();
    let (connection, state) =
        tokio::try_join!(api.records.get::<Connection>(&key.org, key.connection.as_str()), syncs.state(key))
            .map_err(|e| unavailable(&e))?;
    connection.map(|connection| (connection, state)).ok_or_else(|| not_found(KIND))
}

/// Reads a connection and its sync state, as the API shows them.
pub(super) async fn load_response(api: &Api, key: &ConnectionKey) -> Result<ConnectionResponse, Problem> {
    let (connection, state) = load_with_sync(api, key).await?;
    Ok(connection_response(&key.org, connection, state, clock::now()))
}

/// Refuses an action that needs a working connection, and names the request that would make it work.
pub(super) fn require_working(connection: &Connection) -> Result<(), Problem> {
    let path = |action: &str| format!("/api/connections/{}/{action}", connection.id);
    Err(Problem::conflict(match connection.status {
        ConnectionStatus::Active | ConnectionStatus::Checking => return Ok(()),
        ConnectionStatus::Paused => format!("the connection is paused: resume it first (POST {})", path("resume")),
        ConnectionStatus::Refused => format!(
            "the provider refused the credentials: enter others (PUT {}), or have the same tried again (POST {})",
            path("secrets"),
            path("resume")
        ),
        ConnectionStatus::NeedsReauthorisation => {
            format!("the provider withdrew its consent: authorise anew and enter the secrets (PUT {})", path("secrets"))
        }
        ConnectionStatus::Deleted => "the connection is being removed".to_owned(),
        ConnectionStatus::Unknown => "a later version of this service set this connection up".to_owned(),
    }))
}
