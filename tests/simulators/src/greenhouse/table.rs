//! The rows that the lists show, by table and id, and an index of which row refers to which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::{wire::with, world::Chance};

/// A table of at most so many rows is walked through to pick one.
const SHORT: usize = 64;

/// The lists: name, path, the fields that refer to other rows, and a row as it is when nothing more is said.
macro_rules! tables {
    ($($table:ident $path:literal [$($field:literal => $parent:ident),*] $blank:tt)*) => {
        /// A list of Harvest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table { $($table),* }

        impl Table {
            pub const ALL: [Self; [$(Self::$table),*].len()] = [$(Self::$table),*];

            /// The last part of its path.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$table => $path),* }
            }

            /// The fields that refer to other rows: one id, or a list of ids.
            pub const fn parents(self) -> &'static [(&'static str, Self)] {
                match self { $(Self::$table => &[$(($field, Self::$parent)),*]),* }
            }

            /// The fields of a row of which nothing is known.
            fn blank(self) -> Value {
                match self { $(Self::$table => json!($blank)),* }
            }
        }
    };
}

tables! {
    Applications "applications" [
        "candidate_id" => Candidates, "job_id" => Jobs, "job_post_id" => JobPosts, "job_interview_stage_id" => JobInterviewStages
    ] {
        "agency_note_id": null, "candidate_id": null, "coordinator_id": null, "job_id": null, "job_post_id": null,
        "recruiter_id": 1, "referrer_id": null, "source_id": null, "stage_id": null, "job_interview_stage_id": null,
        "stage_name": null, "status": "in_process", "needs_decision": false, "prospect": false, "rejected_at": null,
        "last_activity_at": null, "location_address": null, "answers": [], "prospective_job_ids": [], "custom_fields": {},
        "_held_stage": null
    }
    ApplicationStages "application_stages" ["application_id" => Applications, "job_interview_stage_id" => JobInterviewStages] {
        "application_id": null, "job_interview_stage_id": null, "entered_at": null, "exited_at": null, "days_in_stage": 0,
        "current": true
    }
    Candidates "candidates" [] {
        "first_name": null, "last_name": null, "preferred_name": null, "company": null, "title": null, "last_activity_at": null,
        "private": false, "can_email": true, "time_zone": null, "tags": [], "linked_user_ids": [], "phone_numbers": [],
        "addresses": [], "email_addresses": [], "website_addresses": [], "social_media_addresses": [], "custom_fields": {}
    }
    Departments "departments" ["parent_id" => Departments] {"name": null, "parent_id": null, "external_id": null}
    InterviewKits "interview_kits" ["job_id" => Jobs, "job_interview_id" => JobInterviews] {
        "job_id": null, "job_interview_id": null, "exercises": null, "anonymize_candidate": false, "anonymize_resumes": false
    }
    Interviews "interviews" ["application_id" => Applications, "job_id" => Jobs, "job_interview_id" => JobInterviews] {
        "job_id": null, "application_id": null, "job_interview_id": null, "starts_at": null, "ends_at": null,
        "location": "Room <4> & hall", "status": "scheduled", "organizer_id": 1, "scheduled_at": null,
        "all_day_start_on": null, "all_day_end_on": null, "external_event_id": null, "video_conferencing_url": null,
        "availability_received_at": null
    }
    JobInterviewStages "job_interview_stages" ["job_id" => Jobs] {
        "job_id": null, "sort_order": 0, "name": null, "active": true
    }
    JobInterviews "job_interviews" ["job_id" => Jobs, "job_interview_stage_id" => JobInterviewStages] {
        "job_interview_stage_id": null, "job_id": null, "sort_order": 0, "scheduling_type": "needs_scheduling",
        "duration": 45, "summary": null, "instructions": null, "name": null, "active": true, "require_scorecard": true
    }
    JobPosts "job_posts" ["job_id" => Jobs] {
        "title": null, "internal": false, "active": true, "live": false, "featured": false, "first_published_at": null,
        "content": "<p>Build things & keep them running.</p>", "language": "en", "public_url": null,
        "demographic_question_set_id": null, "job_id": null, "job_board_id": 7, "questions": []
    }
    Jobs "jobs" ["department_id" => Departments, "office_ids" => Offices] {
        "name": null, "requisition_id": null, "notes": null, "confidential": false, "is_template": null,
        "copied_from_id": null, "opened_at": null, "closed_at": null, "status": null, "office_ids": [],
        "department_id": null,
        "custom_fields": {
            "employment_type": {"name": "Employment Type", "type": "single_select", "value": "Full-time"}
        }
    }
    Notes "notes" ["candidate_id" => Candidates] {
        "candidate_id": null, "application_id": null, "user_id": 1, "body": null, "visibility": null, "type": "NOTE"
    }
    Offers "offers" ["application_id" => Applications, "job_id" => Jobs, "candidate_id" => Candidates] {
        "version": 1, "application_id": null, "job_id": null, "candidate_id": null, "opening_id": null,
        "status": "Created", "starts_on": null, "sent_on": null, "resolved_at": null, "custom_fields": {}
    }
    Offices "offices" ["parent_id" => Offices] {
        "name": null, "parent_id": null, "external_id": null, "location": null, "primary_in_house_contact_user_id": null
    }
    Openings "openings" ["job_id" => Jobs, "application_id" => Applications] {
        "job_id": null, "opened_at": null, "closed_at": null, "sort_order": 0, "opening_id": null, "application_id": null,
        "close_reason_id": null, "target_start_on": null, "open": true, "custom_fields": {}
    }
    RejectionDetails "rejection_details" ["application_id" => Applications] {
        "application_id": null, "rejected_by_id": 1, "rejection_note_id": null, "rejection_reason_id": null,
        "rejected_at": null, "question_custom_fields": {}
    }
    RejectionReasons "rejection_reasons" [] {
        "name": null, "type": {"id": 1, "key": "we_rejected_them", "name": "We rejected them"}, "_builtin": false
    }
    Scorecards "scorecards" ["application_id" => Applications, "interview_kit_id" => InterviewKits] {
        "interview_kit_id": null, "interviewer_id": 1, "interviewed_at": null, "notes": null, "notes_with_tags": null,
        "submitter_id": 1, "candidate_rating": null, "private_notes": null, "private_notes_with_tags": null,
        "status": "draft", "public_notes": null, "public_notes_with_tags": null, "application_id": null,
        "submitted_at": null
    }
    Sources "sources" [] {"name": null, "type": {"id": 1, "name": "Company marketing"}}
    Users "users" [] {
        "first_name": null, "last_name": null, "primary_email": null, "job_title": null, "agency_id": null, "name": null,
        "deactivated": false, "site_admin": false, "employee_id": null, "linked_candidate_ids": [], "office_ids": [],
        "department_ids": [], "interviewer_tags": [], "emails": [], "custom_fields": {}, "_service": false
    }
}

impl Table {
    /// The table with this path.
    pub fn named(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.path() == path)
    }
}

/// A moment as the lists tell it.
pub fn time(ms: i64) -> Value {
    json!(format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default()))
}

/// The day of a moment.
pub fn date(ms: i64) -> Value {
    let text = time(ms);
    json!(text.as_str().and_then(|text| text.get(..10)).unwrap_or_default())
}

/// One row. A field whose name begins with `_` is known to the simulator only.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: u64,
    /// Milliseconds since 1970 UTC, as `updated`.
    pub created: i64,
    pub updated: i64,
    fields: Value,
}

impl Row {
    /// A row of a table with these fields, not stamped.
    pub fn new(table: Table, id: u64, fields: Value) -> Self {
        Self { id, created: 0, updated: 0, fields: with(table.blank(), fields) }
    }

    /// A field; null when there is none.
    pub fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    /// A field that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_str()
    }

    /// A field that is an id.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).as_u64()
    }

    /// Whether a field is true.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == &Value::Bool(true)
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(fields) = self.fields.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
    }

    pub fn merge(&mut self, fields: Value) {
        self.fields = with(self.fields.take(), fields);
    }

    /// The id and these fields, separated by spaces; `a=b` is the field `b` under the name `a`.
    pub fn part(&self, names: &str) -> Value {
        let fields = names.split(' ').map(|name| {
            let (name, field) = name.split_once('=').unwrap_or((name, name));
            (name.to_owned(), self.get(field).clone())
        });
        Value::Object(fields.chain([("id".to_owned(), json!(self.id))]).collect())
    }

    /// The ids that a field refers to.
    pub fn references(&self, name: &str) -> Vec<u64> {
        match self.get(name) {
            Value::Array(list) => list.iter().filter_map(Value::as_u64).collect(),
            value => value.as_u64().into_iter().collect(),
        }
    }

    /// The fields on the wire.
    fn shown(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_'))
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
    pub fn rows(&self, table: Table) -> &BTreeMap<u64, Row> {
        self.tables.get(&table).unwrap_or(&self.empty)
    }

    pub fn row(&self, table: Table, id: u64) -> Option<&Row> {
        self.rows(table).get(&id)
    }

    /// The row that a field of this row refers to.
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
    pub fn of(&self, parent: Table, id: u64, table: Table) -> Vec<u64> {
        self.referring.get(&(parent, id, table)).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether a row of `table` refers to this one.
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
        store.put(Table::Offices, Row::new(Table::Offices, 1, json!({})));
        store.put(Table::Jobs, Row::new(Table::Jobs, 5, json!({"office_ids": [1, 2]})));
        assert_eq!(store.of(Table::Offices, 2, Table::Jobs), [5]);
        store.put(Table::Jobs, Row::new(Table::Jobs, 5, json!({"office_ids": [2], "department_id": 9})));
        assert!(!store.has(Table::Offices, 1, Table::Jobs));
        assert!(store.has(Table::Departments, 9, Table::Jobs));
        assert!(store.remove(Table::Jobs, 5).is_some());
        assert!(store.referring.is_empty());
    }

    #[test]
    fn a_row_shows_its_times_and_hides_what_is_only_known_here() {
        let mut row = Row::new(Table::Sources, 7, json!({"name": "A", "_secret": 1}));
        (row.created, row.updated) = (1_000, 2_500);
        let whole = r#"{"id":7,"created_at":"1970-01-01T00:00:01.000Z","updated_at":"1970-01-01T00:00:02.500Z","name":"A","type":{"id":1,"name":"Company marketing"}}"#;
        assert_eq!(serde_json::to_string(&Shown(&row, None)).unwrap_or_default(), whole);
        let part = serde_json::to_string(&Shown(&row, Some(&["name".to_owned()]))).unwrap_or_default();
        assert_eq!(part, r#"{"id":7,"name":"A"}"#);
    }
}
