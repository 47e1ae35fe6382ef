//! Lists: `limit` and `cursor` in, `items` and `next_cursor` out.

use axum::extract::{FromRequestParts, RawQuery};
use http::request::Parts;
use serde::Serialize;

use crate::problem::Problem;

/// The number of items of a page when the client does not set one.
pub const DEFAULT_LIMIT: u16 = 25;
/// The most items of a page.
pub const MAX_LIMIT: u16 = 100;
/// The most characters of a cursor.
const CURSOR_LIMIT: usize = 1_000;

/// The query of a list. Other parameters are refused, so that a misspelt one is not silently without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items of the page, 1 to 100.
    pub limit: u16,
    /// The `next_cursor` of a former response; none for the first page.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Parses a query string.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut page = Self { limit: DEFAULT_LIMIT, cursor: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "limit" => {
                    page.limit =
                        value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                            Problem::invalid_field("limit", "range", format!("a whole number from 1 to {MAX_LIMIT}"))
                        })?;
                }
                "cursor" if value.len() <= CURSOR_LIMIT => page.cursor = Some(value.to_owned()),
                "cursor" => return Err(bad_cursor()),
                other => {
                    let known: String = other.chars().take(60).collect();
                    return Err(Problem::invalid_field(&known, "unknown", "known parameters: limit, cursor"));
                }
            }
        }
        Ok(page)
    }
}

/// 400 for a cursor that no list gave out.
#[must_use]
pub fn bad_cursor() -> Problem {
    Problem::invalid_field("cursor", "invalid", "send the next_cursor of a former answer of this list, unchanged")
}

impl<S: Send + Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, state).await;
        Self::parse(&query.unwrap_or_default())
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_bounded_and_unknown_parameters_refused() {
        let page = |query: &str| PageRequest::parse(query);
        assert_eq!(page(""), Ok(PageRequest { limit: 25, cursor: None }));
        assert_eq!(page("limit=100&cursor=abc"), Ok(PageRequest { limit: 100, cursor: Some("abc".into()) }));
        for bad in ["limit=0", "limit=101", "limit=x", "limit=", "limit=-1", "offset=1"] {
            assert_eq!(page(bad).map_err(|p| p.status()), Err(400), "{bad}");
        }
        assert!(page(&format!("cursor={}", "a".repeat(1001))).is_err());
    }
}
