//! A report as a service: the rows and their names are those that the report's author chose.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    account::World,
    data::{Application, Person},
    gate::{USER, remaining},
    soap::time,
    tenant,
};
use crate::{clock, wire::Call};

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
pub async fn report(State(world): State<Arc<World>>, Query(prompts): Query<Prompts>, call: Call) -> Response {
    let Some(tenant) = world.account(call.at(0)) else { return StatusCode::NOT_FOUND.into_response() };
    let refused = |status, error: &str| (status, Json(json!({"error": error}))).into_response();
    let (counted, delay_ms) = {
        let mut state = tenant.state();
        let now_ms = state.now_ms();
        let counted = match state.gate.enter(now_ms) {
            Ok(counted) => counted,
            Err(limited) => return limited.into_response(),
        };
        if !state.gate.knows(&call.headers, now_ms) {
            return refused(StatusCode::UNAUTHORIZED, "invalid username or password");
        }
        (counted, state.report_delay_ms)
    };
    if call.at(1) != USER || call.at(2) != REPORT {
        return refused(StatusCode::NOT_FOUND, "there is no such report");
    }
    if prompts.format.as_deref() != Some("json") {
        return refused(StatusCode::BAD_REQUEST, "only format=json is simulated");
    }
    clock::sleep(Duration::from_millis(delay_ms)).await;
    let from = prompts.updated_from.map_or(i64::MIN, |at| at.as_millisecond());
    let state = tenant.state();
    let people = state.people.all();
    let changed = people.filter(|person| person.touched >= from);
    let rows: Vec<Value> = changed
        .flat_map(|person| person.applications.iter().map(|application| row(&state, person, application)))
        .collect();
    remaining(counted, Json(json!({"Report_Entry": rows})).into_response())
}

/// One application. What is empty is not there at all.
fn row(state: &tenant::State, person: &Person, application: &Application) -> Value {
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
