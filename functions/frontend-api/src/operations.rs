//! What operators see and order: breakers, limits, and the audit of every order.
//!
//! An administrator gives orders about what belongs to the organisation; what all organisations share takes an operator of
//! the deployment. Each order is in the audit before it is carried out.

mod breakers;
mod limits;

use aws::clock;

use aws::random;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use domain::FORMAT_VERSION;
use domain::audit::{AuditEntry, AuditState};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::identity::{Identity, Role};
use web::page::{List, PageRequest};
use web::problem::Problem;

use crate::{Api, cursor, page_of, unavailable};

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    #[garde(length(chars, min = 1, max = 500))]
    pub(crate) reason: String,
}

/// An entry of the audit as it is shown.
#[derive(Debug, Serialize)]
struct AuditView {
    id: Uuid,
    at: Timestamp,
    subject: String,
    action: String,
    target: String,
    reason: String,
    state: AuditState,
    before: Option<String>,
    after: Option<String>,
}

/// What somebody orders.
pub(crate) struct Ordering {
    pub(crate) action: &'static str,
    pub(crate) target: String,
    pub(crate) reason: String,
}

/// What an order changed.
pub(crate) struct Change<T> {
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) result: T,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { v: _, id, at, subject, action, target, reason, state, before, after } = entry;
        Self { id, at, subject, action, target, reason, state, before, after }
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new().merge(breakers::routes()).merge(limits::routes()).route("/api/admin/audit", get(audit))
}

/// Carries out an order between the two halves of its entry in the audit, and gives the entry's id.
pub(crate) async fn audited<T>(
    api: &Api,
    identity: Identity,
    ordering: Ordering,
    carried_out: impl Future<Output = Result<Change<T>, Problem>>,
) -> Result<(Uuid, T), Problem> {
    let Ordering { action, target, reason } = ordering;
    let entry = AuditEntry {
        v: FORMAT_VERSION,
        id: random::fresh_id(),
        at: clock::now(),
        subject: identity.subject,
        action: action.to_owned(),
        target,
        reason,
        state: AuditState::Requested,
        before: None,
        after: None,
    };
    let pending = api.audit.begin(&identity.org, &entry).await.map_err(|e| unavailable(&e))?;
    match carried_out.await {
        Ok(Change { before, after, result }) => {
            api.audit.complete(&pending, AuditState::Done, Some((before, after))).await;
            Ok((entry.id, result))
        }
        Err(problem) => {
            api.audit.complete(&pending, AuditState::Failed, None).await;
            Err(problem)
        }
    }
}

async fn audit(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
) -> Result<Json<List<AuditView>>, Problem> {
    identity.at_least(Role::Admin)?;
    let after = cursor(&page)?;
    let found = api.audit.list(&identity.org, page.limit, after.as_ref()).await;
    Ok(page_of(found.map_err(|e| unavailable(&e))?))
}
