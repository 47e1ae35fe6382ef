//! The state of one account, and how it changes. Every change stamps what the API says is stamped, and tells what webhooks tell.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::{
    gate::Gate,
    model::{Application, Archived, Contact, Event, Gone, Hook, Opportunity, Posting, StageChange, User},
    seed::{HIRED, REASONS, STAGES},
    table::Table,
};
use crate::{
    wire::with,
    world::{Chance, Clock, Stamps},
};

/// Events that wait for delivery at most; the oldest are dropped.
const EVENTS_MAX: usize = 50_000;

pub struct State {
    pub name: String,
    clock: Clock,
    seed: u64,
    count: u64,
    stamps: Stamps,
    pub users: Table<User>,
    pub postings: Table<Posting>,
    pub opportunities: Table<Opportunity>,
    pub contacts: HashMap<String, Contact>,
    by_email: HashMap<String, String>,
    pub deleted_opportunities: Vec<Gone>,
    pub deleted_postings: Vec<Gone>,
    pub deleted_applications: Vec<Gone>,
    pub events: VecDeque<Event>,
    pub hooks: Vec<Hook>,
    pub gate: Gate,
    /// Whether a client has read; only before that may things be made that have happened long ago.
    pub served: bool,
    /// Token, time and signature of the last delivery that was sent.
    pub last_sent: Option<(String, i64, String)>,
}

impl State {
    /// A customer with three users and nothing else.
    pub fn new(name: &str, clock: Clock) -> Self {
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let now = clock.now_ms();
        let mut state = Self {
            name: name.to_owned(),
            clock,
            seed,
            count: 0,
            stamps: Stamps::default(),
            users: Table::default(),
            postings: Table::default(),
            opportunities: Table::default(),
            contacts: HashMap::new(),
            by_email: HashMap::new(),
            deleted_opportunities: Vec::new(),
            deleted_postings: Vec::new(),
            deleted_applications: Vec::new(),
            events: VecDeque::new(),
            hooks: Vec::new(),
            gate: Gate::new(name, now),
            served: false,
            last_sent: None,
        };
        for user in ["Robin Recruiter", "Sasha Sourcer", "Harper Hiring-Manager"] {
            state.add_user(user);
        }
        state
    }

    pub fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A number that no other thing of this account has.
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// So many hex digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let number = self.number();
        let mut chance = Chance::new(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", chance.draw()));
        }
        text.truncate(digits);
        text
    }

    pub fn id(&mut self) -> String {
        let hex = self.hex(32);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// The time of a change: now, but later than that of every other change of this account.
    pub fn stamp(&mut self) -> i64 {
        let now = self.now();
        self.stamps.next(now)
    }

    fn tell(&mut self, name: &'static str, at: i64, origin: Option<&'static str>, data: Value) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        let token = self.hex(48);
        self.events.push_back(Event { name, at, origin, token, data });
    }

    /// An event of an opportunity; `further` are the fields beyond those that all of them have.
    pub(super) fn tell_of(&mut self, name: &'static str, at: i64, id: &str, further: Value) {
        let Some(of) = self.opportunities.get(id) else { return };
        let data = json!({"opportunityId": id, "candidateId": id, "contactId": of.contact});
        self.tell(name, at, Some(of.origin), with(data, further));
    }

    pub fn add_user(&mut self, name: &str) -> String {
        let (id, at, number) = (self.id(), self.stamp(), self.number());
        let email = format!("user.{number}@{}.example", self.name);
        let user = User { id: id.clone(), name: name.to_owned(), email, created: at, deactivated: None };
        self.users.insert(at, &id, user);
        id
    }

    /// The given posting gets an id and its times.
    pub fn add_posting(&mut self, posting: Posting, at: Option<i64>) -> String {
        let id = self.id();
        let at = at.unwrap_or_else(|| self.stamp());
        self.postings.insert(at, &id, Posting { id: id.clone(), created: at, updated: at, ..posting });
        id
    }

    pub fn change_posting(&mut self, id: &str, change: impl FnOnce(&mut Posting)) {
        let at = self.stamp();
        if let Some(posting) = self.postings.get_mut(id) {
            change(posting);
            posting.updated = at;
        }
    }

    /// Whether it was deleted: one with applications is not.
    pub fn delete_posting(&mut self, id: &str) -> bool {
        if self.postings.get(id).is_none_or(|posting| posting.applications > 0) {
            return false;
        }
        let at = self.stamp();
        self.postings.remove(id);
        self.deleted_postings.push(Gone { id: id.to_owned(), at, opportunity: None, posting: None });
        true
    }

    pub fn contact_of(&self, email: &str) -> Option<&Contact> {
        self.by_email.get(&email.to_lowercase()).and_then(|id| self.contacts.get(id))
    }

    /// The given contact gets an id; nobody is told when the time is in the past.
    pub fn add_contact(&mut self, contact: Contact, past: bool) -> String {
        let id = self.id();
        for email in &contact.emails {
            self.by_email.insert(email.to_lowercase(), id.clone());
        }
        self.contacts.insert(id.clone(), Contact { id: id.clone(), ..contact });
        if !past {
            let at = self.stamp();
            self.tell("contactCreated", at, None, json!({"contactId": id}));
        }
        id
    }

    pub fn change_contact(&mut self, id: &str, change: impl FnOnce(&mut Contact)) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        let before = contact.emails.clone();
        change(contact);
        let (after, opportunities) = (contact.emails.clone(), contact.opportunities.clone());
        for email in before {
            self.by_email.remove(&email.to_lowercase());
        }
        for email in after {
            self.by_email.insert(email.to_lowercase(), id.to_owned());
        }
        for opportunity in opportunities {
            self.touch(&opportunity);
        }
        let at = self.stamp();
        self.tell("contactUpdated", at, None, json!({"contactId": id}));
    }

    /// All opportunities of the one contact go over to the other.
    pub fn merge_contacts(&mut self, from: &str, into: &str) {
        if from == into || !self.contacts.contains_key(into) {
            return;
        }
        let Some(gone) = self.contacts.remove(from) else { return };
        for email in &gone.emails {
            self.by_email.insert(email.to_lowercase(), into.to_owned());
        }
        for id in &gone.opportunities {
            if let Some(opportunity) = self.opportunities.get_mut(id) {
                into.clone_into(&mut opportunity.contact);
            }
        }
        self.change_contact(into, |contact| {
            contact.emails.extend(gone.emails);
            contact.opportunities.extend(gone.opportunities);
        });
    }

    /// A change of an opportunity that moves its `updatedAt`; answers the time.
    pub fn touch(&mut self, id: &str) -> i64 {
        let at = self.stamp();
        if let Some(opportunity) = self.opportunities.get_mut(id) {
            opportunity.updated = Some(at);
        }
        at
    }

    /// The given opportunity gets an id; its times are those given when they are in the past.
    pub fn add_opportunity(&mut self, opportunity: Opportunity, past: bool) -> String {
        let id = self.id();
        let mut opportunity = Opportunity { id: id.clone(), ..opportunity };
        if !past {
            let at = self.stamp();
            let user = Some(opportunity.owner.clone());
            opportunity.stage_changes = vec![StageChange { stage: opportunity.stage, at, user }];
            (opportunity.created, opportunity.interacted, opportunity.advanced) = (at, at, at);
            opportunity.updated = Some(at);
        }
        for application in &opportunity.applications {
            if let Some(posting) = self.postings.get_mut(&application.posting) {
                posting.applications += 1;
            }
        }
        if let Some(contact) = self.contacts.get_mut(&opportunity.contact) {
            contact.opportunities.push(id.clone());
        }
        self.opportunities.insert(opportunity.created, &id, opportunity);
        id
    }

    /// Adds the application of an opportunity, which has one at most; it is made with its id and time.
    pub fn add_application(&mut self, id: &str, make: impl FnOnce(String, i64) -> Application) -> Option<String> {
        let application_id = self.id();
        let at = self.touch(id);
        let opportunity = self.opportunities.get_mut(id)?;
        let application = make(application_id.clone(), at);
        if let Some(posting) = self.postings.get_mut(&application.posting) {
            posting.applications += 1;
        }
        opportunity.applications.push(application);
        self.tell_of("applicationCreated", at, id, json!({"applicationId": application_id}));
        Some(application_id)
    }

    pub fn delete_application(&mut self, id: &str) -> bool {
        let Some(application) = self.opportunities.get_mut(id).and_then(|it| it.applications.pop()) else {
            return false;
        };
        let at = self.touch(id);
        self.gone_application(application, id, at);
        true
    }

    fn gone_application(&mut self, application: Application, opportunity: &str, at: i64) {
        if let Some(posting) = self.postings.get_mut(&application.posting) {
            posting.applications = posting.applications.saturating_sub(1);
        }
        let (opportunity, posting) = (Some(opportunity.to_owned()), Some(application.posting));
        self.deleted_applications.push(Gone { id: application.id, at, opportunity, posting });
    }

    pub fn delete_opportunity(&mut self, id: &str) -> bool {
        let at = self.stamp();
        let by = self.opportunities.get(id).map(|of| json!({"deletedBy": of.owner}));
        self.tell_of("candidateDeleted", at, id, by.unwrap_or_default());
        let Some(opportunity) = self.opportunities.remove(id) else { return false };
        for application in opportunity.applications {
            self.gone_application(application, id, at);
        }
        if let Some(contact) = self.contacts.get_mut(&opportunity.contact) {
            contact.opportunities.retain(|other| other != id);
        }
        self.deleted_opportunities.push(Gone { id: id.to_owned(), at, opportunity: None, posting: None });
        true
    }

    pub fn move_stage(&mut self, id: &str, stage: usize, user: Option<String>) -> bool {
        let at = self.touch(id);
        let Some(opportunity) = self.opportunities.get_mut(id) else { return false };
        let from = std::mem::replace(&mut opportunity.stage, stage);
        let user = user.unwrap_or_else(|| opportunity.owner.clone());
        opportunity.stage_changes.push(StageChange { stage, at, user: Some(user) });
        (opportunity.advanced, opportunity.interacted) = (at, at);
        let stage_id = |stage: usize| json!(STAGES.get(stage).map(|(id, _)| *id));
        let stages = json!({"toStageId": stage_id(stage), "fromStageId": stage_id(from)});
        self.tell_of("candidateStageChange", at, id, stages);
        true
    }

    /// Archives, or with no reason the opposite.
    pub fn archive(&mut self, id: &str, reason: Option<usize>) -> bool {
        let at = self.touch(id);
        let Some(opportunity) = self.opportunities.get_mut(id) else { return false };
        let to = reason.map(|reason| Archived { reason, at });
        let from = std::mem::replace(&mut opportunity.archived, to);
        (opportunity.advanced, opportunity.interacted) = (at, at);
        let ends = json!({"toArchived": archived(to), "fromArchived": archived(from)});
        self.tell_of("candidateArchiveChange", at, id, ends);
        if reason == Some(HIRED) {
            self.tell_of("candidateHired", at, id, json!({}));
        }
        true
    }
}

/// An end as the API shows it.
pub fn archived(archived: Option<Archived>) -> Value {
    archived.map_or(
        Value::Null,
        |Archived { reason, at }| json!({"reason": REASONS.get(reason).map(|reason| reason.0), "archivedAt": at}),
    )
}
