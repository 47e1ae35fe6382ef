//! Commands for a connection: pause, resume, sync now, remove.

use aws::clock;
use aws::error::AwsError;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus, LoginMethod};
use domain::sync::{Mode, RunOutcome};
use http::StatusCode;
use store::sync_states::{SyncRequest, SyncState};
use web::accept::accepted;
use web::body::MaybeBody;
use web::identity::{Identity, Role};
use web::problem::Problem;

use super::load::{KIND, connection_key, load_response, load_with_sync, require_working};
use super::schedule::request_sync;
use super::secrets::secret_names;
use super::status::{change_status, not_changeable};
use super::types::{ConnectionResponse, SyncConnectionRequest};
use crate::api::Api;
use crate::audit::{AuditedAction, Change, OptionalReasonRequest, Reason, audited};
use crate::response::unavailable;

/// Stops all requests to the provider until the connection is resumed.
pub(super) async fn pause(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Json<ConnectionResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    let carry_out = async {
        let change = change_status(&api, &key, paused).await?;
        Ok(change.with(load_response(&api, &key).await?))
    };
    let (_, response) = audited(&api, identity, action("connection.pause", &key, reason), carry_out).await?;
    Ok(Json(response))
}

/// Allows requests to the provider again. The credentials are checked first, because they may have been revoked
/// meanwhile.
pub(super) async fn resume(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    let carry_out = async {
        let change = change_status(&api, &key, resumed).await?;
        let (connection, state) = load_with_sync(&api, &key).await?;
        // A connection in `checking` may be one whose former request ended before this line, so it is requested again.
        if change.before != ConnectionStatus::Active {
            let unpark = parked_by_failures(state.as_ref());
            let request = SyncRequest { mode: None, reason: "resumed", unpark };
            request_sync(&api, &key, &connection.provider, request).await?;
        }
        Ok(change.with(load_response(&api, &key).await?))
    };
    let (_, response) = audited(&api, identity, action("connection.resume", &key, reason), carry_out).await?;
    Ok(accepted(&format!("/api/connections/{}", key.connection), &response))
}

/// Requests a run now; it begins as soon as the provider's limits allow.
pub(super) async fn sync(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(SyncConnectionRequest { mode, reason }): MaybeBody<SyncConnectionRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    let (connection, state) = load_with_sync(&api, &key).await?;
    require_working(&connection)?;
    require_login(&connection)?;
    let carry_out = async {
        let unpark = parked_by_failures(state.as_ref());
        let request = SyncRequest { mode: Some(mode), reason: "asked for by a person", unpark };
        request_sync(&api, &key, &connection.provider, request).await?;
        let after = match mode {
            Mode::Full => "full sync asked for",
            Mode::Incremental => "sync asked for",
        };
        let result = load_response(&api, &key).await?;
        Ok(Change { before: connection.status.as_str().to_owned(), after: after.to_owned(), result })
    };
    let (_, response) = audited(&api, identity, action("connection.sync", &key, reason), carry_out).await?;
    Ok(accepted(&format!("/api/connections/{}", key.connection), &response))
}

/// Removes a connection with its secrets and its sync state. The records that it brought remain.
pub(super) async fn remove(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<StatusCode, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    let carry_out = async {
        // Marked as deleted first, so that no worker uses the connection any more, and its record goes last: a request that
        // ends in between leaves a connection that is being removed, and the removal can be requested again.
        let change = change_status(&api, &key, |_| Ok(ConnectionStatus::Deleted)).await?;
        let found = api.records.get::<Connection>(&key.org, key.connection.as_str()).await;
        let names = secret_names(found.map_err(|e| unavailable(&e))?.as_ref());
        let remove = async {
            api.secrets.remove_of_connection(&key, &names).await?;
            api.syncs().remove(&key).await?;
            api.records.tombstone_connection(&key, clock::now()).await
        };
        let _removed_by_another_request = remove.await.map_err(|e: AwsError| unavailable(&e))?;
        Ok(change.with(()))
    };
    audited(&api, identity, action("connection.remove", &key, reason), carry_out).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The entry of the audit for a command.
fn action(action: &'static str, key: &ConnectionKey, reason: Reason) -> AuditedAction {
    AuditedAction { action, target: format!("{KIND}/{}", key.connection), reason }
}

/// The status of a connection after `pause`.
fn paused(status: ConnectionStatus) -> Result<ConnectionStatus, Problem> {
    match status {
        ConnectionStatus::Active | ConnectionStatus::Checking | ConnectionStatus::Paused => {
            Ok(ConnectionStatus::Paused)
        }
        ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
            Err(Problem::conflict("the provider does not let this connection in; nothing is asked anyway"))
        }
        ConnectionStatus::Deleted | ConnectionStatus::Unknown => Err(not_changeable(status)),
    }
}

/// The status of a connection after `resume`.
fn resumed(status: ConnectionStatus) -> Result<ConnectionStatus, Problem> {
    match status {
        ConnectionStatus::Active | ConnectionStatus::Checking => Ok(status),
        ConnectionStatus::Paused | ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
            Ok(ConnectionStatus::Checking)
        }
        ConnectionStatus::Deleted | ConnectionStatus::Unknown => Err(not_changeable(status)),
    }
}

/// Refuses a sync of a connection that only receives webhooks.
fn require_login(connection: &Connection) -> Result<(), Problem> {
    if connection.login == LoginMethod::WebhookOnly {
        let detail = "this connection has no login, so its provider cannot be asked; make one that signs in";
        return Err(Problem::conflict(detail));
    }
    Ok(())
}

/// Whether a connection waits because its runs failed, and not because the provider or our budget requires it. A person who
/// has acted need not wait for the former, and must not skip the latter.
fn parked_by_failures(state: Option<&SyncState>) -> bool {
    state.is_some_and(|state| {
        let limited = state.last_run.as_ref().and_then(|run| run.outcome) == Some(RunOutcome::RateLimited);
        state.parked_until.is_some() && state.failures > 0 && !limited
    })
}

#[cfg(test)]
mod tests {
    use domain::sync::Trigger;
    use jiff::Timestamp;
    use store::sync_states::begin;

    use super::*;

    #[test]
    fn a_person_ends_a_wait_after_failures_but_no_provider_limit() {
        let now = Timestamp::UNIX_EPOCH;
        let (org, id) = ("acme".parse().expect("slug"), "gh".parse().expect("slug"));
        let free = SyncState::new(ConnectionKey { org, connection: id }, "greenhouse", now);
        let mut limited = begin(Mode::Full, Trigger::Schedule, now);
        limited.outcome = Some(RunOutcome::RateLimited);
        assert!(!parked_by_failures(None) && !parked_by_failures(Some(&free)));
        let failed = SyncState { parked_until: Some(now), failures: 2, ..free };
        assert!(parked_by_failures(Some(&failed)));
        assert!(!parked_by_failures(Some(&SyncState { failures: 0, ..failed.clone() })));
        assert!(!parked_by_failures(Some(&SyncState { last_run: Some(limited), ..failed })));
    }
}
