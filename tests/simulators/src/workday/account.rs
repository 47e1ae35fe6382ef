//! The tenants as accounts of the world.

use super::{steps, tenant::Tenant, truth::truth};
use crate::world::{self, Account, Chance, Clock, Truth};

/// What a new tenant has, entered up to a month ago.
const FIRST_OBJECTS: usize = 30;
const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

pub type World = world::World<Tenant>;

impl Account for Tenant {
    fn open(name: &str, clock: &Clock) -> Self {
        let tenant = Self::new(name, clock.clone());
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        steps::grow(&mut tenant.state(), &mut Chance::new(seed), FIRST_OBJECTS, clock.now_ms() - MONTH_MS);
        tenant
    }

    fn grow(&self, chance: &mut Chance, objects: usize) {
        let until = self.clock.now_ms();
        steps::grow(&mut self.state(), chance, objects, until);
    }

    fn step(&self, chance: &mut Chance) -> String {
        let state = &mut *self.state();
        let at = state.stamp(self.clock.now_ms());
        steps::step(state, chance, at)
    }

    fn truth(&self) -> Truth {
        truth(&self.state())
    }
}
