//! Breakers: their states, and what operators and administrators may do with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::breaker::{SharedBreaker, of_connections, of_deployment};
use aws::clock;
use aws::error::AwsError;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::connection::{Connection, ConnectionKey};
use domain::id::ConnectionId;
use jiff::Timestamp;
use resilience::breaker::{Breaker, Command, Forced, POLICY, Phase};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::body::Checked;
use web::identity::{Identity, Role};
use web::page::List;
use web::problem::Problem;

use crate::api::Api;
use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::request::{id, word};
use crate::response::{not_found, unavailable};

/// The owner of the credentials with which an API is called, which decides the role that may act on its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// The credentials are the deployment's.
    Deployment,
    /// The credentials are those of one of the caller's connections.
    Connection,
}

/// An action on a breaker, as the path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BreakerAction {
    ForceOpen,
    ForceClosed,
    Lift,
    Reset,
}

/// A breaker, as the API shows it to operators.
#[derive(Debug, Serialize)]
struct BreakerResponse {
    scope: Scope,
    name: String,
    phase: Phase,
    forced: Option<Forced>,
    /// Failures in a row while closed.
    failures: u32,
    /// The time of the next call; null when calls are made now, and when only an operator can end a forced state.
    next_call_at: Option<Timestamp>,
    epoch: u64,
}

/// The result of an action on a breaker.
#[derive(Debug, Serialize)]
struct BreakerActionResponse {
    audit_id: Uuid,
    breaker: BreakerResponse,
}

fn breaker_response(scope: Scope, name: String, breaker: Breaker) -> BreakerResponse {
    let Breaker { phase, epoch, failures, reopened: _, next_probe_ms, probe_owner: _, probe_until_ms, forced } =
        breaker;
    let next_call_ms = match (forced, phase) {
        (Some(_), _) | (None, Phase::Closed) => None,
        (None, Phase::Open) => Some(next_probe_ms),
        (None, Phase::HalfOpen) => Some(probe_until_ms),
    };
    let next_call_at = next_call_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    BreakerResponse { scope, name, phase, forced, failures, next_call_at, epoch }
}

impl BreakerAction {
    const fn command(self) -> Command {
        match self {
            Self::ForceOpen => Command::Force(Forced::Open),
            Self::ForceClosed => Command::Force(Forced::Closed),
            Self::Lift => Command::Lift,
            Self::Reset => Command::Reset,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ForceOpen => "breaker.force-open",
            Self::ForceClosed => "breaker.force-closed",
            Self::Lift => "breaker.lift",
            Self::Reset => "breaker.reset",
        }
    }
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Connection => "connection",
        }
    }

    /// The role that an action requires.
    const fn role(self) -> Role {
        match self {
            Self::Deployment => Role::Operator,
            Self::Connection => Role::Admin,
        }
    }
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/admin/breakers", get(list))
        .route("/api/admin/breakers/{scope}/{name}/{action}", post(act))
}

/// Lists the breakers of the deployment and of the caller's connections.
async fn list(State(api): State<Api>, identity: Identity) -> Result<Json<List<BreakerResponse>>, Problem> {
    identity.at_least(Role::Admin)?;
    let table = api.control.table();
    let (shared, own) =
        tokio::try_join!(of_deployment(table), of_connections(table, &identity.org)).map_err(|e| unavailable(&e))?;
    // A breaker that never counted a failure is not stored, and closed.
    let mut shared: BTreeMap<String, Breaker> = shared.into_iter().collect();
    for name in providers::catalog::breakers() {
        shared.entry(name).or_default();
    }
    let shared = shared.into_iter().map(|(name, breaker)| breaker_response(Scope::Deployment, name, breaker));
    let own = own.into_iter().map(|(name, breaker)| breaker_response(Scope::Connection, name, breaker));
    Ok(Json(List { items: shared.chain(own).collect(), next_cursor: None }))
}

/// Forces, lifts or resets a breaker.
async fn act(
    State(api): State<Api>,
    identity: Identity,
    Path((scope, name, action)): Path<(String, String, String)>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Json<BreakerActionResponse>, Problem> {
    let (scope, command) = (word::<Scope>(&scope)?, word::<BreakerAction>(&action)?);
    identity.at_least(scope.role())?;
    let breaker = find(&api, &identity, scope, &name).await?;
    let carry_out = async {
        let (before, after) = breaker.execute(command.command(), clock::now()).await.map_err(|e| unavailable(&e))?;
        Ok(Change { before: state_name(&before), after: state_name(&after), result: after })
    };
    let action = AuditedAction { action: command.name(), target: format!("{}/{name}", scope.as_str()), reason };
    let (audit_id, after) = audited(&api, identity, action, carry_out).await?;
    Ok(Json(BreakerActionResponse { audit_id, breaker: breaker_response(scope, name, after) }))
}

async fn find(api: &Api, identity: &Identity, scope: Scope, name: &str) -> Result<Arc<SharedBreaker>, Problem> {
    let table = api.control.table().clone();
    match scope {
        // This process consults the model's breaker itself, and must see the change at once.
        Scope::Deployment if name == api.model_breaker.name() => Ok(api.model_breaker.clone()),
        Scope::Deployment if providers::catalog::breakers().contains(name) => {
            Ok(Arc::new(SharedBreaker::of_deployment(table, name, POLICY)))
        }
        Scope::Deployment => Err(not_found("breaker")),
        Scope::Connection => {
            let connection: ConnectionId = id(name, "connection")?;
            let found: Result<Option<Connection>, AwsError> = api.records.get(&identity.org, name).await;
            found.map_err(|e| unavailable(&e))?.ok_or_else(|| not_found("connection"))?;
            Ok(Arc::new(SharedBreaker::of_connection(table, &ConnectionKey::new(&identity.org, &connection), POLICY)))
        }
    }
}

fn state_name(breaker: &Breaker) -> String {
    match breaker.forced {
        Some(forced) => format!("forced {}", forced.as_str()),
        None => breaker.phase.as_str().to_owned(),
    }
}
