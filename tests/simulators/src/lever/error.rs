//! The errors of the API.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// An error of the API.
#[derive(Debug)]
pub struct Error(pub StatusCode, pub &'static str, pub String);

impl Error {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message.into())
    }

    pub(super) fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{what} not found"))
    }

    /// The body of a fault that gives none.
    pub(super) fn simulated(status: StatusCode) -> Option<Value> {
        let failed = status.is_client_error() || status.is_server_error();
        failed.then(|| json!({"code": "InternalError", "message": status.canonical_reason()}))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"code": self.1, "message": self.2}))).into_response()
    }
}
