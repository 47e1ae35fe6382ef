//! How a tenant comes to its objects and how they change by themselves.

use super::data::{
    Application, DEPARTMENTS, DISPOSITIONS, LOCATIONS, Person, Requisition, SOURCES, STAGES, STATUSES, Term,
};
use super::tenant::State;
use crate::world::{
    Chance,
    state::Change,
    words::{FIRST_NAMES, LAST_NAMES, TITLES, ascii},
};

/// What a tenant that grows has of each requisition: itself, and people with an application each.
const PEOPLE_OF_ONE: usize = 12;
/// Over how long what a tenant grows is spread.
const SPREAD_MS: i64 = 60 * 24 * 60 * 60 * 1_000;

/// The kinds of change with their weights; about a tenth of them deletes.
pub const CHANGES: [(usize, (&str, Change<State>)); 12] = [
    (12, ("candidate created at", create_person)),
    (5, ("requisition created", create_requisition)),
    (5, ("applied again", apply_again)),
    (15, ("requisition changed", change_requisition)),
    (20, ("candidate changed", change_person)),
    (21, ("moved", move_application)),
    (6, ("rejected", reject)),
    (3, ("hired", hire)),
    (3, ("taken back", take_back)),
    (4, ("candidate purged", purge_person)),
    (4, ("application purged", purge_application)),
    (2, ("requisition purged", purge_requisition)),
];

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
        at = state.stamp_after(at + gap);
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
    let mut person = Person {
        first: chance.pick(&FIRST_NAMES).to_owned(),
        last: last.to_owned(),
        email: chance.percent(95).then(|| format!("{}.{number}@{}.example", ascii(last), state.name)),
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

fn change_requisition(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let number = chance.of(&state.requisitions.open).copied()?;
    let mut requisition = Requisition::clone(state.requisition(number)?);
    match chance.below(6) {
        0 => requisition.title = format!("{} {}", chance.pick(&TITLES), chance.below(90)),
        1 => requisition.location = chance.percent(80).then(|| any(chance, &LOCATIONS)),
        2 => requisition.department = any(chance, &DEPARTMENTS),
        // Mostly open again: a tenant without open requisitions takes no applications.
        _ => requisition.status = if chance.percent(60) { &STATUSES[1] } else { any(chance, &STATUSES) },
    }
    let at = state.stamp();
    state.put_requisition(at, requisition);
    Some(number)
}

fn change_person(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (mut person, at) = (any_person(state, chance)?, state.stamp());
    let number = person.number;
    match chance.below(5) {
        0 => person.first = chance.pick(&FIRST_NAMES).to_owned(),
        1 => person.last = chance.pick(&LAST_NAMES).to_owned(),
        2 => person.phone = chance.percent(80).then(|| format!("+48 12 555 {:05}", chance.below(100_000))),
        3 => person.email = chance.percent(90).then(|| format!("new.{number}.{at}@{}.example", state.name)),
        _ => person.withdrawn = !person.withdrawn,
    }
    state.put_person(at, person);
    Some(number)
}

/// Changes an application by chance.
fn change_application(
    state: &mut State,
    chance: &mut Chance,
    change: impl FnOnce(&mut Application, &mut Chance),
) -> Option<u64> {
    let (person, number) = any_application(state, chance)?;
    let at = state.stamp();
    state.change_application(at, (person, number), |application| change(application, chance));
    Some(number)
}

fn move_application(state: &mut State, chance: &mut Chance) -> Option<u64> {
    change_application(state, chance, |application, chance| {
        application.stage = chance.of(STAGES.get(..6).unwrap_or(&STAGES)).unwrap_or(application.stage);
    })
}

fn reject(state: &mut State, chance: &mut Chance) -> Option<u64> {
    change_application(state, chance, |application, chance| application.disposition = Some(any(chance, &DISPOSITIONS)))
}

fn hire(state: &mut State, chance: &mut Chance) -> Option<u64> {
    change_application(state, chance, |application, _| {
        application.stage = STAGES.last().unwrap_or(application.stage);
        application.disposition = None;
    })
}

fn take_back(state: &mut State, chance: &mut Chance) -> Option<u64> {
    change_application(state, chance, |application, _| application.disposition = None)
}

fn purge_person(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (number, at) = (chance.of(&state.people.open).copied()?, state.stamp());
    state.people.purge(at, number);
    Some(number)
}

fn purge_application(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (person, number) = any_application(state, chance)?;
    let (mut person, at) = (Person::clone(state.person(person)?), state.stamp());
    person.applications.retain(|application| application.number != number);
    state.put_person(at, person);
    Some(number)
}

/// Only a requisition to which no person ever applied can go; the others are closed.
fn purge_requisition(state: &mut State, _: &mut Chance) -> Option<u64> {
    let empty = |number: &u64| state.applicants.get(number).is_none_or(std::collections::BTreeSet::is_empty);
    let (number, at) = (state.requisitions.open.iter().copied().find(empty)?, state.stamp());
    state.requisitions.purge(at, number);
    Some(number)
}

fn create_person(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let at = state.stamp();
    new_person(state, chance, at);
    Some(at.unsigned_abs())
}

fn create_requisition(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (at, status) = (state.stamp(), if chance.percent(70) { &STATUSES[1] } else { &STATUSES[0] });
    Some(new_requisition(state, chance, at, status))
}

fn apply_again(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let requisition = open_requisition(state, chance)?;
    let (mut person, at) = (any_person(state, chance)?, state.stamp());
    let source = any(chance, &SOURCES);
    let number = state.apply(at, &mut person, requisition, source);
    state.put_person(at, person);
    Some(number)
}
