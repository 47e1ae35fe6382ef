//! What a client of a tenant should have, in the product's words.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    data::{Person, Requisition, STAGES},
    tenant::State,
};
use crate::world::{Truth, fields};

pub fn truth(state: &State) -> Truth {
    let mut truth = Truth::new();
    for requisition in state.requisitions.all() {
        truth.insert(format!("job/{}", state.requisition_wid(requisition.number)), job(state, requisition));
    }
    for person in state.people.all() {
        people(state, person, &mut truth);
    }
    truth
}

fn job(state: &State, requisition: &Requisition) -> Map<String, Value> {
    let status = match requisition.status.id {
        "Draft" => "draft",
        "Open" => "open",
        "Frozen" => "on-hold",
        _ => "closed",
    };
    fields(json!({
        "title": requisition.title,
        "status": status,
        "provider_status": state.named(requisition.status),
        "department": state.named(requisition.department),
        "location": requisition.location.map(|location| state.named(location)),
    }))
}

fn people(state: &State, person: &Arc<Person>, truth: &mut Truth) {
    let candidate = state.person_wid(person.number);
    for application in &person.applications {
        let status = match application {
            _ if person.withdrawn || application.disposition.is_some() => "rejected",
            hired if STAGES.last() == Some(hired.stage) => "hired",
            _ => "active",
        };
        let expected = json!({
            "candidate": candidate,
            "job": state.requisition_wid(application.requisition),
            "status": status,
            "stage": state.named(application.stage),
            "applied_at": Timestamp::from_millisecond(application.applied).unwrap_or_default(),
            "rejection_reason": application.disposition.map(|disposition| state.named(disposition)),
        });
        truth.insert(format!("application/{}", state.application_wid(application.number)), fields(expected));
    }
    let expected = json!({"name": person.name(), "email": person.email, "phone": person.phone});
    truth.insert(format!("candidate/{candidate}"), fields(expected));
}
