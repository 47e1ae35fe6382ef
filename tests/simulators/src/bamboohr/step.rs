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
    let jobs: Vec<u64> = company.jobs().keys().copied().filter(|id| company.job(*id).is_some()).collect();
    while objects_now(company) < objects {
        let ago = SignedDuration::from_secs(i64::try_from(chance.below(GROWN_DAYS * 86_400)).unwrap_or(0));
        let Some(id) = create_application(company, chance, &jobs, ago) else { return };
        if chance.percent(60) {
            let status = status(chance);
            company.move_to(id, status);
        }
    }
}

/// Changes something, and says what.
pub fn step(company: &mut Company, chance: &mut Chance) -> String {
    let dice = chance.below(100);
    let Some(id) = some_application(company, chance).filter(|_| dice >= 15) else {
        let jobs: Vec<u64> = company.jobs().keys().copied().filter(|id| company.job(*id).is_some()).collect();
        return match create_application(company, chance, &jobs, SignedDuration::ZERO) {
            Some(id) => format!("application {id} came in"),
            None => format!("job {} was created", create_job(company, chance)),
        };
    };
    match dice {
        15..50 => {
            let status = status(chance);
            company.move_to(id, status);
            format!("application {id} moved to status {status}")
        }
        50..62 => {
            let (first, last) = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
            change(company, id, &[("/applicant/firstName", json!(first)), ("/applicant/lastName", json!(last))]);
            format!("the applicant of application {id} has another name")
        }
        62..70 => {
            let email = chance.percent(90).then(|| format!("person.{id}.{}@mail.example", chance.below(1_000)));
            change(company, id, &[("/applicant/email", json!(email))]);
            format!("the applicant of application {id} has another address")
        }
        70..78 => {
            let rating = chance.percent(80).then(|| 1 + chance.below(5));
            change(company, id, &[("/rating", json!(rating))]);
            format!("application {id} was rated")
        }
        78..88 => {
            company.remove(id);
            format!("application {id} was deleted")
        }
        88..91 => format!("job {} was created", create_job(company, chance)),
        _ => change_job(company, chance, dice),
    }
}

fn change_job(company: &mut Company, chance: &mut Chance, dice: usize) -> String {
    let jobs: Vec<u64> = company.jobs().keys().copied().filter(|id| company.job(*id).is_some()).collect();
    let Some(id) = chance.of(&jobs).copied() else { return format!("job {} was created", create_job(company, chance)) };
    match dice {
        91..95 => {
            let title = chance.of(&JOBS).map_or("", |job| job.0);
            let title = format!("{title} {}", chance.below(1_000));
            company.change_job(id, |job| job.retitle(&title));
            format!("job {id} has another title")
        }
        // The last job stays, so that there is something to apply to.
        99 if jobs.len() > 1 => {
            company.change_job(id, |job| job.status = JobStatus::Deleted);
            format!("job {id} was deleted")
        }
        _ => {
            let stays =
                JobStatus::ALL.map(|status| if status == JobStatus::Deleted { JobStatus::Open } else { status });
            let status = chance.of(&stays).copied().unwrap_or(JobStatus::Open);
            company.change_job(id, |job| job.status = status);
            format!("job {id} is {}", status.label())
        }
    }
}

fn some_application(company: &Company, chance: &mut Chance) -> Option<u64> {
    let (first, last) = (company.applications().first_key_value()?.0, company.applications().last_key_value()?.0);
    let span = usize::try_from(last - first).unwrap_or(0) + 1;
    let from = first + u64::try_from(chance.below(span)).unwrap_or(0);
    company.applications().range(from..).next().map(|(id, _)| *id)
}

fn change(company: &mut Company, id: u64, values: &[(&str, Value)]) {
    company.change(id, |detail| values.iter().for_each(|(pointer, value)| detail::set(detail, pointer, value)));
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
