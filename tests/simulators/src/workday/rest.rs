//! Tokens, and the REST service for prospects and job postings.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::World,
    data::{Person, wid},
    gate::{CLIENT, TOKEN_S, refused_token, remaining},
    soap::time,
    tenant,
};
use crate::wire::{Call, basic, bearer, urlencoded};

/// `POST /ccx/oauth2/{tenant}/token`.
pub async fn token(State(world): State<Arc<World>>, call: Call) -> Response {
    let refused = |status, error: &str| (status, Json(json!({"error": error}))).into_response();
    let Some(tenant) = world.account(call.at(0)) else { return refused(StatusCode::NOT_FOUND, "invalid_request") };
    let state = &mut *tenant.state();
    let (now_ms, gate) = (state.now_ms(), &mut state.gate);
    if bearer(&call.headers).is_some() || basic(&call.headers) != Some((CLIENT.to_owned(), gate.client_secret.clone()))
    {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let form = urlencoded(&call.body);
    match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") if form.get("refresh_token") == Some(&gate.refresh_token) => {}
        Some("refresh_token") => return refused(StatusCode::BAD_REQUEST, "invalid_grant"),
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    }
    // The refresh token of an integration user stays good, so that it comes back as it was.
    Json(json!({
        "access_token": gate.grant(now_ms),
        "refresh_token": gate.refresh_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_S,
    }))
    .into_response()
}

/// Lets a request with a token in, and answers it.
fn entered(world: &World, call: &Call, answer: impl FnOnce(&mut tenant::State) -> Response) -> Response {
    let Some(tenant) = world.account(call.at(0)) else { return StatusCode::NOT_FOUND.into_response() };
    let state = &mut *tenant.state();
    let now_ms = state.now_ms();
    let counted = match state.gate.enter(now_ms) {
        Ok(counted) => counted,
        Err(limited) => return limited.into_response(),
    };
    if !bearer(&call.headers).is_some_and(|token| state.gate.knows_token(token, now_ms)) {
        return refused_token();
    }
    remaining(counted, answer(state))
}

/// Where a list begins and how long its page is.
#[derive(Debug, Deserialize)]
pub struct Place {
    limit: Option<usize>,
    offset: Option<usize>,
}

/// `GET /ccx/api/recruiting/v4/{tenant}/jobPostings`.
pub async fn postings(State(world): State<Arc<World>>, Query(place): Query<Place>, call: Call) -> Response {
    entered(&world, &call, |state| {
        let (limit, offset) = (place.limit.unwrap_or(20), place.offset.unwrap_or(0));
        if !(1..=100).contains(&limit) {
            return invalid("limit", "must be 1 to 100");
        }
        let open: Vec<u64> =
            state.requisitions.open.iter().copied().filter(|number| state.takes_applications(*number)).collect();
        let page = open.iter().skip(offset).take(limit).filter_map(|number| state.requisition(*number));
        let data: Vec<Value> = page
            .map(|row| {
                let location =
                    row.location.map(|at| json!({"id": state.term_wid("location", at), "descriptor": at.name}));
                json!({
                    "id": wid(&state.name, "posting", &row.number.to_string()),
                    "title": row.title,
                    "startDate": time(row.created).get(..10),
                    "primaryLocation": location,
                    "jobRequisition": {"id": state.requisition_wid(row.number), "descriptor": row.id()},
                })
            })
            .collect();
        Json(json!({"data": data, "total": open.len()})).into_response()
    })
}

fn invalid(field: &str, error: &str) -> Response {
    let body = json!({"error": "validation error", "errors": [{"field": field, "error": error}]});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// `POST /ccx/api/recruiting/v4/{tenant}/prospects`.
pub async fn prospect(State(world): State<Arc<World>>, call: Call) -> Response {
    entered(&world, &call, |state| {
        let Ok(wanted) = serde_json::from_slice::<Value>(&call.body) else {
            return invalid("", "the body is not JSON");
        };
        let text = |pointer: &str| {
            wanted.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if text("/candidate/name/country/id").is_none() {
            return invalid("candidate.name.country", "is required");
        }
        let at = state.stamp();
        let number = state.number();
        let person = Person {
            first: text("/candidate/name/firstName").unwrap_or_default(),
            last: text("/candidate/name/lastName").unwrap_or_default(),
            email: text("/candidate/email"),
            phone: text("/candidate/phone"),
            ..Person::new(number, at)
        };
        let created = json!({
            "id": wid(&state.name, "prospect", &number.to_string()),
            "descriptor": person.name(),
            "candidate": {"id": state.person_wid(number), "descriptor": person.name()},
        });
        state.put_person(at, person);
        (StatusCode::CREATED, Json(created)).into_response()
    })
}
