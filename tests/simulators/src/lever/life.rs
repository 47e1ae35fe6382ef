//! How an account grows and what happens in it by chance.

use serde_json::{Value, json};

use super::{
    seed::{
        APPLICANT, COMMITMENTS, HIRED, LEAD, LOCATIONS, OFFER_STATES, ORIGINS, REASONS, SOURCES, STAGES, STATES, TEAMS,
    },
    state::State,
    table::{Row, Table},
};
use crate::{
    wire::with,
    world::{
        Chance,
        state::{Change, happen},
        words::{COMPANIES, FIRST_NAMES, LAST_NAMES, TITLES},
    },
};

const DAY_MS: i64 = 24 * 3_600_000;

/// The kinds of change with their weights; about a tenth of them deletes.
pub const CHANGES: [(usize, (&str, Change<State>)); 18] = [
    (10, ("opportunity of a new person", newcomer)),
    (17, ("contact changed", change_contact)),
    (22, ("moved", move_stage)),
    (8, ("posting changed", change_posting)),
    (9, ("archived", |state, chance| archive(state, chance, HIRED))),
    (4, ("hired", hire)),
    (5, ("taken back", take_back)),
    (3, ("opportunity of the same person", again)),
    (5, ("interview added", add_interview)),
    (3, ("interview changed", change_interview)),
    (3, ("offer added or changed", change_offer)),
    (1, ("posting added", |state, chance| Some(add_posting(state, chance)))),
    (1, ("user added or changed", change_user)),
    (1, ("contact merged", merge)),
    (
        5,
        ("opportunity deleted", |state, chance| {
            state.with_any(Table::Opportunities, chance, State::delete_opportunity)
        }),
    ),
    (
        2,
        ("application deleted", |state, chance| {
            state.with_any(Table::Opportunities, chance, State::delete_application)
        }),
    ),
    (2, ("interview deleted", |state, chance| state.with_any(Table::Interviews, chance, State::delete_interview))),
    (1, ("posting deleted", |state, chance| state.with_any(Table::Postings, chance, State::delete_posting))),
];

/// What else happens while an account grows, in percent.
const GROWTH: [(usize, Change<State>); 5] = [
    (8, |state, chance| Some(state.add_user(&person(chance)))),
    (12, |state, chance| Some(add_posting(state, chance))),
    (3, again),
    (60, move_stage),
    (35, |state, chance| archive(state, chance, REASONS.len())),
];

/// Adds objects until there are about so many. What a client has not seen yet may have happened long ago.
pub(super) fn grow(state: &mut State, chance: &mut Chance, wanted: usize) {
    let objects = |state: &State| {
        let count = |table| state.store.rows(table).len();
        let parts = [Table::Interviews, Table::Offers, Table::Users, Table::Postings];
        2 * count(Table::Opportunities) + parts.map(count).iter().sum::<usize>()
    };
    let missing = wanted.saturating_sub(objects(state));
    let mut work = |state: &mut State| {
        while objects(state) < wanted {
            if state.store.rows(Table::Postings).len() < 3 {
                add_posting(state, chance);
                continue;
            }
            let of = newcomer(state, chance).unwrap_or_default();
            happen(state, chance, &GROWTH);
            for _ in 0..chance.below(7) {
                let interview = interview(state, chance, of);
                state.add_interview(of, interview);
            }
            if chance.percent(20) {
                add_offer(state, chance, of);
            }
            let old = state.is_past() && chance.percent(20);
            if let Some(row) = state.store.row_mut(Table::Opportunities, of).filter(|_| old) {
                row.set("_unstamped", true);
            }
        }
    };
    if state.vendor.served { work(state) } else { state.in_the_past(missing * 4, work) }
}

fn owner(state: &State, chance: &mut Chance) -> String {
    state.any(Table::Users, chance).map(|user| state.uuid(user)).unwrap_or_default()
}

fn person(chance: &mut Chance) -> String {
    format!("{} {}", chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES))
}

fn phones(chance: &mut Chance) -> Value {
    let (kind, number) = (chance.pick(&["mobile", "home", "other"]), chance.below(10_000_000));
    json!([{"type": kind, "value": format!("+1 555 {number:07}")}])
}

fn newcomer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let number = state.hex(8);
    let emails = match chance.below(20) {
        0 => json!([]),
        1 => json!([format!("Person.{number}@{}.example", state.name), format!("p{number}@mail.example")]),
        _ => json!([format!("person.{number}@{}.example", state.name)]),
    };
    let contact = state.add_contact(json!({
        "name": person(chance), "headline": chance.pick(&COMPANIES), "emails": emails,
        "location": chance.pick(&LOCATIONS).unwrap_or_default(),
        "phones": if chance.percent(80) { phones(chance) } else { json!([]) },
    }));
    Some(begin(state, chance, contact))
}

/// Makes an opportunity for a person, mostly with an application for a posting.
fn begin(state: &mut State, chance: &mut Chance, contact: u64) -> u64 {
    let posting = state.any(Table::Postings, chance).filter(|_| chance.percent(88));
    let origin = if posting.is_some() { chance.pick(&ORIGINS) } else { "sourced" };
    let stage = if origin == "applied" { APPLICANT } else { LEAD };
    let opportunity = json!({
        "stage": STAGES.get(stage).map(|(id, _)| *id), "owner": owner(state, chance), "origin": origin,
        "sources": [chance.pick(&SOURCES)],
    });
    let id = state.add_opportunity(contact, with(opportunity, of_posting(state, posting)));
    if let Some(posting) = posting {
        let kind = match origin {
            "applied" => "posting",
            "referred" => "referral",
            _ => "user",
        };
        let company = Some(chance.pick(&COMPANIES)).filter(|company| !company.is_empty());
        state.add_application(id, posting, json!({"type": kind, "company": company}));
    }
    id
}

/// What an opportunity has from its posting.
pub(super) fn of_posting(state: &State, posting: Option<u64>) -> Value {
    let posting = posting.and_then(|id| state.store.row(Table::Postings, id));
    posting.map_or_else(
        || json!({}),
        |row| json!({"tags": [row.get("text")], "confidentiality": row.get("confidentiality")}),
    )
}

fn again(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let contact = state.any(Table::Contacts, chance)?;
    Some(begin(state, chance, contact))
}

/// Lets the person of an opportunity be the same as that of another one.
fn merge(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (from, into) = (state.any(Table::Contacts, chance)?, state.any(Table::Contacts, chance)?);
    state.merge_contacts(from, into).then_some(into)
}

fn move_stage(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Opportunities, chance)?;
    state.move_stage(id, chance.below(STAGES.len()), None).then_some(id)
}

/// Ends an opportunity for one of the first reasons.
fn archive(state: &mut State, chance: &mut Chance, reasons: usize) -> Option<u64> {
    let reason = chance.below(reasons);
    end(state, chance, false, Some(reason))
}

fn hire(state: &mut State, chance: &mut Chance) -> Option<u64> {
    end(state, chance, false, Some(HIRED))
}

fn take_back(state: &mut State, chance: &mut Chance) -> Option<u64> {
    end(state, chance, true, None)
}

fn end(state: &mut State, chance: &mut Chance, archived: bool, reason: Option<usize>) -> Option<u64> {
    let id = state.any_where(Table::Opportunities, chance, |row| row.get("archived").is_null() != archived)?;
    state.archive(id, reason).then_some(id)
}

fn change_contact(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let opportunity = state.store.pick(Table::Opportunities, chance)?;
    let contact = opportunity.number("_contact")?;
    let fields = match chance.below(4) {
        0 => json!({"name": person(chance)}),
        1 => json!({"phones": phones(chance)}),
        2 => json!({"headline": chance.pick(&COMPANIES)}),
        _ => json!({"emails": [format!("moved.{}@{}.example", state.hex(8), state.name)]}),
    };
    state.change_contact(contact, fields);
    Some(contact)
}

fn categories(chance: &mut Chance) -> Value {
    let ((department, team), location) = (chance.pick(&TEAMS), chance.pick(&LOCATIONS));
    json!({
        "commitment": chance.pick(&COMMITMENTS), "department": department, "level": null, "location": location,
        "team": team, "allLocations": location.into_iter().collect::<Vec<_>>(),
    })
}

fn add_posting(state: &mut State, chance: &mut Chance) -> u64 {
    let owner = owner(state, chance);
    let posting = json!({
        "text": chance.pick(&TITLES), "state": if chance.percent(60) { "published" } else { chance.pick(&STATES) },
        "user": owner, "owner": owner, "followers": [owner], "categories": categories(chance),
        "confidentiality": if chance.percent(12) { "confidential" } else { "non-confidential" },
    });
    state.add(Table::Postings, posting)
}

fn change_posting(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Postings, chance)?;
    let fields = match chance.below(3) {
        0 => json!({"text": format!("{} ({:?})", chance.pick(&TITLES), chance.pick(&LOCATIONS))}),
        1 => json!({"state": chance.pick(&STATES)}),
        _ => json!({"categories": categories(chance)}),
    };
    state.set(Table::Postings, id, fields).then_some(id)
}

fn interview(state: &mut State, chance: &mut Chance, id: u64) -> Value {
    let stage = state.store.row(Table::Opportunities, id).map(|row| row.get("stage").clone());
    let kind = chance.pick(&["Phone interview", "On-site interview", "Culture fit"]);
    let created = if state.is_past() { state.last_ms() } else { state.now_ms() };
    json!({
        "panel": state.fresh_id(), "subject": format!("{kind} - {}", person(chance)), "_interviewer": owner(state, chance),
        "stage": stage, "date": chance.between(created, created + 14 * DAY_MS) / 1_800_000 * 1_800_000,
        "duration": chance.pick(&[30, 45, 60]),
    })
}

fn add_interview(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Opportunities, chance)?;
    let interview = interview(state, chance, id);
    Some(state.add_interview(id, interview))
}

fn change_interview(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Interviews, chance)?;
    let (what, form) = (chance.below(3), state.fresh_id());
    state.change_interview(id, |row: &mut Row| match what {
        0 => row.set("date", row.get("date").as_i64().unwrap_or_default() + DAY_MS),
        1 => row.set("canceledAt", row.updated),
        _ => row.push("feedbackForms", json!(form)),
    });
    Some(id)
}

fn add_offer(state: &mut State, chance: &mut Chance, id: u64) -> u64 {
    let posting = state.parts(id, Table::Applications).next().map(|row| row.get("posting").clone());
    let starts = chance.percent(70).then(|| (state.last_ms() / DAY_MS + 30) * DAY_MS);
    let status = chance.pick(&OFFER_STATES);
    let offer = json!({"posting": posting, "status": status, "creator": owner(state, chance), "_starts": starts});
    state.add_part(Table::Offers, id, offer)
}

/// Changes the newest offer of an opportunity, or makes the first one.
fn change_offer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Opportunities, chance)?;
    let Some(offer) = state.parts(id, Table::Offers).next_back().map(|row| row.id) else {
        return Some(add_offer(state, chance, id));
    };
    let status = chance.pick(&OFFER_STATES);
    state.change(Table::Offers, offer, |row| {
        let sent = matches!(status, "sent" | "opened" | "signed" | "denied").then_some(row.updated);
        row.merge(json!({"status": status, "sentAt": sent}));
    });
    Some(offer)
}

fn change_user(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (name, what) = (person(chance), chance.below(3));
    if what == 0 {
        return Some(state.add_user(&name));
    }
    let id = state.any(Table::Users, chance)?;
    state.change(Table::Users, id, |row| match what {
        1 => row.set("name", name),
        _ => row.set("deactivatedAt", row.get("deactivatedAt").is_null().then_some(row.updated)),
    });
    Some(id)
}
