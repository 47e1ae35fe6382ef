//! Connections: what is connected, how it syncs, when it last did, and why not; and what administrators order of them.
//!
//! Reading is for everybody of the organisation. An order takes the role `admin`, and is in the audit before it is carried out.

mod checked;
mod commands;
mod events;
mod new;
mod view;

use std::collections::HashMap;

use aws::clock;
use aws::error::AwsError;
use aws::telemetry::chain;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use domain::FORMAT_VERSION;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus};
use domain::id::{ConnectionId, OrgId};
use domain::message::SyncJob;
use serde::Serialize;
use store::records::Recorded;
use store::sync::{SyncRequest, SyncState};
use web::identity::Identity;
use web::page::{List, PageRequest};
use web::problem::Problem;

use self::view::{ConnectionResponse, RunResponse, not_listed};
use crate::{Api, cursor, id, list_of, not_found, unavailable};

/// What a connection is called in answers.
const KIND: &str = "connection";

/// A connection with the secret that is shown only once.
#[derive(Serialize)]
struct ConnectionCreated {
    #[serde(flatten)]
    view: ConnectionResponse,
    /// The secret that the provider must sign webhooks with; present only when this request generated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/connections", get(list).post(new::create))
        .route("/api/connections/{id}", get(read).delete(commands::remove))
        .route("/api/connections/{id}/secrets", put(new::rotate))
        .route("/api/connections/{id}/pause", post(commands::pause))
        .route("/api/connections/{id}/resume", post(commands::resume))
        .route("/api/connections/{id}/sync", post(commands::sync))
        .route("/api/connections/{id}/runs", get(runs))
        .merge(events::routes())
}

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
    let view = |Recorded { value, .. }: Recorded<Connection>| {
        let state = states.remove(&value.id);
        ConnectionResponse::new(&identity.org, value, state, now)
    };
    Ok(Json(list_of(found.into_iter().map(view).collect(), next)))
}

async fn read(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
) -> Result<Json<ConnectionResponse>, Problem> {
    let id: ConnectionId = id(&text, KIND)?;
    Ok(Json(shown(&api, &identity.org, &id).await?))
}

/// The runs at work, and those that ended in the last 90 days, newest first.
async fn runs(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    page: PageRequest,
) -> Result<Json<List<RunResponse>>, Problem> {
    let id: ConnectionId = id(&text, KIND)?;
    let key = ConnectionKey::new(&identity.org, &id);
    let after = cursor(&page)?;
    let syncs = api.syncs();
    let (connection, state, (ended, next)) = tokio::try_join!(
        api.records.get::<Connection>(&identity.org, id.as_str()),
        syncs.state(&key),
        syncs.runs(&key, page.limit, after.as_ref()),
    )
    .map_err(|e| unavailable(&e))?;
    if connection.is_none() {
        return Err(not_found(KIND));
    }
    let newest = state.filter(|_| after.is_none()).map(|state| not_listed(&state, &ended, clock::now()));
    Ok(Json(list_of(newest.unwrap_or_default().into_iter().chain(ended).map(RunResponse::from).collect(), next)))
}

/// A connection as it stands.
async fn shown(api: &Api, org: &OrgId, id: &ConnectionId) -> Result<ConnectionResponse, Problem> {
    let (connection, state) = stands(api, org, id).await?;
    Ok(ConnectionResponse::new(org, connection, state, clock::now()))
}

/// The records of a connection and of its sync.
async fn stands(api: &Api, org: &OrgId, id: &ConnectionId) -> Result<(Connection, Option<SyncState>), Problem> {
    let (syncs, key) = (api.syncs(), ConnectionKey::new(org, id));
    let (connection, state) = tokio::try_join!(api.records.get::<Connection>(org, id.as_str()), syncs.state(&key))
        .map_err(|e| unavailable(&e))?;
    connection.map(|connection| (connection, state)).ok_or_else(|| not_found(KIND))
}

/// Refuses what needs a connection that works, and says what to do.
fn working(connection: &Connection) -> Result<(), Problem> {
    let at = |order: &str| format!("/api/connections/{}/{order}", connection.id);
    Err(Problem::conflict(match connection.status {
        ConnectionStatus::Active | ConnectionStatus::Checking => return Ok(()),
        ConnectionStatus::Paused => format!("the connection is paused: resume it first (POST {})", at("resume")),
        ConnectionStatus::Refused => format!(
            "the provider refused the credentials: enter others (PUT {}), or have the same tried again (POST {})",
            at("secrets"),
            at("resume")
        ),
        ConnectionStatus::NeedsReauthorisation => {
            format!("the provider withdrew its consent: authorise anew and enter the secrets (PUT {})", at("secrets"))
        }
        ConnectionStatus::Deleted => "the connection is being removed".to_owned(),
        ConnectionStatus::Unknown => "a later version of this service set this connection up".to_owned(),
    }))
}

/// Makes a connection due now, also one without a sync state, and sends for a worker.
async fn request_sync(api: &Api, org: &OrgId, connection: &Connection, request: SyncRequest) -> Result<(), Problem> {
    let (syncs, now) = (api.syncs(), clock::now());
    let key = ConnectionKey::new(org, &connection.id);
    let due = async {
        if !syncs.request_sync(&key, request, now).await? {
            syncs.create(&SyncState::new(key.clone(), &connection.provider, now)).await?;
            syncs.request_sync(&key, request, now).await?;
        }
        Ok(())
    };
    due.await.map_err(|e: AwsError| unavailable(&e))?;
    send(api, org, &connection.id).await;
    Ok(())
}

/// Sends for a worker. When that fails, the connection is due all the same: the scheduler sends within a minute.
async fn send(api: &Api, org: &OrgId, connection: &ConnectionId) {
    let job = SyncJob { v: FORMAT_VERSION, org: org.clone(), connection: connection.clone() };
    if let Err(error) = api.sync_queue.send(&job).await {
        tracing::warn!(%org, %connection, error = %chain(&error), "a due connection could not be enqueued");
    }
}
