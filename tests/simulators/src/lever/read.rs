//! What can be read: lists, single objects and what was deleted.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    account::Error,
    model::{Gone, Opportunity},
    query::{Query, Span},
    render,
    seed::{REASONS, STAGES},
    state::State,
};
use crate::wire::{Call, with};

type Answer = Result<Response, Error>;

/// The widest window of deleted postings and applications.
const WINDOW_MS: i64 = 30 * 24 * 3_600_000;
/// The parameters of the list of opportunities.
#[rustfmt::skip]
pub(super) const OPPORTUNITY_FILTERS: [&str; 21] = [
    "expand", "tag", "email", "origin", "source", "confidentiality", "stage_id", "posting_id", "contact_id",
    "archive_reason_id", "location", "snoozed", "archived", "created_at_start", "created_at_end", "updated_at_start",
    "updated_at_end", "advanced_at_start", "advanced_at_end", "archived_at_start", "archived_at_end",
];
/// The parameters of the list of postings.
pub(super) const POSTING_FILTERS: [&str; 7] =
    ["state", "team", "department", "location", "confidentiality", "updated_at_start", "updated_at_end"];

fn list(page: Value) -> Answer {
    Ok(Json(page).into_response())
}

fn one(found: Option<Value>, what: &str) -> Answer {
    list(json!({"data": found.ok_or_else(|| Error::missing(what))?}))
}

fn wanted(query: &Query) -> Result<impl Fn(&State, &Opportunity) -> bool, Error> {
    let confidential = query.confidentiality()?;
    let (created, updated) = (query.span("created_at")?, query.span("updated_at")?);
    let (advanced, archived_at) = (query.span("advanced_at")?, query.span("archived_at")?);
    let archived = query.flag("archived")?;
    let snoozed = query.flag("snoozed")?;
    let stage = |id: usize| STAGES.get(id).map_or("", |stage| stage.0);
    let reason = |id: usize| REASONS.get(id).map_or("", |reason| reason.0);
    Ok(move |state: &State, of: &Opportunity| {
        let person = state.contacts.get(&of.contact);
        let posting = of.applications.first().map(|application| application.posting.as_str());
        confidential(of.confidential)
            && created.holds(Some(of.created))
            && updated.holds(of.updated)
            && advanced.holds(Some(of.advanced))
            && archived_at.holds(of.archived.map(|archived| archived.at))
            && archived.is_none_or(|wanted| of.archived.is_some() == wanted)
            && snoozed != Some(true)
            && query.any("stage_id", |id| id == stage(of.stage))
            && query.any("posting_id", |id| posting == Some(id))
            && query.any("contact_id", |id| id == of.contact)
            && query.any("archive_reason_id", |id| of.archived.is_some_and(|archived| reason(archived.reason) == id))
            && query.any("tag", |tag| of.tags.iter().any(|known| known == tag))
            && query.any("source", |source| of.sources.iter().any(|known| known == source))
            && query.any("origin", |origin| origin == of.origin)
            && query.any("email", |email| {
                person.is_some_and(|person| person.emails.iter().any(|known| known.eq_ignore_ascii_case(email)))
            })
            && query.any("location", |location| {
                posting.and_then(|id| state.postings.get(id)).and_then(|posting| posting.location) == Some(location)
            })
    })
}

pub(super) fn opportunities(state: &mut State, _: &Call, query: &Query) -> Answer {
    let wanted = wanted(query)?;
    let state = &*state;
    let rows = state.opportunities.from(query.offset.as_ref()).filter(|(_, _, of)| wanted(state, of));
    list(query.page(rows, |of| render::opportunity(state, of, query)))
}

pub(super) fn opportunity(state: &mut State, call: &Call, query: &Query) -> Answer {
    one(state.opportunities.get(call.at(0)).map(|of| render::opportunity(state, of, query)), "Opportunity")
}

/// A list of one opportunity, the newest first.
fn part_of<'a, T: 'a>(
    (state, call, query): (&'a State, &Call, &Query),
    rows: impl Fn(&'a Opportunity) -> &'a [T],
    key: impl Fn(&'a T) -> (i64, &'a str),
    show: impl Fn(&'a State, &'a Opportunity, &'a T) -> Value,
) -> Answer {
    let of = state.opportunities.get(call.at(0)).ok_or_else(|| Error::missing("Opportunity"))?;
    let rows = rows(of).iter().rev().map(|row| {
        let (at, id) = key(row);
        (at, id, row)
    });
    list(query.short(rows, |row| show(state, of, row)))
}

pub(super) fn interviews(state: &mut State, call: &Call, query: &Query) -> Answer {
    part_of((state, call, query), |of| &of.interviews, |one| (one.created, one.id.as_str()), render::interview)
}

/// Unlike in a list, one that is asked for alone names its opportunity.
pub(super) fn interview(state: &mut State, call: &Call, _: &Query) -> Answer {
    let of = state.opportunities.get(call.at(0)).ok_or_else(|| Error::missing("Interview"))?;
    let found = of.interviews.iter().find(|one| one.id == call.at(1));
    one(found.map(|one| with(render::interview(state, of, one), json!({"opportunityId": of.id}))), "Interview")
}

pub(super) fn offers(state: &mut State, call: &Call, query: &Query) -> Answer {
    part_of((state, call, query), |of| &of.offers, |one| (one.created, one.id.as_str()), render::offer)
}

pub(super) fn applications(state: &mut State, call: &Call, query: &Query) -> Answer {
    part_of((state, call, query), |of| &of.applications, |one| (one.created, one.id.as_str()), render::application)
}

pub(super) fn application(state: &mut State, call: &Call, _: &Query) -> Answer {
    let of = state.opportunities.get(call.at(0)).ok_or_else(|| Error::missing("Application"))?;
    let found = of.applications.iter().find(|one| one.id == call.at(1));
    one(found.map(|one| render::application(state, of, one)), "Application")
}

pub(super) fn notes(state: &mut State, call: &Call, query: &Query) -> Answer {
    let key = |note: &Value| note.get("createdAt").and_then(Value::as_i64).unwrap_or_default();
    part_of(
        (state, call, query),
        |of| &of.notes,
        |note| (key(note), note.get("id").and_then(Value::as_str).unwrap_or_default()),
        |_, _, note| note.clone(),
    )
}

pub(super) fn postings(state: &mut State, _: &Call, query: &Query) -> Answer {
    let (confidential, updated) = (query.confidentiality()?, query.span("updated_at")?);
    let rows = state.postings.from(query.offset.as_ref()).filter(|(_, _, posting)| {
        confidential(posting.confidential)
            && updated.holds(Some(posting.updated))
            && query.any("state", |wanted| wanted == posting.state)
            && query.any("team", |wanted| wanted == posting.team)
            && query.any("department", |wanted| posting.department == Some(wanted))
            && query.any("location", |wanted| posting.location == Some(wanted))
    });
    list(query.page(rows, |posting| render::posting(&state.name, posting)))
}

pub(super) fn posting(state: &mut State, call: &Call, _: &Query) -> Answer {
    one(state.postings.get(call.at(0)).map(|posting| render::posting(&state.name, posting)), "Posting")
}

pub(super) fn users(state: &mut State, _: &Call, query: &Query) -> Answer {
    let all = query.flag("includeDeactivated")?.unwrap_or(false);
    let rows = state
        .users
        .from(query.offset.as_ref())
        .filter(|(_, _, user)| (all || user.deactivated.is_none()) && query.any("email", |email| email == user.email));
    list(query.page(rows, render::user))
}

pub(super) fn user(state: &mut State, call: &Call, _: &Query) -> Answer {
    one(state.users.get(call.at(0)).map(render::user), "User")
}

pub(super) fn stages(_: &mut State, _: &Call, query: &Query) -> Answer {
    let rows = (0_i64..).zip(STAGES).enumerate().map(|(stage, (at, (id, _)))| (at, id, stage));
    list(query.short(rows, render::stage))
}

pub(super) fn reasons(_: &mut State, _: &Call, query: &Query) -> Answer {
    let rows = (0_i64..)
        .zip(REASONS)
        .enumerate()
        .filter(|(_, (_, reason))| query.any("type", |wanted| wanted == reason.3))
        .map(|(reason, (at, (id, ..)))| (at, id, reason));
    list(query.short(rows, render::reason))
}

pub(super) fn deleted_opportunities(state: &mut State, _: &Call, query: &Query) -> Answer {
    deleted(&state.deleted_opportunities, query, query.span("deleted_at")?)
}

pub(super) fn deleted_postings(state: &mut State, _: &Call, query: &Query) -> Answer {
    let span = query.span("deleted_at")?;
    narrow(span, state.now())?;
    deleted(&state.deleted_postings, query, span)
}

pub(super) fn deleted_applications(state: &mut State, _: &Call, query: &Query) -> Answer {
    let span = query.span("deleted_at")?;
    if span.from.is_none() || span.until.is_none() {
        return Err(Error::bad("deleted_at_start and deleted_at_end are required"));
    }
    narrow(span, state.now())?;
    deleted(&state.deleted_applications, query, span)
}

fn deleted(rows: &[Gone], query: &Query, span: Span) -> Answer {
    let rows = rows.iter().rev().map(|gone| (gone.at, gone.id.as_str(), gone));
    list(query.short(rows.filter(|(at, ..)| span.holds(Some(*at))), render::gone))
}

/// Refuses a window of deleted objects that is wider than 30 days.
fn narrow(span: Span, now: i64) -> Result<(), Error> {
    let width = span.from.map(|from| span.until.unwrap_or(now).saturating_sub(from));
    if width.is_some_and(|width| width > WINDOW_MS) {
        return Err(Error::bad("deleted_at_start and deleted_at_end must not be more than 30 days apart"));
    }
    Ok(())
}
