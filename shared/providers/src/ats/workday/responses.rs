//! Replies to the requests of cursors, and where a list continues.

use domain::ats::{Kind, ObjectRef};
use jiff::Timestamp;

use super::cursor::{BATCH, Cursor, List};
use super::mapping::{candidates, requisitions};
use super::xml::Node;
use super::{report, soap};
use crate::ats::port::{AtsError, Context, Next, Page};
use crate::transport::http::Reply;

/// The position of a page: its time, its number, and the cursor of another number.
struct Place<'a> {
    at: Timestamp,
    page: u32,
    again: Box<dyn Fn(u32) -> Cursor + 'a>,
}

/// Parses the reply to the request of a cursor.
///
/// # Errors
/// When it is an error or does not have the documented shape.
pub(super) fn page(context: &Context<'_>, cursor: &Cursor, reply: &Reply) -> Result<Page, AtsError> {
    let answer = |name| soap::answer((reply, context.now), name);
    match cursor {
        Cursor::Check => {
            answer(requisitions::RESPONSE)?;
            Ok(Page::default())
        }
        Cursor::Begin { list, since } => begin(*list, *since, &answer("Server_Timestamp")?),
        Cursor::Report { .. } => Err(AtsError::Refused("a report is not read here".into())),
        Cursor::Page { list: list @ List::People, at, page, since } => {
            let place = place(*list, *at, *page, *since);
            place.rows(&answer(candidates::RESPONSE)?, |answer, page| {
                candidates::read(context, answer, Some(*at), page);
            })
        }
        Cursor::Page { list: list @ List::Requisitions, at, page, since } => {
            let place = place(*list, *at, *page, *since);
            place.rows(&answer(requisitions::RESPONSE)?, |answer, page| {
                requisitions::read(context, answer, Some(*at), page);
            })
        }
        Cursor::Page { list, at, page, since } => {
            let answer = answer(requisitions::RESPONSE)?;
            let mut found = place(*list, *at, *page, *since).rows(&answer, |_, _| {})?;
            // The open ones have been requested before the changed ones.
            let jobs = requisitions::ids(context.settings, &answer, *list == List::Open);
            let of = |jobs: &[String]| Cursor::Of { jobs: jobs.to_vec(), at: *at, page: 1 }.to_string();
            found.follow = jobs.chunks(BATCH).map(of).collect();
            if found.next == Next::End {
                let list = if *list == List::Open { List::Changed } else { List::People };
                found.next = Next::More(Cursor::Page { list, at: *at, page: 1, since: *since }.to_string());
            }
            Ok(found)
        }
        Cursor::Of { jobs, at, page } => match answer(candidates::RESPONSE) {
            Ok(answer) => {
                let again = Box::new(|page| Cursor::Of { jobs: jobs.clone(), at: *at, page });
                let mut found = Place { at: *at, page: *page, again }.rows(&answer, |answer, page| {
                    candidates::read(context, answer, Some(*at), page);
                })?;
                // A lookup on the way has no list of its own to continue.
                if let Next::More(cursor) = std::mem::take(&mut found.next) {
                    found.follow.push(cursor);
                }
                Ok(found)
            }
            Err(error) if soap::is_unknown_id(&error) => Ok(parted(jobs, *at)),
            Err(error) => Err(error),
        },
        Cursor::Jobs { ids } => {
            let answer = answer(requisitions::RESPONSE)?;
            Ok(looked_up(Kind::Job, ids, &answer, |page| {
                requisitions::read(context, &answer, as_of(&answer, reply), page);
            }))
        }
        Cursor::Candidates { ids } => {
            let answer = answer(candidates::RESPONSE)?;
            Ok(looked_up(Kind::Candidate, ids, &answer, |page| {
                candidates::read(context, &answer, as_of(&answer, reply), page);
            }))
        }
    }
}

fn place(list: List, at: Timestamp, page: u32, since: Option<Timestamp>) -> Place<'static> {
    Place { at, page, again: Box::new(move |page| Cursor::Page { list, at, page, since }) }
}

impl Place<'_> {
    /// The rows of a page, and where the list continues.
    fn rows(&self, answer: &Node, read: impl FnOnce(&Node, &mut Page)) -> Result<Page, AtsError> {
        let pages = answer.text("Response_Results/Total_Pages").and_then(whole);
        let pages = pages.ok_or_else(|| AtsError::InvalidResponse("Total_Pages is missing".into()))?;
        let mut page = Page { server_time: Some(self.at), ..Page::default() };
        if self.page < pages {
            page.next = Next::More((self.again)(self.page + 1).to_string());
        }
        read(answer, &mut page);
        Ok(page)
    }
}

/// A number as XML Schema writes a decimal: `3`, also `3.0`.
fn whole(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().all(|digit| digit == b'0') { whole.parse().ok() } else { None }
}

fn begin(list: List, since: Option<Timestamp>, answer: &Node) -> Result<Page, AtsError> {
    let at: Option<Timestamp> = answer.text("Server_Timestamp_Data").and_then(|text| text.parse().ok());
    let at = at.ok_or_else(|| AtsError::InvalidResponse("the server's time cannot be read".into()))?;
    let next = Next::More(Cursor::Page { list, at, page: 1, since }.to_string());
    Ok(Page { server_time: Some(at), next, ..Page::default() })
}

/// One of these requisitions does not exist any more, and the response has none of the others: they are requested in
/// two parts, until it is alone.
fn parted(jobs: &[String], at: Timestamp) -> Page {
    let half = jobs.len().div_ceil(2);
    let parts = if jobs.len() > 1 { jobs.chunks(half) } else { [].chunks(1) };
    let follow = parts.map(|jobs| Cursor::Of { jobs: jobs.to_vec(), at, page: 1 }.to_string()).collect();
    Page { follow, server_time: Some(at), ..Page::default() }
}

/// The objects of a lookup that were found; the others are gone.
fn looked_up(kind: Kind, ids: &[String], answer: &Node, read: impl FnOnce(&mut Page)) -> Page {
    let mut page = Page::default();
    read(&mut page);
    let path = match kind {
        Kind::Job => ("Job_Requisition", "Job_Requisition_Reference"),
        _ => ("Candidate", "Candidate_Reference"),
    };
    let rows = answer.get("Response_Data");
    let reported =
        |id: &&String| !rows.is_some_and(|rows| rows.every(path.0).any(|row| row.wid(path.1) == Some(id.as_str())));
    page.gone = ids.iter().filter(reported).map(|id| ObjectRef::new(kind, id.as_str())).collect();
    page
}

/// The time of a response without `As_Of_Entry_DateTime`. Where it does not state one, its date is used, which has
/// whole seconds, and is never earlier than its content.
fn as_of(answer: &Node, reply: &Reply) -> Option<Timestamp> {
    let reported = answer.text("Response_Filter/As_Of_Entry_DateTime").and_then(|text| text.parse().ok());
    reported.or_else(|| report::date(reply)?.checked_add(jiff::SignedDuration::from_secs(1)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_with_a_missing_requisition_is_looked_up_in_parts() {
        let at = Timestamp::UNIX_EPOCH;
        let jobs = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let of = |ids: &[&str]| Cursor::Of { jobs: jobs(ids), at, page: 1 }.to_string();
        assert_eq!(parted(&jobs(&["a", "b", "c"]), at).follow, [of(&["a", "b"]), of(&["c"])]);
        assert!(parted(&jobs(&["a"]), at).follow.is_empty());
    }

    #[test]
    fn totals_are_decimals() {
        for (text, number) in [("3", Some(3)), ("3.0", Some(3)), ("3.5", None), ("", None), ("-1", None)] {
            assert_eq!(whole(text), number, "{text}");
        }
    }
}
