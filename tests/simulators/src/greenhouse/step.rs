//! Random changes: what happens at a customer, most often an update.

use serde_json::json;

use super::{
    planning::RATINGS,
    seed,
    state::State,
    table::{Row, Table},
};
use crate::world::{Chance, words::TITLES};

/// Tries one kind of change; answers what it changed, or none when there was nothing to do it with.
type Change = fn(&mut State, &mut Chance) -> Option<u64>;

/// The kinds of change with their weights; about a tenth of them deletes.
const CHANGES: [(usize, (&str, Change)); 32] = [
    (14, ("candidate updated", update_candidate)),
    (7, ("application updated", update_application)),
    (15, ("application moved", move_application)),
    (9, ("candidate applied", newcomer)),
    (2, ("applied again", apply_again)),
    (2, ("prospect", prospect)),
    (1, ("prospect converted", convert)),
    (6, ("rejected", reject)),
    (2, ("unrejected", |state, chance| resume(state, chance, "rejected", State::unreject))),
    (2, ("hired", hire)),
    (1, ("unhired", |state, chance| resume(state, chance, "hired", State::unhire))),
    (5, ("interview scheduled", schedule)),
    (5, ("interview changed", hold_interview)),
    (4, ("scorecard begun or submitted", score)),
    (2, ("offered", offer)),
    (3, ("offer changed", change_offer)),
    (
        1,
        ("job created", |state, chance| {
            let status = if chance.percent(60) { "draft" } else { "open" };
            Some(state.new_job(chance, status))
        }),
    ),
    (3, ("job updated", update_job)),
    (2, ("post updated", update_post)),
    (1, ("post created", new_post)),
    (1, ("opening created", new_opening)),
    (2, ("organization changed", change_organization)),
    (2, ("application deleted", |state, chance| delete(state, chance, Table::Applications, State::delete_application))),
    (2, ("candidate deleted", |state, chance| delete(state, chance, Table::Candidates, State::delete_candidate))),
    (1, ("candidate merged", merge)),
    (1, ("candidate anonymized", |state, chance| delete(state, chance, Table::Candidates, State::anonymize))),
    (1, ("interview deleted", |state, chance| delete(state, chance, Table::Interviews, State::delete_interview))),
    (1, ("scorecard deleted", |state, chance| delete(state, chance, Table::Scorecards, State::delete_scorecard))),
    (1, ("offer deleted", |state, chance| delete(state, chance, Table::Offers, State::delete_offer))),
    (1, ("job, stage or post deleted", delete_of_job)),
    (1, ("unit deleted", delete_unit)),
    (1, ("application transferred", transfer)),
];

/// What happens to a newcomer of the past, in percent.
const GROWTH: [(usize, Change); 10] = [
    (12, apply_again),
    (4, prospect),
    (60, move_application),
    (25, reject),
    (3, hire),
    (45, schedule),
    (30, hold_interview),
    (30, score),
    (12, offer),
    (6, change_offer),
];

pub fn step(state: &mut State, chance: &mut Chance) -> String {
    let (what, change) = chance.weighted(&CHANGES).copied().unwrap_or(("candidate applied", newcomer));
    let others: [(&str, Change); 3] =
        [(what, change), ("candidate updated", update_candidate), ("candidate applied", newcomer)];
    let done = others.into_iter().find_map(|(what, change)| Some(format!("{what} {}", change(state, chance)?)));
    done.unwrap_or_default()
}

/// How many objects there are of the kinds that a client knows.
pub fn objects(state: &State) -> usize {
    super::truth::KINDS.into_iter().map(|(_, table)| state.store.rows(table).len()).sum()
}

/// Adds objects until there are about so many; all of it happened before now, so that no webhook tells it.
pub fn grow(state: &mut State, chance: &mut Chance, wanted: usize) {
    let missing = wanted.saturating_sub(objects(state));
    state.in_the_past(missing * 4, |state| {
        while objects(state) < wanted {
            if chance.percent(2) {
                let status = if chance.percent(80) { "open" } else { "draft" };
                state.new_job(chance, status);
            }
            if newcomer(state, chance).is_none() {
                state.new_job(chance, "open");
            }
            for (percent, change) in GROWTH {
                if chance.percent(percent) {
                    change(state, chance);
                }
            }
        }
    });
}

/// An application that stands in a stage, and its job.
fn pick_active(state: &State, chance: &mut Chance) -> Option<(u64, u64)> {
    let row = state.store.pick_where(Table::Applications, chance, |row| row.number("stage_id").is_some())?;
    Some((row.id, row.number("job_id")?))
}

fn pick_status(state: &State, chance: &mut Chance, table: Table, status: &str) -> Option<u64> {
    state.store.pick_where(table, chance, |row| row.text("status") == Some(status)).map(|row| row.id)
}

/// Lets `delete` do its work on any row.
fn delete(state: &mut State, chance: &mut Chance, table: Table, delete: fn(&mut State, u64) -> bool) -> Option<u64> {
    let id = state.store.pick(table, chance)?.id;
    delete(state, id).then_some(id)
}

fn update_candidate(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.store.pick(Table::Candidates, chance)?.id;
    let (field, value) = match chance.below(4) {
        0 => ("title", json!(chance.pick(&TITLES))),
        1 => ("company", json!(format!("Company {} & Co", chance.below(500)))),
        2 => ("phone_numbers", json!([{"value": format!("+48 22 {:07}", chance.below(9_999_999)), "type": "mobile"}])),
        _ => ("email_addresses", json!([{"value": format!("new.{}@example.com", chance.draw()), "type": "personal"}])),
    };
    state.update_candidate(id, |row| row.set(field, value));
    Some(id)
}

fn update_application(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.store.pick(Table::Applications, chance)?.id;
    let address = format!("{} Mill Lane", chance.below(900));
    state.update_application(id, |row| row.set("location_address", address));
    Some(id)
}

fn move_application(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, job) = pick_active(state, chance)?;
    let stage = *chance.of(&state.stages(job))?;
    state.move_to(id, stage);
    Some(id)
}

fn transfer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, _) = pick_active(state, chance)?;
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    state.transfer(id, job);
    Some(id)
}

fn newcomer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let candidate = state.add(Table::Candidates, seed::anybody(chance));
    state.apply(candidate, job, None);
    Some(candidate)
}

fn apply_again(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let candidate = state.store.pick(Table::Candidates, chance)?.id;
    state.apply(candidate, job, None)
}

fn prospect(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = state.store.pick(Table::Jobs, chance)?.id;
    let candidate = state.store.pick(Table::Candidates, chance)?.id;
    Some(state.consider(candidate, vec![job]))
}

fn convert(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let open = |row: &Row| row.is("prospect") && row.text("status") == Some("in_process");
    let prospect = state.store.pick_where(Table::Applications, chance, open)?.id;
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    state.convert(prospect, job)
}

fn reject(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, _) = pick_active(state, chance)?;
    let reason = state.store.pick(Table::RejectionReasons, chance)?.id;
    state.reject(id, reason);
    Some(id)
}

fn hire(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, job) = pick_active(state, chance)?;
    let openings = state.store.of(Table::Jobs, job, Table::Openings).into_iter();
    let open: Vec<u64> =
        openings.filter(|id| state.store.row(Table::Openings, *id).is_some_and(|row| row.is("open"))).collect();
    state.hire(id, *chance.of(&open)?);
    Some(id)
}

/// Takes an ended application up again.
fn resume(state: &mut State, chance: &mut Chance, status: &str, resume: fn(&mut State, u64)) -> Option<u64> {
    let id = pick_status(state, chance, Table::Applications, status)?;
    resume(state, id);
    Some(id)
}

fn schedule(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, _) = pick_active(state, chance)?;
    let (days, all_day) = (i64::try_from(chance.below(20)).unwrap_or_default(), chance.percent(10));
    state.schedule(id, days, all_day)
}

fn hold_interview(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.store.pick(Table::Interviews, chance)?.id;
    let words = ["scheduled", "awaiting_feedback", "complete", "collect_feedback", "skipped"];
    let status = chance.pick(&words);
    state.set(Table::Interviews, id, json!({"status": status}));
    Some(id)
}

fn score(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let draft = state.store.pick(Table::Scorecards, chance).map(|row| row.id).filter(|_| chance.percent(50));
    if let Some(id) = draft {
        let rating = chance.pick(&RATINGS);
        state.submit_scorecard(id, rating);
        return Some(id);
    }
    let interview = state.store.pick(Table::Interviews, chance)?.id;
    state.begin_scorecard(interview)
}

fn offer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, _) = pick_active(state, chance)?;
    let days = i64::try_from(chance.below(60)).unwrap_or_default();
    state.offer(id, days)
}

fn change_offer(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = pick_status(state, chance, Table::Offers, "Created")?;
    match chance.below(4) {
        0 => state.approve_offer(id),
        1 => state.update_offer(id, json!({"starts_on": "2027-01-04"})),
        _ => {
            let status = chance.pick(&["Accepted", "Rejected"]);
            state.update_offer(id, json!({"status": status}));
        }
    }
    Some(id)
}

fn update_job(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let row = state.store.pick(Table::Jobs, chance)?;
    let (id, draft) = (row.id, row.text("status") == Some("draft"));
    match chance.below(5) {
        0 if draft => state.set_job_status(id, "open"),
        0 | 1 => {
            let department = state.store.pick(Table::Departments, chance).map(|row| row.id);
            state.update_job(id, json!({"department_id": department}));
        }
        2 => {
            let office = state.store.pick(Table::Offices, chance).map(|row| row.id);
            state.update_job(id, json!({"office_ids": office.into_iter().collect::<Vec<_>>()}));
        }
        _ => {
            let name = format!("Job <{}>", chance.below(10_000));
            state.update_job(id, json!({"name": name}));
        }
    }
    Some(id)
}

fn update_post(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let row = state.store.pick_where(Table::JobPosts, chance, |row| row.is("active"))?;
    let (id, live) = (row.id, !row.is("live"));
    let title = chance.pick(&TITLES);
    state.update_post(id, json!({"live": live, "title": title}));
    Some(id)
}

fn new_post(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = state.store.pick(Table::Jobs, chance)?.id;
    let title = chance.pick(&TITLES);
    Some(state.new_post(job, title, true))
}

fn new_opening(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let order = state.store.of(Table::Jobs, job, Table::Openings).len();
    Some(seed::opening(state, job, order))
}

fn change_organization(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let number = chance.below(10_000);
    match chance.below(6) {
        0 => Some(seed::department(state, &format!("Department {number}"), None)),
        1 => Some(seed::office(state, &format!("Office {number}"), Some("Łódź, Poland"), None)),
        2 => {
            let fields = seed::user("New", "Colleague", Some(&format!("colleague.{number}@hiring.example")));
            Some(state.add(Table::Users, fields))
        }
        3 => {
            let id = state.store.pick_where(Table::Users, chance, |row| row.id != 1)?.id;
            state.change(Table::Users, id, |row| {
                let now = !row.is("deactivated");
                row.set("deactivated", now);
            });
            Some(id)
        }
        _ => {
            let table = if number.is_multiple_of(2) { Table::Departments } else { Table::Offices };
            let id = state.store.pick(table, chance)?.id;
            state.set(table, id, json!({"name": format!("Renamed {number} & more")}));
            Some(id)
        }
    }
}

fn merge(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let gone = state.store.pick(Table::Candidates, chance)?.id;
    let survivor = state.store.pick_where(Table::Candidates, chance, |row| row.id != gone)?.id;
    state.merge(gone, survivor).then_some(gone)
}

fn delete_of_job(state: &mut State, chance: &mut Chance) -> Option<u64> {
    match chance.below(3) {
        0 => {
            let id = state.store.pick_where(Table::Jobs, chance, |row| row.text("status") == Some("draft"))?.id;
            state.delete_job(id).then_some(id)
        }
        1 => {
            let id = state.store.pick_where(Table::JobInterviewStages, chance, |row| row.is("active"))?.id;
            state.delete_stage(id).then_some(id)
        }
        _ => {
            let id = state.store.pick_where(Table::JobPosts, chance, |row| row.is("active"))?.id;
            state.delete_post(id);
            Some(id)
        }
    }
}

fn delete_unit(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let table = if chance.percent(50) { Table::Departments } else { Table::Offices };
    let free = |row: &Row| !state.store.has(table, row.id, Table::Jobs) && !state.store.has(table, row.id, table);
    let id = state.store.pick_where(table, chance, free)?.id;
    state.delete_unit(table, id).then_some(id)
}
