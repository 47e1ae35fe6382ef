//! Connections: what is connected, how it syncs, when it last did, and why not; and the commands of administrators.
//!
//! Every member of the organisation may read. A command requires the role `admin`, and is in the audit before it is
//! executed.

mod commands;
mod create;
mod events;
mod load;
mod render;
mod schedule;
mod secrets;
mod status;
mod types;
mod validation;

use std::collections::HashMap;

use aws::clock;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use domain::connection::Connection;
use domain::id::ConnectionId;
use store::records::Recorded;
use store::sync_states::SyncState;
use web::identity::Identity;
use web::page::{List, PageRequest};
use web::problem::Problem;

use self::load::{KIND, connection_key, load_response};
use self::render::{connection_response, run_response, unlisted_runs};
use self::types::{ConnectionResponse, RunResponse};
use crate::api::Api;
use crate::request::cursor;
use crate::response::{list_of, not_found, unavailable};

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/connections", get(list).post(create::create))
        .route("/api/connections/{id}", get(read).delete(commands::remove))
        .route("/api/connections/{id}/secrets", put(secrets::rotate))
        .route("/api/connections/{id}/pause", post(commands::pause))
        .route("/api/connections/{id}/resume", post(commands::resume))
        .route("/api/connections/{id}/sync", post(commands::sync))
        .route("/api/connections/{id}/runs", get(runs))
        .merge(events::routes())
}

/// Lists the connections of the organisation with their sync states.
async fn list(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
) -> Result<Json<List<ConnectionResponse>>, Problem> {
    let after = cursor(&page)?;
    let syncs = api.syncs();
    let ((found, next), states) = tokio::try_join!(
        api.records.list::<Connection>(&identity.org, page.limit, after.as_ref()),
        syncs.states(&identity.org),
    )
    .map_err(|e| unavailable(&e))?;
    let mut states: HashMap<ConnectionId, SyncState> =
        states.into_iter().map(|state| (state.connection.clone(), state)).collect();
    let now = clock::now();
    let render = |Recorded { value, .. }: Recorded<Connection>| {
        let state = states.remove(&value.id);
        connection_response(&identity.org, value, state, now)
    };
    Ok(Json(list_of(found.into_iter().map(render).collect(), next)))
}

/// Reads a connection with its sync state.
async fn read(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
) -> Result<Json<ConnectionResponse>, Problem> {
    let key = connection_key(&identity, &text)?;
    load_response(&api, &key).await.map(Json)
}

/// Lists the runs that have not ended, and those that ended in the last 90 days, newest first.
async fn runs(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    page: PageRequest,
) -> Result<Json<List<RunResponse>>, Problem> {
    let key = connection_key(&identity, &text)?;
    let after = cursor(&page)?;
    let syncs = api.syncs();
    let (connection, state, (ended, next)) = tokio::try_join!(
        api.records.get::<Connection>(&key.org, key.connection.as_str()),
        syncs.state(&key),
        syncs.runs(&key, page.limit, after.as_ref()),
    )
    .map_err(|e| unavailable(&e))?;
    connection.ok_or_else(|| not_found(KIND))?;
    // The first page begins with the runs that the history lacks.
    let unlisted = state.filter(|_| after.is_none()).map(|state| unlisted_runs(&state, &ended, clock::now()));
    let items = unlisted.unwrap_or_default().into_iter().chain(ended).map(run_response).collect();
    Ok(Json(list_of(items, next)))
}
