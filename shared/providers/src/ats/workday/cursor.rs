//! Places in the lists, as they are stored in checkpoints.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ats::port::AtsError;

/// The number of requisitions whose candidates are requested together.
pub(super) const BATCH: usize = 25;
/// Objects that are looked up at once.
pub(super) const LOOKED_UP: usize = 50;

/// Lists that are read as of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum List {
    /// Requisitions: all, or those that were changed since a time.
    Requisitions,
    /// Open requisitions, for their candidates; continues with `Changed`.
    Open,
    /// Requisitions that were changed since a time, for their candidates; continues with `People`.
    Changed,
    /// Candidates: all, or those who came since a time.
    People,
}

/// The request of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "kebab-case")]
pub(super) enum Cursor {
    /// Whether the credentials do.
    Check,
    /// The time as of which a list is read.
    Begin {
        list: List,
        since: Option<Timestamp>,
    },
    /// A page of a list.
    Page {
        list: List,
        at: Timestamp,
        /// The number of the page, from 1.
        page: u32,
        since: Option<Timestamp>,
    },
    /// A page of the candidates of these requisitions.
    Of {
        jobs: Vec<String>,
        at: Timestamp,
        /// The number of the page, from 1.
        page: u32,
    },
    Jobs {
        ids: Vec<String>,
    },
    Candidates {
        ids: Vec<String>,
    },
    /// The candidates that a report lists as changed.
    Report {
        since: Option<Timestamp>,
    },
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Serialising our own types to JSON cannot fail.
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

impl Cursor {
    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is none of ours.
    pub(super) fn parse(text: &str) -> Result<Self, AtsError> {
        serde_json::from_str(text).map_err(|_| AtsError::CursorExpired("the cursor is none of Workday's".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_short_and_comes_back_as_it_was() {
        let at: Timestamp = "2026-11-22T10:00:00.123Z".parse().expect("time");
        let jobs: Vec<String> = (0..BATCH).map(|number| format!("{number:032x}")).collect();
        for cursor in [
            Cursor::Check,
            Cursor::Begin { list: List::Open, since: Some(at) },
            Cursor::Page { list: List::People, at, page: 7, since: None },
            Cursor::Of { jobs, at, page: 2 },
            Cursor::Report { since: Some(at) },
        ] {
            let text = cursor.to_string();
            assert!(text.len() < 1_000, "{text}");
            assert_eq!(Cursor::parse(&text), Ok(cursor));
        }
        assert!(matches!(Cursor::parse("page:1"), Err(AtsError::CursorExpired(_))));
    }
}
