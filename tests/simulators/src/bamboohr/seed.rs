//! Initial data of a company: six jobs and 45 applications, different for each company, the same at every start.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    company::Company,
    detail::{STATUSES, blank, set, time},
    job::{Job, JobStatus},
};
use crate::world::{
    Chance, Clock,
    words::{FIRST_NAMES, LAST_NAMES, ascii},
};

/// Applications of a new company: three pages of the initial size.
pub const APPLICATIONS: u64 = 45;
/// 2026-09-01T06:00:00Z; everything initial lies in the eleven weeks after it, or before the clock where that is earlier.
const FIRST: i64 = 1_788_242_400;
const SPAN_S: i64 = 12 * 7 * 86_400;

/// Where applicants come from.
pub const SOURCES: [Option<&str>; 6] =
    [Some("LinkedIn"), Some("Indeed"), Some("Company careers page"), Some("Referral"), None, Some("Stepstone")];

/// (title, department, city, country) of the jobs; each company numbers them from its own start.
pub const JOBS: [(&str, &str, &str, &str); 12] = [
    ("Backend Engineer", "Engineering", "Lisbon", "Portugal"),
    ("Site Reliability Engineer", "Engineering", "Kraków", "Poland"),
    ("Product Designer", "Design", "Copenhagen", "Denmark"),
    ("Customer Support Specialist", "Customer Care", "Cork", "Ireland"),
    ("Data Analyst", "Analytics", "Tallinn", "Estonia"),
    ("Office Manager", "Operations", "Ghent", "Belgium"),
    ("Account Manager", "Sales", "Lyon", "France"),
    ("QA Engineer", "Engineering", "Porto", "Portugal"),
    ("Payroll Specialist", "Finance", "Graz", "Austria"),
    ("Technical Writer", "Product", "Utrecht", "Netherlands"),
    ("Field Technician", "Operations", "Malmö", "Sweden"),
    ("People Partner", "People", "Galway", "Ireland"),
];

struct Times(Timestamp);

impl Times {
    fn after(&self, seconds: u64) -> Timestamp {
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        self.0.saturating_add(seconds).unwrap_or(self.0)
    }
}

/// A company as it is before anything happens.
pub fn company(name: &str, clock: &Clock) -> Company {
    let mut chance = Chance::of_name(name);
    let times = Times(Timestamp::from_second(FIRST.min(clock.now().as_second() - SPAN_S)).unwrap_or_default());
    let first_job = 10 + chance.number(40);
    let offset = chance.below(12);
    let mut jobs = Vec::new();
    for (id, job) in (first_job..).zip(JOBS.iter().cycle().skip(offset).take(6)) {
        let posted = times.after(chance.number(600_000));
        let made = make_job(name, id, *job, posted, &mut chance);
        jobs.push((id, made));
    }
    let first = 100 + chance.number(900);
    let mut company = Company::empty(name, clock, first);
    let ids: Vec<u64> = jobs.iter().map(|(id, _)| *id).collect();
    for (id, detail) in jobs {
        company.set_job(Some(id), Job { detail, status: JobStatus::Open });
    }
    for index in 0..APPLICATIONS {
        let (detail, updated) = make_application(name, first + index, index, &times, &ids, &mut chance);
        company.put(first + index, detail, updated);
    }
    company
}

/// A job like the others.
pub fn make_job(
    company: &str,
    id: u64,
    (title, department, city, country): (&str, &str, &str, &str),
    posted: Timestamp,
    chance: &mut Chance,
) -> Value {
    let (lead, lead_last) = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
    json!({
        "id": id,
        "title": {"id": null, "label": title},
        "postedDate": time(posted),
        "location": {
            "id": 18_000 + id,
            "label": format!("{city}, {country}"),
            "address": {
                "name": format!("{city} office"), "description": null, "addressLine1": format!("{} Harbour Street", 1 + id),
                "addressLine2": null, "city": city, "state": null, "zipcode": format!("{}", 10_000 + chance.number(80_000)),
                "country": country, "phoneNumber": null,
            },
        },
        "department": {"id": 18_200 + id, "label": department},
        "status": {"id": 1, "label": "Open"},
        "hiringLead": {
            "employeeId": 10 + chance.number(80), "firstName": lead, "lastName": lead_last,
            "avatar": null, "jobTitle": {"id": null, "label": null},
        },
        "newApplicantsCount": 0, "activeApplicantsCount": 0, "totalApplicantsCount": 0,
        "postingUrl": format!("https://{company}.bamboohr.example/careers/{id}"),
    })
}

fn make_application(
    company: &str,
    id: u64,
    index: u64,
    times: &Times,
    jobs: &[u64],
    chance: &mut Chance,
) -> (Value, Timestamp) {
    let applied = times.after(600_000 + index * 120_000 + chance.number(60_000));
    // About a third was touched after it came in; those have a status beyond New.
    let touched = chance.number(3) == 0;
    let updated =
        if touched { applied.saturating_add(SignedDuration::from_hours(30)).unwrap_or(applied) } else { applied };
    let status = if touched { chance.pick(&[2_u64, 4, 5, 7, 8, 9, 20]) } else { 1 };
    let (first, last) = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
    let mut detail = blank(id, applied);
    let label = STATUSES.iter().find(|known| known.id == status).map(|known| known.name);
    set(&mut detail, "/status/id", status);
    set(&mut detail, "/status/label", label);
    set(&mut detail, "/status/dateChanged", time(updated));
    set(&mut detail, "/rating", touched.then(|| 1 + chance.number(5)));
    come(&mut detail, company, (first, last), chance);
    set(&mut detail, "/job/id", jobs.get(chance.below(6)));
    (detail, updated)
}

/// Fills in an applicant. The address is unique by the number: two people may have the same name, never the same address.
pub fn come(detail: &mut Value, company: &str, (first, last): (&str, &str), chance: &mut Chance) {
    let id = detail.get("id").and_then(Value::as_u64).unwrap_or_default();
    set(detail, "/applicant/firstName", first);
    set(detail, "/applicant/lastName", last);
    set(detail, "/applicant/email", format!("{}.{id}@{company}.example", ascii(last)));
    set(detail, "/applicant/source", chance.pick(&SOURCES));
    set(detail, "/applicant/phoneNumber", format!("+353 1 555 {:04}", chance.number(10_000)));
}
