//! Random changes: what happens at a customer, most often an update.

use serde_json::json;

use super::{
    planning::RATINGS,
    seed,
    state::State,
    table::{Row, Table},
};
use crate::world::Chance;

/// Tries one kind of change; says what it did, or nothing when there was nothing to do it with.
type Change = fn(&mut State, &mut Chance) -> Option<String>;

/// The kinds of change with their weights; about a tenth of them deletes.
const CHANGES: [(usize, Change); 32] = [
    (14, update_candidate),
    (7, update_application),
    (15, move_application),
    (9, newcomer),
    (2, apply_again),
    (2, prospect),
    (1, convert),
    (6, reject),
    (2, unreject),
    (2, hire),
    (1, unhire),
    (5, schedule),
    (5, hold_interview),
    (4, score),
    (2, offer),
    (3, change_offer),
    (1, new_job),
    (3, update_job),
    (2, update_post),
    (1, new_post),
    (1, new_opening),
    (2, change_organization),
    (2, delete_application),
    (2, delete_candidate),
    (1, merge),
    (1, anonymize),
    (1, delete_interview),
    (1, delete_scorecard),
    (1, delete_offer),
    (1, delete_of_job),
    (1, delete_unit),
    (1, transfer),
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

/// One change.
pub fn step(state: &mut State, chance: &mut Chance) -> String {
    let total = CHANGES.iter().map(|(weight, _)| weight).sum();
    let mut at = chance.below(total);
    let chosen = CHANGES.iter().find(|(weight, _)| {
        let found = at < *weight;
        at = at.saturating_sub(*weight);
        found
    });
    let done = chosen.and_then(|(_, change)| change(state, chance));
    done.or_else(|| update_candidate(state, chance)).or_else(|| newcomer(state, chance)).unwrap_or_default()
}

/// How many objects there are of the kinds that a client knows.
#[must_use]
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

fn said(what: &str, id: u64) -> Option<String> {
    Some(format!("{what} {id}"))
}

fn update_candidate(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Candidates, chance)?.id;
    let (field, value) = match chance.below(4) {
        0 => ("title", seed::title(chance)),
        1 => ("company", json!(format!("Company {} & Co", chance.below(500)))),
        2 => ("phone_numbers", json!([{"value": format!("+48 22 {:07}", chance.below(9_999_999)), "type": "mobile"}])),
        _ => ("email_addresses", json!([{"value": format!("new.{}@example.com", chance.draw()), "type": "personal"}])),
    };
    state.update_candidate(id, |row| row.set(field, value));
    said("candidate updated", id)
}

fn update_application(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Applications, chance)?.id;
    let address = format!("{} Mill Lane", chance.below(900));
    state.update_application(id, |row| row.set("location_address", address));
    said("application updated", id)
}

fn move_application(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, job) = pick_active(state, chance)?;
    let stage = *chance.of(&state.stages(job))?;
    state.move_to(id, stage);
    said("application moved", id)
}

fn transfer(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, _) = pick_active(state, chance)?;
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    state.transfer(id, job);
    said("application transferred", id)
}

fn newcomer(state: &mut State, chance: &mut Chance) -> Option<String> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let candidate = state.new_candidate(seed::anybody(chance));
    state.apply(candidate, job, None);
    said("candidate applied", candidate)
}

fn apply_again(state: &mut State, chance: &mut Chance) -> Option<String> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let candidate = state.store.pick(Table::Candidates, chance)?.id;
    state.apply(candidate, job, None).and_then(|id| said("applied again", id))
}

fn prospect(state: &mut State, chance: &mut Chance) -> Option<String> {
    let job = state.store.pick(Table::Jobs, chance)?.id;
    let candidate = state.store.pick(Table::Candidates, chance)?.id;
    said("prospect", state.consider(candidate, vec![job]))
}

fn convert(state: &mut State, chance: &mut Chance) -> Option<String> {
    let open = |row: &Row| row.is("prospect") && row.text("status") == Some("in_process");
    let prospect = state.store.pick_where(Table::Applications, chance, open)?.id;
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    state.convert(prospect, job).and_then(|id| said("prospect converted", id))
}

fn reject(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, _) = pick_active(state, chance)?;
    let reason = state.store.pick(Table::RejectionReasons, chance)?.id;
    state.reject(id, reason);
    said("rejected", id)
}

fn unreject(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = pick_status(state, chance, Table::Applications, "rejected")?;
    state.unreject(id);
    said("unrejected", id)
}

fn hire(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, job) = pick_active(state, chance)?;
    let openings = state.store.of(Table::Jobs, job, Table::Openings).into_iter();
    let open: Vec<u64> =
        openings.filter(|id| state.store.row(Table::Openings, *id).is_some_and(|row| row.is("open"))).collect();
    state.hire(id, *chance.of(&open)?);
    said("hired", id)
}

fn unhire(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = pick_status(state, chance, Table::Applications, "hired")?;
    state.unhire(id);
    said("unhired", id)
}

fn schedule(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, _) = pick_active(state, chance)?;
    let (days, all_day) = (i64::try_from(chance.below(20)).unwrap_or_default(), chance.percent(10));
    state.schedule(id, days, all_day).and_then(|id| said("interview scheduled", id))
}

fn hold_interview(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Interviews, chance)?.id;
    let words = ["scheduled", "awaiting_feedback", "complete", "collect_feedback", "skipped"];
    let status = seed::word(chance, &words);
    state.change(Table::Interviews, id, |row| row.set("status", status));
    said("interview changed", id)
}

fn score(state: &mut State, chance: &mut Chance) -> Option<String> {
    let draft = state.store.pick(Table::Scorecards, chance).map(|row| row.id).filter(|_| chance.percent(50));
    if let Some(id) = draft {
        let rating = seed::word(chance, &RATINGS);
        state.submit_scorecard(id, rating);
        return said("scorecard submitted", id);
    }
    let interview = state.store.pick(Table::Interviews, chance)?.id;
    state.begin_scorecard(interview).and_then(|id| said("scorecard begun", id))
}

fn offer(state: &mut State, chance: &mut Chance) -> Option<String> {
    let (id, _) = pick_active(state, chance)?;
    let days = i64::try_from(chance.below(60)).unwrap_or_default();
    state.offer(id, days).and_then(|id| said("offered", id))
}

fn change_offer(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = pick_status(state, chance, Table::Offers, "Created")?;
    match chance.below(4) {
        0 => state.approve_offer(id),
        1 => state.update_offer(id, |row| row.set("starts_on", "2027-01-04")),
        _ => {
            let status = seed::word(chance, &["Accepted", "Rejected"]);
            state.update_offer(id, |row| row.set("status", status));
        }
    }
    said("offer changed", id)
}

fn new_job(state: &mut State, chance: &mut Chance) -> Option<String> {
    let status = if chance.percent(60) { "draft" } else { "open" };
    said("job created", state.new_job(chance, status))
}

fn update_job(state: &mut State, chance: &mut Chance) -> Option<String> {
    let row = state.store.pick(Table::Jobs, chance)?;
    let (id, draft) = (row.id, row.text("status") == Some("draft"));
    match chance.below(5) {
        0 if draft => state.set_job_status(id, "open"),
        0 | 1 => {
            let department = state.store.pick(Table::Departments, chance).map(|row| row.id);
            state.update_job(id, |row| row.set("department_id", json!(department)));
        }
        2 => {
            let office = state.store.pick(Table::Offices, chance).map(|row| row.id);
            state.update_job(id, |row| row.set("office_ids", json!(office.into_iter().collect::<Vec<_>>())));
        }
        _ => {
            let name = format!("Job <{}>", chance.below(10_000));
            state.update_job(id, |row| row.set("name", name));
        }
    }
    said("job updated", id)
}

fn update_post(state: &mut State, chance: &mut Chance) -> Option<String> {
    let row = state.store.pick_where(Table::JobPosts, chance, |row| row.is("active"))?;
    let (id, live) = (row.id, !row.is("live"));
    let title = seed::title(chance);
    state.update_post(id, |row| {
        row.set("live", live);
        row.set("title", title);
    });
    said("post updated", id)
}

fn new_post(state: &mut State, chance: &mut Chance) -> Option<String> {
    let job = state.store.pick(Table::Jobs, chance)?.id;
    let title = seed::title(chance);
    said("post created", state.new_post(job, title, true))
}

fn new_opening(state: &mut State, chance: &mut Chance) -> Option<String> {
    let job = pick_status(state, chance, Table::Jobs, "open")?;
    let order = state.store.of(Table::Jobs, job, Table::Openings).len();
    said("opening created", seed::opening(state, job, order))
}

fn change_organization(state: &mut State, chance: &mut Chance) -> Option<String> {
    let number = chance.below(10_000);
    match chance.below(6) {
        0 => said("department created", seed::department(state, &format!("Department {number}"), None)),
        1 => said("office created", seed::office(state, &format!("Office {number}"), Some("Łódź, Poland"), None)),
        2 => {
            let fields = seed::user("New", "Colleague", &format!("colleague.{number}@hiring.example"), false);
            said("user created", state.add(Table::Users, fields))
        }
        3 => {
            let id = state.store.pick_where(Table::Users, chance, |row| row.id != 1)?.id;
            state.change(Table::Users, id, |row| {
                let now = !row.is("deactivated");
                row.set("deactivated", now);
            });
            said("user changed", id)
        }
        _ => {
            let table = if number.is_multiple_of(2) { Table::Departments } else { Table::Offices };
            let id = state.store.pick(table, chance)?.id;
            state.change(table, id, |row| row.set("name", format!("Renamed {number} & more")));
            said("unit renamed", id)
        }
    }
}

fn delete_application(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Applications, chance)?.id;
    state.delete_application(id);
    said("application deleted", id)
}

fn delete_candidate(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Candidates, chance)?.id;
    state.delete_candidate(id);
    said("candidate deleted", id)
}

fn merge(state: &mut State, chance: &mut Chance) -> Option<String> {
    let gone = state.store.pick(Table::Candidates, chance)?.id;
    let survivor = state.store.pick_where(Table::Candidates, chance, |row| row.id != gone)?.id;
    state.merge(gone, survivor).then(|| format!("candidate {gone} merged into {survivor}"))
}

fn anonymize(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Candidates, chance)?.id;
    state.anonymize(id);
    said("candidate anonymized", id)
}

fn delete_interview(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Interviews, chance)?.id;
    state.delete_interview(id).then(|| format!("interview deleted {id}"))
}

fn delete_scorecard(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Scorecards, chance)?.id;
    state.delete_scorecard(id).then(|| format!("scorecard deleted {id}"))
}

fn delete_offer(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.store.pick(Table::Offers, chance)?.id;
    state.delete_offer(id).then(|| format!("offer deleted {id}"))
}

fn delete_of_job(state: &mut State, chance: &mut Chance) -> Option<String> {
    match chance.below(3) {
        0 => {
            let id = state.store.pick_where(Table::Jobs, chance, |row| row.text("status") == Some("draft"))?.id;
            state.delete_job(id).then(|| format!("job deleted {id}"))
        }
        1 => {
            let id = state.store.pick_where(Table::JobInterviewStages, chance, |row| row.is("active"))?.id;
            state.delete_stage(id).then(|| format!("stage deleted {id}"))
        }
        _ => {
            let id = state.store.pick_where(Table::JobPosts, chance, |row| row.is("active"))?.id;
            state.delete_post(id);
            said("post deleted", id)
        }
    }
}

fn delete_unit(state: &mut State, chance: &mut Chance) -> Option<String> {
    let table = if chance.percent(50) { Table::Departments } else { Table::Offices };
    let free = |row: &Row| !state.store.has(table, row.id, Table::Jobs) && !state.store.has(table, row.id, table);
    let id = state.store.pick_where(table, chance, free)?.id;
    state.delete_unit(table, id).then(|| format!("unit deleted {id}"))
}
