//! What can be changed over the wire: a candidate applies, an application moves to another step, somebody comments.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    account::{World, allowed},
    company::Company,
    detail,
    gate::Error,
};
use crate::wire::{Call, Form, form};

/// `POST application`, a form.
pub async fn apply(State(world): State<Arc<World>>, call: Call) -> Response {
    let json =
        call.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let form = form(&call.headers, &call.body).filter(|_| !json);
    allowed(&world, &call, |company| {
        create(company, &form.ok_or(Error(StatusCode::BAD_REQUEST, "The request is not a form"))?)
    })
}

fn create(company: &mut Company, form: &Form) -> Result<Value, Error> {
    let bad = |reason| Error(StatusCode::UNPROCESSABLE_ENTITY, reason);
    let text = |name: &str| form.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let first = text("firstName").ok_or_else(|| bad("firstName is required"))?;
    let last = text("lastName").ok_or_else(|| bad("lastName is required"))?;
    let job: u64 = text("jobId").and_then(|id| id.parse().ok()).ok_or_else(|| bad("jobId must be an integer"))?;
    company.job(job).ok_or_else(|| bad("jobId is not a job opening"))?;
    let email = text("email");
    if email.is_some_and(|email| !email.contains('@')) {
        return Err(bad("email must be a valid email address"));
    }
    let id = company.number();
    let mut detail = detail::blank(id, company.clock.now());
    for (pointer, value) in [
        ("/applicant/firstName", Some(first)),
        ("/applicant/lastName", Some(last)),
        ("/applicant/email", email),
        ("/applicant/phoneNumber", text("phoneNumber")),
        ("/applicant/source", text("source")),
        ("/applicant/linkedinUrl", text("linkedinUrl")),
        ("/applicant/websiteUrl", text("websiteUrl")),
        ("/applicant/availableStartDate", text("dateAvailable")),
        ("/referredBy", text("referredBy")),
        ("/desiredSalary", text("desiredSalary")),
    ] {
        detail::set(&mut detail, pointer, value);
    }
    detail::set(&mut detail, "/job/id", job);
    let updated = company.stamp();
    company.put(id, detail, updated);
    // Recorded: the number of the candidate that is told is that of the application.
    Ok(json!({"result": "success", "candidateId": id}))
}

/// `POST applications/{id}/status`.
pub async fn status(State(world): State<Arc<World>>, call: Call) -> Response {
    allowed(&world, &call, |company| {
        let id = known(company, call.number(1))?;
        let status = object(&call.body)?.get("status").and_then(Value::as_u64);
        let status = status.ok_or(Error(StatusCode::BAD_REQUEST, "status must be an integer"))?;
        if !company.move_to(id, status) {
            return Err(Error(StatusCode::BAD_REQUEST, "status is not a status of this company"));
        }
        Ok(json!({"type": "positionApplicantStatus", "id": 9_000 + id}))
    })
}

/// `POST applications/{id}/comments`.
pub async fn comment(State(world): State<Arc<World>>, call: Call) -> Response {
    allowed(&world, &call, |company| {
        let id = known(company, call.number(1))?;
        let body = object(&call.body)?;
        if body.get("type").is_some_and(|kind| kind != "comment") {
            return Err(Error(StatusCode::BAD_REQUEST, "type must be comment"));
        }
        let text = body.get("comment").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let text = text.ok_or(Error(StatusCode::BAD_REQUEST, "comment is required"))?;
        company.comments.push((id, text.to_owned()));
        company.change(id, |detail| {
            let count = detail.get("commentCount").and_then(Value::as_u64).unwrap_or(0);
            detail::set(detail, "/commentCount", count + 1);
        });
        Ok(json!({"type": "comment", "id": company.comments.len()}))
    })
}

fn known(company: &Company, id: u64) -> Result<u64, Error> {
    let known = company.applications().contains_key(&id);
    if known { Ok(id) } else { Err(Error(StatusCode::NOT_FOUND, "Application not found")) }
}

fn object(body: &[u8]) -> Result<Value, Error> {
    let body = serde_json::from_slice(body).ok().filter(Value::is_object);
    body.ok_or(Error(StatusCode::BAD_REQUEST, "The request is not a JSON object"))
}
