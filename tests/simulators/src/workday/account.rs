//! The tenants as accounts of the world.

use super::{
    steps,
    tenant::{State, Tenant},
    truth::truth,
};
use crate::world::{self, Chance, Clock, Customer, Truth};

/// What a new tenant has, entered up to a month ago.
const FIRST_OBJECTS: usize = 30;
const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

pub type World = world::World<Tenant>;

impl Customer for State {
    fn open(name: &str, clock: &Clock) -> Self {
        let mut state = Self::new(name, clock);
        steps::grow(&mut state, &mut Chance::of_name(name), FIRST_OBJECTS, clock.now_ms() - MONTH_MS);
        state
    }

    fn grow(&mut self, chance: &mut Chance, objects: usize) {
        let until = self.now_ms();
        steps::grow(self, chance, objects, until);
    }

    fn step(&mut self, chance: &mut Chance) -> String {
        world::state::step(self, chance, &steps::CHANGES)
    }

    fn truth(&self) -> Truth {
        truth(self)
    }
}
