//! What one account holds: its rows, its clock's stamps and the events that webhooks will tell.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::table::{Row, Store, Table};
use crate::world::{Clock, Stamps};

/// Events kept until somebody asks for the deliveries; the oldest of more are lost.
const EVENTS_KEPT: usize = 10_000;
/// How long before its first use an account began.
const AGE_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// The rows of an account and what happened to them.
#[derive(Debug)]
pub struct State {
    pub store: Store,
    /// Name and number of the organisation.
    pub name: String,
    pub organization: u64,
    clock: Clock,
    next_id: u64,
    stamps: Stamps,
    /// Milliseconds between two stamps of the past; none when stamps are now.
    pace: Option<i64>,
    events: VecDeque<Value>,
}

/// A number of a name, for ids that differ between accounts.
pub fn spread(name: &str) -> u64 {
    name.bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 997)
}

impl State {
    /// An account without a row.
    pub fn empty(name: &str, clock: Clock) -> Self {
        Self {
            store: Store::default(),
            name: name.to_owned(),
            organization: 4_000_000 + spread(name),
            stamps: Stamps { last: clock.now_ms() - AGE_MS },
            clock,
            next_id: 4_000_000_000 + spread(name) * 10_000_000,
            pace: None,
            events: VecDeque::new(),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The time that is written at a row: always later than the one before.
    fn stamp(&mut self) -> i64 {
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

    /// Adds a row and answers its id.
    pub fn add(&mut self, table: Table, fields: Value) -> u64 {
        self.next_id += 1;
        self.add_as(self.next_id, table, fields)
    }

    /// Adds a row with an id of the caller's choice.
    pub fn add_as(&mut self, id: u64, table: Table, fields: Value) -> u64 {
        let mut row = Row::new(table, id, fields);
        row.created = self.stamp();
        row.updated = row.created;
        self.store.put(table, row);
        id
    }

    /// Changes a row and stamps it; false when there is none.
    pub fn change(&mut self, table: Table, id: u64, work: impl FnOnce(&mut Row)) -> bool {
        let Some(mut row) = self.store.remove(table, id) else { return false };
        work(&mut row);
        row.updated = self.stamp();
        self.store.put(table, row);
        true
    }

    /// Sets fields of a row and stamps it; false when there is none.
    pub fn set(&mut self, table: Table, id: u64, fields: Value) -> bool {
        self.change(table, id, |row| row.merge(fields))
    }

    /// Keeps an event for the webhooks, with what there is now.
    pub fn tell(&mut self, action: &str, payload: impl FnOnce(&Self) -> Value) {
        if self.pace.is_some() {
            return;
        }
        let payload = payload(self);
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(json!({
            "action": action,
            "payload": payload,
            "organization_id": self.organization,
            "organization_name": self.name,
        }));
    }

    /// The events since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicI64};

    use super::super::seed;
    use super::*;

    #[test]
    fn stamps_increase_while_the_clock_stands_and_the_past_stays_before_now() {
        let now = 1_790_000_000_000;
        let mut state = seed::account("acme", Clock::manual(Arc::new(AtomicI64::new(now))));
        let newest = |state: &State| {
            Table::ALL.iter().flat_map(|table| state.store.rows(*table).values()).map(|row| row.updated).max()
        };
        let seeded = newest(&state).unwrap_or_default();
        assert!(seeded < now);
        state.in_the_past(500, |state| {
            for _ in 0..500 {
                state.add(Table::Notes, json!({}));
            }
        });
        assert!(newest(&state).is_some_and(|stamp| seeded < stamp && stamp < now));
        let first = state.add(Table::Notes, json!({}));
        let second = state.add(Table::Notes, json!({}));
        let stamp = |id| state.store.row(Table::Notes, id).map(|row| row.updated);
        assert_eq!((stamp(first), stamp(second)), (Some(now), Some(now + 1)));
    }
}
