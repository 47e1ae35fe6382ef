//! What can be changed over the wire: a candidate applies, an application moves to another step, somebody comments.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{World, allowed, company::Company, gate::Error, seed};

/// `POST application`, a form.
pub async fn apply(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = form(&headers, &body);
    allowed(&world, &name, &headers, |company| {
        create(company, &form.ok_or(Error(StatusCode::BAD_REQUEST, "The request is not a form"))?)
    })
}

fn create(company: &mut Company, form: &BTreeMap<String, String>) -> Result<Value, Error> {
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
    let mut detail = seed::blank(id, company.clock.now());
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
        if let Some(field) = detail.pointer_mut(pointer) {
            *field = json!(value);
        }
    }
    if let Some(field) = detail.pointer_mut("/job/id") {
        *field = json!(job);
    }
    let updated = company.stamp();
    company.put(id, detail, updated);
    // Recorded: the number of the candidate that is told is that of the application.
    Ok(json!({"result": "success", "candidateId": id}))
}

/// `POST applications/{id}/status`.
pub async fn status(
    State(world): State<Arc<World>>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    allowed(&world, &name, &headers, |company| {
        let id = known(company, &id)?;
        let status = object(&body)?.get("status").and_then(Value::as_u64);
        let status = status.ok_or(Error(StatusCode::BAD_REQUEST, "status must be an integer"))?;
        if !company.move_to(id, status) {
            return Err(Error(StatusCode::BAD_REQUEST, "status is not a status of this company"));
        }
        Ok(json!({"type": "positionApplicantStatus", "id": 9_000 + id}))
    })
}

/// `POST applications/{id}/comments`.
pub async fn comment(
    State(world): State<Arc<World>>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    allowed(&world, &name, &headers, |company| {
        let id = known(company, &id)?;
        let body = object(&body)?;
        if body.get("type").is_some_and(|kind| kind != "comment") {
            return Err(Error(StatusCode::BAD_REQUEST, "type must be comment"));
        }
        let text = body.get("comment").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let text = text.ok_or(Error(StatusCode::BAD_REQUEST, "comment is required"))?;
        company.comments.push((id, text.to_owned()));
        company.change(id, |detail| {
            let count = detail.get("commentCount").and_then(Value::as_u64).unwrap_or(0);
            if let Some(field) = detail.pointer_mut("/commentCount") {
                *field = json!(count + 1);
            }
        });
        Ok(json!({"type": "comment", "id": company.comments.len()}))
    })
}

fn known(company: &Company, id: &str) -> Result<u64, Error> {
    let id = id.parse().ok().filter(|id| company.applications().contains_key(id));
    id.ok_or(Error(StatusCode::NOT_FOUND, "Application not found"))
}

fn object(body: &[u8]) -> Result<Value, Error> {
    let body = serde_json::from_slice(body).ok().filter(Value::is_object);
    body.ok_or(Error(StatusCode::BAD_REQUEST, "The request is not a JSON object"))
}

/// The fields of a form: `multipart/form-data`, as documented, or urlencoded, which PHP does not tell from it.
fn form(headers: &HeaderMap, body: &[u8]) -> Option<BTreeMap<String, String>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if kind.starts_with("application/x-www-form-urlencoded") {
        return Some(form_urlencoded::parse(body).into_owned().collect());
    }
    let boundary = kind.strip_prefix("multipart/form-data")?.split_once("boundary=")?.1.trim_matches('"');
    let text = String::from_utf8_lossy(body);
    let border = format!("--{boundary}");
    let parts = text.split(&border).skip(1);
    Some(parts.filter_map(|part| field(part.strip_prefix("\r\n")?)).collect())
}

fn field(part: &str) -> Option<(String, String)> {
    let (head, body) = part.split_once("\r\n\r\n")?;
    let name = head.split_once("name=\"")?.1.split_once('"')?.0;
    Some((name.to_owned(), body.strip_suffix("\r\n").unwrap_or(body).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_form_of_parts_is_read_like_an_urlencoded_one() {
        let read = |kind: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            form(&headers, body.as_bytes())
        };
        let parts = "--x\r\nContent-Disposition: form-data; name=\"firstName\"\r\n\r\nAda\r\n--x\r\n\
            Content-Disposition: form-data; name=\"jobId\"\r\nContent-Type: text/plain\r\n\r\n7\r\n--x--\r\n";
        let both = read("multipart/form-data; boundary=x", parts);
        assert_eq!(both, read("application/x-www-form-urlencoded", "firstName=Ada&jobId=7"));
        assert_eq!(both.map(|form| form.len()), Some(2));
        assert_eq!(read("application/json", "{}"), None);
    }
}
