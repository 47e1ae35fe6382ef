//! Limits: the requests of each subject in this minute and in the last one, and the reset of a count.

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

use crate::api::Api;
use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::response::{not_found, unavailable};

/// The most characters of a limit's name or subject.
const MAX_CHARS: usize = 200;

/// The count of a subject's requests under a limit, as the API shows it to operators.
#[derive(Debug, Serialize)]
struct LimitResponse {
    /// The limit's name: `external` for requests by API key, `outbound` for requests to a provider.
    name: String,
    /// The SHA-256 of the API key, or the connection.
    subject: String,
    /// The begin of the minute that was counted last.
    window_start: Option<Timestamp>,
    /// The number of requests in that minute.
    count: u32,
    /// The number of requests in the minute before.
    previous: u32,
}

/// The result of a reset of a limit.
#[derive(Debug, Serialize)]
struct LimitResetResponse {
    audit_id: Uuid,
    limit: LimitResponse,
}

/// Renders the count of a subject.
fn limit_response(subject: Subject, window: Window) -> LimitResponse {
    let Subject { name, subject } = subject;
    let Window { window, count, previous } = window;
    LimitResponse { name, subject, window_start: Timestamp::from_millisecond(window).ok(), count, previous }
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/api/admin/limits", get(list)).route("/api/admin/limits/{name}/{subject}/reset", post(reset))
}

/// Lists the subjects of the caller's organisation that made requests in the last minutes.
async fn list(State(api): State<Api>, identity: Identity) -> Result<Json<List<LimitResponse>>, Problem> {
    identity.at_least(Role::Admin)?;
    let found = SharedLimiter::of_organisation(api.control.table(), &identity.org).await;
    let found =
        found.map_err(|e| unavailable(&e))?.into_iter().map(|(subject, window)| limit_response(subject, window));
    Ok(Json(List { items: found.collect(), next_cursor: None }))
}

/// Resets the count of a subject.
async fn reset(
    State(api): State<Api>,
    identity: Identity,
    Path((name, subject)): Path<(String, String)>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Json<LimitResetResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    if name.len() > MAX_CHARS || subject.len() > MAX_CHARS {
        return Err(not_found("limit"));
    }
    let action = AuditedAction { action: "limit.reset", target: format!("{name}/{subject}"), reason };
    let (org, subject) = (identity.org.clone(), Subject { name, subject });
    let carry_out = async {
        let before = SharedLimiter::reset(api.control.table(), &org, &subject).await.map_err(|e| unavailable(&e))?;
        let before = before.ok_or_else(|| not_found("limit"))?;
        let after = Window { count: 0, previous: 0, ..before };
        let counted = |window: &Window| format!("{} requests, {} before", window.count, window.previous);
        Ok(Change { before: counted(&before), after: counted(&after), result: after })
    };
    let (audit_id, after) = audited(&api, identity, action, carry_out).await?;
    Ok(Json(LimitResetResponse { audit_id, limit: limit_response(subject, after) }))
}
