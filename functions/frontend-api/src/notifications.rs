//! Notifications: asked for here, sent by a worker.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::FORMAT_VERSION;
use domain::application::content_hash;
use domain::failure::Failure;
use domain::id::NotificationId;
use domain::message::EmailJob;
use domain::notification::{
    ApplicationReceived, FlagResolved, ImportCompleted, Notification, NotificationKind, NotificationState,
    PasswordReset, UniversityVerification,
};
use garde::Validate;
use http::HeaderMap;
use jiff::Timestamp;
use platform::clock;
use platform::records::{Created, Recorded};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use web::accept::{accepted, id_for, not_enqueued};
use web::body::{Checked, parse};
use web::identity::Identity;
use web::problem::Problem;

use crate::{Api, list, read, unavailable};

/// A request for a notification. What `data` must hold follows from the kind.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct NewNotification {
    #[garde(skip)]
    kind: NotificationKind,
    #[garde(length(bytes, max = 254), email)]
    to: String,
    #[garde(skip)]
    data: Value,
}

/// A notification as the frontend sees it. The template's data is not shown again: it may hold links that grant access.
#[derive(Debug, Serialize)]
struct View {
    id: NotificationId,
    kind: NotificationKind,
    to: String,
    state: NotificationState,
    attempts: u32,
    provider: Option<String>,
    provider_message_id: Option<String>,
    failure: Option<Failure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Notification> for View {
    fn from(notification: Notification) -> Self {
        let Notification {
            v: _,
            id,
            kind,
            to,
            data: _,
            state,
            attempts,
            provider,
            provider_message_id,
            failure,
            created_at,
            updated_at,
        } = notification;
        Self { id, kind, to, state, attempts, provider, provider_message_id, failure, created_at, updated_at }
    }
}

impl From<Recorded<Notification>> for View {
    fn from(recorded: Recorded<Notification>) -> Self {
        // A notification keeps its times itself.
        recorded.value.into()
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/notifications", get(list::<Notification, View>).post(create))
        .route("/api/notifications/{id}", get(read::<Notification, View, NotificationId>))
}

async fn create(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    Checked(new): Checked<NewNotification>,
) -> Result<Response, Problem> {
    let Identity { org, .. } = identity;
    let request = content_hash(&new);
    let NewNotification { kind, to, data } = new;
    let data = checked(kind, &data)?;
    let id = id_for(&headers, &org, || NotificationId::fresh(clock::fresh_id()), NotificationId::derived)?;
    let notification = Notification::queued(id, kind, to, data, clock::now());
    let created = api.records.create(&org, &notification, &request, clock::now()).await.map_err(|e| unavailable(&e))?;
    let notification = match created {
        Created::New => notification,
        Created::Same(existing) => existing,
        Created::Other => return Err(Problem::key_reused()),
    };
    if notification.state == NotificationState::Queued {
        let job = EmailJob { v: FORMAT_VERSION, org, notification: id };
        api.email_queue.send(&job).await.map_err(|e| not_enqueued(&e))?;
    }
    Ok(accepted(&format!("/api/notifications/{id}"), &View::from(notification)))
}

/// Checks the data of a kind, so that what is stored can be rendered.
fn checked(kind: NotificationKind, data: &Value) -> Result<Value, Problem> {
    fn with<T: DeserializeOwned + Serialize + Validate<Context = ()>>(data: &Value) -> Result<Value, Problem> {
        let value: T = parse(data.to_string().as_bytes(), "data")?;
        serde_json::to_value(value).map_err(|_| Problem::internal())
    }
    match kind {
        NotificationKind::UniversityVerification => with::<UniversityVerification>(data),
        NotificationKind::ImportCompleted => with::<ImportCompleted>(data),
        NotificationKind::FlagResolved => with::<FlagResolved>(data),
        NotificationKind::PasswordReset => with::<PasswordReset>(data),
        NotificationKind::ApplicationReceived => with::<ApplicationReceived>(data),
    }
}
