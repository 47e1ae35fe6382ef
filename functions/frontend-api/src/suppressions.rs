//! Addresses that are not written to any more, and how a person lifts that.

use aws::clock;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::id::NotificationId;
use domain::mail_event::MailEventKind;
use domain::suppression::Suppression;
use jiff::Timestamp;
use serde::Serialize;
use store::records::Recorded;
use store::suppression::lift;
use web::body::Checked;
use web::identity::{Identity, Role};
use web::problem::Problem;

use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::{Api, list, not_found, unavailable};

/// What a suppression is called in answers.
const KIND: &str = "suppression";

/// A suppression, as the API shows it.
#[derive(Debug, Serialize)]
struct SuppressionResponse {
    id: String,
    address: String,
    reason: MailEventKind,
    /// The notification whose mail bounced or was complained about.
    notification_id: NotificationId,
    since: Timestamp,
    /// When a person lifted it; null while it holds.
    lifted_at: Option<Timestamp>,
}

impl From<Recorded<Suppression>> for SuppressionResponse {
    fn from(recorded: Recorded<Suppression>) -> Self {
        // A suppression keeps its times itself.
        let Suppression { v: _, id, address, reason, notification, since, lifted_at } = recorded.value;
        Self { id, address, reason, notification_id: notification, since, lifted_at }
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/suppressions", get(list::<Suppression, SuppressionResponse>))
        .route("/api/suppressions/{id}/lift", post(order))
}

/// Lifts a suppression; it is in the audit. Workers know of it within half a minute.
async fn order(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Json<SuppressionResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    // The id is a hash: what is none names nothing, and gets into no key.
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(not_found(KIND));
    }
    let org = identity.org.clone();
    let find = async || api.records.get_recorded::<Suppression>(&org, &id).await.map_err(|e| unavailable(&e));
    let action = AuditedAction { action: "suppression.lift", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        let lifted = lift(&api.records, &org, &id, clock::now()).await.map_err(|e| unavailable(&e))?;
        let found = find().await?.ok_or_else(|| not_found(KIND))?;
        if !lifted {
            return Err(Problem::conflict("this suppression was lifted before"));
        }
        Ok(Change {
            before: "suppressed".to_owned(),
            after: "lifted".to_owned(),
            result: SuppressionResponse::from(found),
        })
    };
    let (_, view) = audited(&api, identity, action, carry_out).await?;
    Ok(Json(view))
}
