//! What an account has from the beginning, and how its objects are made.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Table, time},
};
use crate::{
    wire::with,
    world::{
        Chance,
        words::{COMPANIES, FIRST_NAMES, LAST_NAMES, TITLES},
    },
};

const STAGES: [&str; 5] = ["Application Review", "Phone Screen", "Technical Interview", "On-site & Dinner", "Offer"];
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The first users, departments, offices, reasons, sources and jobs. The user `1` is the site admin that tokens act for.
pub fn organization(state: &mut State, chance: &mut Chance) {
    let admin = user("Morgan", "Reyes", Some("morgan.reyes@hiring.example"));
    state.add_as(1, Table::Users, with(admin, json!({"site_admin": true})));
    for (first, last) in [("Jules", "Moreau"), ("Priya", "Nair"), ("Søren", "Holm")] {
        state.add(Table::Users, user(first, last, Some(&format!("{}@hiring.example", first.to_lowercase()))));
    }
    state.add(Table::Users, with(user("Integration", "Service", None), json!({"_service": true})));
    let product = department(state, "Product & Design", None);
    department(state, "Engineering", Some(product));
    department(state, "People", None);
    let europe = office(state, "Europe", None, None);
    office(state, "Dublin", Some("Dublin, Ireland"), Some(europe));
    office(state, "Zürich", Some("Zürich, Switzerland"), Some(europe));
    office(state, "Remote", None, None);
    for (name, builtin) in
        [("Too junior", false), ("Position <closed>", false), ("Lacking skills", true), ("Withdrew", true)]
    {
        state.add(Table::RejectionReasons, json!({"name": name, "_builtin": builtin}));
    }
    for name in ["Jobs page on your website", "Referral"] {
        state.add(Table::Sources, json!({"name": name}));
    }
    for _ in 0..3 {
        job(state, chance, "open");
    }
}

/// The fields of a user.
pub fn user(first: &str, last: &str, mail: Option<&str>) -> Value {
    json!({
        "first_name": first, "last_name": last, "name": format!("{first} {last}"), "primary_email": mail,
        "emails": [mail.unwrap_or_default()],
    })
}

pub fn department(state: &mut State, name: &str, parent: Option<u64>) -> u64 {
    state.add(Table::Departments, json!({"name": name, "parent_id": parent}))
}

pub fn office(state: &mut State, name: &str, location: Option<&str>, parent: Option<u64>) -> u64 {
    state.add(Table::Offices, json!({"name": name, "parent_id": parent, "location": location}))
}

/// A new job with its plan of interviews, openings and, when it is open, a live post.
pub fn job(state: &mut State, chance: &mut Chance, status: &str) -> u64 {
    let department = state.any(Table::Departments, chance).filter(|_| chance.percent(90));
    let office = state.any(Table::Offices, chance).filter(|_| chance.percent(90));
    let name = chance.pick(&TITLES);
    let opened = if status == "draft" { Value::Null } else { time(state.now_ms() - 20 * DAY_MS) };
    let id = state.add(
        Table::Jobs,
        json!({
            "name": name, "requisition_id": chance.below(9_000).to_string(), "opened_at": opened, "status": status,
            "is_template": chance.percent(50).then_some(false), "department_id": department,
            "office_ids": office.into_iter().collect::<Vec<_>>(),
        }),
    );
    for (order, stage) in STAGES.into_iter().enumerate() {
        plan(state, id, order, stage);
    }
    for order in 0..=chance.below(3) {
        opening(state, id, order);
    }
    post(state, id, name, status == "open");
    id
}

/// A stage of a job with one interview and its kit.
fn plan(state: &mut State, job: u64, order: usize, name: &str) {
    let stage = state.add(Table::JobInterviewStages, json!({"job_id": job, "sort_order": order, "name": name}));
    let planned = json!({"job_interview_stage_id": stage, "job_id": job, "name": format!("{name} call")});
    let interview = state.add(Table::JobInterviews, planned);
    state.add(Table::InterviewKits, json!({"job_id": job, "job_interview_id": interview}));
}

/// A new open opening.
pub fn opening(state: &mut State, job: u64, order: usize) -> u64 {
    let opened = time(state.now_ms() - 20 * DAY_MS);
    let fields =
        json!({"job_id": job, "opened_at": opened, "sort_order": order, "opening_id": format!("{job}-{order}")});
    state.add(Table::Openings, fields)
}

/// A new job post.
pub fn post(state: &mut State, job: u64, title: &str, live: bool) -> u64 {
    let published = if live { time(state.now_ms() - 20 * DAY_MS) } else { Value::Null };
    let fields = json!({"title": title, "live": live, "first_published_at": published, "job_id": job});
    state.add(Table::JobPosts, fields)
}

/// The fields of a candidate who applied with these words.
pub fn candidate(first: &str, last: &str, mail: Option<&str>, phone: Option<&str>) -> Value {
    let list = |value: Option<&str>| value.map_or(json!([]), |value| json!([{"value": value, "type": "personal"}]));
    json!({"first_name": first, "last_name": last, "phone_numbers": list(phone), "email_addresses": list(mail)})
}

/// The fields of any person.
pub fn anybody(chance: &mut Chance) -> Value {
    let number = chance.below(1_000_000);
    let mail = format!("candidate.{number}@example.com");
    let phone = format!("+353 1 555 {:04}", number % 10_000);
    let (first, last) = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
    let mail = Some(mail.as_str()).filter(|_| chance.percent(95));
    let phone = Some(phone.as_str()).filter(|_| chance.percent(80));
    let company = Some(chance.pick(&COMPANIES)).filter(|company| !company.is_empty() && chance.percent(60));
    let title = chance.percent(60).then(|| chance.pick(&TITLES));
    with(candidate(first, last, mail, phone), json!({"company": company, "title": title}))
}
