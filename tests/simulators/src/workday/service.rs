//! The SOAP service: who is let in, and which operation answers.

use std::sync::Arc;

use axum::{
    extract::State as Held,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    account::World,
    candidates,
    gate::{refused_token, remaining},
    moves, requisitions,
    soap::{Fault, Operation, enveloped, responded, time},
    tenant::State,
    xml::{self, BSVC},
};
use crate::wire::{Call, bearer};

/// `POST /ccx/service/{tenant}/{service}/{version}`.
pub async fn service(Held(world): Held<Arc<World>>, call: Call) -> Response {
    let Some(tenant) = world.account(call.at(0)) else { return StatusCode::NOT_FOUND.into_response() };
    let state = &mut *tenant.state();
    let now_ms = state.now_ms();
    let counted = match state.gate.enter(now_ms) {
        Ok(counted) => counted,
        Err(limited) => return limited.into_response(),
    };
    remaining(counted, answered(state, &call).unwrap_or_else(IntoResponse::into_response))
}

/// The answer of an operation.
fn answered(state: &mut State, call: &Call) -> Result<Response, Fault> {
    let refused = |reason: &str| Fault::Processing(reason.to_owned());
    let read = std::str::from_utf8(&call.body).map_err(|error| error.to_string()).and_then(xml::read);
    let envelope = read.map_err(|error| refused(&format!("The message cannot be read: {error}")))?;
    if envelope.namespace != xml::SOAP || envelope.name != "Envelope" {
        return Err(refused("The message is not a SOAP envelope"));
    }
    match bearer(&call.headers) {
        Some(token) if !state.gate.knows_token(token, state.now_ms()) => return Ok(refused_token()),
        Some(_) => {}
        None => {
            let token = envelope.at(&["Header", "Security", "UsernameToken"]);
            let part = |name: &str| token.and_then(|token| token.text_at(&[name])).unwrap_or_default();
            // In the envelope, unlike in a Basic header, the user is named with the tenant.
            let user = part("Username");
            if !user.contains('@') || !state.gate.knows_user(user, part("Password")) {
                return Err(Fault::Authentication);
            }
        }
    }
    let body = envelope.child("Body").and_then(|body| body.children.first());
    let request = body.ok_or_else(|| refused("The body is empty"))?;
    let version = call.at(2);
    let mut operation = Operation { state, request, version };
    let known = request.namespace == BSVC && is_version(version);
    let answered = match (call.at(1), request.name.as_str()) {
        ("Recruiting" | "Human_Resources", "Server_Timestamp_Get") if known => Ok(timestamp(&mut operation)),
        ("Recruiting", "Get_Job_Requisitions_Request") if known => requisitions::get(&mut operation),
        ("Recruiting", "Get_Candidates_Request") if known => candidates::get(&mut operation),
        ("Recruiting", "Move_Candidate_Request") if known => moves::go(&mut operation),
        ("Recruiting", "Put_Candidate_Request") if known => moves::put(&mut operation),
        _ => Err(Fault::Processing("The web service or version is invalid for the requested operation".to_owned())),
    };
    answered.map(|body| enveloped(StatusCode::OK, "env", &body))
}

fn timestamp(operation: &mut Operation<'_>) -> String {
    let now = operation.state.settled_now();
    responded("Server_Timestamp", operation.version, |writer| writer.leaf("Server_Timestamp_Data", &time(now)))
}

fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_like_v31_2() {
        for (text, good) in [("v31.2", true), ("v45.0", true), ("31.2", false), ("v31", false), ("v3.x", false)] {
            assert_eq!(is_version(text), good, "{text}");
        }
    }
}
