//! The state of one account of any ATS: its rows, the stamps of their changes, and the events that webhooks are made of.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    Chance, Clock, Stamps,
    store::{Kind, Row, Store},
};

/// Events that wait for delivery at most; the oldest of more are dropped.
const EVENTS_MAX: usize = 50_000;
/// How long before its first use an account began.
const AGE_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// What one vendor adds to the state of an account.
pub trait Vendor: Send + 'static {
    type Table: Kind;
    /// Something that webhooks report.
    type Event: Send;
}

/// The rows of an account and what happened to them.
#[derive(Debug)]
pub struct State<V: Vendor> {
    pub store: Store<V::Table>,
    pub name: String,
    pub vendor: V,
    pub events: VecDeque<V::Event>,
    clock: Clock,
    next_id: u64,
    stamps: Stamps,
    /// Milliseconds between two stamps of the past; none when stamps are now.
    pace: Option<i64>,
}

impl<V: Vendor> State<V> {
    /// An account without a row, whose ids are counted from after this one.
    pub fn empty((name, clock): (&str, &Clock), last_id: u64, vendor: V) -> Self {
        Self {
            store: Store::default(),
            name: name.to_owned(),
            vendor,
            events: VecDeque::new(),
            clock: clock.clone(),
            next_id: last_id,
            stamps: Stamps { last: clock.now_ms() - AGE_MS },
            pace: None,
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The time of the last change.
    pub const fn last_ms(&self) -> i64 {
        self.stamps.last
    }

    /// The time that is written at a row: always later than the one before.
    pub fn stamp(&mut self) -> i64 {
        // A pace leads from the last stamp to one that is still in the past.
        let at = self.pace.map_or_else(|| self.now_ms(), |pace| self.stamps.last + pace);
        self.stamps.next(at)
    }

    /// Does what writes about so many stamps as if it had happened between the last change and now, with no webhooks.
    pub fn in_the_past(&mut self, stamps: usize, work: impl FnOnce(&mut Self)) {
        let stamps = i64::try_from(stamps).unwrap_or(i64::MAX).max(1);
        // Half of the time is left for what comes later.
        self.pace = Some(((self.now_ms() - self.stamps.last) / stamps / 2).max(1));
        work(self);
        self.pace = None;
    }

    /// Whether changes are made as if they had happened long ago.
    pub const fn is_past(&self) -> bool {
        self.pace.is_some()
    }

    /// A number that no other thing of this account has.
    pub const fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds a row and answers its id.
    pub fn add(&mut self, table: V::Table, fields: Value) -> u64 {
        let id = self.number();
        self.add_as(id, table, fields)
    }

    /// Adds a row with an id of the caller's choice.
    pub fn add_as(&mut self, id: u64, table: V::Table, fields: Value) -> u64 {
        let mut row = Row::new(table, id, fields);
        row.created = self.stamp();
        row.updated = row.created;
        self.store.put(table, row);
        id
    }

    /// Changes a row, which is stamped before; false when there is none.
    pub fn change(&mut self, table: V::Table, id: u64, work: impl FnOnce(&mut Row)) -> bool {
        let Some(mut row) = self.store.remove(table, id) else { return false };
        row.updated = self.stamp();
        work(&mut row);
        self.store.put(table, row);
        true
    }

    /// Sets fields of a row and stamps it; false when there is none.
    pub fn set(&mut self, table: V::Table, id: u64, fields: Value) -> bool {
        self.change(table, id, |row| row.merge(fields))
    }

    /// Keeps an event for the webhooks, with what there is now.
    pub fn record(&mut self, event: impl FnOnce(&mut Self) -> V::Event) {
        if self.pace.is_none() {
            let event = event(self);
            if self.events.len() == EVENTS_MAX {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
    }

    /// The id of any row of a table.
    pub fn any(&self, table: V::Table, chance: &mut Chance) -> Option<u64> {
        self.store.pick(table, chance).map(|row| row.id)
    }

    /// Does this with any row; answers its id when it was done.
    pub fn with_any(&mut self, table: V::Table, chance: &mut Chance, act: fn(&mut Self, u64) -> bool) -> Option<u64> {
        let id = self.any(table, chance)?;
        act(self, id).then_some(id)
    }

    /// The id of a row that is right for something, when some tries find one.
    pub fn any_where(&self, table: V::Table, chance: &mut Chance, right: impl Fn(&Row) -> bool) -> Option<u64> {
        self.store.pick_where(table, chance, right).map(|row| row.id)
    }
}

/// Tries one kind of change; answers the number of what it changed, or none when there was nothing to do it with.
pub type Change<S> = fn(&mut S, &mut Chance) -> Option<u64>;

/// Makes a change of this table by its weight, and says which; what cannot be done gives way to the first ones of the table.
pub fn step<S>(state: &mut S, chance: &mut Chance, changes: &[(usize, (&str, Change<S>))]) -> String {
    let drawn = chance.weighted(changes).into_iter();
    let others = changes.iter().map(|(_, change)| change);
    let done = drawn.chain(others).find_map(|(what, change)| Some(format!("{what} {}", change(state, chance)?)));
    done.unwrap_or_default()
}

/// Does each of these in so many of a hundred cases.
pub fn happen<S>(state: &mut S, chance: &mut Chance, changes: &[(usize, Change<S>)]) {
    for (percent, change) in changes {
        if chance.percent(*percent) {
            change(state, chance);
        }
    }
}
