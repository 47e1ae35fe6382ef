//! One customer of Greenhouse as its world holds it.

use serde_json::Value;

use super::{
    seed,
    signature::{escape, new_event_id, sign},
    state::{State, spread},
    step, truth,
};
use crate::world::{self, Chance, Clock, Customer, Delivery, Locked, Truth};

pub type Account = Locked<State>;
pub type World = world::World<Account>;

impl Account {
    /// Ends all access tokens; refresh tokens and credentials stay.
    pub fn expire_tokens(&self) {
        self.state().vendor.gate.tokens.expire();
    }

    /// The customer authorizes the partner (again); answers the refresh token.
    pub fn authorize(&self) -> String {
        self.with(|state| state.vendor.gate.authorize(state.now_ms()))
    }

    /// Requests in each half minute, or no limit.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.state().vendor.gate.harvest.limit = limit;
    }
}

impl Customer for State {
    fn open(name: &str, clock: &Clock) -> Self {
        let mut state = Self::new(name, clock);
        state.in_the_past(1_000, |state| seed::organization(state, &mut Chance::new(spread(name))));
        state
    }

    fn grow(&mut self, chance: &mut Chance, objects: usize) {
        step::grow(self, chance, objects);
    }

    fn step(&mut self, chance: &mut Chance) -> String {
        world::state::step(self, chance, &step::CHANGES)
    }

    fn truth(&self) -> Truth {
        truth::truth(self)
    }

    fn deliveries(&mut self, secret: &str) -> Vec<Delivery> {
        let events: Vec<Value> = self.events.drain(..).collect();
        let signed = events.iter().map(|event| {
            self.vendor.delivered += 1;
            let id = new_event_id(&format!("{}/{}/{}", self.name, self.vendor.delivered, self.now_ms()));
            let body = escape(event);
            let signature = sign(secret, body.as_bytes());
            Delivery::json(&[("signature", signature), ("greenhouse-event-id", id)], body)
        });
        signed.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicI64};

    use serde_json::json;

    use super::*;
    use crate::greenhouse::table::Table;

    #[test]
    fn stamps_increase_while_the_clock_is_still() {
        let now = 1_790_000_000_000;
        let mut state = State::open("acme", &Clock::manual(Arc::new(AtomicI64::new(now))));
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
