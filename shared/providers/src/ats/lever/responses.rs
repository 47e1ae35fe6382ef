//! Replies to the requests of cursors.

use domain::ats::{Kind, ObjectRef, Observation};
use http::StatusCode;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cursor::{Cursor, Naming, Part, Place};
use super::mapping;
use super::requests::refused;
use super::wire::{Identified, List, Named, One};
use crate::ats::port::{AtsError, Context, Next, Page};
use crate::transport::http::Reply;
use crate::transport::json::{self, InvalidJson};

/// Kinds that an opportunity is.
pub(super) const OPPORTUNITY: [Kind; 2] = [Kind::Candidate, Kind::Application];

/// An id that is a plain word, as all of Lever's are.
pub(super) fn plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The time of Lever's response.
fn server_time(reply: &Reply) -> Option<Timestamp> {
    let date = reply.headers.get(http::header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

/// Reads the reply to the request of a cursor.
pub(super) fn page(context: &Context<'_>, cursor: Cursor, reply: &Reply) -> Result<Page, AtsError> {
    let mut page = Page { server_time: server_time(reply), ..Page::default() };
    if reply.status == StatusCode::NOT_FOUND && absent(&mut page, &cursor) {
        return Ok(page);
    }
    if reply.status != StatusCode::OK {
        return Err(refused(context, reply));
    }
    let origin = context.origin;
    match cursor {
        Cursor::Check => {
            list(reply)?;
        }
        Cursor::Users(place) => {
            let next = rows(&mut page, reply, &[Kind::User], |wire| vec![mapping::user(origin, wire)])?;
            page.next = more(next, |offset| Cursor::Users(Place { offset, ..place }), None);
        }
        Cursor::User { id } => {
            one(&mut page, reply, &[Kind::User], &id, |wire| vec![mapping::user(origin, wire)])?;
        }
        Cursor::Postings(place) => {
            let next = rows(&mut page, reply, &[Kind::Job], |wire| vec![mapping::job(origin, wire)])?;
            let since = place.since;
            let deleted = since.map(|_| Cursor::DeletedPostings(Place { since, offset: None }));
            page.next = more(next, |offset| Cursor::Postings(Place { offset, ..place }), deleted);
        }
        Cursor::Posting { id } => {
            one(&mut page, reply, &[Kind::Job], &id, |wire| vec![mapping::job(origin, wire)])?;
        }
        Cursor::DeletedPostings(place) => {
            let next = gone(&mut page, reply, &[Kind::Job])?;
            page.next = more(next, |offset| Cursor::DeletedPostings(Place { offset, ..place }), None);
        }
        Cursor::Stages(naming) => {
            let by_id = naming.ids.is_some();
            continue_with(&mut page, &stages(reply, naming)?, by_id);
        }
        Cursor::Reasons(naming) => {
            let by_id = naming.ids.is_some();
            continue_with(&mut page, &reasons(reply, naming)?, by_id);
        }
        Cursor::Opportunities { place, names } => {
            let observed = |wire| mapping::opportunity(origin, &names, wire).to_vec();
            let next = rows(&mut page, reply, &OPPORTUNITY, observed)?;
            let since = place.since;
            let deleted = since.map(|_| Cursor::DeletedOpportunities(Place { since, offset: None }));
            let place = |offset| Place { offset, ..place };
            page.next = more(next, |offset| Cursor::Opportunities { place: place(offset), names }, deleted);
        }
        Cursor::Opportunity { names, mut ids } => {
            let observed = |wire| mapping::opportunity(origin, &names, wire).to_vec();
            let id = if ids.is_empty() { String::new() } else { ids.remove(0) };
            one(&mut page, reply, &OPPORTUNITY, &id, observed)?;
            if !ids.is_empty() {
                continue_with(&mut page, &Cursor::Opportunity { names, ids }, true);
            }
        }
        Cursor::DeletedOpportunities(place) => {
            let next = gone(&mut page, reply, &OPPORTUNITY)?;
            page.next = more(next, |offset| Cursor::DeletedOpportunities(Place { offset, ..place }), None);
        }
        Cursor::Walk { place, active } => {
            let (ids, next) = ids(&mut page, reply)?;
            let both = |of| Cursor::Interviews(Part { of, offset: None, want: vec![], both: true }).text();
            page.follow = ids.into_iter().map(both).collect();
            page.next = more(next, |offset| Cursor::Walk { place: Place { offset, ..place }, active }, None);
        }
        Cursor::Interviews(part) => {
            let observed = |wire| vec![mapping::interview(origin, &part.of, wire)];
            parts(&mut page, reply, Kind::Interview, &part, observed, Cursor::Interviews)?;
        }
        Cursor::Offers(part) => {
            let observed = |wire| vec![mapping::offer(origin, &part.of, wire)];
            parts(&mut page, reply, Kind::Offer, &part, observed, Cursor::Offers)?;
        }
    }
    Ok(page)
}

/// Whether 404 says that a looked-up object is gone; then the page says so.
fn absent(page: &mut Page, cursor: &Cursor) -> bool {
    match cursor {
        Cursor::User { id } => page.gone.push(ObjectRef::new(Kind::User, id)),
        Cursor::Posting { id } => page.gone.push(ObjectRef::new(Kind::Job, id)),
        Cursor::Opportunity { names, ids } => {
            let Some((id, rest)) = ids.split_first() else { return false };
            page.gone.extend(OPPORTUNITY.map(|kind| ObjectRef::new(kind, id)));
            if !rest.is_empty() {
                continue_with(page, &Cursor::Opportunity { names: names.clone(), ids: rest.to_vec() }, true);
            }
        }
        // The opportunity was deleted, and with it all that it had.
        Cursor::Interviews(part) => page.gone.extend(wanted(Kind::Interview, part)),
        Cursor::Offers(part) => page.gone.extend(wanted(Kind::Offer, part)),
        _ => return false,
    }
    true
}

/// The objects that were looked up and not found.
fn wanted(kind: Kind, part: &Part) -> impl Iterator<Item = ObjectRef> {
    part.want.iter().map(move |id| ObjectRef::new(kind, mapping::part_id(&part.of, id)))
}

/// The next request. A lookup, or the details of a row, continue by `follow`: only a list has a next page.
fn continue_with(page: &mut Page, cursor: &Cursor, by_id: bool) {
    if by_id {
        page.follow.push(cursor.text());
    } else {
        page.next = Next::More(cursor.text());
    }
}

fn list(reply: &Reply) -> Result<(Vec<Value>, Option<String>), AtsError> {
    let List { data, next, has_next } = json::read(&reply.body)?;
    match (has_next, next) {
        (true, None) => Err(AtsError::InvalidResponse("there are more rows, and no token for them".into())),
        (true, next) => Ok((data, next)),
        (false, _) => Ok((data, None)),
    }
}

/// The continuation of a list: its next page, or the list after it.
fn more(next: Option<String>, cursor: impl FnOnce(Option<String>) -> Cursor, after: Option<Cursor>) -> Next {
    match (next, after) {
        (Some(offset), _) => Next::More(cursor(Some(offset)).text()),
        (None, Some(after)) => Next::More(after.text()),
        (None, None) => Next::End,
    }
}

fn id_of(row: &Value) -> Option<String> {
    row.get("id").and_then(Value::as_str).filter(|id| plain(id)).map(str::to_owned)
}

/// Reads a row; one that cannot be read is left out and said, and is not gone.
fn row<T: DeserializeOwned>(
    page: &mut Page,
    kinds: &[Kind],
    row: Value,
    address: impl FnOnce(&str) -> String,
    observed: impl FnOnce(T) -> Vec<Observation>,
) -> Option<String> {
    let Some(id) = id_of(&row) else {
        page.skipped.push(format!("a row of the kind {} has no id", kinds.first().map_or("", |kind| kind.as_str())));
        return None;
    };
    match json::read_value(row) {
        Ok(wire) => page.observations.extend(observed(wire)),
        Err(error) => {
            let address = address(&id);
            page.present.extend(kinds.iter().map(|kind| ObjectRef::new(*kind, &address)));
            page.skipped.push(format!("{address} cannot be read: {error}"));
        }
    }
    Some(id)
}

fn rows<T: DeserializeOwned>(
    page: &mut Page,
    reply: &Reply,
    kinds: &[Kind],
    observed: impl Fn(T) -> Vec<Observation>,
) -> Result<Option<String>, AtsError> {
    let (data, next) = list(reply)?;
    for one in data {
        row(page, kinds, one, str::to_owned, &observed);
    }
    Ok(next)
}

fn one<T: DeserializeOwned>(
    page: &mut Page,
    reply: &Reply,
    kinds: &[Kind],
    id: &str,
    observed: impl FnOnce(T) -> Vec<Observation>,
) -> Result<(), AtsError> {
    let One { data } = json::read(&reply.body)?;
    if id_of(&data).as_deref() != Some(id) {
        return Err(AtsError::InvalidResponse("another object was answered than the one that was asked for".into()));
    }
    row(page, kinds, data, str::to_owned, observed);
    Ok(())
}

/// Interviews or offers of an opportunity; on the last page, what was wanted and was on none is gone.
fn parts<T: DeserializeOwned>(
    page: &mut Page,
    reply: &Reply,
    kind: Kind,
    part: &Part,
    observed: impl Fn(T) -> Vec<Observation>,
    cursor: fn(Part) -> Cursor,
) -> Result<(), AtsError> {
    let (data, next) = list(reply)?;
    let address = |id: &str| mapping::part_id(&part.of, id);
    let found: Vec<String> = data.into_iter().filter_map(|one| row(page, &[kind], one, address, &observed)).collect();
    let missing = Part { want: part.want.iter().filter(|id| !found.contains(id)).cloned().collect(), ..part.clone() };
    if next.is_some() {
        continue_with(page, &cursor(Part { offset: next, ..missing }), true);
        return Ok(());
    }
    page.gone.extend(wanted(kind, &missing));
    if missing.both {
        continue_with(page, &Cursor::Offers(Part { offset: None, both: false, ..missing }), true);
    }
    Ok(())
}

fn ids(page: &mut Page, reply: &Reply) -> Result<(Vec<String>, Option<String>), AtsError> {
    let (data, next) = list(reply)?;
    let count = data.len();
    let ids: Vec<String> = data.iter().filter_map(id_of).collect();
    if ids.len() < count {
        page.skipped.push(format!("{} rows have no id", count - ids.len()));
    }
    Ok((ids, next))
}

fn gone(page: &mut Page, reply: &Reply, kinds: &[Kind]) -> Result<Option<String>, AtsError> {
    let (ids, next) = ids(page, reply)?;
    for id in ids {
        page.gone.extend(kinds.iter().map(|kind| ObjectRef::new(*kind, &id)));
    }
    Ok(next)
}

/// Rows with a name; what has none has its id for one.
fn named(reply: &Reply) -> Result<(Vec<Named>, Option<String>), AtsError> {
    let (data, next) = list(reply)?;
    let named: Result<Vec<Named>, InvalidJson> = data.into_iter().map(json::read_value).collect();
    Ok((named?, next))
}

fn stages(reply: &Reply, mut naming: Naming) -> Result<Cursor, AtsError> {
    let (rows, next) = named(reply)?;
    for Named { id, text, .. } in rows {
        let name = text.unwrap_or_else(|| id.clone());
        naming.names.stages.insert(id, name);
    }
    naming.offset = next;
    Ok(if naming.offset.is_some() { Cursor::Stages(naming) } else { Cursor::Reasons(naming) })
}

fn reasons(reply: &Reply, mut naming: Naming) -> Result<Cursor, AtsError> {
    let (rows, next) = named(reply)?;
    for Named { id, text, kind, .. } in rows {
        if kind.as_deref() == Some("hired") {
            naming.names.hired.insert(id.clone());
        }
        let name = text.unwrap_or_else(|| id.clone());
        naming.names.reasons.insert(id, name);
    }
    naming.offset = next;
    Ok(if naming.offset.is_some() { Cursor::Reasons(naming) } else { naming.then() })
}

/// The archive reasons that are in use and mean a hire.
pub(super) fn hired(reply: &Reply) -> Result<Vec<String>, AtsError> {
    let (rows, _) = named(reply)?;
    let hired = |row: &Named| row.kind.as_deref() == Some("hired") && row.status.as_deref() != Some("inactive");
    Ok(rows.into_iter().filter(hired).map(|row| row.id).collect())
}

/// The ids of the rows of a page.
pub(super) fn identified(reply: &Reply) -> Result<Vec<String>, AtsError> {
    let (data, _) = list(reply)?;
    let ids: Result<Vec<Identified>, InvalidJson> = data.into_iter().map(json::read_value).collect();
    Ok(ids?.into_iter().map(|row| row.id).collect())
}
