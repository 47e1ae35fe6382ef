//! Notifications: requested here, sent by a worker.

mod data;
mod preview;

use aws::{clock, random};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ats::content_hash;
use domain::failure::Failure;
use domain::id::{NotificationId, OrgId};
use domain::language::Language;
use domain::message::EmailJob;
use domain::notification::{HistoryEntry, Notification, NotificationKind, NotificationState};
use domain::text::mail_address;
use garde::Validate;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::records::{Created, Recorded, Stored as _, key_of};
use web::accept::{accepted, id_for, not_enqueued};
use web::body::Checked;
use web::identity::{Identity, Role};
use web::page::List;
use web::problem::Problem;

use self::data::validated;
use crate::api::Api;
use crate::audit::{AuditedAction, Change, ReasonRequest, audited};
use crate::records::{FromRecord, list, read};
use crate::request::{id, word};
use crate::response::{not_found, unavailable};

/// The stored name of the state in which a notification waits for a decision.
const WAITING: &str = NotificationState::NeedsReview.as_str();

/// The body of a request for a notification. The kind decides what `data` must hold.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct CreateNotificationRequest {
    #[garde(skip)]
    kind: NotificationKind,
    #[garde(length(bytes, max = 254), email, custom(mail_address))]
    to: String,
    /// Not written when there is none: the same request must keep its hash, and with it its idempotency key.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    #[garde(skip)]
    data: Value,
}

/// A notification as the API returns it, without the template's data: they may hold links that grant access.
#[derive(Debug, Serialize)]
struct NotificationResponse {
    id: NotificationId,
    kind: NotificationKind,
    to: String,
    language: Option<Language>,
    state: NotificationState,
    attempts: u32,
    provider: Option<String>,
    provider_message_id: Option<String>,
    /// The Message-ID of the mail, from the first attempt on.
    message_id: Option<String>,
    failure: Option<Failure>,
    /// The time after which the mail is not sent any more.
    send_before: Option<Timestamp>,
    /// The events of the delivery, the oldest first.
    history: Vec<HistoryEntry>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Renders a notification, which holds its times itself.
fn notification_response(notification: Notification) -> NotificationResponse {
    let Notification {
        v: _,
        id,
        kind,
        to,
        language,
        data: _,
        send_before,
        state,
        attempts,
        provider,
        provider_message_id,
        failure,
        message_id,
        lookups: _,
        tried_at: _,
        history,
        created_at,
        updated_at,
    } = notification;
    NotificationResponse {
        id,
        kind,
        to,
        language,
        state,
        attempts,
        provider,
        provider_message_id,
        message_id,
        failure,
        send_before,
        history,
        created_at,
        updated_at,
    }
}

impl FromRecord<Notification> for NotificationResponse {
    fn from_record(recorded: Recorded<Notification>) -> Self {
        notification_response(recorded.value)
    }
}

/// The decision of a person about a notification of which it is unknown whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    /// Send it again, with the same Message-ID.
    Resend,
    /// It was sent: the provider's log says so.
    MarkAsSent,
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/notifications/preview", post(preview::preview))
        .route("/api/notifications/{id}/{decision}", post(decide))
        .route("/api/notifications/needs-review", get(needing_review))
        .route("/api/notifications", get(list::<Notification, NotificationResponse>).post(create))
        .route("/api/notifications/{id}", get(read::<Notification, NotificationResponse, NotificationId>))
}

async fn create(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    Checked(new): Checked<CreateNotificationRequest>,
) -> Result<Response, Problem> {
    let Identity { org, .. } = identity;
    let request = content_hash(&new);
    let CreateNotificationRequest { kind, to, language, data } = new;
    let data = validated(kind, &data)?;
    let id = id_for(&headers, &org, || NotificationId::fresh(random::fresh_id()), NotificationId::derived)?;
    let now = clock::now();
    let notification = Notification { language, ..Notification::queued(id, kind, to, data, now) };
    if kind == NotificationKind::InterviewScheduled && notification.send_before.is_some_and(|until| until <= now) {
        return Err(Problem::invalid_field(
            "data.starts_at",
            "range",
            "an interview that has begun needs no invitation",
        ));
    }
    let created = api.records.create(&org, &notification, &request, clock::now()).await.map_err(|e| unavailable(&e))?;
    let notification = match created {
        Created::New => notification,
        Created::Same(existing) => existing,
        Created::Other => return Err(Problem::key_reused()),
    };
    if notification.state == NotificationState::Queued {
        let job = EmailJob::to_send(org, id);
        api.email_queues.send(&job, kind.priority()).await.map_err(|e| not_enqueued(&e))?;
    }
    Ok(accepted(&format!("/api/notifications/{id}"), &notification_response(notification)))
}

/// Lists the caller's notifications that wait for a decision, the oldest first, at most a hundred.
async fn needing_review(
    State(api): State<Api>,
    identity: Identity,
) -> Result<Json<List<NotificationResponse>>, Problem> {
    let found = api.deliveries().needing_review(&identity.org).await.map_err(|e| unavailable(&e))?;
    Ok(Json(List { items: found.into_iter().map(notification_response).collect(), next_cursor: None }))
}

/// Carries out a person's decision about a notification in `needs_review`; it is in the audit.
async fn decide(
    State(api): State<Api>,
    identity: Identity,
    Path((text, decision)): Path<(String, String)>,
    Checked(ReasonRequest { reason }): Checked<ReasonRequest>,
) -> Result<Response, Problem> {
    let decision: Decision = word(&decision)?;
    identity.at_least(Role::Admin)?;
    let notification: NotificationId = id(&text, Notification::KIND)?;
    let org = identity.org.clone();
    let key = key_of::<Notification>(&org, &notification.to_string());
    let action = match decision {
        Decision::Resend => "notification.resend",
        Decision::MarkAsSent => "notification.mark-as-sent",
    };
    let action = AuditedAction { action, target: format!("notification/{notification}"), reason };
    let carry_out = async {
        let now = clock::now();
        let (state, detail) = match decision {
            Decision::Resend => (NotificationState::Queued, "a person ordered it sent again"),
            Decision::MarkAsSent => (NotificationState::Accepted, "a person said that it was sent"),
        };
        let decided = api.deliveries().decide(&key, state, detail, now).await;
        let after = state.as_str();
        match decided.map_err(|e| unavailable(&e))? {
            Some(result) => Ok(Change { before: WAITING.to_owned(), after: after.to_owned(), result }),
            None => Err(not_waiting(&api, &org, &key.sk).await),
        }
    };
    let (_, decided) = audited(&api, identity, action, carry_out).await?;
    if decision == Decision::MarkAsSent {
        return Ok(Json(notification_response(decided)).into_response());
    }
    let job = EmailJob::to_send(org, notification);
    // The record is in the index of overdue work: when the queue does not accept the message now, maintenance enqueues
    // it.
    api.email_queues.send(&job, decided.kind.priority()).await.map_err(|e| not_enqueued(&e))?;
    Ok(accepted(&format!("/api/notifications/{notification}"), &notification_response(decided)))
}

/// The refusal of a decision about a notification that does not wait for one.
async fn not_waiting(api: &Api, org: &OrgId, id: &str) -> Problem {
    match api.records.get::<Notification>(org, id).await {
        Ok(Some(_)) => Problem::conflict("only a notification in the state needs_review waits for a decision"),
        Ok(None) => not_found(Notification::KIND),
        Err(error) => unavailable(&error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use web::body::parse;

    use super::*;

    fn read(mut body: Value, field: &str, value: Value) -> Result<CreateNotificationRequest, Problem> {
        body[field] = value;
        parse(body.to_string().as_bytes(), "")
    }

    fn good() -> Value {
        json!({"kind": "flag-resolved", "to": "ada@example.com", "data": {}})
    }

    fn refused(field: &str, value: Value) {
        let problem = read(good(), field, value.clone()).expect_err("refused");
        for error in problem.errors() {
            assert_eq!((error.field.as_str(), error.rule), (field, "invalid"), "{value}: {error:?}");
        }
    }

    #[test]
    fn a_recipient_is_one_address() {
        for to in ["ada@example.com", "ada+cv@mail.example.com", "ada@bücher.example", "o'hara.ada@example.com"] {
            assert!(read(good(), "to", json!(to)).is_ok(), "{to}");
        }
        assert!(read(good(), "to", json!(format!("{}@example.com", "a".repeat(64)))).is_ok());
        for to in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example.com, eve@example.com",
            "ada@example.com,eve@example.com",
            "ada@example.com;eve@example.com",
            "ada@example.com eve@example.com",
            "ada@bücher.example,eve@example.com",
            "Ada <ada@example.com>",
            "<ada@example.com>",
            "\"ada\"@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\r\n@example.com",
            "ada@bücher.example\r\nBcc: eve@example.com",
            "ada@exam\nple.com",
            "ada@example.com\n",
            "ada@example.com\0",
            "ada@bücher\u{85}.example",
            "ada@bü\u{200b}cher.example",
            "ada@bü\u{ad}cher.example",
            "ada@bücher\u{2028}.example",
            " ada@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "ada@example..com",
            "ada@-example.com",
        ] {
            refused("to", json!(to));
        }
        refused("to", json!(format!("{}@example.com", "a".repeat(65))));
        refused("to", json!(format!("ada@{}.com", "a".repeat(64))));
        refused("to", json!(format!("ada@{}com", "abcdefgh.".repeat(28))));
    }

    #[test]
    fn a_language_is_a_tag_and_nothing_changes_without_one() {
        let read_one = read(good(), "language", json!("de-AT")).expect("read");
        assert_eq!(read_one.language.as_ref().map(Language::as_str), Some("de-AT"));
        for bad in ["", "german", "DE", "../de", "de_AT"] {
            refused("language", json!(bad));
        }
        let without = read(good(), "language", Value::Null).expect("read");
        assert_eq!(serde_json::to_value(without).expect("JSON"), good());
    }
}
