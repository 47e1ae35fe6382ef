//! The rows that the lists show, by table and id, and an index of which row refers to which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::world::Chance;

/// A table of at most so many rows is walked through to pick one.
const SHORT: usize = 64;

/// A list of Harvest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Applications,
    ApplicationStages,
    Candidates,
    Departments,
    InterviewKits,
    Interviews,
    JobInterviewStages,
    JobInterviews,
    JobPosts,
    Jobs,
    Notes,
    Offers,
    Offices,
    Openings,
    RejectionDetails,
    RejectionReasons,
    Scorecards,
    Sources,
    Users,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Applications,
        Self::ApplicationStages,
        Self::Candidates,
        Self::Departments,
        Self::InterviewKits,
        Self::Interviews,
        Self::JobInterviewStages,
        Self::JobInterviews,
        Self::JobPosts,
        Self::Jobs,
        Self::Notes,
        Self::Offers,
        Self::Offices,
        Self::Openings,
        Self::RejectionDetails,
        Self::RejectionReasons,
        Self::Scorecards,
        Self::Sources,
        Self::Users,
    ];

    /// The last part of its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Applications => "applications",
            Self::ApplicationStages => "application_stages",
            Self::Candidates => "candidates",
            Self::Departments => "departments",
            Self::InterviewKits => "interview_kits",
            Self::Interviews => "interviews",
            Self::JobInterviewStages => "job_interview_stages",
            Self::JobInterviews => "job_interviews",
            Self::JobPosts => "job_posts",
            Self::Jobs => "jobs",
            Self::Notes => "notes",
            Self::Offers => "offers",
            Self::Offices => "offices",
            Self::Openings => "openings",
            Self::RejectionDetails => "rejection_details",
            Self::RejectionReasons => "rejection_reasons",
            Self::Scorecards => "scorecards",
            Self::Sources => "sources",
            Self::Users => "users",
        }
    }

    /// The table with this path.
    #[must_use]
    pub fn named(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.path() == path)
    }

    /// The fields that refer to other rows: one id, or a list of ids.
    #[must_use]
    pub const fn parents(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Applications => &[
                ("candidate_id", Self::Candidates),
                ("job_id", Self::Jobs),
                ("job_post_id", Self::JobPosts),
                ("job_interview_stage_id", Self::JobInterviewStages),
            ],
            Self::ApplicationStages => {
                &[("application_id", Self::Applications), ("job_interview_stage_id", Self::JobInterviewStages)]
            }
            Self::Departments => &[("parent_id", Self::Departments)],
            Self::Offices => &[("parent_id", Self::Offices)],
            Self::Jobs => &[("department_id", Self::Departments), ("office_ids", Self::Offices)],
            Self::JobInterviewStages | Self::JobPosts => &[("job_id", Self::Jobs)],
            Self::JobInterviews => &[("job_id", Self::Jobs), ("job_interview_stage_id", Self::JobInterviewStages)],
            Self::InterviewKits => &[("job_id", Self::Jobs), ("job_interview_id", Self::JobInterviews)],
            Self::Interviews => &[
                ("application_id", Self::Applications),
                ("job_id", Self::Jobs),
                ("job_interview_id", Self::JobInterviews),
            ],
            Self::Offers => {
                &[("application_id", Self::Applications), ("job_id", Self::Jobs), ("candidate_id", Self::Candidates)]
            }
            Self::Openings => &[("job_id", Self::Jobs), ("application_id", Self::Applications)],
            Self::Scorecards => &[("application_id", Self::Applications), ("interview_kit_id", Self::InterviewKits)],
            Self::RejectionDetails => &[("application_id", Self::Applications)],
            Self::Notes => &[("candidate_id", Self::Candidates)],
            Self::Candidates | Self::RejectionReasons | Self::Sources | Self::Users => &[],
        }
    }
}

/// A moment as the lists tell it.
#[must_use]
pub fn time(ms: i64) -> Value {
    json!(format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default()))
}

/// One row. A field whose name begins with `_` is known to the simulator only.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: u64,
    /// Milliseconds since 1970 UTC, as `updated`.
    pub created: i64,
    pub updated: i64,
    fields: Vec<(&'static str, Value)>,
}

impl Row {
    /// A row with these fields, not stamped.
    #[must_use]
    pub fn new(id: u64, fields: Vec<(&'static str, Value)>) -> Self {
        Self { id, created: 0, updated: 0, fields }
    }

    /// A field; null when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.fields.iter().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// A field that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_str()
    }

    /// A field that is an id.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).as_u64()
    }

    /// Whether a field is true.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == &Value::Bool(true)
    }

    /// Sets a field, which becomes the last one when it is new.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.fields.push((name, value.into())),
        }
    }

    /// The ids that a field refers to.
    fn references(&self, name: &str) -> Vec<u64> {
        match self.get(name) {
            Value::Array(list) => list.iter().filter_map(Value::as_u64).collect(),
            value => value.as_u64().into_iter().collect(),
        }
    }

    /// The fields on the wire.
    fn shown(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        self.fields.iter().filter(|(name, _)| !name.starts_with('_'))
    }
}

/// A row on the wire, as a whole or the named fields of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a Row, pub Option<&'a [String]>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, only) = self;
        let wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &row.id)?;
        for (name, ms) in [("created_at", row.created), ("updated_at", row.updated)] {
            if wanted(name) {
                map.serialize_entry(name, &time(ms))?;
            }
        }
        for (name, value) in row.shown().filter(|(name, _)| wanted(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// All rows of an account.
#[derive(Debug, Default)]
pub struct Store {
    tables: BTreeMap<Table, BTreeMap<u64, Row>>,
    /// Table and id of what is referred to, and the table of what refers to it.
    referring: BTreeMap<(Table, u64, Table), BTreeSet<u64>>,
    empty: BTreeMap<u64, Row>,
}

impl Store {
    /// The rows of a table by id.
    #[must_use]
    pub fn rows(&self, table: Table) -> &BTreeMap<u64, Row> {
        self.tables.get(&table).unwrap_or(&self.empty)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, table: Table, id: u64) -> Option<&Row> {
        self.rows(table).get(&id)
    }

    /// The row that a field of this row refers to.
    #[must_use]
    pub fn parent(&self, row: &Row, field: &str, table: Table) -> Option<&Row> {
        row.number(field).and_then(|id| self.row(table, id))
    }

    /// Adds a row, or puts it in the place of one with its id.
    pub fn put(&mut self, table: Table, row: Row) {
        self.remove(table, row.id);
        self.link(table, &row);
        self.tables.entry(table).or_default().insert(row.id, row);
    }

    /// Takes a row out.
    pub fn remove(&mut self, table: Table, id: u64) -> Option<Row> {
        let row = self.tables.get_mut(&table)?.remove(&id)?;
        for (field, parent) in table.parents() {
            for referred in row.references(field) {
                let key = (*parent, referred, table);
                let left = self.referring.get_mut(&key).map(|ids| {
                    ids.remove(&id);
                    ids.len()
                });
                if left == Some(0) {
                    self.referring.remove(&key);
                }
            }
        }
        Some(row)
    }

    fn link(&mut self, table: Table, row: &Row) {
        for (field, parent) in table.parents() {
            for referred in row.references(field) {
                self.referring.entry((*parent, referred, table)).or_default().insert(row.id);
            }
        }
    }

    /// The ids of the rows of `table` that refer to this one, lowest first.
    #[must_use]
    pub fn of(&self, parent: Table, id: u64, table: Table) -> Vec<u64> {
        self.referring.get(&(parent, id, table)).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether a row of `table` refers to this one.
    #[must_use]
    pub fn has(&self, parent: Table, id: u64, table: Table) -> bool {
        self.referring.contains_key(&(parent, id, table))
    }

    /// Any row; of a long table one that follows a random id, which takes no walk through it.
    pub fn pick(&self, table: Table, chance: &mut Chance) -> Option<&Row> {
        let rows = self.rows(table);
        if rows.len() <= SHORT {
            return rows.values().nth(chance.below(rows.len()));
        }
        let ((first, _), (last, _)) = (rows.first_key_value()?, rows.last_key_value()?);
        let from = first + chance.draw() % (last - first + 1);
        rows.range(from..).next().map(|(_, row)| row)
    }

    /// A row that is right for something, when some tries find one.
    pub fn pick_where(&self, table: Table, chance: &mut Chance, right: impl Fn(&Row) -> bool) -> Option<&Row> {
        (0..12).find_map(|_| self.pick(table, chance).filter(|row| right(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_what_refers_to_what() {
        let mut store = Store::default();
        store.put(Table::Offices, Row::new(1, Vec::new()));
        store.put(Table::Jobs, Row::new(5, vec![("office_ids", json!([1, 2])), ("department_id", Value::Null)]));
        assert_eq!(store.of(Table::Offices, 2, Table::Jobs), [5]);
        store.put(Table::Jobs, Row::new(5, vec![("office_ids", json!([2])), ("department_id", json!(9))]));
        assert!(!store.has(Table::Offices, 1, Table::Jobs));
        assert!(store.has(Table::Departments, 9, Table::Jobs));
        assert!(store.remove(Table::Jobs, 5).is_some());
        assert!(store.referring.is_empty());
    }

    #[test]
    fn a_row_shows_its_times_and_hides_what_is_only_known_here() {
        let mut row = Row::new(7, vec![("name", json!("A")), ("_secret", json!(1))]);
        (row.created, row.updated) = (1_000, 2_500);
        let whole =
            r#"{"id":7,"created_at":"1970-01-01T00:00:01.000Z","updated_at":"1970-01-01T00:00:02.500Z","name":"A"}"#;
        assert_eq!(serde_json::to_string(&Shown(&row, None)).unwrap_or_default(), whole);
        let part = serde_json::to_string(&Shown(&row, Some(&["name".to_owned()]))).unwrap_or_default();
        assert_eq!(part, r#"{"id":7,"name":"A"}"#);
    }
}
