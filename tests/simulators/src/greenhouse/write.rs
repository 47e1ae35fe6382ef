//! What a client may change in Harvest v3: applications are moved, rejected and hired, candidates changed, notes written.
//!
//! Paths, fields and the statuses 204, 200 and 201 are those of the public reference (October 2026). Not verified on a real
//! wire: the texts of the refusals, and the 204 of the deletions.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State as Held,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{patch, post},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    account::World,
    harvest::{admitted, not_found},
    list::Unprocessable,
    state::State,
    table::{Listed, Row, Table},
};
use crate::wire::Call;

type Body = Map<String, Value>;
type Done = Result<(), Unprocessable>;

fn bad(field: &str, reason: &str) -> Unprocessable {
    Unprocessable(vec![json!({field: reason})])
}

fn read(bytes: &Bytes) -> Result<Body, Unprocessable> {
    if bytes.is_empty() {
        return Ok(Body::new());
    }
    serde_json::from_slice(bytes).map_err(|_| Unprocessable(vec![json!("The body is not a JSON object.")]))
}

fn number(body: &Body, field: &str) -> Option<u64> {
    body.get(field).and_then(Value::as_u64)
}

/// Adds the routes below `/harvest/v3` that change something.
pub fn routes(router: Router<Arc<World>>) -> Router<Arc<World>> {
    router
        .route("/{list}", post(create))
        .route("/{list}/{id}", patch(update).delete(delete))
        .route("/applications/{id}/{verb}", post(act))
}

/// `POST /applications/{id}/{verb}`.
async fn act(Held(world): Held<Arc<World>>, call: Call) -> Response {
    let id = call.number(0);
    let act: fn(&mut State, &Row, &Body) -> Done = match call.at(1) {
        "move" => move_application,
        "reject" => reject,
        "unreject" => unreject,
        "hire" => hire,
        _ => return not_found(),
    };
    admitted(&world, &call.headers, |state, _| {
        let Some(application) = state.store.row(Table::Applications, id).cloned() else { return not_found() };
        let done = read(&call.body).and_then(|body| act(state, &application, &body));
        done.map(|()| StatusCode::NO_CONTENT).into_response()
    })
}

fn in_process(application: &Row) -> Done {
    match application.text("status") {
        Some("in_process") => Ok(()),
        _ => Err(bad("status", "the application is not active")),
    }
}

/// `from_stage_id` guards against a stage that is not the current one any more.
fn move_application(state: &mut State, application: &Row, body: &Body) -> Done {
    in_process(application)?;
    let current = application.number("job_interview_stage_id");
    let from = number(body, "from_stage_id").ok_or_else(|| bad("from_stage_id", "is missing"))?;
    if current != Some(from) {
        return Err(bad("from_stage_id", "is not the current stage"));
    }
    if let Some(job) = number(body, "to_job_id") {
        let open = state.store.row(Table::Jobs, job).is_some_and(|row| row.text("status") == Some("open"));
        return if open && state.transfer(application.id, job) { Ok(()) } else { Err(bad("to_job_id", "is not open")) };
    }
    let stages = state.stages(application.number("job_id").unwrap_or_default());
    let to = match number(body, "to_stage_id") {
        Some(to) => stages.contains(&to).then_some(to),
        None => stages.iter().skip_while(|stage| Some(**stage) != current).nth(1).copied(),
    };
    state.move_to(application.id, to.ok_or_else(|| bad("to_stage_id", "is no stage of the job"))?);
    Ok(())
}

fn reject(state: &mut State, application: &Row, body: &Body) -> Done {
    in_process(application)?;
    let reason = number(body, "rejection_reason_id").ok_or_else(|| bad("rejection_reason_id", "is missing"))?;
    if state.store.row(Table::RejectionReasons, reason).is_none() {
        return Err(bad("rejection_reason_id", "is not known"));
    }
    state.reject(application.id, reason);
    Ok(())
}

fn unreject(state: &mut State, application: &Row, _: &Body) -> Done {
    if application.text("status") != Some("rejected") {
        return Err(bad("status", "the application is not rejected"));
    }
    state.unreject(application.id);
    Ok(())
}

/// Which opening is filled must be said when there are several.
fn hire(state: &mut State, application: &Row, body: &Body) -> Done {
    in_process(application)?;
    let open = state.open_openings(application.number("job_id").unwrap_or_default());
    let opening = match (number(body, "opening_id"), open.as_slice()) {
        (Some(wanted), open) if open.contains(&wanted) => wanted,
        (None, [only]) => *only,
        (None, [_, ..]) => return Err(bad("opening_id", "is required when the job has more than one open opening")),
        _ => return Err(bad("opening_id", "is not an open opening of the job")),
    };
    state.hire(application.id, opening);
    Ok(())
}

/// `PATCH /candidates/{id}`: lists of addresses and numbers are replaced as a whole.
async fn update(Held(world): Held<Arc<World>>, call: Call) -> Response {
    #[rustfmt::skip]
    const FIELDS: [&str; 9] = [
        "first_name", "last_name", "preferred_name", "company", "title", "email_addresses", "phone_numbers", "addresses", "tags",
    ];
    let id = call.number(1);
    if call.at(0) != Table::Candidates.path() {
        return not_found();
    }
    admitted(&world, &call.headers, |state, _| {
        let mut body = match read(&call.body) {
            Ok(body) => body,
            Err(refused) => return refused.into_response(),
        };
        if state.store.row(Table::Candidates, id).is_none() {
            return not_found();
        }
        body.retain(|field, _| FIELDS.contains(&field.as_str()));
        state.update_candidate(id, Value::Object(body));
        listed(state, Table::Candidates, id, StatusCode::OK)
    })
}

fn listed(state: &State, table: Table, id: u64, status: StatusCode) -> Response {
    state.store.row(table, id).map_or_else(not_found, |row| (status, Json(json!(Listed(row, None)))).into_response())
}

/// `DELETE /candidates/{id}` and `/applications/{id}`.
async fn delete(Held(world): Held<Arc<World>>, call: Call) -> Response {
    let id = call.number(1);
    let delete: fn(&mut State, u64) -> bool = match call.at(0) {
        "candidates" => State::delete_candidate,
        "applications" => State::delete_application,
        _ => return not_found(),
    };
    admitted(&world, &call.headers, |state, _| {
        if delete(state, id) { StatusCode::NO_CONTENT.into_response() } else { not_found() }
    })
}

/// `POST /notes`: what is `public` here is `publicly_visible` in the list.
async fn create(Held(world): Held<Arc<World>>, call: Call) -> Response {
    if call.at(0) != Table::Notes.path() {
        return not_found();
    }
    admitted(&world, &call.headers, |state, _| match read(&call.body).and_then(|body| note(state, &body)) {
        Ok(id) => listed(state, Table::Notes, id, StatusCode::CREATED),
        Err(refused) => refused.into_response(),
    })
}

fn note(state: &mut State, body: &Body) -> Result<u64, Unprocessable> {
    let candidate = number(body, "candidate_id").filter(|id| state.store.row(Table::Candidates, *id).is_some());
    let candidate = candidate.ok_or_else(|| bad("candidate_id", "is not known"))?;
    let text = body.get("body").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| bad("body", "is missing"))?;
    let visibility = match body.get("visibility").and_then(Value::as_str) {
        Some("public") => "publicly_visible",
        Some("private") => "privately_visible",
        Some("admin_only") | None => "admin_only_visible",
        Some(_) => return Err(bad("visibility", "is not one of the known values")),
    };
    let kind = body.get("note_type").cloned().unwrap_or_else(|| json!("NOTE"));
    let note = json!({
        "candidate_id": candidate, "application_id": body.get("application_id"), "body": text, "visibility": visibility,
        "user_id": number(body, "user_id").unwrap_or(1), "type": kind,
    });
    Ok(state.add(Table::Notes, note))
}
