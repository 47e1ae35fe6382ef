//! One customer of Lever as its world holds it.

use super::{
    hook, life,
    state::{Event, State},
    truth,
};
use crate::world::{self, Chance, Clock, Customer, Delivery, Locked, Truth};

pub type Company = Locked<State>;
pub type World = world::World<Company>;

impl Company {
    /// Requests a second and at once for this account from now on, initially 10 and 20; none is no limit.
    pub fn set_limit(&self, limit: Option<(u32, u32)>) {
        self.with(|state| state.vendor.gate.set_limit(limit, state.now_ms()));
    }

    /// Ends all access tokens now.
    pub fn expire_tokens(&self) {
        self.state().vendor.gate.tokens.expire();
    }

    /// A person authorises the application again; gives the refresh token.
    pub fn authorise(&self) -> String {
        self.state().vendor.gate.authorise()
    }

    /// How many events wait for delivery.
    pub fn pending(&self) -> usize {
        self.state().events.len()
    }
}

impl Customer for State {
    /// A customer with three users and nothing else.
    fn open(name: &str, clock: &Clock) -> Self {
        let mut state = Self::new(name, clock);
        state.in_the_past(100, |state| {
            for user in ["Robin Recruiter", "Sasha Sourcer", "Harper Hiring-Manager"] {
                state.add_user(user);
            }
        });
        state
    }

    fn grow(&mut self, chance: &mut Chance, objects: usize) {
        life::grow(self, chance, objects);
    }

    fn step(&mut self, chance: &mut Chance) -> String {
        world::state::step(self, chance, &life::CHANGES)
    }

    fn truth(&self) -> Truth {
        truth::truth(self)
    }

    fn deliveries(&mut self, secret: &str) -> Vec<Delivery> {
        let events = self.events.drain(..);
        let signed = events.map(|Event { name, at, token, data, .. }| {
            let signature = hook::sign(secret, &token, at);
            hook::delivery(name, &data, at, Some((&token, &signature)))
        });
        signed.collect()
    }
}
