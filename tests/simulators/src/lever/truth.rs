//! What an account holds, in the words of every ATS.
//!
//! An interview and an offer have no address of their own at Lever: their ids are `<opportunity>/<interview>`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    model::{Contact, Interview, Offer, Opportunity, Posting, User},
    seed::{HIRED, REASONS, STAGES},
    state::State,
};
use crate::world::{self, Truth};

fn time(ms: i64) -> Value {
    Timestamp::from_millisecond(ms).map_or(Value::Null, |at| json!(at.to_string()))
}

fn stage(stage: usize) -> Value {
    json!(STAGES.get(stage).map(|(_, name)| *name))
}

fn job(posting: &Posting) -> Value {
    let status = match posting.state {
        "published" | "internal" => "open",
        "draft" | "pending" => "draft",
        "closed" | "rejected" => "closed",
        _ => "unknown",
    };
    json!({
        "title": posting.text, "status": status, "provider_status": posting.state,
        "department": posting.department, "location": posting.location,
    })
}

fn candidate(of: &Opportunity, contact: &Contact) -> Value {
    json!({
        "name": contact.name, "email": contact.emails.first(), "phone": contact.phones.first().map(|(_, value)| value),
        "company": of.applications.first().and_then(|application| application.company.as_ref()),
    })
}

fn application(of: &Opportunity) -> Value {
    let (status, reason) = match of.archived {
        None => ("active", None),
        Some(archived) if archived.reason == HIRED => ("hired", None),
        Some(archived) => ("rejected", REASONS.get(archived.reason).map(|(_, text, ..)| *text)),
    };
    let first = of.applications.first();
    json!({
        "candidate": of.id, "job": first.map(|application| &application.posting), "status": status,
        "stage": stage(of.stage), "applied_at": time(first.map_or(of.created, |application| application.created)),
        "rejection_reason": reason,
        "history": of.stage_changes.iter().map(|change| json!({"stage": stage(change.stage), "at": time(change.at)})).collect::<Vec<_>>(),
    })
}

fn interview(of: &Opportunity, interview: &Interview) -> Value {
    let status = match (interview.canceled, interview.feedback.is_empty()) {
        (Some(_), _) => "canceled",
        (None, false) => "complete",
        (None, true) => "scheduled",
    };
    json!({
        "application": of.id, "candidate": of.id, "name": interview.subject, "status": status,
        "starts_at": time(interview.date), "ends_at": time(interview.date + interview.duration * 60_000),
        "interviewers": [interview.interviewer],
    })
}

fn offer(of: &Opportunity, offer: &Offer) -> Value {
    let status = match offer.status {
        "signed" => "accepted",
        "denied" => "rejected",
        _ => "unresolved",
    };
    let starts = offer.starts.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    json!({
        "application": of.id, "status": status, "provider_status": offer.status,
        "starts_on": starts.map(|at| at.strftime("%Y-%m-%d").to_string()),
    })
}

fn user(user: &User) -> Value {
    json!({"name": user.name, "email": user.email, "active": user.deactivated.is_none()})
}

pub(super) fn truth(state: &State) -> Truth {
    let mut all = Truth::new();
    let mut put = |kind: &str, id: &str, fields: Value| {
        all.insert(format!("{kind}/{id}"), world::fields(fields));
    };
    for posting in state.postings.values() {
        put("job", &posting.id, job(posting));
    }
    for of in state.opportunities.values() {
        if let Some(contact) = state.contacts.get(&of.contact) {
            put("candidate", &of.id, candidate(of, contact));
        }
        put("application", &of.id, application(of));
        for one in &of.interviews {
            put("interview", &format!("{}/{}", of.id, one.id), interview(of, one));
        }
        for one in &of.offers {
            put("offer", &format!("{}/{}", of.id, one.id), offer(of, one));
        }
    }
    for one in state.users.values() {
        put("user", &one.id, user(one));
    }
    all
}
