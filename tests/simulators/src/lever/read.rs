//! What can be read: lists, single objects and what was deleted.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
};
use serde_json::{Value, json};

use super::{
    Error, World,
    model::{Gone, Opportunity},
    query::{Query, Span},
    render,
    seed::{REASONS, STAGES},
    state::State,
};

type Answer = Result<Json<Value>, Error>;

/// The widest window of deleted postings and applications.
const WINDOW_MS: i64 = 30 * 24 * 3_600_000;
const OPPORTUNITY_FILTERS: [&str; 21] = [
    "expand",
    "tag",
    "email",
    "origin",
    "source",
    "confidentiality",
    "stage_id",
    "posting_id",
    "contact_id",
    "archive_reason_id",
    "location",
    "snoozed",
    "archived",
    "created_at_start",
    "created_at_end",
    "updated_at_start",
    "updated_at_end",
    "advanced_at_start",
    "advanced_at_end",
    "archived_at_start",
    "archived_at_end",
];

fn data(value: Option<Value>, what: &str) -> Answer {
    value.map(|value| Json(json!({"data": value}))).ok_or_else(|| Error::missing(what))
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

pub(super) async fn opportunities(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Answer {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &OPPORTUNITY_FILTERS)?;
    let wanted = wanted(&query)?;
    Ok(Json(company.read(|state| {
        let rows = state.opportunities.from(query.offset.as_ref()).filter(|(_, _, of)| wanted(state, of));
        query.page(rows, |of| render::opportunity(state, of, &query))
    })))
}

pub(super) async fn opportunity(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Answer {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["expand"])?;
    data(
        company.read(|state| state.opportunities.get(&id).map(|of| render::opportunity(state, of, &query))),
        "Opportunity",
    )
}

/// The rows of a part of one opportunity, the newest first.
fn parts<'a, T>(rows: &'a [T], key: impl Fn(&'a T) -> (i64, &'a str)) -> impl Iterator<Item = (i64, &'a str, &'a T)> {
    rows.iter().rev().map(move |row| {
        let (at, id) = key(row);
        (at, id, row)
    })
}

/// A list of one opportunity.
fn list_of(
    world: &World,
    id: &str,
    (headers, raw): (&HeaderMap, Option<&str>),
    list: impl FnOnce(&State, &Opportunity, &Query) -> Value,
) -> Answer {
    let company = world.enter(headers)?;
    let query = Query::parse(raw, &["expand"])?;
    let page = company.read(|state| Some(list(state, state.opportunities.get(id)?, &query)));
    page.map(Json).ok_or_else(|| Error::missing("Opportunity"))
}

pub(super) async fn interviews(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Answer {
    list_of(&world, &id, (&headers, raw.as_deref()), |state, of, query| {
        let rows = parts(&of.interviews, |one| (one.created, one.id.as_str()));
        query.short(rows, |one| render::interview(state, of, one))
    })
}

/// Unlike in a list, one that is asked for alone names its opportunity.
pub(super) async fn interview(
    Shared(world): Shared<Arc<World>>,
    Path((id, interview)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let company = world.enter(&headers)?;
    let found = company.read(|state| {
        let of = state.opportunities.get(&id)?;
        let one = of.interviews.iter().find(|one| one.id == interview)?;
        Some(render::with(render::interview(state, of, one), json!({"opportunityId": of.id})))
    });
    data(found, "Interview")
}

pub(super) async fn offers(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Answer {
    list_of(&world, &id, (&headers, raw.as_deref()), |state, of, query| {
        let rows = parts(&of.offers, |one| (one.created, one.id.as_str()));
        query.short(rows, |one| render::offer(state, of, one))
    })
}

pub(super) async fn applications(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Answer {
    list_of(&world, &id, (&headers, raw.as_deref()), |state, of, query| {
        let rows = parts(&of.applications, |one| (one.created, one.id.as_str()));
        query.short(rows, |one| render::application(state, of, one))
    })
}

pub(super) async fn application(
    Shared(world): Shared<Arc<World>>,
    Path((id, application)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let company = world.enter(&headers)?;
    let found = company.read(|state| {
        let of = state.opportunities.get(&id)?;
        let one = of.applications.iter().find(|one| one.id == application)?;
        Some(render::application(state, of, one))
    });
    data(found, "Application")
}

pub(super) async fn postings(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(raw): RawQuery) -> Answer {
    let company = world.enter(&headers)?;
    let known = ["state", "team", "department", "location", "confidentiality", "updated_at_start", "updated_at_end"];
    let query = Query::parse(raw.as_deref(), &known)?;
    let (confidential, updated) = (query.confidentiality()?, query.span("updated_at")?);
    Ok(Json(company.read(|state| {
        let rows = state.postings.from(query.offset.as_ref()).filter(|(_, _, posting)| {
            confidential(posting.confidential)
                && updated.holds(Some(posting.updated))
                && query.any("state", |wanted| wanted == posting.state)
                && query.any("team", |wanted| wanted == posting.team)
                && query.any("department", |wanted| posting.department == Some(wanted))
                && query.any("location", |wanted| posting.location == Some(wanted))
        });
        query.page(rows, |posting| render::posting(&state.name, posting))
    })))
}

pub(super) async fn posting(Shared(world): Shared<Arc<World>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let company = world.enter(&headers)?;
    data(company.read(|state| state.postings.get(&id).map(|posting| render::posting(&state.name, posting))), "Posting")
}

pub(super) async fn users(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(raw): RawQuery) -> Answer {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["email", "accessRole", "includeDeactivated"])?;
    let all = query.flag("includeDeactivated")?.unwrap_or(false);
    Ok(Json(company.read(|state| {
        let rows = state.users.from(query.offset.as_ref()).filter(|(_, _, user)| {
            (all || user.deactivated.is_none()) && query.any("email", |email| email == user.email)
        });
        query.page(rows, render::user)
    })))
}

pub(super) async fn user(Shared(world): Shared<Arc<World>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let company = world.enter(&headers)?;
    data(company.read(|state| state.users.get(&id).map(render::user)), "User")
}

pub(super) async fn stages(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(raw): RawQuery) -> Answer {
    world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &[])?;
    let rows = (0_i64..).zip(STAGES).enumerate().map(|(stage, (at, (id, _)))| (at, id, stage));
    Ok(Json(query.short(rows, render::stage)))
}

pub(super) async fn reasons(Shared(world): Shared<Arc<World>>, headers: HeaderMap, RawQuery(raw): RawQuery) -> Answer {
    world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["type"])?;
    let rows = (0_i64..)
        .zip(REASONS)
        .enumerate()
        .filter(|(_, (_, reason))| query.any("type", |wanted| wanted == reason.3))
        .map(|(reason, (at, (id, ..)))| (at, id, reason));
    Ok(Json(query.short(rows, render::reason)))
}

/// What is deleted; `which` says what it is, and by that whether the span may be open or wide.
pub(super) async fn deleted(world: Arc<World>, headers: HeaderMap, raw: Option<String>, which: Deleted) -> Answer {
    let company = world.enter(&headers)?;
    let query = Query::parse(raw.as_deref(), &["deleted_at_start", "deleted_at_end"])?;
    let span = query.span("deleted_at")?;
    which.check(span, company.read(State::now))?;
    Ok(Json(company.read(|state| {
        let rows = which.rows(state).iter().rev().map(|gone| (gone.at, gone.id.as_str(), gone));
        query.short(rows.filter(|(at, ..)| span.holds(Some(*at))), render::gone)
    })))
}

/// Kinds of object whose deleted ones are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Opportunities,
    Postings,
    Applications,
}

impl Deleted {
    fn rows(self, state: &State) -> &[Gone] {
        match self {
            Self::Opportunities => &state.deleted_opportunities,
            Self::Postings => &state.deleted_postings,
            Self::Applications => &state.deleted_applications,
        }
    }

    fn check(self, span: Span, now: i64) -> Result<(), Error> {
        if self == Self::Applications && (span.from.is_none() || span.until.is_none()) {
            return Err(Error::bad("deleted_at_start and deleted_at_end are required".to_owned()));
        }
        let width = span.from.map(|from| span.until.unwrap_or(now).saturating_sub(from));
        if self != Self::Opportunities && width.is_some_and(|width| width > WINDOW_MS) {
            return Err(Error::bad(
                "deleted_at_start and deleted_at_end must not be more than 30 days apart".to_owned(),
            ));
        }
        Ok(())
    }
}
