//! Applications through the job board, `/boards/v1/boards/{board}/jobs/{post}`, in production
//! `https://boards-api.greenhouse.io/v1/...`: Basic with the board's key and no password, JSON or a form of several parts.
//!
//! Not verified on a real wire: the bodies of the refusals.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State as Held},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use mailparse::parse_mail;
use serde_json::{Value, json};

use super::{World, token::basic};

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"status": status.as_u16(), "error": error}))).into_response()
}

/// `POST /boards/v1/boards/{board}/jobs/{post}`.
pub async fn apply(
    Held(world): Held<Arc<World>>,
    Path((board, post)): Path<(String, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = basic(&headers).map(|(key, _)| key);
    if key != Some(format!("local-greenhouse-board-{board}")) {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let Some(account) = world.account(&board) else { return refused(StatusCode::NOT_FOUND, "Not found") };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let fields = if kind.starts_with("multipart/form-data") { parts(kind, &body) } else { object(&body) };
    let field = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let (Some(first), Some(last), Some(mail)) = (field("first_name"), field("last_name"), field("email")) else {
        let missing = ["first_name", "last_name", "email"].into_iter().filter(|name| field(name).is_none());
        let missing: Vec<&str> = missing.collect();
        return refused(StatusCode::UNPROCESSABLE_ENTITY, &format!("Invalid attributes: {}", missing.join(",")));
    };
    match account.with(|state| state.apply_on_board(post, first, last, mail, field("phone"))) {
        Some(_) => Json(json!({"success": "Candidate saved successfully"})).into_response(),
        None => refused(StatusCode::NOT_FOUND, "Job not found"),
    }
}

fn object(body: &[u8]) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    fields.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

/// A form of several parts is a mail without its other headers.
fn parts(kind: &str, body: &[u8]) -> BTreeMap<String, String> {
    let whole = [b"Content-Type: ", kind.as_bytes(), b"\r\n\r\n", body].concat();
    let Ok(mail) = parse_mail(&whole) else { return BTreeMap::new() };
    let named = mail.subparts.iter().filter_map(|part| {
        let name = part.get_content_disposition().params.get("name").cloned()?;
        Some((name, part.get_body().ok()?.trim_end_matches(['\r', '\n']).to_owned()))
    });
    named.collect()
}
