//! Parameters of a request, and pages.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    error::Error,
    state::State,
    table::{Row, Table},
};

const LIMIT: usize = 100;

/// The parameters of one request.
pub struct Query {
    fields: Vec<(String, String)>,
    pub limit: usize,
    /// Time and id of the first row of the page.
    pub offset: Option<(i64, String)>,
}

/// A span of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Option<i64>,
    pub until: Option<i64>,
}

impl Span {
    /// Whether it has this time; a row without one is only in a span without ends.
    pub fn holds(&self, at: Option<i64>) -> bool {
        match at {
            None => self.from.is_none() && self.until.is_none(),
            Some(at) => self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at <= until),
        }
    }
}

impl Query {
    /// Reads `limit`, `offset` and these parameters. The simulator refuses others, so that a misspelt filter is noticed.
    ///
    /// # Errors
    /// 400 with the name of the parameter.
    pub fn parse(raw: &str, known: &[&str]) -> Result<Self, Error> {
        let fields: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        for (name, _) in &fields {
            let name = name.as_str();
            if !known.contains(&name) && !["limit", "offset"].contains(&name) {
                return Err(Error::bad(format!("{name}: the simulator does not know this parameter")));
            }
        }
        let mut query = Self { fields, limit: LIMIT, offset: None };
        if let Some(limit) = query.one("limit") {
            query.limit = limit
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT).contains(limit))
                .ok_or_else(|| Error::bad("limit: must be a number from 1 to 100".to_owned()))?;
        }
        if let Some(offset) = query.one("offset") {
            let place = place(offset).ok_or_else(|| Error::bad("Invalid offset token".to_owned()))?;
            query.offset = Some(place);
        }
        Ok(query)
    }

    /// The value of a parameter.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether one of the values of a parameter fits; true when it is not there.
    pub fn any(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.one(name).is_none() || self.all(name).any(fits)
    }

    /// What is to be expanded: repeated, or with commas.
    pub fn expands(&self, what: &str) -> bool {
        self.all("expand").any(|list| list.split(',').any(|one| one == what))
    }

    /// Ends of a span, in milliseconds.
    ///
    /// # Errors
    /// 400 with the name of the parameter.
    pub fn span(&self, name: &str) -> Result<Span, Error> {
        let end = |name: String| match self.one(&name) {
            None => Ok(None),
            Some(text) => text
                .parse::<i64>()
                .map(Some)
                .map_err(|_not_a_number| Error::bad(format!("{name}: must be milliseconds since 1970"))),
        };
        Ok(Span { from: end(format!("{name}_start"))?, until: end(format!("{name}_end"))? })
    }

    /// A parameter that is `true` or `false`.
    ///
    /// # Errors
    /// 400 with the name of the parameter.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.one(name)
            .map(|text| text.parse().map_err(|_neither| Error::bad(format!("{name}: must be true or false"))))
            .transpose()
    }

    /// Whether rows that are confidential, or not, are wanted; only the latter when nothing is said.
    ///
    /// # Errors
    /// 400 with the name of the parameter.
    pub fn confidentiality(&self) -> Result<impl Fn(&Row) -> bool + use<>, Error> {
        let wanted = match self.one("confidentiality") {
            None | Some("non-confidential") => Some("non-confidential"),
            Some("confidential") => Some("confidential"),
            Some("all") => None,
            Some(_) => return Err(Error::bad("confidentiality: must be non-confidential, confidential or all")),
        };
        Ok(move |row: &Row| wanted.is_none() || row.text("confidentiality") == wanted)
    }

    /// One page of the rows of a table, the newest first, of those that have passed the filter.
    pub fn rows(
        &self,
        state: &State,
        table: Table,
        wanted: impl Fn(&Row) -> bool,
        show: impl Fn(&Row) -> Value,
    ) -> Value {
        // A place stays one after its row is gone.
        let newer = |row: &&Row| self.offset.as_ref().is_some_and(|(at, _)| row.created > *at);
        let rows = state.store.rows(table).values().rev().skip_while(newer).filter(|row| wanted(row));
        self.page(rows.map(|row| (row.created, state.uuid(row.id), row)), show)
    }

    /// One page of rows that begin at the offset and are in the order of the list.
    fn page<T>(&self, mut rows: impl Iterator<Item = (i64, String, T)>, show: impl Fn(T) -> Value) -> Value {
        let data: Vec<Value> = rows.by_ref().take(self.limit).map(|(_, _, row)| show(row)).collect();
        match rows.next() {
            None => json!({"data": data, "hasNext": false}),
            Some((at, id, _)) => json!({"data": data, "hasNext": true, "next": token(at, &id)}),
        }
    }

    /// A page of a short list, from its rows in their order with distinct times from the highest on.
    pub fn short<T>(&self, rows: impl Iterator<Item = (i64, String, T)>, show: impl Fn(T) -> Value) -> Value {
        let from = self.offset.as_ref();
        self.page(rows.skip_while(|(at, id, _)| from.is_some_and(|from| from.0 != *at || from.1 != *id)), show)
    }
}

/// The token of the page that begins with this row: it is percent-encoded, which a client must not care about.
pub fn token(at: i64, id: &str) -> String {
    form_urlencoded::byte_serialize(format!("[{},{at},\"{id}\"]", at.rem_euclid(997)).as_bytes()).collect()
}

fn place(token: &str) -> Option<(i64, String)> {
    if !token.starts_with("%5B") {
        return None;
    }
    let text: String = form_urlencoded::parse(token.as_bytes()).next().map(|(text, _)| text.into_owned())?;
    let (_, at, id): (f64, i64, String) = serde_json::from_str(&text).ok()?;
    Some((at, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_encoded_once_by_lever_and_once_by_the_client() {
        let token = token(1_491_435_120_000, "a-b");
        assert!(token.starts_with("%5B") && token.ends_with("%2C1491435120000%2C%22a-b%22%5D"), "{token}");
        let once: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let twice: String = form_urlencoded::byte_serialize(once.as_bytes()).collect();
        let read = |offset: &str| Query::parse(&format!("offset={offset}"), &[]).map(|query| query.offset);
        assert!(read(&once).is_ok_and(|offset| offset == Some((1_491_435_120_000, "a-b".to_owned()))));
        for wrong in [&twice, &token, "x", "%255B1%255D", ""] {
            assert!(read(wrong).is_err_and(|error| error.2 == "Invalid offset token"), "{wrong}");
        }
    }

    #[test]
    fn a_row_without_a_time_is_in_no_window() {
        let span = |from, until| Span { from, until };
        let table = [
            (span(None, None), None, true),
            (span(Some(1), None), None, false),
            (span(None, Some(9)), None, false),
            (span(Some(5), Some(5)), Some(5), true),
            (span(Some(6), None), Some(5), false),
            (span(None, Some(4)), Some(5), false),
        ];
        for (span, at, wanted) in table {
            assert_eq!(span.holds(at), wanted, "{span:?} {at:?}");
        }
    }
}
