//! Commands for a connection: pause, resume, sync now, remove.

use aws::clock;
use aws::error::AwsError;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus, LoginMethod};
use domain::id::{ConnectionId, OrgId};
use domain::sync::{Mode, RunOutcome};
use garde::Validate;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use store::sync::{SyncRequest, SyncState};
use web::accept::accepted;
use web::body::MaybeBody;
use web::identity::{Identity, Role};
use web::problem::Problem;

use super::new::CREDENTIALS;
use super::view::ConnectionResponse;
use super::{KIND, request_sync, shown, stands, working};
use crate::audit::{AuditedAction, Change, OptionalReasonRequest, Reason, audited};
use crate::integrations::webhook_secret;
use crate::{Api, id, not_found, unavailable};

/// Name of the parameter in which the sync keeps access tokens.
const TOKENS: &str = "tokens";
/// How often a change is tried again when the status changed in between.
const TRIES: u32 = 4;

/// The body of a request to sync a connection now.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SyncConnectionRequest {
    #[garde(skip)]
    mode: Mode,
    #[garde(dive)]
    reason: Reason,
}

impl Default for SyncConnectionRequest {
    fn default() -> Self {
        Self { mode: Mode::Incremental, reason: Reason::default() }
    }
}

/// Leaves the provider alone until the connection is resumed.
pub(super) async fn pause(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Json<ConnectionResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    let action = AuditedAction { action: "connection.pause", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        let (before, after) = transition(&api, &org, &id, |seen| match seen {
            ConnectionStatus::Active | ConnectionStatus::Checking | ConnectionStatus::Paused => {
                Ok(ConnectionStatus::Paused)
            }
            ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
                Err(Problem::conflict("the provider does not let this connection in; nothing is asked anyway"))
            }
            ConnectionStatus::Deleted | ConnectionStatus::Unknown => Err(gone(seen)),
        })
        .await?;
        change(before, after, shown(&api, &org, &id).await?)
    };
    Ok(Json(audited(&api, identity, action, carry_out).await?.1))
}

/// Lets the provider be asked again: its credentials are tried first, because nobody knows whether they still do.
pub(super) async fn resume(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    let action = AuditedAction { action: "connection.resume", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        let (before, after) = transition(&api, &org, &id, |seen| match seen {
            ConnectionStatus::Active | ConnectionStatus::Checking => Ok(seen),
            ConnectionStatus::Paused | ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
                Ok(ConnectionStatus::Checking)
            }
            ConnectionStatus::Deleted | ConnectionStatus::Unknown => Err(gone(seen)),
        })
        .await?;
        let (connection, state) = stands(&api, &org, &id).await?;
        // One that is being tried may have been left so by a request that ended before this line.
        if before != ConnectionStatus::Active {
            let unpark = parked_by_failures(state.as_ref());
            request_sync(&api, &org, &connection, SyncRequest { mode: None, reason: "resumed", unpark }).await?;
        }
        change(before, after, shown(&api, &org, &id).await?)
    };
    let (_, view) = audited(&api, identity, action, carry_out).await?;
    Ok(accepted(&format!("/api/connections/{id}"), &view))
}

/// Asks the provider now, as soon as its limits allow.
pub(super) async fn sync(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(SyncConnectionRequest { mode, reason }): MaybeBody<SyncConnectionRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    let (connection, state) = stands(&api, &org, &id).await?;
    working(&connection)?;
    if connection.login == LoginMethod::WebhookOnly {
        let detail = "this connection has no login, so its provider cannot be asked; make one that signs in";
        return Err(Problem::conflict(detail));
    }
    let action = AuditedAction { action: "connection.sync", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        let unpark = parked_by_failures(state.as_ref());
        let request = SyncRequest { mode: Some(mode), reason: "asked for by a person", unpark };
        request_sync(&api, &org, &connection, request).await?;
        let asked = match mode {
            Mode::Full => "full sync asked for",
            Mode::Incremental => "sync asked for",
        };
        let view = shown(&api, &org, &id).await?;
        Ok(Change { before: connection.status.as_str().to_owned(), after: asked.to_owned(), result: view })
    };
    let (_, view) = audited(&api, identity, action, carry_out).await?;
    Ok(accepted(&format!("/api/connections/{id}"), &view))
}

/// Removes a connection with its secrets and its sync. What it brought stays on record.
pub(super) async fn remove(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<StatusCode, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    let action = AuditedAction { action: "connection.remove", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        // It is marked first, so that nobody uses it any more, and gone last: who ends in between leaves a connection that
        // is being removed, and whose removal can be ordered again.
        let (before, _) = transition(&api, &org, &id, |_| Ok(ConnectionStatus::Deleted)).await?;
        let found = api.records.get::<Connection>(&org, id.as_str()).await.map_err(|e| unavailable(&e))?;
        let spec = found.as_ref().and_then(|connection| providers::catalog::find(&connection.provider));
        let names: Vec<&str> = [CREDENTIALS, TOKENS].into_iter().chain(spec.and_then(webhook_secret)).collect();
        let key = ConnectionKey::new(&org, &id);
        let removed = async {
            api.secrets.remove_of_connection(&key, &names).await?;
            api.syncs().remove(&key).await?;
            api.records.bury_connection(&key, clock::now()).await
        };
        let _somebody_else_did = removed.await.map_err(|e: AwsError| unavailable(&e))?;
        change(before, ConnectionStatus::Deleted, ())
    };
    audited(&api, identity, action, carry_out).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a connection the status that follows from the one that it has. Gives both.
pub(super) async fn transition(
    api: &Api,
    org: &OrgId,
    id: &ConnectionId,
    next: impl Fn(ConnectionStatus) -> Result<ConnectionStatus, Problem>,
) -> Result<(ConnectionStatus, ConnectionStatus), Problem> {
    let key = ConnectionKey::new(org, id);
    for _ in 0..TRIES {
        let found = api.records.get::<Connection>(org, id.as_str()).await.map_err(|e| unavailable(&e))?;
        let seen = found.ok_or_else(|| not_found(KIND))?.status;
        let to = next(seen)?;
        let changed =
            async { Ok(seen == to || api.records.change_connection(&key, (seen, to), None, clock::now()).await?) };
        if changed.await.map_err(|e: AwsError| unavailable(&e))? {
            return Ok((seen, to));
        }
    }
    Err(Problem::conflict("the connection changed at the same time; look at it, and order again"))
}

fn gone(status: ConnectionStatus) -> Problem {
    Problem::conflict(match status {
        ConnectionStatus::Deleted => "the connection is being removed",
        _ => "a later version of this service set this connection up",
    })
}

fn change<T>(before: ConnectionStatus, after: ConnectionStatus, result: T) -> Result<Change<T>, Problem> {
    Ok(Change { before: before.as_str().to_owned(), after: after.as_str().to_owned(), result })
}

/// Whether a connection waits because its runs failed, and not because the provider or our budget asks to: a person who acted
/// need not wait, but may not make us ask for more than is allowed.
fn parked_by_failures(state: Option<&SyncState>) -> bool {
    state.is_some_and(|state| {
        let limited = state.last_run.as_ref().and_then(|run| run.outcome) == Some(RunOutcome::RateLimited);
        let parked: Option<Timestamp> = state.parked_until;
        parked.is_some() && state.failures > 0 && !limited
    })
}

#[cfg(test)]
mod tests {
    use domain::sync::Trigger;
    use store::sync::begin;

    use super::*;

    #[test]
    fn a_person_ends_the_wait_after_failures_and_never_one_that_a_provider_asked_for() {
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
