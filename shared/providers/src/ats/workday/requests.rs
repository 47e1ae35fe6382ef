//! Requests of cursors: one operation of the Recruiting service each.

use jiff::Timestamp;

use super::cursor::{Cursor, List};
use super::mapping::{candidates, requisitions};
use super::soap::Request;
use super::xml::{element, leaf};
use crate::ats::port::Context;

/// Rows of a page with data; candidates without their attachments have a few kilobytes each.
const ROWS: u32 = 100;

/// The operation of a cursor.
pub(super) fn of(context: &Context<'_>, cursor: &Cursor) -> Request {
    match cursor {
        Cursor::Check => requisitions::request("", &filter(None, 1, 1)),
        Cursor::Begin { .. } | Cursor::Report { .. } => Request { name: "Server_Timestamp_Get", inner: String::new() },
        Cursor::Page { list, at, page, since } => {
            let filter = filter(Some(*at), *page, ROWS);
            match list {
                List::Requisitions => requisitions::request(&requisitions::changed(*since), &filter),
                List::Open => requisitions::request(&requisitions::open(context.settings), &filter),
                List::Changed => requisitions::request(&requisitions::changed(*since), &filter),
                List::People => candidates::request(&candidates::came(*since), &filter),
            }
        }
        Cursor::Of { jobs, at, page } => candidates::request(&candidates::of(jobs), &filter(Some(*at), *page, ROWS)),
        Cursor::Jobs { ids } => requisitions::request(&requisitions::exactly(ids), &filter(None, 1, 999)),
        Cursor::Candidates { ids } => candidates::request(&candidates::exactly(ids), &filter(None, 1, 999)),
    }
}

fn filter(at: Option<Timestamp>, page: u32, count: u32) -> String {
    let at = at.map(|at| leaf("As_Of_Entry_DateTime", &at.to_string())).unwrap_or_default();
    element("Response_Filter", &format!("{at}{}{}", leaf("Page", &page.to_string()), leaf("Count", &count.to_string())))
}
