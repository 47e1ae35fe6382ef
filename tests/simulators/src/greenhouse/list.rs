//! One page of a list: filters, and the cursor that carries them to the next page.
//!
//! The order is by id, highest first, and a cursor names the id at which the next page begins, so that a page shows what is
//! true when it is asked for. Not verified on a real wire: the texts of the refusals other than that for a cursor with company
//! and for `per_page`, and what happens with an unknown filter, which is ignored here.

use base64::{Engine, prelude::BASE64_URL_SAFE};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::table::{Kind as _, Listed, Row, Table};
use crate::world::store::Store;

const PER_PAGE: usize = 100;
const PER_PAGE_MAX: usize = 500;
/// Ids in one filter.
const IDS_MAX: usize = 50;

/// The reasons of a 422.
#[derive(Debug, PartialEq, Eq)]
pub struct Unprocessable(pub Vec<Value>);

fn bad<T>(reason: impl Into<Value>) -> Result<T, Unprocessable> {
    Err(Unprocessable(vec![reason.into()]))
}

/// What is asked for.
#[derive(Debug)]
pub struct Wanted {
    query: Map<String, Value>,
    per_page: usize,
    from: Option<u64>,
    page: u64,
    filters: Vec<Filter>,
    fields: Option<Vec<String>>,
}

#[derive(Debug)]
enum Filter {
    Ids(Vec<u64>),
    /// Field and ids that it may refer to.
    Parents(&'static str, Vec<u64>),
    /// Field and comparisons with a moment.
    When(&'static str, Vec<(String, i64)>),
    Is(&'static str, Value),
    /// An address among those of a person.
    Address(String),
    /// Leaves out the rows of which this is true.
    Without(&'static str),
}

/// Filters that compare the field of their name.
const fn plain(table: Table) -> &'static [&'static str] {
    match table {
        Table::Applications => &["prospect", "stage_name"],
        Table::ApplicationStages => &["current"],
        Table::Candidates => &["private"],
        Table::JobInterviewStages => &["active"],
        Table::JobPosts => &["active", "live", "internal"],
        Table::Jobs => &["requisition_id", "confidential"],
        Table::Openings => &["open"],
        Table::Users => &["deactivated", "primary_email"],
        _ => &[],
    }
}

/// The words of a filter by status.
const fn statuses(table: Table) -> &'static [&'static str] {
    match table {
        Table::Applications => &["active", "rejected", "hired", "converted"],
        Table::Jobs => &["open", "draft", "closed"],
        Table::Offers => &["Created", "Accepted", "Rejected", "Deprecated"],
        Table::Scorecards => &["draft", "complete"],
        _ => &[],
    }
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// What the service refuses with 422.
    pub fn read(table: Table, raw: &str) -> Result<Self, Unprocessable> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        let (query, from, page) = match pairs.iter().find(|(name, _)| name == "cursor") {
            Some(_) if pairs.len() > 1 => {
                return bad("When passing a cursor, do not include other query params.");
            }
            Some((_, cursor)) => opened(cursor)?,
            None => (pairs.into_iter().map(|(name, value)| (name, json!(value))).collect(), None, 1),
        };
        let mut wanted = Self { per_page: PER_PAGE, query, from, page, filters: Vec::new(), fields: None };
        wanted.understand(table)?;
        Ok(wanted)
    }

    fn understand(&mut self, table: Table) -> Result<(), Unprocessable> {
        let query = self.query.clone();
        let text = |name: &str| query.get(name).and_then(Value::as_str);
        if query.contains_key("created_at") && query.contains_key("updated_at") {
            return bad("Do not filter by created_at and updated_at at the same time.");
        }
        if let Some(per_page) = query.get("per_page") {
            let number = per_page.as_u64().or_else(|| per_page.as_str()?.parse().ok());
            let number = number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
            if number > PER_PAGE_MAX {
                return bad(json!({"per_page": format!("`{number}` number is greater than: {PER_PAGE_MAX}")}));
            }
            if number == 0 {
                return bad(json!({"per_page": "is not a positive integer"}));
            }
            self.per_page = number;
            self.query.insert("per_page".to_owned(), json!(number));
        }
        self.fields = text("fields").map(|fields| fields.split(',').map(str::to_owned).collect());
        for name in ["created_at", "updated_at", "last_activity_at"] {
            if let Some(given) = text(name) {
                self.filters.push(Filter::When(name, comparisons(name, given)?));
            }
        }
        if let Some(given) = text("ids") {
            self.filters.push(Filter::Ids(ids("ids", given)?));
        }
        for (field, _) in table.parents() {
            // `job_id` is asked for as `job_ids`, but a job's department and office one by one.
            let parameter = if table == Table::Jobs { field.replace("ids", "id") } else { format!("{field}s") };
            if let Some(given) = text(&parameter) {
                self.filters.push(Filter::Parents(field, ids(&parameter, given)?));
            }
        }
        for field in plain(table) {
            if let Some(given) = text(field) {
                let value = given.parse::<bool>().map_or_else(|_| json!(given), Value::Bool);
                self.filters.push(Filter::Is(field, value));
            }
        }
        if let Some(given) = text("status").filter(|_| !statuses(table).is_empty()) {
            if !statuses(table).contains(&given) {
                return bad(json!({"status": format!("`{given}` is not one of the known values")}));
            }
            // The one word that the rows have otherwise.
            let status = if given == "active" { "in_process" } else { given };
            self.filters.push(Filter::Is("status", json!(status)));
        }
        if let Some(address) = text("email").filter(|_| table == Table::Candidates) {
            self.filters.push(Filter::Address(address.to_lowercase()));
        }
        let flag = |name: &str| text(name) == Some("true");
        match table {
            Table::JobPosts if text("active").is_none() => self.filters.push(Filter::Is("active", json!(true))),
            Table::Users if !flag("show_service_accounts") => self.filters.push(Filter::Without("_service")),
            Table::RejectionReasons if !flag("include_defaults") => self.filters.push(Filter::Without("_builtin")),
            _ => {}
        }
        Ok(())
    }

    fn keeps(&self, row: &Row) -> bool {
        self.filters.iter().all(|filter| match filter {
            Filter::Ids(ids) => ids.contains(&row.id),
            Filter::Parents(field, ids) => match row.get(field) {
                Value::Array(list) => list.iter().filter_map(Value::as_u64).any(|id| ids.contains(&id)),
                value => value.as_u64().is_some_and(|id| ids.contains(&id)),
            },
            Filter::When(field, comparisons) => {
                let ms = match *field {
                    "created_at" => Some(row.created),
                    "updated_at" => Some(row.updated),
                    other => row.text(other).and_then(|text| text.parse().ok()).map(Timestamp::as_millisecond),
                };
                ms.is_some_and(|ms| comparisons.iter().all(|(word, bound)| compares(word, ms, *bound)))
            }
            Filter::Is(field, value) => row.get(field) == value,
            Filter::Address(wanted) => {
                let addresses = row.get("email_addresses").as_array().into_iter().flatten();
                let mut values = addresses.filter_map(|address| address.get("value")?.as_str());
                values.any(|value| value.to_lowercase() == *wanted)
            }
            Filter::Without(field) => !row.is(field),
        })
    }

    /// The page as JSON, and the cursor of the next one when there is one.
    pub fn page(&self, store: &Store<Table>, table: Table, request_id: &str) -> (String, Option<String>) {
        let from = self.from.unwrap_or(u64::MAX);
        let chosen = self.chosen(store, table);
        let mut rows: Box<dyn Iterator<Item = &Row>> = match &chosen {
            Some(ids) => Box::new(ids.iter().rev().filter(|id| **id <= from).filter_map(|id| store.row(table, *id))),
            None => Box::new(store.rows(table).range(..=from).rev().map(|(_, row)| row)),
        };
        let mut page = Vec::new();
        let mut next = None;
        for row in rows.by_ref().filter(|row| self.keeps(row)) {
            if page.len() == self.per_page {
                next = Some(self.cursor(row.id, request_id));
                break;
            }
            page.push(Listed(row, self.fields.as_deref()));
        }
        (serde_json::to_string(&page).unwrap_or_default(), next)
    }

    /// The ids of which only some are wanted, lowest first, where a filter names them or what they refer to.
    fn chosen(&self, store: &Store<Table>, table: Table) -> Option<Vec<u64>> {
        self.filters.iter().find_map(|filter| {
            let mut ids = match filter {
                Filter::Ids(ids) => ids.clone(),
                Filter::Parents(field, parents) => {
                    let (_, parent) = table.parents().iter().find(|(known, _)| known == field)?;
                    parents.iter().flat_map(|id| store.of(*parent, *id, table)).collect()
                }
                Filter::When(..) | Filter::Is(..) | Filter::Address(_) | Filter::Without(_) => return None,
            };
            ids.sort_unstable();
            ids.dedup();
            Some(ids)
        })
    }

    fn cursor(&self, id: u64, request_id: &str) -> String {
        let cursor = json!({
            "query": self.query, "per_page": self.per_page, "id": id, "page": self.page + 1,
            "original_request_id": request_id,
        });
        BASE64_URL_SAFE.encode(cursor.to_string())
    }
}

type Opened = (Map<String, Value>, Option<u64>, u64);

fn opened(cursor: &str) -> Result<Opened, Unprocessable> {
    let read = || {
        let cursor: Value = serde_json::from_slice(&BASE64_URL_SAFE.decode(cursor).ok()?).ok()?;
        let query = cursor.get("query")?.as_object()?.clone();
        Some((query, Some(cursor.get("id")?.as_u64()?), cursor.get("page")?.as_u64()?))
    };
    read().map_or_else(|| bad("The cursor is invalid."), Ok)
}

fn ids(name: &str, given: &str) -> Result<Vec<u64>, Unprocessable> {
    let ids: Result<Vec<u64>, _> = given.split(',').map(|id| id.trim().parse()).collect();
    match ids {
        Ok(ids) if ids.len() <= IDS_MAX => Ok(ids),
        Ok(_) => bad(json!({name: format!("array size is greater than: {IDS_MAX}")})),
        Err(_) => bad(json!({name: "is not a list of integers"})),
    }
}

fn comparisons(name: &str, given: &str) -> Result<Vec<(String, i64)>, Unprocessable> {
    let parts: Vec<&str> = given.split('|').collect();
    let read: Option<Vec<(String, i64)>> = parts
        .chunks(2)
        .map(|pair| match pair {
            [word @ ("gte" | "lte" | "gt" | "lt"), at] => {
                at.parse::<Timestamp>().ok().map(|at| ((*word).to_owned(), at.as_millisecond()))
            }
            _ => None,
        })
        .collect();
    read.map_or_else(|| bad(json!({name: "is not an operator and a time, like gte|2026-01-01T00:00:00Z"})), Ok)
}

fn compares(word: &str, ms: i64, bound: i64) -> bool {
    match word {
        "gte" => ms >= bound,
        "lte" => ms <= bound,
        "gt" => ms > bound,
        _ => ms < bound,
    }
}
