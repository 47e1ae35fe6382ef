//! Applications through the job board, `/boards/v1/boards/{board}/jobs/{post}`, in production
//! `https://boards-api.greenhouse.io/v1/...`: Basic with the board's key and no password, JSON or a form of several parts.
//!
//! Not verified on a real wire: the bodies of the refusals.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Held,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{account::World, seed};
use crate::wire::{Call, basic, form};

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"status": status.as_u16(), "error": error}))).into_response()
}

/// `POST /boards/v1/boards/{board}/jobs/{post}`.
pub async fn apply(Held(world): Held<Arc<World>>, call: Call) -> Response {
    let (board, post) = (call.at(0), call.number(1));
    if basic(&call.headers).map(|(key, _)| key) != Some(format!("local-greenhouse-board-{board}")) {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let Some(account) = world.account(board) else { return refused(StatusCode::NOT_FOUND, "Not found") };
    let fields = form(&call.headers, &call.body).unwrap_or_default();
    let field = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let (Some(first), Some(last), Some(mail)) = (field("first_name"), field("last_name"), field("email")) else {
        let missing = ["first_name", "last_name", "email"].into_iter().filter(|name| field(name).is_none());
        let missing: Vec<&str> = missing.collect();
        return refused(StatusCode::UNPROCESSABLE_ENTITY, &format!("Invalid attributes: {}", missing.join(",")));
    };
    let person = seed::candidate(first, last, Some(mail), field("phone"));
    match account.state().apply_on_board(post, person) {
        Some(_) => Json(json!({"success": "Candidate saved successfully"})).into_response(),
        None => refused(StatusCode::NOT_FOUND, "Job not found"),
    }
}
