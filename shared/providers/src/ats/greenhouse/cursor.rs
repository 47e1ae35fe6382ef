//! Cursors: the next request, as a text.
//!
//! `<list>` is its first page, `<list>@<time>` the first page of the changes since then, either with `><cursor>` a page
//! that follows, `<list>#<id>,<id>` these objects, and `check` or `check#<user>` a check whether the lists are visible
//! at all.

use domain::ats::Kind;
use jiff::Timestamp;

use crate::ats::port::{AtsError, Stream};

/// The most ids in one request.
const IDS_MAX: usize = 50;

/// A list of Harvest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// Its name in cursors, and the stream's.
    pub(super) name: &'static str,
    /// The last part of its path.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// Parameters of its first page.
    pub(super) fixed: &'static [(&'static str, &'static str)],
}

const fn list(name: &'static str, kind: Kind) -> List {
    List { name, path: name, kind, fixed: &[] }
}

/// Deleted posts are in a list of their own.
pub(super) static DELETED_POSTS: List =
    List { name: "deleted_posts", path: "job_posts", kind: Kind::Post, fixed: &[("active", "false")] };
static LISTS: [List; 11] = [
    list("departments", Kind::Department),
    list("offices", Kind::Office),
    List { name: "users", path: "users", kind: Kind::User, fixed: &[("show_service_accounts", "true")] },
    list("jobs", Kind::Job),
    list("openings", Kind::Opening),
    List { name: "posts", path: "job_posts", kind: Kind::Post, fixed: &[("active", "true")] },
    list("candidates", Kind::Candidate),
    list("applications", Kind::Application),
    list("interviews", Kind::Interview),
    list("offers", Kind::Offer),
    list("scorecards", Kind::Scorecard),
];

const fn stream(name: &'static str, complete: &'static [Kind]) -> Stream {
    Stream { name, complete }
}

/// The lists in the order in which they are read: objects before those that refer to them.
pub(super) const STREAMS: [Stream; 11] = [
    stream("departments", &[Kind::Department]),
    stream("offices", &[Kind::Office]),
    stream("users", &[Kind::User]),
    stream("jobs", &[Kind::Job]),
    stream("openings", &[Kind::Opening]),
    stream("posts", &[Kind::Post]),
    stream("candidates", &[Kind::Candidate]),
    stream("applications", &[Kind::Application]),
    stream("interviews", &[Kind::Interview]),
    stream("offers", &[Kind::Offer]),
    stream("scorecards", &[Kind::Scorecard]),
];

/// The request of a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cursor<'a> {
    /// The check whether the lists are visible, to this user where one is named.
    Check(Option<&'a str>),
    /// A first page, of what changed since then.
    First(&'static List, Option<&'a str>),
    /// A page that follows, in the provider's words.
    Next(&'static List, Option<&'a str>, &'a str),
    Ids(&'static List, Vec<&'a str>),
}

fn named(name: &str) -> Option<&'static List> {
    LISTS.iter().chain([&DELETED_POSTS]).find(|list| list.name == name)
}

impl<'a> Cursor<'a> {
    /// Parses a cursor.
    ///
    /// # Errors
    /// When it is none of this provider's.
    pub(super) fn parse(text: &'a str) -> Result<Self, AtsError> {
        Self::read(text).ok_or_else(|| AtsError::Refused("this is no cursor of this provider".into()))
    }

    fn read(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("check") {
            return match rest.strip_prefix('#') {
                Some(user) => Some(Self::Check(Some(user))),
                None => rest.is_empty().then_some(Self::Check(None)),
            };
        }
        let begun = |text: &'a str| match text.split_once('@') {
            Some((name, since)) => Some((named(name)?, Some(since))),
            None => Some((named(text)?, None)),
        };
        if let Some((head, follows)) = text.split_once('>') {
            let (list, since) = begun(head)?;
            return Some(Self::Next(list, since, follows));
        }
        if let Some((name, ids)) = text.split_once('#') {
            return Some(Self::Ids(named(name)?, ids.split(',').collect()));
        }
        let (list, since) = begun(text)?;
        Some(Self::First(list, since))
    }
}

/// The first page of a list.
pub(super) fn begin(list: &List, since: Option<&str>) -> String {
    since.map_or_else(|| list.name.to_owned(), |since| format!("{}@{since}", list.name))
}

/// The page of a list that follows.
pub(super) fn follow(list: &List, since: Option<&str>, cursor: &str) -> String {
    format!("{}>{cursor}", begin(list, since))
}

/// The first cursor of a stream.
pub(super) fn first(stream: &str, since: Option<Timestamp>) -> Option<String> {
    let since = since.map(|since| since.to_string());
    named(stream).map(|list| begin(list, since.as_deref()))
}

/// The cursors that look these objects up.
pub(super) fn lookup(kind: Kind, ids: &[String]) -> Option<Vec<String>> {
    let list = LISTS.iter().find(|list| list.kind == kind)?;
    Some(ids.chunks(IDS_MAX).map(|ids| format!("{}#{}", list.name, ids.join(","))).collect())
}

/// The cursor that checks whether the lists are visible.
pub(super) fn check(user: Option<&str>) -> String {
    user.map_or_else(|| "check".to_owned(), |user| format!("check#{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_others_are_not() {
        let jobs = named("jobs").expect("a list");
        let posts = named("posts").expect("a list");
        assert_eq!(Cursor::read(&begin(jobs, None)), Some(Cursor::First(jobs, None)));
        let since = "2026-11-22T10:00:00.5Z".parse().expect("time");
        let first = first("posts", Some(since)).expect("a stream");
        assert_eq!(Cursor::read(&first), Some(Cursor::First(posts, Some("2026-11-22T10:00:00.5Z"))));
        let next = follow(posts, Some("2026-11-22T10:00:00Z"), "eyJ9=");
        assert_eq!(Cursor::read(&next), Some(Cursor::Next(posts, Some("2026-11-22T10:00:00Z"), "eyJ9=")));
        assert_eq!(Cursor::read(&follow(&DELETED_POSTS, None, "x")), Some(Cursor::Next(&DELETED_POSTS, None, "x")));
        assert_eq!(Cursor::read(&check(Some("7"))), Some(Cursor::Check(Some("7"))));
        for strange in ["", "webhooks", "checks", "jobs2", "@", ">", "#", "other@2026"] {
            assert_eq!(Cursor::read(strange), None, "{strange}");
        }
    }

    #[test]
    fn objects_are_looked_up_by_fifty_and_streams_are_lists() {
        let ids: Vec<String> = (0..101).map(|id| id.to_string()).collect();
        let lookups = lookup(Kind::Offer, &ids).expect("offers can be asked for");
        let sizes: Vec<usize> = lookups.iter().map(|cursor| cursor.split(',').count()).collect();
        assert_eq!((sizes.as_slice(), lookups[2].as_str()), (&[50, 50, 1][..], "offers#100"));
        for kind in Kind::ALL {
            assert!(lookup(kind, &ids).is_some(), "{kind:?}");
        }
        assert_eq!(
            STREAMS.map(|stream| stream.name),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|at: usize| LISTS[at].name)
        );
        assert!(STREAMS.iter().zip(&LISTS).all(|(stream, list)| stream.complete == [list.kind]));
    }
}
