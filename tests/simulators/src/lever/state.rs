//! The state of one account, and how it changes. Every change stamps what the API says is stamped, and records what webhooks report.

use serde_json::{Value, json};

use super::{
    gate::Gate,
    seed::{HIRED, REASONS, STAGES},
    table::{Row, Table},
};
use crate::{
    wire::{given, with},
    world::{self, Chance, Clock, state::Vendor},
};

/// Odd factors modulo 2^48 that undo each other: the end of an id, which looks like chance, is a number times the first.
const SCATTER: (u64, u64) = (0x9e37_79b9_7f4b, 0x393d_ee21_9263);
const END_MASK: u64 = (1 << 48) - 1;

/// Something that webhooks report.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub at: i64,
    /// The origin of the opportunity; webhooks may ask for some origins only.
    pub origin: Option<String>,
    pub token: String,
    pub data: Value,
}

/// Something that was deleted, and when.
#[derive(Debug)]
pub struct Tombstone {
    pub table: Table,
    pub at: i64,
    pub row: Row,
}

/// What an account has beyond its rows.
#[derive(Debug)]
pub struct Lever {
    seed: u64,
    pub gate: Gate,
    /// Whether a client has read; only before that may things be made that have happened long ago.
    pub served: bool,
    /// What was deleted, oldest first.
    pub deleted: Vec<Tombstone>,
    /// Token, time and signature of the last delivery that was sent.
    pub last_sent: Option<(String, i64, String)>,
}

impl Vendor for Lever {
    type Table = Table;
    type Event = Event;
}

pub type State = world::state::State<Lever>;
impl State {
    /// An account without a row.
    pub fn new(name: &str, clock: &Clock) -> Self {
        let (seed, gate) = (Chance::of_name(name).draw(), Gate::new(name, clock.now_ms()));
        let vendor = Lever { seed, gate, served: false, deleted: Vec::new(), last_sent: None };
        Self::empty((name, clock), 0, vendor)
    }

    /// So many hex digits, which no other thing has.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut chance = Chance::new(self.vendor.seed ^ self.number());
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", chance.draw()));
        }
        text.truncate(digits);
        text
    }

    /// The id of the object with this number.
    pub fn uuid(&self, number: u64) -> String {
        let mut chance = Chance::new(self.vendor.seed.wrapping_add(number));
        let (start, end) = (chance.draw(), number.wrapping_add(self.vendor.seed).wrapping_mul(SCATTER.0) & END_MASK);
        let part = |shift: u32, mask: u64| (start >> shift) & mask;
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{end:012x}",
            start >> 32,
            part(16, 0xffff),
            part(8, 0xfff),
            part(0, 0xfff)
        )
    }

    /// An id that no other object has.
    pub fn fresh_id(&mut self) -> String {
        let number = self.number();
        self.uuid(number)
    }

    /// The number of the object with this id; 0, which no object has, when it is not one of this account.
    pub fn number_of(&self, id: &str) -> u64 {
        let end = id.get(24..).and_then(|end| u64::from_str_radix(end, 16).ok()).unwrap_or_default();
        let number = end.wrapping_mul(SCATTER.1).wrapping_sub(self.vendor.seed) & END_MASK;
        if self.uuid(number) == id { number } else { 0 }
    }

    /// The row of this table with this id.
    pub fn find(&self, table: Table, id: &str) -> Option<&Row> {
        self.store.row(table, self.number_of(id))
    }

    /// The rows of a table that are parts of an opportunity, oldest first.
    pub fn parts(&self, opportunity: u64, table: Table) -> impl DoubleEndedIterator<Item = &Row> {
        self.store.children(Table::Opportunities, opportunity, table)
    }

    /// The event of the change that was made last.
    fn record_event(&mut self, name: &'static str, origin: Option<String>, data: Value) {
        self.record(|state| Event { name, at: state.last_ms(), origin, token: state.hex(48), data });
    }

    /// An event of an opportunity; `further` are the fields beyond those that all of them have.
    fn record_of(&mut self, name: &'static str, id: u64, further: Value) {
        let Some(of) = self.store.row(Table::Opportunities, id) else { return };
        let (uuid, origin) = (self.uuid(id), of.text("origin").map(str::to_owned));
        let data = json!({"opportunityId": uuid, "candidateId": uuid, "contactId": of.get("contact")});
        self.record_event(name, origin, with(data, further));
    }

    pub fn add_user(&mut self, name: &str) -> u64 {
        let username = format!("user.{}", self.number());
        let email = format!("{username}@{}.example", self.name);
        self.add(Table::Users, json!({"name": name, "username": username, "email": email}))
    }

    /// Takes a row out, which stays known as deleted.
    fn delete(&mut self, table: Table, id: u64) -> bool {
        let Some(row) = self.store.remove(table, id) else { return false };
        let at = self.stamp();
        self.vendor.deleted.push(Tombstone { table, at, row });
        true
    }

    /// Whether it was deleted: one with applications is not.
    pub fn delete_posting(&mut self, id: u64) -> bool {
        !self.store.has(Table::Postings, id, Table::Applications) && self.delete(Table::Postings, id)
    }

    /// The person with this address.
    pub fn contact_of(&self, email: &str) -> Option<u64> {
        let has = |row: &&Row| row.texts("emails").any(|known| known.eq_ignore_ascii_case(email));
        self.store.rows(Table::Contacts).values().find(has).map(|row| row.id)
    }

    pub fn add_contact(&mut self, fields: Value) -> u64 {
        let id = self.add(Table::Contacts, fields);
        self.record_event("contactCreated", None, json!({"contactId": self.uuid(id)}));
        id
    }

    /// Changes a person, which moves `updatedAt` of all opportunities that show it.
    pub fn change_contact(&mut self, id: u64, fields: Value) {
        if self.set(Table::Contacts, id, fields) {
            for opportunity in self.store.of(Table::Contacts, id, Table::Opportunities) {
                self.touch(opportunity, |_| {});
            }
            self.record_event("contactUpdated", None, json!({"contactId": self.uuid(id)}));
        }
    }

    /// All opportunities of the one contact go over to the other.
    pub fn merge_contacts(&mut self, from: u64, into: u64) -> bool {
        if from == into || self.store.row(Table::Contacts, into).is_none() {
            return false;
        }
        let Some(gone) = self.store.remove(Table::Contacts, from) else { return false };
        let contact = json!({"contact": self.uuid(into), "_contact": into});
        for id in self.store.of(Table::Contacts, from, Table::Opportunities) {
            self.set(Table::Opportunities, id, contact.clone());
        }
        let left = self.store.row(Table::Contacts, into);
        let emails: Vec<&str> = left.into_iter().chain([&gone]).flat_map(|row| row.texts("emails")).collect();
        self.change_contact(into, json!({"emails": emails}));
        true
    }

    /// A change of an opportunity that moves its `updatedAt`; false when there is none.
    fn touch(&mut self, id: u64, work: impl FnOnce(&mut Row)) -> bool {
        self.change(Table::Opportunities, id, |row| {
            row.set("_unstamped", false);
            work(row);
        })
    }

    /// Adds an opportunity of a person with these fields.
    pub fn add_opportunity(&mut self, contact: u64, fields: Value) -> u64 {
        let id =
            self.add(Table::Opportunities, with(fields, json!({"contact": self.uuid(contact), "_contact": contact})));
        // What is made is not changed: the first stage has the time of the opportunity.
        let past = self.is_past();
        if let Some(row) = self.store.row_mut(Table::Opportunities, id) {
            // Of what happened long ago it is not known who did it.
            let user = (!past).then(|| row.get("owner").clone());
            enter(row, user);
        }
        id
    }

    /// Adds the application of an opportunity for a posting; an opportunity has one at most.
    pub fn add_application(&mut self, id: u64, posting: u64, fields: Value) -> String {
        self.touch(id, |_| {});
        let uuid = self.uuid(id);
        let ends = json!({
            "opportunityId": uuid, "candidateId": uuid, "_opportunity": id, "posting": self.uuid(posting), "_posting": posting,
        });
        let application = self.add(Table::Applications, with(fields, ends));
        let application = self.uuid(application);
        self.record_of("applicationCreated", id, json!({"applicationId": application}));
        application
    }

    /// Deletes the application of an opportunity.
    pub fn delete_application(&mut self, id: u64) -> bool {
        let application = self.store.of(Table::Opportunities, id, Table::Applications).first().copied();
        let deleted = application.is_some_and(|application| self.delete(Table::Applications, application));
        deleted && self.touch(id, |_| {})
    }

    pub fn delete_opportunity(&mut self, id: u64) -> bool {
        let Some(of) = self.store.row(Table::Opportunities, id) else { return false };
        let by = json!({"deletedBy": of.get("owner")});
        self.stamp();
        self.record_of("candidateDeleted", id, by);
        self.store.remove_children(Table::Opportunities, id, &[Table::Interviews, Table::Offers, Table::Notes]);
        for application in self.store.of(Table::Opportunities, id, Table::Applications) {
            self.delete(Table::Applications, application);
        }
        self.delete(Table::Opportunities, id)
    }

    /// Moves an opportunity to the stage with this number, in the name of a user or of its owner.
    pub fn move_stage(&mut self, id: u64, stage: usize, user: Option<String>) -> bool {
        let from = self.store.row(Table::Opportunities, id).map(|row| row.get("stage").clone());
        let to = STAGES.get(stage).map(|(id, _)| *id);
        let moved = self.touch(id, |row| {
            row.set("stage", to);
            let user = user.map_or_else(|| row.get("owner").clone(), Value::String);
            enter(row, Some(user));
        });
        self.record_of("candidateStageChange", id, json!({"toStageId": to, "fromStageId": from}));
        moved
    }

    /// Archives with the reason of this number, or with none the opposite.
    pub fn archive(&mut self, id: u64, reason: Option<usize>) -> bool {
        let from = self.store.row(Table::Opportunities, id).map(|row| row.get("archived").clone());
        let mut to = Value::Null;
        let done = self.touch(id, |row| {
            let at = row.updated;
            let reason = reason.and_then(|reason| REASONS.get(reason));
            to = reason.map_or(Value::Null, |(id, ..)| json!({"reason": id, "archivedAt": at}));
            row.merge(json!({"archived": to, "lastAdvancedAt": at, "lastInteractionAt": at}));
        });
        self.record_of("candidateArchiveChange", id, json!({"toArchived": to, "fromArchived": from}));
        if reason == Some(HIRED) {
            self.record_of("candidateHired", id, json!({}));
        }
        done
    }

    /// Adds a part of an opportunity, which does not move its `updatedAt`.
    pub fn add_part(&mut self, table: Table, id: u64, fields: Value) -> u64 {
        self.add(table, with(fields, json!({"_opportunity": id})))
    }

    pub fn add_interview(&mut self, id: u64, fields: Value) -> u64 {
        let interview = self.add_part(Table::Interviews, id, fields);
        self.record_of("interviewCreated", id, json!({"interviewId": self.uuid(interview)}));
        interview
    }

    /// Changes an interview, which does not move `updatedAt` either.
    pub fn change_interview(&mut self, interview: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Interviews, interview, work);
        let id = self.store.row(Table::Interviews, interview).and_then(|row| row.number("_opportunity"));
        self.record_of("interviewUpdated", id.unwrap_or_default(), json!({"interviewId": self.uuid(interview)}));
    }

    pub fn delete_interview(&mut self, interview: u64) -> bool {
        let Some(row) = self.store.remove(Table::Interviews, interview) else { return false };
        self.stamp();
        let id = row.number("_opportunity").unwrap_or_default();
        self.record_of("interviewDeleted", id, json!({"interviewId": self.uuid(interview)}));
        true
    }
}

/// Notes that an opportunity entered its stage at the time of its last change.
fn enter(row: &mut Row, user: Option<Value>) {
    let (at, stage) = (row.updated, row.get("stage").clone());
    let index = STAGES.iter().position(|(id, _)| stage == *id);
    let change = json!({"toStageId": stage, "toStageIndex": index, "updatedAt": at});
    row.push("stageChanges", with(change, given("userId", user)));
    row.merge(json!({"lastAdvancedAt": at, "lastInteractionAt": at}));
}
