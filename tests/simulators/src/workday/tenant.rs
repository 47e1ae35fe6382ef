//! One tenant: its objects with their versions, its time stamps and its indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::data::{self, Application, Objects, Person, Requisition, STAGES, STATUSES, Term, wid};
use super::gate::Gate;
use crate::world::{Clock, Locked, Stamps};

/// An object that has a WID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    Requisition(u64),
    Person(u64),
    /// By its number and its person's.
    Application {
        person: u64,
        number: u64,
    },
}

pub type Tenant = Locked<State>;

/// What changes in a tenant.
#[derive(Debug)]
pub struct State {
    pub name: String,
    pub requisitions: Objects<Requisition>,
    pub people: Objects<Person>,
    /// Who applied to a requisition at any time.
    pub applicants: BTreeMap<u64, BTreeSet<u64>>,
    pub gate: Gate,
    /// How long a report takes.
    pub report_delay_ms: u64,
    /// Whether references are sent with descriptors; without them only ids name things.
    pub descriptors: bool,
    clock: Clock,
    wids: BTreeMap<String, Object>,
    last_number: u64,
    stamps: Stamps,
}

impl State {
    /// A tenant without anything in it.
    pub fn new(name: &str, clock: &Clock) -> Self {
        Self {
            name: name.to_owned(),
            requisitions: Objects::default(),
            people: Objects::default(),
            applicants: BTreeMap::new(),
            gate: Gate::new(name),
            report_delay_ms: 0,
            descriptors: true,
            clock: clock.clone(),
            wids: BTreeMap::new(),
            last_number: 0,
            stamps: Stamps::default(),
        }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The time of the next change: later than every other one, and than every time that a client was told.
    pub fn stamp(&mut self) -> i64 {
        self.stamp_after(self.now_ms())
    }

    /// The time of a change at this time or as soon as possible.
    pub fn stamp_after(&mut self, ms: i64) -> i64 {
        self.stamps.next(ms)
    }

    /// Now, for a client: what was entered by then does not change any more.
    pub fn settled_now(&mut self) -> i64 {
        self.stamps.last = self.now_ms().max(self.stamps.last);
        self.stamps.last
    }

    /// The time of the last change, or of the last time that was told.
    pub fn last_ms(&self) -> i64 {
        self.stamps.last
    }

    /// A number that no other object has.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The WID of a requisition.
    pub fn requisition_wid(&self, number: u64) -> String {
        wid(&self.name, "requisition", &number.to_string())
    }

    /// The WID of a candidate.
    pub fn person_wid(&self, number: u64) -> String {
        wid(&self.name, "candidate", &number.to_string())
    }

    /// The WID of an application.
    pub fn application_wid(&self, number: u64) -> String {
        wid(&self.name, "application", &number.to_string())
    }

    /// The WID of a member of a list.
    pub fn term_wid(&self, kind: &str, term: &Term) -> String {
        wid(&self.name, kind, term.id)
    }

    /// What a client can call a member of a list.
    pub fn named(&self, term: &'static Term) -> &'static str {
        if self.descriptors { term.name } else { term.id }
    }

    /// The member of a list that a reference means.
    pub fn term(&self, list: &'static [Term], kind: &str, (id_type, id): (&str, &str)) -> Option<&'static Term> {
        if id_type == "WID" { list.iter().find(|term| self.term_wid(kind, term) == id) } else { data::of(list, id) }
    }

    /// The object that an id of a type means, whether or not it is still there.
    pub fn object(&self, id_type: &str, id: &str) -> Option<Object> {
        let number = |prefix: &str| id.strip_prefix(prefix).and_then(|number| number.parse::<u64>().ok());
        match id_type {
            "WID" => self.wids.get(id).copied(),
            "Job_Requisition_ID" => self.wids.get(&self.requisition_wid(number("R-")?)).copied(),
            "Job_Application_ID" => self.wids.get(&self.application_wid(number("JOB_APPLICATION-6-")?)).copied(),
            "Candidate_ID" => {
                self.people.all().find(|person| person.id == id).map(|person| Object::Person(person.number))
            }
            _ => None,
        }
    }

    /// Enters a requisition: a new one, or a change of one.
    pub fn put_requisition(&mut self, at: i64, requisition: Requisition) {
        let number = requisition.number;
        self.wids.insert(self.requisition_wid(number), Object::Requisition(number));
        self.requisitions.put(at, number, requisition);
    }

    /// Enters a candidate: a new one, or a change of one.
    pub fn put_person(&mut self, at: i64, mut person: Person) {
        person.touched = at;
        let number = person.number;
        for application in &person.applications {
            self.applicants.entry(application.requisition).or_default().insert(number);
            let wid = self.application_wid(application.number);
            self.wids.insert(wid, Object::Application { person: number, number: application.number });
        }
        self.wids.insert(self.person_wid(number), Object::Person(number));
        self.people.put(at, number, person);
    }

    /// A requisition as it is now.
    pub fn requisition(&self, number: u64) -> Option<&Arc<Requisition>> {
        self.requisitions.now(number)
    }

    /// A candidate as it is now.
    pub fn person(&self, number: u64) -> Option<&Arc<Person>> {
        self.people.now(number)
    }

    /// An application as it is now, with its person.
    pub fn application(&self, person: u64, number: u64) -> Option<(&Arc<Person>, &Application)> {
        let person = self.person(person)?;
        person.applications.iter().find(|application| application.number == number).map(|found| (person, found))
    }

    /// Changes an application, and tells the time of the change.
    pub fn change_application(&mut self, at: i64, (person, number): (u64, u64), change: impl FnOnce(&mut Application)) {
        let Some(mut person) = self.person(person).map(|person| Person::clone(person)) else { return };
        if let Some(application) = person.applications.iter_mut().find(|application| application.number == number) {
            change(application);
            application.moved = at;
            self.put_person(at, person);
        }
    }

    /// A person's new application at the first stage.
    pub fn apply(&mut self, at: i64, person: &mut Person, requisition: u64, source: &'static Term) -> u64 {
        let number = self.number();
        let [stage, ..] = &STAGES;
        person.applications.push(Application {
            number,
            requisition,
            applied: at,
            stage,
            disposition: None,
            source,
            moved: at,
        });
        number
    }

    /// Whether a requisition takes applications.
    pub fn takes_applications(&self, number: u64) -> bool {
        let [_, open, ..] = &STATUSES;
        self.requisition(number).is_some_and(|requisition| requisition.status == open)
    }
}
