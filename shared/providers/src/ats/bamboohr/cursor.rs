//! The cursor of the next request, as a short text: `all:3`, `changed:1`, `application:58`, `jobs`, `jobs:14,15`,
//! `check`.

use crate::ats::port::AtsError;

/// More pages than this are a loop, not a list.
pub(super) const MAX_PAGES: u32 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Whether the key does.
    Check,
    /// The list of jobs; these are wanted.
    Jobs(Vec<String>),
    /// A page of all applications, the oldest first.
    All(u32),
    /// A page of all applications, the latest change first.
    Changed(u32),
    Application(String),
}

impl Cursor {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Check => "check".to_owned(),
            Self::Jobs(wanted) if wanted.is_empty() => "jobs".to_owned(),
            Self::Jobs(wanted) => format!("jobs:{}", wanted.join(",")),
            Self::All(page) => format!("all:{page}"),
            Self::Changed(page) => format!("changed:{page}"),
            Self::Application(id) => format!("application:{id}"),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, AtsError> {
        let strange = || AtsError::CursorExpired("the cursor is none of BambooHR's".into());
        let page = |text: &str| text.parse().ok().filter(|page| (1..=MAX_PAGES).contains(page)).ok_or_else(strange);
        match text.split_once(':') {
            None if text == "check" => Ok(Self::Check),
            None if text == "jobs" => Ok(Self::Jobs(vec![])),
            Some(("jobs", wanted)) => Ok(Self::Jobs(wanted.split(',').map(str::to_owned).collect())),
            Some(("all", number)) => Ok(Self::All(page(number)?)),
            Some(("changed", number)) => Ok(Self::Changed(page(number)?)),
            Some(("application", id)) => Ok(Self::Application(id.to_owned())),
            _ => Err(strange()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_its_text_says_and_any_other_text_is_none() {
        for text in ["check", "jobs", "jobs:14", "jobs:14,15", "all:1", "changed:10000", "application:58"] {
            assert_eq!(Cursor::parse(text).map(|cursor| cursor.text()), Ok(text.to_owned()));
        }
        for text in ["", "all", "all:0", "all:x", "changed:10001", "candidate:1", "https://elsewhere.example/"] {
            assert!(matches!(Cursor::parse(text), Err(AtsError::CursorExpired(_))), "{text}");
        }
    }
}
