//! Objects as the API shows them: the fields that recorded answers of Lever have.

use serde_json::{Value, json};

use super::{
    model::{Application, Contact, Gone, Hook, Interview, Offer, Opportunity, Posting, StageChange, User},
    query::Query,
    seed::{REASONS, STAGES},
    state::{State, archived},
};
use crate::wire::with;

pub(super) fn user(user: &User) -> Value {
    json!({
        "id": user.id, "name": user.name, "username": user.email.split('@').next(), "email": user.email,
        "accessRole": "super admin", "photo": null, "createdAt": user.created, "deactivatedAt": user.deactivated,
        "externalDirectoryId": null, "linkedContactIds": null, "jobTitle": null, "managerId": null,
    })
}

pub(super) fn stage(stage: usize) -> Value {
    STAGES.get(stage).map_or(Value::Null, |(id, text)| json!({"id": id, "text": text}))
}

pub(super) fn reason(reason: usize) -> Value {
    REASONS
        .get(reason)
        .map_or(Value::Null, |(id, text, status, kind)| json!({"id": id, "text": text, "status": status, "type": kind}))
}

fn stage_id(stage: usize) -> Value {
    json!(STAGES.get(stage).map(|(id, _)| *id))
}

fn confidentiality(confidential: bool) -> &'static str {
    if confidential { "confidential" } else { "non-confidential" }
}

pub(super) fn posting(site: &str, posting: &Posting) -> Value {
    let show = format!("https://jobs.lever.co/{site}/{}", posting.id);
    let urls = matches!(posting.state, "published" | "internal" | "closed").then(
        || json!({"list": format!("https://jobs.lever.co/{site}"), "show": show, "apply": format!("{show}/apply")}),
    );
    json!({
        "id": posting.id, "text": posting.text, "state": posting.state, "distributionChannels": null,
        "user": posting.owner, "owner": posting.owner, "hiringManager": null,
        "categories": {
            "commitment": posting.commitment, "department": posting.department, "level": null,
            "location": posting.location, "team": posting.team,
            "allLocations": posting.location.into_iter().collect::<Vec<_>>(),
        },
        "tags": [],
        "content": {
            "description": format!("We look for: {}\n", posting.text),
            "descriptionHtml": format!("<div>We look for: {}</div>", posting.text),
            "lists": [], "closing": "", "closingHtml": "",
        },
        "country": "US", "followers": [posting.owner], "reqCode": null, "requisitionCodes": [], "urls": urls,
        "confidentiality": confidentiality(posting.confidential),
        "createdAt": posting.created, "updatedAt": posting.updated, "workplaceType": "unspecified",
        "transcribeInterviews": false, "screening": {"enabled": false},
    })
}

fn phones(contact: &Contact) -> Vec<Value> {
    contact.phones.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect()
}

pub(super) fn contact(contact: &Contact) -> Value {
    json!({
        "id": contact.id, "name": contact.name, "headline": contact.headline, "isAnonymized": false,
        "location": {"name": contact.location}, "emails": contact.emails, "phones": phones(contact),
    })
}

fn change(change: &StageChange) -> Value {
    let shown = json!({"toStageId": stage_id(change.stage), "toStageIndex": change.stage, "updatedAt": change.at});
    match &change.user {
        Some(user) => with(shown, json!({"userId": user})),
        None => shown,
    }
}

pub(super) fn application(state: &State, of: &Opportunity, application: &Application) -> Value {
    let person = state.contacts.get(&of.contact).filter(|_| application.kind == "posting");
    let owner = state.postings.get(&application.posting).map(|posting| &posting.owner);
    json!({
        "id": application.id, "type": application.kind, "candidateId": of.id, "opportunityId": of.id,
        "posting": application.posting, "postingHiringManager": null, "postingOwner": owner,
        "name": person.map(|person| &person.name), "company": application.company,
        "phone": person.and_then(|person| person.phones.first()).map(|(_, value)| json!({"type": null, "value": value})),
        "email": person.and_then(|person| person.emails.first()),
        "links": [], "comments": application.comments, "user": if person.is_some() { None } else { Some(&of.owner) },
        "customQuestions": [], "createdAt": application.created, "archived": archived(of.archived),
        "requisitionForHire": null, "ipAddress": null, "referer": null, "userAgent": null, "acceptLanguage": null,
        "timezone": null,
    })
}

pub(super) fn opportunity(state: &State, of: &Opportunity, query: &Query) -> Value {
    let person = state.contacts.get(&of.contact);
    let someone = |what: &str, id: &str| {
        let found = if query.expands(what) { state.users.get(id).map(user) } else { None };
        found.unwrap_or_else(|| json!(id))
    };
    let applications: Vec<Value> = of
        .applications
        .iter()
        .map(|one| if query.expands("applications") { application(state, of, one) } else { json!(one.id) })
        .collect();
    let show = format!("https://hire.lever.co/candidates/{}", of.id);
    let shown = json!({
        "id": of.id,
        "name": person.map(|person| &person.name),
        "contact": if query.expands("contact") { person.map(contact) } else { Some(json!(of.contact)) },
        "headline": person.map(|person| &person.headline),
        "stage": if query.expands("stage") { stage(of.stage) } else { stage_id(of.stage) },
        "confidentiality": confidentiality(of.confidential),
        "location": person.map(|person| &person.location),
        "phones": person.map(phones), "emails": person.map(|person| &person.emails), "links": [],
        "archived": archived(of.archived), "tags": of.tags, "sources": of.sources,
        "stageChanges": of.stage_changes.iter().map(change).collect::<Vec<_>>(),
        "origin": of.origin, "sourcedBy": someone("sourcedBy", &of.owner), "owner": someone("owner", &of.owner),
        "followers": [someone("followers", &of.owner)], "applications": applications,
        "createdAt": of.created, "updatedAt": of.updated, "lastInteractionAt": of.interacted,
        "lastAdvancedAt": of.advanced, "snoozedUntil": null,
        "urls": {"list": "https://hire.lever.co/candidates", "show": show},
        "isAnonymized": false, "dataProtection": null,
    });
    // Absent for an opportunity without a posting.
    match of.applications.first().and_then(|one| state.postings.get(&one.posting)) {
        Some(posting) => with(shown, json!({"opportunityLocation": posting.location.unwrap_or("unspecified")})),
        None => shown,
    }
}

pub(super) fn interview(state: &State, of: &Opportunity, interview: &Interview) -> Value {
    let interviewers: Vec<Value> = state
        .users
        .get(&interview.interviewer)
        .map(|user| json!({"id": user.id, "name": user.name, "email": user.email, "feedbackTemplate": "no-feedback"}))
        .into_iter()
        .collect();
    json!({
        "id": interview.id, "panel": interview.panel, "subject": interview.subject, "note": "",
        "interviewers": interviewers, "timezone": "America/Los_Angeles", "createdAt": interview.created,
        "date": interview.date, "duration": interview.duration, "location": null, "feedbackTemplate": null,
        "feedbackForms": interview.feedback, "feedbackReminder": "daily", "user": of.owner,
        "stage": stage_id(interview.stage), "canceledAt": interview.canceled,
        "postings": of.applications.iter().map(|one| &one.posting).collect::<Vec<_>>(), "gcalEventUrl": null,
    })
}

pub(super) fn offer(state: &State, of: &Opportunity, offer: &Offer) -> Value {
    let person = state.contacts.get(&of.contact);
    let posting = offer.posting.as_ref().and_then(|id| state.postings.get(id));
    let field =
        |text: &str, identifier: &str, value: Value| json!({"text": text, "identifier": identifier, "value": value});
    let candidate = json!({"role": "candidate", "name": person.map(|it| &it.name), "email": person.and_then(|it| it.emails.first())});
    json!({
        "id": offer.id, "posting": offer.posting, "createdAt": offer.created, "status": offer.status,
        "creator": offer.creator,
        "fields": [
            field("Job title", "job_title", json!(posting.map(|posting| &posting.text))),
            field("Candidate name", "candidate_name", json!(person.map(|person| &person.name))),
            field("Offered compensation amount", "salary_amount", json!(5_000)),
            field("Anticipated start date", "anticipated_start_date", json!(offer.starts)),
        ],
        "signatures": {"candidate": candidate},
        "approved": null, "approvedAt": offer.approved, "sentAt": offer.sent, "sentDocument": null, "signedDocument": null,
    })
}

pub(super) fn gone(gone: &Gone) -> Value {
    let shown = json!({"id": gone.id, "deletedAt": gone.at});
    match &gone.opportunity {
        Some(opportunity) => with(shown, json!({"opportunityId": opportunity, "postingId": gone.posting})),
        None => shown,
    }
}

/// A webhook; the signature token is shown when it is created and never again.
pub(super) fn hook(hook: &Hook, secret: bool) -> Value {
    let mut configuration = json!({});
    if let Some(origins) = &hook.origins {
        configuration = with(configuration, json!({"conditions": {"origins": origins}}));
    }
    if secret {
        configuration = with(configuration, json!({"signatureToken": hook.signature_token}));
    }
    json!({
        "id": hook.id, "event": hook.event, "url": hook.url, "configuration": configuration,
        "createdAt": hook.created, "updatedAt": hook.created,
    })
}
