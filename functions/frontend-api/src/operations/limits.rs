//! Limits: who asked how often in this minute and the last, and a fresh begin for one of them.

use aws::limit::{SharedLimiter, Subject};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use resilience::limit::Window;
use serde::Serialize;
use uuid::Uuid;
use web::body::Checked;
use web::identity::{Identity, Role};
use web::page::List;
use web::problem::Problem;

use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::{Api, not_found, unavailable};

/// Most characters of a limit's name or subject.
const LONGEST: usize = 200;

/// The count of a subject's requests under a limit, as the API shows it to operators.
#[derive(Debug, Serialize)]
struct LimitResponse {
    /// The limit's name: `external` for requests by API key, `outbound` for requests to a provider.
    name: String,
    /// The SHA-256 of the API key, or the connection.
    subject: String,
    /// Begin of the minute that was counted last.
    window_start: Option<Timestamp>,
    /// Requests in it.
    count: u32,
    /// Requests in the minute before it.
    previous: u32,
}

/// The result of a reset of a limit.
#[derive(Debug, Serialize)]
struct LimitResetResponse {
    audit_id: Uuid,
    limit: LimitResponse,
}

impl LimitResponse {
    fn of(subject: Subject, window: Window) -> Self {
        let Subject { name, subject } = subject;
        let Window { window, count, previous } = window;
        Self { name, subject, window_start: Timestamp::from_millisecond(window).ok(), count, previous }
    }
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/api/admin/limits", get(limits)).route("/api/admin/limits/{name}/{subject}/reset", post(reset))
}

/// All subjects of the caller's organisation that asked in the last minutes.
async fn limits(State(api): State<Api>, identity: Identity) -> Result<Json<List<LimitResponse>>, Problem> {
    identity.at_least(Role::Admin)?;
    let found = SharedLimiter::of_organisation(api.control.table(), &identity.org).await;
    let found =
        found.map_err(|e| unavailable(&e))?.into_iter().map(|(subject, window)| LimitResponse::of(subject, window));
    Ok(Json(List { items: found.collect(), next_cursor: None }))
}

/// Lets a subject begin anew.
async fn reset(
    State(api): State<Api>,
    identity: Identity,
    Path((name, subject)): Path<(String, String)>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Json<LimitResetResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    if name.len() > LONGEST || subject.len() > LONGEST {
        return Err(not_found("limit"));
    }
    let action = AuditedAction { action: "limit.reset", target: format!("{name}/{subject}"), reason };
    let (org, subject) = (identity.org.clone(), Subject { name, subject });
    let carry_out = async {
        let before = SharedLimiter::reset(api.control.table(), &org, &subject).await.map_err(|e| unavailable(&e))?;
        let before = before.ok_or_else(|| not_found("limit"))?;
        let after = Window { count: 0, previous: 0, ..before };
        let asked = |window: &Window| format!("{} requests, {} before", window.count, window.previous);
        Ok(Change { before: asked(&before), after: asked(&after), result: after })
    };
    let (audit_id, after) = audited(&api, identity, action, carry_out).await?;
    Ok(Json(LimitResetResponse { audit_id, limit: LimitResponse::of(subject, after) }))
}
