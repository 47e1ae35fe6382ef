//! How a tenant comes to its objects and how they change by themselves.

use super::data::{DEPARTMENTS, DISPOSITIONS, LOCATIONS, Person, Requisition, SOURCES, STAGES, STATUSES, Term};
use super::tenant::State;
use crate::world::{
    Chance,
    words::{FIRST_NAMES, LAST_NAMES, TITLES},
};

/// What a tenant that grows has of each requisition: itself, and people with an application each.
const PEOPLE_OF_ONE: usize = 12;
/// Over how long what a tenant grows is spread.
const SPREAD_MS: i64 = 60 * 24 * 60 * 60 * 1_000;

fn any(chance: &mut Chance, list: &'static [Term]) -> &'static Term {
    let [first, ..] = list else { return &STAGES[0] };
    chance.of(list).unwrap_or(first)
}

/// Adds about so many objects, the last of them entered at `until` or as soon as possible.
pub fn grow(state: &mut State, chance: &mut Chance, objects: usize, until: i64) {
    let begin = state.last_ms().max(until - SPREAD_MS);
    let gap = (until - begin).max(0) / i64::try_from(objects + 1).unwrap_or(i64::MAX);
    let mut at = begin;
    let mut made = 0;
    while made < objects {
        at = state.stamp(at + gap);
        let wanted = (objects / (2 * PEOPLE_OF_ONE)).max(3);
        if state.requisitions.open.len() < wanted {
            new_requisition(state, chance, at, &STATUSES[1]);
            made += 1;
        } else {
            made += new_person(state, chance, at);
        }
    }
}

fn new_requisition(state: &mut State, chance: &mut Chance, at: i64, status: &'static Term) -> u64 {
    let number = state.number();
    let requisition = Requisition {
        number,
        title: chance.pick(&TITLES).to_owned(),
        status,
        department: any(chance, &DEPARTMENTS),
        location: chance.percent(90).then(|| any(chance, &LOCATIONS)),
        openings: 1 + u64::try_from(chance.below(3)).unwrap_or(0),
        created: at,
    };
    state.put_requisition(at, requisition);
    number
}

/// A new candidate, mostly with an application; answers how many objects that makes.
fn new_person(state: &mut State, chance: &mut Chance, at: i64) -> usize {
    let number = state.number();
    let last = chance.pick(&LAST_NAMES);
    let host = last.to_lowercase().chars().filter(char::is_ascii_lowercase).collect::<String>();
    let mut person = Person {
        first: chance.pick(&FIRST_NAMES).to_owned(),
        last: last.to_owned(),
        email: chance.percent(95).then(|| format!("{host}.{number}@{}.example", state.name)),
        phone: chance.percent(80).then(|| format!("+353 1 555 {number:05}")),
        ..Person::new(number, at)
    };
    let mut made = 1;
    if let Some(requisition) = open_requisition(state, chance).filter(|_| chance.percent(95)) {
        let source = any(chance, &SOURCES);
        state.apply(at, &mut person, requisition, source);
        made += 1;
    }
    state.put_person(at, person);
    made
}

fn open_requisition(state: &State, chance: &mut Chance) -> Option<u64> {
    let begin = chance.below(state.requisitions.open.len());
    let mut from_there = state.requisitions.open.iter().cycle().skip(begin).take(state.requisitions.open.len());
    from_there.find(|number| state.takes_applications(**number)).copied()
}

/// An application by chance: its person's number and its own.
fn any_application(state: &State, chance: &mut Chance) -> Option<(u64, u64)> {
    let begin = chance.below(state.people.open.len());
    let people = state.people.open.iter().cycle().skip(begin).take(state.people.open.len());
    let person = people.filter_map(|number| state.person(*number)).find(|person| !person.applications.is_empty())?;
    chance.of(&person.applications).map(|application| (person.number, application.number))
}

fn any_person(state: &State, chance: &mut Chance) -> Option<Person> {
    let number = chance.of(&state.people.open).copied()?;
    state.person(number).map(|person| Person::clone(person))
}

/// Changes a requisition; answers what.
fn change_requisition(state: &mut State, chance: &mut Chance, at: i64) -> Option<String> {
    let number = chance.of(&state.requisitions.open).copied()?;
    let mut requisition = Requisition::clone(state.requisition(number)?);
    let what = match chance.below(6) {
        0 => {
            requisition.title = format!("{} {}", chance.pick(&TITLES), chance.below(90));
            "retitle"
        }
        1 => {
            requisition.location = chance.percent(80).then(|| any(chance, &LOCATIONS));
            "relocate"
        }
        2 => {
            requisition.department = any(chance, &DEPARTMENTS);
            "move to another organisation"
        }
        // Mostly open again: a tenant without open requisitions takes no applications.
        _ => {
            requisition.status = if chance.percent(60) { &STATUSES[1] } else { any(chance, &STATUSES) };
            requisition.status.name
        }
    };
    let said = format!("requisition {}: {what}", requisition.id());
    state.put_requisition(at, requisition);
    Some(said)
}

fn change_person(state: &mut State, chance: &mut Chance, at: i64) -> Option<String> {
    let mut person = any_person(state, chance)?;
    let what = match chance.below(5) {
        0 => {
            person.first = chance.pick(&FIRST_NAMES).to_owned();
            "first name"
        }
        1 => {
            person.last = chance.pick(&LAST_NAMES).to_owned();
            "last name"
        }
        2 => {
            person.phone = chance.percent(80).then(|| format!("+48 12 555 {:05}", chance.below(100_000)));
            "phone"
        }
        3 => {
            person.email = chance.percent(90).then(|| format!("new.{}.{at}@{}.example", person.number, state.name));
            "e-mail"
        }
        _ => {
            person.withdrawn = !person.withdrawn;
            "withdrawn"
        }
    };
    let said = format!("candidate {}: {what}", person.id);
    state.put_person(at, person);
    Some(said)
}

fn move_application(state: &mut State, chance: &mut Chance, at: i64, roll: usize) -> Option<String> {
    let (person, number) = any_application(state, chance)?;
    let (stage, disposition) = match roll {
        0 => (None, Some(Some(any(chance, &DISPOSITIONS)))),
        1 => (STAGES.last(), Some(None)),
        2 => (None, Some(None)),
        _ => (chance.of(STAGES.get(..6).unwrap_or(&STAGES)), None),
    };
    state.change_application(at, (person, number), |application| {
        application.stage = stage.unwrap_or(application.stage);
        application.disposition = disposition.unwrap_or(application.disposition);
    });
    let what = ["reject", "hire", "take back"].get(roll).copied().unwrap_or("move");
    Some(format!("application {number}: {what}"))
}

fn purge(state: &mut State, chance: &mut Chance, at: i64) -> Option<String> {
    match chance.below(5) {
        0 | 1 => {
            let number = any_person(state, chance)?.number;
            state.people.purge(at, number);
            Some(format!("candidate {number}: purge"))
        }
        2 | 3 => {
            let (person, number) = any_application(state, chance)?;
            let mut person = Person::clone(state.person(person)?);
            person.applications.retain(|application| application.number != number);
            state.put_person(at, person);
            Some(format!("application {number}: purge"))
        }
        // Only one to which nobody ever applied can go; the others are closed.
        _ => {
            let empty = |number: &u64| state.applicants.get(number).is_none_or(std::collections::BTreeSet::is_empty);
            let number = state.requisitions.open.iter().copied().find(empty)?;
            state.requisitions.purge(at, number);
            Some(format!("requisition {number}: purge"))
        }
    }
}

/// Makes one change; answers what it was.
pub fn step(state: &mut State, chance: &mut Chance, at: i64) -> String {
    one_step(state, chance, at).unwrap_or_else(|| format!("candidate: {} new objects", new_person(state, chance, at)))
}

fn one_step(state: &mut State, chance: &mut Chance, at: i64) -> Option<String> {
    match chance.below(100) {
        0..12 => Some(format!("candidate: {} new objects", new_person(state, chance, at))),
        12..17 => {
            let status = if chance.percent(70) { &STATUSES[1] } else { &STATUSES[0] };
            Some(format!("requisition {}: create", new_requisition(state, chance, at, status)))
        }
        17..22 => {
            let requisition = open_requisition(state, chance)?;
            let mut person = any_person(state, chance)?;
            let source = any(chance, &SOURCES);
            let number = state.apply(at, &mut person, requisition, source);
            state.put_person(at, person);
            Some(format!("application {number}: one more"))
        }
        22..37 => change_requisition(state, chance, at),
        37..57 => change_person(state, chance, at),
        57..78 => move_application(state, chance, at, 3),
        78..84 => move_application(state, chance, at, 0),
        84..87 => move_application(state, chance, at, 1),
        87..90 => move_application(state, chance, at, 2),
        _ => purge(state, chance, at),
    }
}
