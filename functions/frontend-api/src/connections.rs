//! Connections: what is connected, how it syncs, when it last did, and why not.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use domain::connection::{Connection, ConnectionStatus, EventOutcome, WebhookEvent};
use domain::id::ConnectionId;
use domain::sync::{LastRun, SyncState};
use jiff::Timestamp;
use platform::records::Recorded;
use serde::Serialize;
use web::identity::Identity;
use web::page::{List, PageRequest};
use web::problem::Problem;

use crate::{Api, cursor, id, not_found, page_of, unavailable};

/// A connection as the frontend sees it.
#[derive(Debug, Serialize)]
struct View {
    id: ConnectionId,
    provider: String,
    status: ConnectionStatus,
    account: Option<String>,
    created_at: Timestamp,
    sync: Option<SyncView>,
}

/// How a polled connection stands.
#[derive(Debug, Serialize)]
struct SyncView {
    next_at: Timestamp,
    reason: String,
    last_run: Option<LastRun>,
}

/// What became of a webhook delivery.
#[derive(Debug, Serialize)]
struct EventView {
    event_id: String,
    action: Option<String>,
    outcome: Option<EventOutcome>,
    detail: Option<String>,
    received_at: Timestamp,
}

impl From<(Connection, Option<SyncState>)> for View {
    fn from((connection, sync): (Connection, Option<SyncState>)) -> Self {
        let Connection { v: _, id, provider, status, account, created_at } = connection;
        let sync = sync.map(|SyncState { next_at, reason, last_run, .. }| SyncView { next_at, reason, last_run });
        Self { id, provider, status, account, created_at, sync }
    }
}

impl From<WebhookEvent> for EventView {
    fn from(event: WebhookEvent) -> Self {
        let WebhookEvent { v: _, event_id, action, outcome, detail, received_at } = event;
        Self { event_id, action, outcome, detail, received_at }
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/connections", get(list))
        .route("/api/connections/{id}", get(read))
        .route("/api/connections/{id}/events", get(events))
}

async fn list(State(api): State<Api>, identity: Identity, page: PageRequest) -> Result<Json<List<View>>, Problem> {
    let after = cursor(&page)?;
    let (found, syncs) = tokio::try_join!(
        api.records.list::<Connection>(&identity.org, page.limit, after.as_ref()),
        api.control.sync_states(&identity.org),
    )
    .map_err(|e| unavailable(&e))?;
    let mut syncs: HashMap<ConnectionId, SyncState> =
        syncs.into_iter().map(|sync| (sync.connection.clone(), sync)).collect();
    let (items, next) = found;
    let with_sync = items.into_iter().map(|Recorded { value, .. }| {
        let sync = syncs.remove(&value.id);
        (value, sync)
    });
    Ok(page_of((with_sync.collect(), next)))
}

async fn read(State(api): State<Api>, identity: Identity, Path(text): Path<String>) -> Result<Json<View>, Problem> {
    let id: ConnectionId = id(&text, "connection")?;
    let (connection, sync) = tokio::try_join!(
        api.records.get::<Connection>(&identity.org, id.as_str()),
        api.control.sync_state(&identity.org, &id)
    )
    .map_err(|e| unavailable(&e))?;
    connection.map(|connection| Json((connection, sync).into())).ok_or_else(|| not_found("connection"))
}

async fn events(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    page: PageRequest,
) -> Result<Json<List<EventView>>, Problem> {
    let id: ConnectionId = id(&text, "connection")?;
    let after = cursor(&page)?;
    let (connection, found) = tokio::try_join!(
        api.records.get::<Connection>(&identity.org, id.as_str()),
        api.control.events(&identity.org, &id, page.limit, after.as_ref()),
    )
    .map_err(|e| unavailable(&e))?;
    if connection.is_none() {
        return Err(not_found("connection"));
    }
    Ok(page_of(found))
}
