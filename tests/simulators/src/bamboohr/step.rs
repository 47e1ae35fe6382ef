//! What happens in a company by chance.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    company::Company,
    detail,
    job::{Job, JobStatus},
    seed::{self, JOBS},
};
use crate::world::{
    Chance,
    state::Change,
    words::{FIRST_NAMES, LAST_NAMES},
};

/// Rows of a page of a company that has grown.
const GROWN_PAGE: usize = 50;
/// Applications to a job of a company that has grown, about.
const APPLICATIONS_OF_A_JOB: usize = 25;
/// Days over which the applications of a company that has grown came in.
const GROWN_DAYS: usize = 60;

/// Adds applications with their applicants, and jobs, until there are about so many objects.
pub fn grow(company: &mut Company, chance: &mut Chance, objects: usize) {
    let objects_now = |company: &Company| company.jobs().len() + 2 * company.applications().len();
    if company.page_size == detail::PAGE_SIZE {
        company.page_size = GROWN_PAGE;
    }
    let missing = objects.saturating_sub(objects_now(company)) / 2;
    for _ in 0..missing / APPLICATIONS_OF_A_JOB {
        create_job(company, chance);
    }
    let jobs = jobs(company);
    while objects_now(company) < objects {
        let ago = SignedDuration::from_secs(i64::try_from(chance.below(GROWN_DAYS * 86_400)).unwrap_or(0));
        let Some(id) = create_application(company, chance, &jobs, ago) else { return };
        if chance.percent(60) {
            let status = status(chance);
            company.move_to(id, status);
        }
    }
}

/// The kinds of change with their weights; about a tenth of them deletes.
pub const CHANGES: [(usize, (&str, Change<Company>)); 9] = [
    (15, ("application came in", come_in)),
    (35, ("application moved", move_on)),
    (12, ("applicant renamed", rename)),
    (8, ("applicant has another address", readdress)),
    (8, ("application rated", rate)),
    (10, ("application deleted", delete)),
    (3, ("job created", |company, chance| Some(create_job(company, chance)))),
    (4, ("job has another title", retitle)),
    (5, ("job has another status", change_status)),
];

/// The jobs that were not deleted.
fn jobs(company: &Company) -> Vec<u64> {
    company.jobs().keys().copied().filter(|id| company.job(*id).is_some()).collect()
}

fn come_in(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let jobs = jobs(company);
    create_application(company, chance, &jobs, SignedDuration::ZERO)
}

fn move_on(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let id = some_application(company, chance)?;
    company.move_to(id, status(chance)).then_some(id)
}

fn delete(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let id = some_application(company, chance)?;
    company.remove(id).map(|_| id)
}

fn rename(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let (first, last) = (json!(chance.pick(&FIRST_NAMES)), json!(chance.pick(&LAST_NAMES)));
    change(company, chance, |_, _| vec![("/applicant/firstName", first), ("/applicant/lastName", last)])
}

fn readdress(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    change(company, chance, |id, chance| {
        let email = chance.percent(90).then(|| format!("person.{id}.{}@mail.example", chance.below(1_000)));
        vec![("/applicant/email", json!(email))]
    })
}

fn rate(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let rating = chance.percent(80).then(|| 1 + chance.below(5));
    change(company, chance, |_, _| vec![("/rating", json!(rating))])
}

fn retitle(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let id = *chance.of(&jobs(company))?;
    let title = format!("{} {}", chance.pick(&JOBS).0, chance.below(1_000));
    company.change_job(id, |job| job.retitle(&title)).then_some(id)
}

fn change_status(company: &mut Company, chance: &mut Chance) -> Option<u64> {
    let jobs = jobs(company);
    let (id, status) = (*chance.of(&jobs)?, *chance.of(&JobStatus::ALL)?);
    // The last job stays, so that there is something to apply to.
    let stays = jobs.len() == 1 || chance.percent(20);
    let status = if status == JobStatus::Deleted && stays { JobStatus::Open } else { status };
    company.change_job(id, |job| job.status = status).then_some(id)
}

fn some_application(company: &Company, chance: &mut Chance) -> Option<u64> {
    let (first, last) = (company.applications().first_key_value()?.0, company.applications().last_key_value()?.0);
    let span = usize::try_from(last - first).unwrap_or(0) + 1;
    let from = first + u64::try_from(chance.below(span)).unwrap_or(0);
    company.applications().range(from..).next().map(|(id, _)| *id)
}

/// Sets fields of any application.
fn change(
    company: &mut Company,
    chance: &mut Chance,
    fields: impl FnOnce(u64, &mut Chance) -> Vec<(&'static str, Value)>,
) -> Option<u64> {
    let id = some_application(company, chance)?;
    let fields = fields(id, chance);
    company
        .change(id, |detail| fields.iter().for_each(|(pointer, value)| detail::set(detail, pointer, value)))
        .then_some(id)
}

fn status(chance: &mut Chance) -> u64 {
    chance.of(&detail::STATUSES).map_or(1, |status| status.id)
}

fn create_job(company: &mut Company, chance: &mut Chance) -> u64 {
    let id = company.next_job();
    let job = chance.pick(&JOBS);
    let now = company.clock.now();
    let detail = seed::make_job(&company.name, id, job, now, chance);
    let status = if chance.percent(80) { JobStatus::Open } else { JobStatus::Draft };
    company.set_job(Some(id), Job { detail, status })
}

fn create_application(company: &mut Company, chance: &mut Chance, jobs: &[u64], ago: SignedDuration) -> Option<u64> {
    let job = *chance.of(jobs)?;
    let person = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
    let (id, now) = (company.number(), company.clock.now());
    let mut detail = detail::blank(id, now.checked_sub(ago).unwrap_or(now));
    seed::come(&mut detail, &company.name, person, chance);
    detail::set(&mut detail, "/job/id", job);
    let updated = company.stamp();
    company.put(id, detail, updated);
    Some(id)
}
