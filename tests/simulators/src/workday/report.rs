//! A report as a service: the rows and their names are those that the report's author chose.

use std::sync::Arc;
use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    World,
    data::{Application, Person},
    gate::{Presented, USER, presented},
    limited, remaining,
    soap::time,
    tenant::State as Tenancy,
};

/// The report that every tenant has.
pub const REPORT: &str = "Job_Applications";

/// The prompts of the report.
#[derive(Debug, Deserialize)]
pub struct Prompts {
    format: Option<String>,
    #[serde(rename = "Updated_From")]
    updated_from: Option<Timestamp>,
}

/// `GET /ccx/service/customreport2/{tenant}/{owner}/{report}?format=json`.
pub async fn report(
    State(world): State<Arc<World>>,
    Path((name, owner, report)): Path<(String, String, String)>,
    Query(prompts): Query<Prompts>,
    headers: HeaderMap,
) -> Response {
    let Some(tenant) = world.account(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let now_ms = tenant.clock.now_ms();
    let (limit, delay_ms) = {
        let mut state = tenant.state();
        let limit = state.gate.enter(now_ms);
        if !limit.open {
            return limited();
        }
        let known = match presented(&headers) {
            Presented::Basic(user, password) => state.gate.knows_user(&user, &password),
            Presented::Bearer(token) => state.gate.knows_token(&token, now_ms),
            Presented::Nothing => false,
        };
        if !known {
            return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid username or password"}))).into_response();
        }
        (limit, state.report_delay_ms)
    };
    if owner != USER || report != REPORT {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "there is no such report"}))).into_response();
    }
    if prompts.format.as_deref() != Some("json") {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "only format=json is simulated"}))).into_response();
    }
    crate::clock::sleep(Duration::from_millis(delay_ms)).await;
    let from = prompts.updated_from.map_or(i64::MIN, |at| at.as_millisecond());
    let state = tenant.state();
    let people = state.open_people.iter().filter_map(|number| state.person(*number));
    let changed = people.filter(|person| person.touched >= from);
    let rows: Vec<Value> = changed
        .flat_map(|person| person.applications.iter().map(|application| row(&state, person, application)))
        .collect();
    let mut response = Json(json!({"Report_Entry": rows})).into_response();
    remaining(&mut response, limit);
    response
}

/// One application. What is empty is not there at all.
fn row(state: &Tenancy, person: &Person, application: &Application) -> Value {
    let mut row = Map::new();
    let mut say = |name: &str, text: Option<String>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            row.insert(name.to_owned(), Value::String(text));
        }
    };
    say("Candidate_WID", Some(state.person_wid(person.number)));
    say("Candidate_Name", Some(person.name()));
    say("Email", person.email.clone());
    say("Phone", person.phone.clone());
    say("Withdrawn", Some(if person.withdrawn { "1" } else { "0" }.to_owned()));
    say("Job_Application_WID", Some(state.application_wid(application.number)));
    say("Requisition_WID", Some(state.requisition_wid(application.requisition)));
    say("Requisition_Title", state.requisition(application.requisition).map(|requisition| requisition.title.clone()));
    say("Stage", Some(application.stage.name.to_owned()));
    say("Disposition", application.disposition.map(|disposition| disposition.name.to_owned()));
    say("Applied_On", Some(time(application.applied)));
    say("Last_Functionally_Updated", Some(time(person.touched)));
    Value::Object(row)
}
