//! What one account holds: its rows, its gate and the events that webhooks will report.

use serde_json::{Value, json};

use super::{gate::Gate, table::Table};
use crate::world::{self, Clock, state::Vendor};

/// What an account has beyond its rows.
#[derive(Debug)]
pub struct Greenhouse {
    /// The number of the organisation.
    organization: u64,
    pub gate: Gate,
    /// How many webhooks were signed.
    pub delivered: u64,
}

impl Vendor for Greenhouse {
    type Table = Table;
    type Event = Value;
}

pub type State = world::state::State<Greenhouse>;

/// A number of a name, for ids that differ between accounts.
pub fn spread(name: &str) -> u64 {
    name.bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 997)
}

impl State {
    /// An account without a row.
    pub fn new(name: &str, clock: &Clock) -> Self {
        let (number, gate) = (spread(name), Gate::new(name, clock.now_ms()));
        let vendor = Greenhouse { organization: 4_000_000 + number, gate, delivered: 0 };
        Self::empty((name, clock), 4_000_000_000 + number * 10_000_000, vendor)
    }

    /// Keeps an event for the webhooks, with what there is now.
    pub fn record_event(&mut self, action: &str, payload: impl FnOnce(&Self) -> Value) {
        self.record(|state| {
            json!({
                "action": action, "payload": payload(state), "organization_id": state.vendor.organization,
                "organization_name": state.name,
            })
        });
    }
}
