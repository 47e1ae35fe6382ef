//! Suppressions: addresses that get no mail any more, until a person lifts the suppression.

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
use store::suppression;
use web::body::Checked;
use web::identity::{Identity, Role};
use web::problem::Problem;

use crate::api::Api;
use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::records::{FromRecord, list};
use crate::response::{not_found, unavailable};

/// The word for a suppression in responses and in the audit.
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
    /// The time at which a person lifted the suppression; null while it is in force.
    lifted_at: Option<Timestamp>,
}

impl FromRecord<Suppression> for SuppressionResponse {
    fn from_record(recorded: Recorded<Suppression>) -> Self {
        let Suppression { v: _, id, address, reason, notification, since, lifted_at } = recorded.value;
        Self { id, address, reason, notification_id: notification, since, lifted_at }
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/suppressions", get(list::<Suppression, SuppressionResponse>))
        .route("/api/suppressions/{id}/lift", post(lift))
}

/// Lifts a suppression. Workers follow within half a minute.
async fn lift(
    State(api): State<Api>,
    identity: Identity,
    Path(id): Path<String>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Json<SuppressionResponse>, Problem> {
    identity.at_least(Role::Admin)?;
    // The id is a hash: no other text becomes a part of a key.
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(not_found(KIND));
    }
    let org = identity.org.clone();
    let find = async || api.records.get_recorded::<Suppression>(&org, &id).await.map_err(|e| unavailable(&e));
    let action = AuditedAction { action: "suppression.lift", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        let lifted = suppression::lift(&api.records, &org, &id, clock::now()).await.map_err(|e| unavailable(&e))?;
        let found = find().await?.ok_or_else(|| not_found(KIND))?;
        if !lifted {
            return Err(Problem::conflict("this suppression was lifted before"));
        }
        Ok(Change {
            before: "suppressed".to_owned(),
            after: "lifted".to_owned(),
            result: SuppressionResponse::from_record(found),
        })
    };
    let (_, view) = audited(&api, identity, action, carry_out).await?;
    Ok(Json(view))
}
