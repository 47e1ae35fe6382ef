//! The store of hiring entities: rows by table and id, and an index of which row refers to which.
//!
//! A vendor declares its tables with [`tables!`]: the fields of each row are those of its API, so that what renders a row has little
//! to add. A field whose name begins with `_` is known to the simulator only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{wire::with, world::Chance};

/// A table of at most so many rows is walked through to pick one.
const SHORT: usize = 64;

/// The tables of a vendor.
pub trait Kind: Copy + Ord + Send + 'static {
    /// The fields that refer to other rows: one id, or a list of ids.
    fn parents(self) -> &'static [(&'static str, Self)];
    /// The fields of a row of which nothing is known.
    fn blank(self) -> Value;
}

/// Declares tables: name, path, the fields that refer to other rows, and a row as it is when nothing more is said.
macro_rules! tables {
    ($($table:ident $path:literal [$($field:literal => $parent:ident),*] $blank:tt)*) => {
        /// The tables of an account.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table { $($table),* }

        impl Table {
            pub const ALL: [Self; [$(Self::$table),*].len()] = [$(Self::$table),*];

            /// The last part of its path.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$table => $path),* }
            }
        }

        impl $crate::world::store::Kind for Table {
            fn parents(self) -> &'static [(&'static str, Self)] {
                match self { $(Self::$table => &[$(($field, Self::$parent)),*]),* }
            }

            fn blank(self) -> serde_json::Value {
                match self { $(Self::$table => serde_json::json!($blank)),* }
            }
        }
    };
}
pub(crate) use tables;

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
    pub fn new(table: impl Kind, id: u64, fields: Value) -> Self {
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

    /// The texts of a field that is a list.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).as_array().into_iter().flatten().filter_map(Value::as_str)
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

    /// Adds to the end of a list.
    pub fn push(&mut self, name: &str, value: Value) {
        if let Some(list) = self.fields.get_mut(name).and_then(Value::as_array_mut) {
            list.push(value);
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

    /// The fields that the vendor's API knows.
    pub fn wire(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_'))
    }

    /// These fields as an object, with further ones.
    pub fn with(&self, further: Value) -> Value {
        with(self.wire().map(|(name, value)| (name.clone(), value.clone())).collect(), further)
    }
}

/// All rows of an account.
#[derive(Debug)]
pub struct Store<K> {
    tables: BTreeMap<K, BTreeMap<u64, Row>>,
    /// Table and id of what is referred to, and the table of what refers to it.
    referring: BTreeMap<(K, u64, K), BTreeSet<u64>>,
    empty: BTreeMap<u64, Row>,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self { tables: BTreeMap::new(), referring: BTreeMap::new(), empty: BTreeMap::new() }
    }
}

impl<K: Kind> Store<K> {
    /// The rows of a table by id.
    pub fn rows(&self, table: K) -> &BTreeMap<u64, Row> {
        self.tables.get(&table).unwrap_or(&self.empty)
    }

    pub fn row(&self, table: K, id: u64) -> Option<&Row> {
        self.rows(table).get(&id)
    }

    /// The row that a field of this row refers to.
    pub fn parent(&self, row: &Row, field: &str, table: K) -> Option<&Row> {
        row.number(field).and_then(|id| self.row(table, id))
    }

    /// Adds a row, or puts it in the place of one with its id.
    pub fn put(&mut self, table: K, row: Row) {
        self.remove(table, row.id);
        self.link(table, &row);
        self.tables.entry(table).or_default().insert(row.id, row);
    }

    /// Takes a row out.
    pub fn remove(&mut self, table: K, id: u64) -> Option<Row> {
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

    /// Works on a row without a stamp; no field that refers to another row may change.
    pub fn row_mut(&mut self, table: K, id: u64) -> Option<&mut Row> {
        self.tables.get_mut(&table)?.get_mut(&id)
    }

    fn link(&mut self, table: K, row: &Row) {
        for (field, parent) in table.parents() {
            for referred in row.references(field) {
                self.referring.entry((*parent, referred, table)).or_default().insert(row.id);
            }
        }
    }

    /// The ids of the rows of `table` that refer to this one, lowest first.
    pub fn of(&self, parent: K, id: u64, table: K) -> Vec<u64> {
        self.referring.get(&(parent, id, table)).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// The rows of `table` that refer to this one, lowest id first.
    pub fn children(&self, parent: K, id: u64, table: K) -> impl DoubleEndedIterator<Item = &Row> {
        self.of(parent, id, table).into_iter().filter_map(move |id| self.row(table, id))
    }

    /// Takes out all rows of these tables that refer to this one.
    pub fn remove_children(&mut self, parent: K, id: u64, tables: &[K]) {
        for table in tables {
            for child in self.of(parent, id, *table) {
                self.remove(*table, child);
            }
        }
    }

    /// Whether a row of `table` refers to this one.
    pub fn has(&self, parent: K, id: u64, table: K) -> bool {
        self.referring.contains_key(&(parent, id, table))
    }

    /// Any row; of a long table one that follows a random id, which takes no walk through it.
    pub fn pick(&self, table: K, chance: &mut Chance) -> Option<&Row> {
        let rows = self.rows(table);
        if rows.len() <= SHORT {
            return rows.values().nth(chance.below(rows.len()));
        }
        let ((first, _), (last, _)) = (rows.first_key_value()?, rows.last_key_value()?);
        let from = first + chance.draw() % (last - first + 1);
        rows.range(from..).next().map(|(_, row)| row)
    }

    /// A row that is right for something, when some tries find one.
    pub fn pick_where(&self, table: K, chance: &mut Chance, right: impl Fn(&Row) -> bool) -> Option<&Row> {
        (0..12).find_map(|_| self.pick(table, chance).filter(|row| right(row)))
    }
}
