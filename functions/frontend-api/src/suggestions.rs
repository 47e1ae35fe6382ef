//! Suggestions: requested here, made by a worker.

use aws::{clock, random};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::FORMAT_VERSION;
use domain::ats::{Application, content_hash};
use domain::failure::Failure;
use domain::id::{ApplicationId, SuggestionId};
use domain::message::SuggestionJob;
use domain::suggestion::{ApplicationReview, Generation, Suggestion, SuggestionKind, SuggestionState};
use garde::Validate;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::records::{Created, Recorded};
use web::accept::{accepted, id_for, not_enqueued};
use web::body::Checked;
use web::identity::Identity;
use web::problem::Problem;

use crate::api::Api;
use crate::records::{FromRecord, list, read};
use crate::response::{not_found, unavailable};

/// The body of a request for a suggestion.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct CreateSuggestionRequest {
    #[garde(skip)]
    kind: SuggestionKind,
    #[garde(length(bytes, min = 1, max = 64))]
    application_id: String,
}

/// A suggestion, as the API shows it.
#[derive(Debug, Serialize)]
struct SuggestionResponse {
    id: SuggestionId,
    kind: SuggestionKind,
    application_id: ApplicationId,
    state: SuggestionState,
    attempts: u32,
    result: Option<ApplicationReview>,
    failure: Option<Failure>,
    generation: Option<Generation>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Renders a suggestion, which holds its times itself.
fn suggestion_response(suggestion: Suggestion) -> SuggestionResponse {
    let Suggestion {
        v: _,
        id,
        kind,
        application_id,
        notify: _,
        state,
        attempts,
        result,
        failure,
        generation,
        created_at,
        updated_at,
    } = suggestion;
    SuggestionResponse {
        id,
        kind,
        application_id,
        state,
        attempts,
        result,
        failure,
        generation,
        created_at,
        updated_at,
    }
}

impl FromRecord<Suggestion> for SuggestionResponse {
    fn from_record(recorded: Recorded<Suggestion>) -> Self {
        suggestion_response(recorded.value)
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/suggestions", get(list::<Suggestion, SuggestionResponse>).post(create))
        .route("/api/suggestions/{id}", get(read::<Suggestion, SuggestionResponse, SuggestionId>))
}

async fn create(
    State(api): State<Api>,
    identity: Identity,
    headers: HeaderMap,
    Checked(new): Checked<CreateSuggestionRequest>,
) -> Result<Response, Problem> {
    let Identity { org, .. } = identity;
    let request = content_hash(&new);
    let CreateSuggestionRequest { kind: SuggestionKind::ApplicationReview, application_id } = new;
    let id = id_for(&headers, &org, || SuggestionId::fresh(random::fresh_id()), SuggestionId::derived)?;
    let application_id: ApplicationId = application_id
        .parse()
        .map_err(|_| Problem::invalid_field("application_id", "invalid", "the id of an application is expected"))?;
    let now = clock::now();
    let id_text = application_id.to_string();
    let (application, open_until) =
        tokio::join!(api.records.get::<Application>(&org, &id_text), api.model_breaker.open_until(now));
    let application = application.map_err(|e| unavailable(&e))?;
    if let Some(until) = open_until {
        let seconds = u32::try_from(until.duration_since(now).as_secs().max(1)).unwrap_or(u32::MAX);
        return Err(Problem::dependency_unavailable("the model does not answer at present; ask again later", seconds));
    }
    if application.is_none() {
        return Err(not_found("application"));
    }
    let suggestion = Suggestion::accepted(id, application_id, false, clock::now());
    let created = api.records.create(&org, &suggestion, &request, clock::now()).await.map_err(|e| unavailable(&e))?;
    let suggestion = match created {
        Created::New => suggestion,
        Created::Same(existing) => existing,
        Created::Other => return Err(Problem::key_reused()),
    };
    if suggestion.state == SuggestionState::Accepted {
        let job = SuggestionJob { v: FORMAT_VERSION, org, suggestion: id };
        api.suggestion_queue.send(&job).await.map_err(|e| not_enqueued(&e))?;
    }
    Ok(accepted(&format!("/api/suggestions/{id}"), &suggestion_response(suggestion)))
}
