//! The next request, as the text of a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ats::port::AtsError;

/// The request of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "c", rename_all = "kebab-case")]
pub(super) enum Cursor {
    /// Whether the credentials do.
    Check,
    Users(Place),
    User {
        id: String,
    },
    /// Postings, all or those that changed.
    Postings(Place),
    Posting {
        id: String,
    },
    /// Postings that were deleted.
    DeletedPostings(Place),
    /// The names of stages, before what needs them.
    Stages(Naming),
    /// The names of archive reasons, before what needs them.
    Reasons(Naming),
    /// Opportunities, all or those that changed.
    Opportunities {
        #[serde(flatten)]
        place: Place,
        names: Names,
    },
    /// These opportunities, one after the other.
    Opportunity {
        names: Names,
        ids: Vec<String>,
    },
    /// Opportunities that were deleted.
    DeletedOpportunities(Place),
    /// Opportunities once more, for the interviews and offers of each.
    Walk {
        #[serde(flatten)]
        place: Place,
        /// Only of those that have not ended.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        active: bool,
    },
    /// The interviews of an opportunity.
    Interviews(Part),
    /// The offers of an opportunity.
    Offers(Part),
}

/// A place in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Only what happened since then, in milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
    /// Lever's token of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<String>,
}

/// Names of which rows have the ids only. They are a part of the cursor, because nothing else is stored between two
/// requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    /// Of stages, by id.
    #[serde(default)]
    pub(super) stages: BTreeMap<String, String>,
    /// Of archive reasons, by id.
    #[serde(default)]
    pub(super) reasons: BTreeMap<String, String>,
    /// Archive reasons that mean a hire.
    #[serde(default)]
    pub(super) hired: BTreeSet<String>,
}

/// Names that are being collected, and what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Naming {
    #[serde(default)]
    pub(super) names: Names,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<String>,
    /// These opportunities; none for a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ids: Option<Vec<String>>,
    /// For a list: only what changed since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
}

/// A part of an opportunity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<String>,
    /// Ids that are looked up; those that no page has are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) want: Vec<String>,
    /// Whether the offers of the opportunity come after its interviews.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) both: bool,
}

impl Cursor {
    /// Reads a text that [`Cursor::text`] wrote.
    pub(super) fn parse(text: &str) -> Result<Self, AtsError> {
        // Only this crate writes cursors: another one is of another version, and nothing is lost by beginning anew.
        serde_json::from_str(text).map_err(|_| AtsError::CursorExpired("the cursor is of another version".into()))
    }

    pub(super) fn text(&self) -> String {
        // Serialising our own types to JSON cannot fail: no map has a key that is not text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The names of stages and reasons first, and then opportunities.
    pub(super) fn opportunities(ids: Option<Vec<String>>, since: Option<i64>) -> Self {
        Self::Stages(Naming { names: Names::default(), offset: None, ids, since })
    }
}

impl Naming {
    /// The cursor that needs the names.
    pub(super) fn then(self) -> Cursor {
        let Self { names, ids, since, .. } = self;
        match ids {
            Some(ids) => Cursor::Opportunity { names, ids },
            None => Cursor::Opportunities { place: Place { since, offset: None }, names },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_short_text_and_comes_back() {
        let place = Place { since: Some(1_795_000_000_000), offset: Some("%5B3%2C1%2C%22a%22%5D".to_owned()) };
        let names = Names {
            stages: [("lead-new".to_owned(), "New lead".to_owned())].into(),
            reasons: [("r".to_owned(), "Hired".to_owned())].into(),
            hired: ["r".to_owned()].into(),
        };
        let part = Part { of: "o".to_owned(), offset: None, want: vec!["i".to_owned()], both: false };
        for cursor in [
            Cursor::Check,
            Cursor::Users(Place::default()),
            Cursor::Postings(place.clone()),
            Cursor::opportunities(Some(vec!["o".to_owned()]), None),
            Cursor::Opportunities { place: place.clone(), names: names.clone() },
            Cursor::Opportunity { names, ids: vec!["o".to_owned()] },
            Cursor::Walk { place, active: true },
            Cursor::Interviews(part.clone()),
            Cursor::Offers(part),
        ] {
            assert_eq!(Cursor::parse(&cursor.text()), Ok(cursor));
        }
        assert_eq!(Cursor::Users(Place::default()).text(), r#"{"c":"users"}"#);
        for other in ["", "page=2", r#"{"c":"candidates"}"#] {
            assert!(matches!(Cursor::parse(other), Err(AtsError::CursorExpired(_))), "{other}");
        }
    }
}
