//! What a tenant has: requisitions and people with their applications, each with the versions that it had.

use std::{collections::BTreeMap, sync::Arc};

use crate::world::Chance;

/// For how long it is known what an object was: a read as of an earlier time is refused.
pub const HISTORY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A member of a list that each tenant has: an id of its own kind, and the descriptor.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    pub id: &'static str,
    pub name: &'static str,
}

const fn term(id: &'static str, name: &'static str) -> Term {
    Term { id, name }
}

/// States of a requisition; the first is that of a new one.
pub static STATUSES: [Term; 5] = [
    term("Draft", "Draft"),
    term("Open", "Open"),
    term("Frozen", "Frozen"),
    term("Filled", "Filled"),
    term("Closed", "Closed"),
];

/// Stages of an application, in their order; the last one is a hire.
pub static STAGES: [Term; 7] = [
    term("REVIEW", "Review"),
    term("SCREEN", "Screen"),
    term("INTERVIEW", "Interview"),
    term("OFFER", "Offer"),
    term("BACKGROUND_CHECK", "Background Check"),
    term("READY_FOR_HIRE", "Ready for Hire"),
    term("HIRE", "Hire"),
];

/// Why an application ended without a hire.
pub static DISPOSITIONS: [Term; 4] = [
    term("EXPERIENCE_SKILLS", "Experience/Skills"),
    term("OFFER_DECLINED", "Candidate Declined Offer"),
    term("POSITION_FILLED", "Position Filled"),
    term("NO_SHOW", "No Show & No Reply"),
];

/// Where people come from.
pub static SOURCES: [Term; 4] = [
    term("CAREER_SITE", "Career Site"),
    term("REFERRAL", "Employee Referral"),
    term("LINKEDIN", "LinkedIn"),
    term("AGENCY", "Agency"),
];

pub static DEPARTMENTS: [Term; 5] = [
    term("SUP_ENGINEERING", "Engineering"),
    term("SUP_RD", "Research & Development"),
    term("SUP_SALES", "Sales"),
    term("SUP_FINANCE", "Finance"),
    term("SUP_PEOPLE", "People & Culture"),
];

pub static LOCATIONS: [Term; 5] = [
    term("LOC_DUBLIN", "Dublin"),
    term("LOC_KRAKOW", "Kraków"),
    term("LOC_LISBON", "Lisbon"),
    term("LOC_MALMO", "Malmö"),
    term("LOC_REMOTE", "Remote, Europe"),
];

/// The member of a list with that id.
pub fn of(list: &'static [Term], id: &str) -> Option<&'static Term> {
    list.iter().find(|term| term.id.eq_ignore_ascii_case(id))
}

#[derive(Debug, Clone)]
pub struct Requisition {
    pub number: u64,
    pub title: String,
    pub status: &'static Term,
    pub department: &'static Term,
    pub location: Option<&'static Term>,
    pub openings: u64,
    pub created: i64,
}

impl Requisition {
    /// The id that people see.
    pub fn id(&self) -> String {
        format!("R-{:05}", self.number)
    }
}

/// An application of a person to a requisition.
#[derive(Debug, Clone)]
pub struct Application {
    pub number: u64,
    pub requisition: u64,
    pub applied: i64,
    pub stage: &'static Term,
    pub disposition: Option<&'static Term>,
    pub source: &'static Term,
    /// `Status_Timestamp`: when the stage or the disposition changed last.
    pub moved: i64,
}

impl Application {
    /// The id that people see.
    pub fn id(&self) -> String {
        format!("JOB_APPLICATION-6-{}", self.number)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub number: u64,
    /// The id that people see, which whoever creates a candidate may choose.
    pub id: String,
    pub first: String,
    pub last: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub withdrawn: bool,
    pub do_not_hire: bool,
    pub created: i64,
    /// When anything about the person changed last; only a report tells it.
    pub touched: i64,
    pub applications: Vec<Application>,
}

impl Person {
    /// A candidate of whom nothing is known yet.
    pub fn new(number: u64, at: i64) -> Self {
        Self { number, id: format!("C{number:05}"), created: at, touched: at, ..Self::default() }
    }

    /// First and last name.
    pub fn name(&self) -> String {
        [self.first.as_str(), self.last.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// All objects of a kind: those that there were with their versions, and the numbers of those that there are now.
#[derive(Debug)]
pub struct Objects<T> {
    versions: BTreeMap<u64, Versions<T>>,
    pub open: Vec<u64>,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self { versions: BTreeMap::new(), open: Vec::new() }
    }
}

impl<T> Objects<T> {
    /// Enters a new object, or a change of one.
    pub fn put(&mut self, at: i64, number: u64, object: T) {
        if let Some(versions) = self.versions.get_mut(&number) {
            versions.put(at, Some(object), at - HISTORY_MS);
        } else {
            self.versions.insert(number, Versions::new(at, object));
            self.open.push(number);
        }
    }

    pub fn purge(&mut self, at: i64, number: u64) {
        if let Some(versions) = self.versions.get_mut(&number) {
            versions.put(at, None, at - HISTORY_MS);
        }
        self.open.retain(|open| *open != number);
    }

    /// An object as it is now.
    pub fn now(&self, number: u64) -> Option<&Arc<T>> {
        self.versions.get(&number).and_then(Versions::now)
    }

    /// An object as it was at a time.
    pub fn at(&self, number: u64, ms: i64) -> Option<&Arc<T>> {
        self.versions.get(&number).and_then(|versions| versions.at(ms))
    }

    /// All objects that there ever were, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Versions<T>> {
        self.versions.values().rev()
    }

    /// Those that there are now.
    pub fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.open.iter().filter_map(|number| self.now(*number))
    }
}

/// An object with the versions that it had, each since the time at which it was entered; none where it was purged.
#[derive(Debug)]
pub struct Versions<T>(Vec<(i64, Option<Arc<T>>)>);

impl<T> Versions<T> {
    pub fn new(entered: i64, value: T) -> Self {
        Self(vec![(entered, Some(Arc::new(value)))])
    }

    /// What it was at a time; none when it was not there.
    pub fn at(&self, ms: i64) -> Option<&Arc<T>> {
        self.0.iter().rev().find(|(entered, _)| *entered <= ms).and_then(|(_, value)| value.as_ref())
    }

    /// What it is now; none when it was purged.
    pub fn now(&self) -> Option<&Arc<T>> {
        self.0.last().and_then(|(_, value)| value.as_ref())
    }

    /// Enters a version; what was over before `since` is forgotten.
    pub fn put(&mut self, entered: i64, value: Option<T>, since: i64) {
        self.0.push((entered, value.map(Arc::new)));
        let over = self.0.iter().rposition(|(entered, _)| *entered <= since).unwrap_or(0);
        self.0.drain(..over);
    }

    /// Whether something was entered within this time.
    pub fn changed(&self, from: i64, through: i64) -> bool {
        self.0.iter().any(|(entered, _)| (from..=through).contains(entered))
    }
}

/// The WID of an object: 32 hex digits that look like chance and are the same at every start.
pub fn wid(tenant: &str, kind: &str, id: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in tenant.bytes().chain([0]).chain(kind.bytes()).chain([0]).chain(id.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut chance = Chance::new(hash);
    format!("{:016x}{:016x}", chance.draw(), chance.draw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_seen_as_it_was_and_forgets_what_is_long_over() {
        let mut versions = Versions::new(10, "a");
        versions.put(20, Some("b"), 0);
        versions.put(30, None, 0);
        versions.put(40, Some("d"), 0);
        let seen = |versions: &Versions<&'static str>, ms| versions.at(ms).map(|value| **value);
        assert_eq!(
            [9, 10, 19, 20, 30, 39, 40].map(|ms| seen(&versions, ms)),
            [None, Some("a"), Some("a"), Some("b"), None, None, Some("d")]
        );
        assert!(versions.changed(15, 20) && !versions.changed(21, 29) && !versions.changed(0, 9));
        versions.put(50, None, 45);
        assert_eq!([39, 40, 49, 50].map(|ms| seen(&versions, ms)), [None, Some("d"), Some("d"), None]);
        assert!(versions.now().is_none());
    }

    #[test]
    fn wids_differ_by_tenant_kind_and_id() {
        let one = wid("acme", "person", "1");
        assert_eq!((one.len(), wid("acme", "person", "1")), (32, one.clone()));
        for other in [wid("globex", "person", "1"), wid("acme", "requisition", "1"), wid("acme", "person", "2")] {
            assert_ne!(one, other);
        }
    }
}
