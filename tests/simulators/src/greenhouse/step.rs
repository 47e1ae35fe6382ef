//! Random changes: what happens at a customer, most often an update.

use serde_json::json;

use super::{
    planning::RATINGS,
    seed,
    state::State,
    table::{Row, Table},
};
use crate::world::{
    Chance,
    state::{Change, happen},
    words::TITLES,
};

/// The kinds of change with their weights; about a tenth of them deletes.
pub const CHANGES: [(usize, (&str, Change<State>)); 32] = [
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
    (
        2,
        ("application deleted", |state, chance| state.with_any(Table::Applications, chance, State::delete_application)),
    ),
    (2, ("candidate deleted", |state, chance| state.with_any(Table::Candidates, chance, State::delete_candidate))),
    (1, ("candidate merged", merge)),
    (1, ("candidate anonymized", |state, chance| state.with_any(Table::Candidates, chance, State::anonymize))),
    (1, ("interview deleted", |state, chance| state.with_any(Table::Interviews, chance, State::delete_interview))),
    (1, ("scorecard deleted", |state, chance| state.with_any(Table::Scorecards, chance, State::delete_scorecard))),
    (1, ("offer deleted", |state, chance| state.with_any(Table::Offers, chance, State::delete_offer))),
    (1, ("job, stage or post deleted", delete_of_job)),
    (1, ("unit deleted", delete_unit)),
    (1, ("application transferred", transfer)),
];

/// What happens to a newcomer of the past, in percent.
const GROWTH: [(usize, Change<State>); 10] = [
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
            happen(state, chance, &GROWTH);
        }
    });
}

/// An application that stands in a stage, and its job.
fn pick_active(state: &State, chance: &mut Chance) -> Option<(u64, u64)> {
    let row = state.store.pick_where(Table::Applications, chance, |row| row.number("stage_id").is_some())?;
    Some((row.id, row.number("job_id")?))
}

fn pick_status(state: &State, chance: &mut Chance, table: Table, status: &str) -> Option<u64> {
    state.any_where(table, chance, |row| row.text("status") == Some(status))
}

fn update_candidate(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Candidates, chance)?;
    let fields = match chance.below(4) {
        0 => json!({"title": chance.pick(&TITLES)}),
        1 => json!({"company": format!("Company {} & Co", chance.below(500))}),
        2 => json!({"phone_numbers": [{"value": format!("+48 22 {:07}", chance.below(9_999_999)), "type": "mobile"}]}),
        _ => json!({"email_addresses": [{"value": format!("new.{}@example.com", chance.draw()), "type": "personal"}]}),
    };
    state.update_candidate(id, fields);
    Some(id)
}

fn update_application(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let id = state.any(Table::Applications, chance)?;
    let address = format!("{} Mill Lane", chance.below(900));
    state.update_application(id, json!({"location_address": address}));
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
    let candidate = state.any(Table::Candidates, chance)?;
    state.apply(candidate, job, None)
}

fn prospect(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let job = state.any(Table::Jobs, chance)?;
    let candidate = state.any(Table::Candidates, chance)?;
    Some(state.consider(candidate, vec![job]))
}

fn convert(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let open = |row: &Row| row.is("prospect") && row.text("status") == Some("in_process");
    let prospect = state.any_where(Table::Applications, chance, open)?;
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    state.convert(prospect, job)
}

fn reject(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, _) = pick_active(state, chance)?;
    let reason = state.any(Table::RejectionReasons, chance)?;
    state.reject(id, reason);
    Some(id)
}

fn hire(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let (id, job) = pick_active(state, chance)?;
    let opening = *chance.of(&state.open_openings(job))?;
    state.hire(id, opening);
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
    let id = state.any(Table::Interviews, chance)?;
    let words = ["scheduled", "awaiting_feedback", "complete", "collect_feedback", "skipped"];
    let status = chance.pick(&words);
    state.set(Table::Interviews, id, json!({"status": status}));
    Some(id)
}

fn score(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let draft = state.any(Table::Scorecards, chance).filter(|_| chance.percent(50));
    if let Some(id) = draft {
        let rating = chance.pick(&RATINGS);
        state.submit_scorecard(id, rating);
        return Some(id);
    }
    let interview = state.any(Table::Interviews, chance)?;
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
            let department = state.any(Table::Departments, chance);
            state.update_job(id, json!({"department_id": department}));
        }
        2 => {
            let office = state.any(Table::Offices, chance);
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
    let job = state.any(Table::Jobs, chance)?;
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
            let id = state.any_where(Table::Users, chance, |row| row.id != 1)?;
            state.change(Table::Users, id, |row| row.set("deactivated", !row.is("deactivated")));
            Some(id)
        }
        _ => {
            let table = if number.is_multiple_of(2) { Table::Departments } else { Table::Offices };
            let id = state.any(table, chance)?;
            state.set(table, id, json!({"name": format!("Renamed {number} & more")}));
            Some(id)
        }
    }
}

fn merge(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let gone = state.any(Table::Candidates, chance)?;
    let survivor = state.any_where(Table::Candidates, chance, |row| row.id != gone)?;
    state.merge(gone, survivor).then_some(gone)
}

fn delete_of_job(state: &mut State, chance: &mut Chance) -> Option<u64> {
    match chance.below(3) {
        0 => {
            let id = state.any_where(Table::Jobs, chance, |row| row.text("status") == Some("draft"))?;
            state.delete_job(id).then_some(id)
        }
        1 => {
            let id = state.any_where(Table::JobInterviewStages, chance, |row| row.is("active"))?;
            state.delete_stage(id).then_some(id)
        }
        _ => {
            let id = state.any_where(Table::JobPosts, chance, |row| row.is("active"))?;
            state.delete_post(id);
            Some(id)
        }
    }
}

fn delete_unit(state: &mut State, chance: &mut Chance) -> Option<u64> {
    let table = if chance.percent(50) { Table::Departments } else { Table::Offices };
    let free = |row: &Row| !state.store.has(table, row.id, Table::Jobs) && !state.store.has(table, row.id, table);
    let id = state.any_where(table, chance, free)?;
    state.delete_unit(table, id).then_some(id)
}
