//! What can be read: lists, single objects and what was deleted.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    error::Error,
    query::{Query, Span},
    render,
    seed::{REASONS, STAGES},
    state::State,
    table::{Row, Table},
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

/// Whether a field is the one that is wanted.
fn is(field: Option<&str>) -> impl Fn(&str) -> bool {
    move |wanted| field == Some(wanted)
}

fn wanted(query: &Query) -> Result<impl Fn(&State, &Row) -> bool, Error> {
    let confidential = query.confidentiality()?;
    let (created, updated) = (query.span("created_at")?, query.span("updated_at")?);
    let (advanced, archived_at) = (query.span("advanced_at")?, query.span("archived_at")?);
    let archived = query.flag("archived")?;
    let snoozed = query.flag("snoozed")?;
    Ok(move |state: &State, of: &Row| {
        let person = state.store.parent(of, "_contact", Table::Contacts);
        let posting =
            state.parts(of.id, Table::Applications).next().and_then(|application| application.text("posting"));
        let end = of.get("archived");
        let time = |value: Option<&Value>| value.and_then(Value::as_i64);
        confidential(of)
            && created.holds(Some(of.created))
            && updated.holds(render::updated(of))
            && advanced.holds(time(Some(of.get("lastAdvancedAt"))))
            && archived_at.holds(time(end.get("archivedAt")))
            && archived.is_none_or(|wanted| end.is_null() != wanted)
            && snoozed != Some(true)
            && query.any("stage_id", is(of.text("stage")))
            && query.any("posting_id", is(posting))
            && query.any("contact_id", is(of.text("contact")))
            && query.any("archive_reason_id", is(end.get("reason").and_then(Value::as_str)))
            && query.any("tag", |tag| of.texts("tags").any(|known| known == tag))
            && query.any("source", |source| of.texts("sources").any(|known| known == source))
            && query.any("origin", is(of.text("origin")))
            && query.any("email", |email| {
                person.is_some_and(|person| person.texts("emails").any(|known| known.eq_ignore_ascii_case(email)))
            })
            && query.any("location", is(render::location(state, of).and_then(Value::as_str)))
    })
}

pub(super) fn opportunities(state: &mut State, _: &Call, query: &Query) -> Answer {
    let wanted = wanted(query)?;
    let state = &*state;
    let show = |row: &Row| render::opportunity(state, row, query);
    list(query.rows(state, Table::Opportunities, |row| wanted(state, row), show))
}

pub(super) fn opportunity(state: &mut State, call: &Call, query: &Query) -> Answer {
    let row = state.find(Table::Opportunities, call.at(0));
    one(row.map(|row| render::opportunity(state, row, query)), "Opportunity")
}

/// A list of the parts of one opportunity, the newest first.
fn parts(
    (state, call, query): (&State, &Call, &Query),
    table: Table,
    show: impl Fn(&State, &Row, &Row) -> Value,
) -> Answer {
    let of = state.find(Table::Opportunities, call.at(0)).ok_or_else(|| Error::missing("Opportunity"))?;
    let rows = state.parts(of.id, table).rev().map(|row| (row.created, state.uuid(row.id), row));
    list(query.short(rows, |row| show(state, of, row)))
}

/// A part of an opportunity, with what it is asked for with.
fn part<'a>(state: &'a State, call: &Call, table: Table) -> Option<(&'a Row, &'a Row)> {
    let row = state.find(table, call.at(1))?;
    let of = state.store.parent(row, "_opportunity", Table::Opportunities)?;
    (state.uuid(of.id) == call.at(0)).then_some((of, row))
}

pub(super) fn interviews(state: &mut State, call: &Call, query: &Query) -> Answer {
    parts((state, call, query), Table::Interviews, render::interview)
}

/// Unlike in a list, one that is asked for alone names its opportunity.
pub(super) fn interview(state: &mut State, call: &Call, _: &Query) -> Answer {
    let found = part(state, call, Table::Interviews);
    let rendered = found.map(|(of, row)| with(render::interview(state, of, row), json!({"opportunityId": call.at(0)})));
    one(rendered, "Interview")
}

pub(super) fn offers(state: &mut State, call: &Call, query: &Query) -> Answer {
    parts((state, call, query), Table::Offers, render::offer)
}

pub(super) fn applications(state: &mut State, call: &Call, query: &Query) -> Answer {
    parts((state, call, query), Table::Applications, render::application)
}

pub(super) fn application(state: &mut State, call: &Call, _: &Query) -> Answer {
    let found = part(state, call, Table::Applications);
    one(found.map(|(of, row)| render::application(state, of, row)), "Application")
}

pub(super) fn notes(state: &mut State, call: &Call, query: &Query) -> Answer {
    parts((state, call, query), Table::Notes, |state, _, row| render::note(state, row))
}

pub(super) fn postings(state: &mut State, _: &Call, query: &Query) -> Answer {
    let (confidential, updated) = (query.confidentiality()?, query.span("updated_at")?);
    let wanted = |row: &Row| {
        let category = |name: &str| query.any(name, |wanted| row.get("categories").get(name) == Some(&json!(wanted)));
        confidential(row)
            && updated.holds(Some(row.updated))
            && query.any("state", |wanted| row.text("state") == Some(wanted))
            && ["team", "department", "location"].into_iter().all(category)
    };
    list(query.rows(state, Table::Postings, wanted, |row| render::posting(state, row)))
}

pub(super) fn posting(state: &mut State, call: &Call, _: &Query) -> Answer {
    one(state.find(Table::Postings, call.at(0)).map(|row| render::posting(state, row)), "Posting")
}

pub(super) fn users(state: &mut State, _: &Call, query: &Query) -> Answer {
    let all = query.flag("includeDeactivated")?.unwrap_or(false);
    let wanted = |row: &Row| {
        let email = query.any("email", |email| row.text("email") == Some(email));
        email && (all || row.get("deactivatedAt").is_null())
    };
    list(query.rows(state, Table::Users, wanted, |row| render::user(state, row)))
}

pub(super) fn user(state: &mut State, call: &Call, _: &Query) -> Answer {
    one(state.find(Table::Users, call.at(0)).map(|row| render::user(state, row)), "User")
}

pub(super) fn stages(_: &mut State, _: &Call, query: &Query) -> Answer {
    let rows = (0_i64..).zip(STAGES).enumerate().map(|(stage, (at, (id, _)))| (at, id.to_owned(), stage));
    list(query.short(rows, render::stage))
}

pub(super) fn reasons(_: &mut State, _: &Call, query: &Query) -> Answer {
    let rows = (0_i64..)
        .zip(REASONS)
        .enumerate()
        .filter(|(_, (_, reason))| query.any("type", |wanted| wanted == reason.3))
        .map(|(reason, (at, (id, ..)))| (at, id.to_owned(), reason));
    list(query.short(rows, render::reason))
}

pub(super) fn deleted_opportunities(state: &mut State, _: &Call, query: &Query) -> Answer {
    deleted(state, Table::Opportunities, query, query.span("deleted_at")?)
}

pub(super) fn deleted_postings(state: &mut State, _: &Call, query: &Query) -> Answer {
    let span = query.span("deleted_at")?;
    narrow(span, state.now_ms())?;
    deleted(state, Table::Postings, query, span)
}

pub(super) fn deleted_applications(state: &mut State, _: &Call, query: &Query) -> Answer {
    let span = query.span("deleted_at")?;
    if span.from.is_none() || span.until.is_none() {
        return Err(Error::bad("deleted_at_start and deleted_at_end are required"));
    }
    narrow(span, state.now_ms())?;
    deleted(state, Table::Applications, query, span)
}

fn deleted(state: &State, table: Table, query: &Query, span: Span) -> Answer {
    let of_table = state.vendor.deleted.iter().rev().filter(|one| one.table == table && span.holds(Some(one.at)));
    list(query.short(of_table.map(|one| (one.at, state.uuid(one.row.id), one)), |one| render::deleted(state, one)))
}

/// Refuses a window of deleted objects that is wider than 30 days.
fn narrow(span: Span, now: i64) -> Result<(), Error> {
    let width = span.from.map(|from| span.until.unwrap_or(now).saturating_sub(from));
    if width.is_some_and(|width| width > WINDOW_MS) {
        return Err(Error::bad("deleted_at_start and deleted_at_end must not be more than 30 days apart"));
    }
    Ok(())
}
