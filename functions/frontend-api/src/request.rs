//! Parses what the path and the query of a request hold.

use std::str::FromStr;

use serde::Deserialize;
use store::records::Cursor;
use web::page::{PageRequest, bad_cursor};
use web::problem::Problem;

use crate::response::not_found;

/// The cursor of a list; 400 for one that no list gave out.
pub(crate) fn cursor(page: &PageRequest) -> Result<Option<Cursor>, Problem> {
    page.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(bad_cursor)).transpose()
}

/// An id of the path; 404 for a text that is no id.
pub(crate) fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| not_found(what))
}

/// A word of the path, as a value of an enum; 404 for an unknown one.
pub(crate) fn word<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    T::deserialize(serde::de::value::BorrowedStrDeserializer::<serde::de::value::Error>::new(text))
        .map_err(|_| Problem::not_found("there is nothing at this path"))
}
