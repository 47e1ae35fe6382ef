//! Gemini Developer API, `POST /gemini/v1beta/models/{model}:generateContent`.
//!
//! Faithful in what it refuses, in the error envelope and in the accounting of tokens; the answer is made from the schema
//! and from facts of the prompt, the same for the same request. Source of the shapes: Google's public API reference and
//! recorded answers of the service.

pub mod reply;
pub mod request;
pub mod scenario;
pub mod schema;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    control::{Control, Controls, Refused, lock, parse},
    simulator::Simulator,
    wire::{given, with},
};
use request::GenerateRequest;
use scenario::{Scenario, ScenarioRequest};

/// Models that answer, and the version that each reports: an alias reports its target.
const MODELS: [(&str, &str); 12] = [
    ("gemini-3.8-flash", "gemini-3.8-flash"),
    ("gemini-3.7-flash", "gemini-3.7-flash"),
    ("gemini-3.6-flash", "gemini-3.6-flash"),
    ("gemini-3.5-flash", "gemini-3.5-flash"),
    ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"),
    ("gemini-3.1-flash-lite", "gemini-3.1-flash-lite"),
    ("gemini-3.1-pro-preview", "gemini-3.1-pro-preview"),
    ("gemini-2.5-flash", "gemini-2.5-flash"),
    ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
    ("gemini-2.5-pro", "gemini-2.5-pro"),
    ("gemini-flash-latest", "gemini-3.8-flash"),
    ("gemini-flash-lite-latest", "gemini-3.5-flash-lite"),
];

#[derive(Default)]
struct World {
    order: Mutex<ScenarioRequest>,
    answers: AtomicU64,
}

impl World {
    /// The scenario of this request; one with a number of times goes back to `ok` after the last.
    fn next_scenario(&self) -> ScenarioRequest {
        let mut order = lock(&self.order);
        let now = order.clone();
        if let Some(left) = order.times.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *order = ScenarioRequest::default();
            }
        }
        now
    }
}

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let world = Arc::new(World::default());
    let of_reset = Arc::clone(&world);
    Simulator {
        name: "gemini",
        about: "Gemini Developer API: generateContent with JSON-schema output",
        wire: Router::new()
            .route("/v1beta/models/{call}", post(generate))
            .fallback(|| async { Error::not_found("Requested entity was not found.") })
            .with_state(Arc::clone(&world)),
        controls: Controls::default()
            .route("GET /scenario", show_scenario)
            .route("POST /scenario", set_scenario)
            .with(world),
        control: Control::new(
            |status| Some(Error::plain(status, "Simulated fault.").1),
            move || *lock(&of_reset.order) = ScenarioRequest::default(),
        ),
    }
}

async fn show_scenario(State(world): State<Arc<World>>) -> Json<ScenarioRequest> {
    Json(lock(&world.order).clone())
}

async fn set_scenario(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<ScenarioRequest>, Refused> {
    let order: ScenarioRequest = parse(&body)?;
    if order.times == Some(0) {
        return Err(Refused("times: must be at least 1, or null for until changed".to_owned()));
    }
    *lock(&world.order) = order.clone();
    Ok(Json(order))
}

async fn generate(
    State(world): State<Arc<World>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let key = headers.get("x-goog-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key == "invalid" {
        return Err(Error::key(key));
    }
    let (model, method) = call.split_once(':').unwrap_or((&call, ""));
    if method != "generateContent" {
        return Err(Error::not_found("Requested entity was not found."));
    }
    let Some((_, version)) = MODELS.iter().find(|(name, _)| *name == model) else {
        return Err(Error::not_found(&format!(
            "models/{model} is not found for API version v1beta, or is not supported for generateContent."
        )));
    };
    let request = GenerateRequest::read(&body, model)?;
    let order = world.next_scenario();
    match order.name {
        Scenario::QuotaPerMinute | Scenario::QuotaPerDay => return Err(Error::quota(&order, model)),
        Scenario::Overloaded => {
            let message = "The model is overloaded. Please try again later.";
            return Err(Error::plain(StatusCode::SERVICE_UNAVAILABLE, message));
        }
        Scenario::Ok
        | Scenario::PromptBlocked
        | Scenario::AnswerBlocked
        | Scenario::MaxTokensEmpty
        | Scenario::UnknownFinishReason => {}
    }
    let number = world.answers.fetch_add(1, Ordering::Relaxed);
    let ids = json!({"modelVersion": version, "responseId": format!("sim{:016x}{number:06x}", request.hash)});
    Ok(Json(with(scenario::answer(order.name, &request), ids)).into_response())
}

/// A refusal in Google's envelope.
pub use crate::wire::Refusal as Error;

impl Error {
    fn new(status: StatusCode, message: &str, details: Option<Value>) -> Self {
        let name = match status.as_u16() {
            400 | 413 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            499 => "CANCELLED",
            500 => "INTERNAL",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            _ => "UNKNOWN",
        };
        let error = json!({"code": status.as_u16(), "message": message, "status": name});
        Self(status, json!({"error": with(error, given("details", details))}))
    }

    fn plain(status: StatusCode, message: &str) -> Self {
        Self::new(status, message, None)
    }

    fn not_found(message: &str) -> Self {
        Self::plain(StatusCode::NOT_FOUND, message)
    }

    /// 400 INVALID_ARGUMENT without details.
    pub fn invalid(message: &str) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, message)
    }

    /// 400 INVALID_ARGUMENT for a field that the API does not have; `place` is empty at the top.
    pub fn unknown_name(name: &str, place: &str) -> Self {
        let place = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
        let message = format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
        let details = json!([{
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"description": message}],
        }]);
        Self::new(StatusCode::BAD_REQUEST, &message, Some(details))
    }

    /// The real answer repeats the key in its debug detail, so a client that logs it leaks: this one does the same.
    fn key(key: &str) -> Self {
        let message = "API key not valid. Please pass a valid API key.";
        let details = json!([
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            },
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message},
            {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": format!("Invalid API key: {key}")},
        ]);
        Self::new(StatusCode::BAD_REQUEST, message, Some(details))
    }

    fn quota(order: &ScenarioRequest, model: &str) -> Self {
        let (period, value, delay) = match order.name {
            Scenario::QuotaPerDay => ("Day", "250", 22.0),
            _ => ("Minute", "2", 46.0),
        };
        let details = json!([
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                    "quotaId": format!("GenerateRequestsPer{period}PerProjectPerModel-FreeTier"),
                    "quotaDimensions": {"location": "global", "model": model},
                    "quotaValue": value,
                }],
            },
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{
                    "description": "Learn more about Gemini API quotas",
                    "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
                }],
            },
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", order.retry_delay_s.unwrap_or(delay)),
            },
        ]);
        let message = "You exceeded your current quota, please check your plan and billing details.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message, Some(details))
    }
}
