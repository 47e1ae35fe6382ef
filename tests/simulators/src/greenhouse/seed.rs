//! What an account has from the beginning, and how its objects are made.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Table, time},
};
use crate::world::Chance;

const FIRST_NAMES: [&str; 8] = ["Nadia", "Oskar", "Renée", "Thabo", "Minh", "Elena", "Zoë", "Åsa"];
const LAST_NAMES: [&str; 8] =
    ["Castillo", "Brandt", "Le Gall", "Ndlovu", "Trần", "Sørensen", "O'Neill & Sons", "Marchetti <wait>"];
const COMPANIES: [&str; 4] = ["Larch & Pine Ltd.", "Northwind", "Młyn sp. z o.o.", "Harbour Labs"];
const TITLES: [&str; 6] = [
    "Platform Engineer",
    "Machine Learning Engineer",
    "Recruiting Coordinator",
    "Frontend Developer",
    "Solutions Architect",
    "Payroll Specialist",
];
const STAGES: [&str; 5] = ["Application Review", "Phone Screen", "Technical Interview", "On-site & Dinner", "Offer"];
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// One of these words.
pub fn word(chance: &mut Chance, list: &[&str]) -> Value {
    json!(chance.of(list).copied().unwrap_or_default())
}

/// A title for a job or a person.
pub fn title(chance: &mut Chance) -> Value {
    word(chance, &TITLES)
}

/// The first users, departments, offices, reasons, sources and jobs. The user `1` is the site admin that tokens act for.
pub fn organization(state: &mut State, chance: &mut Chance) {
    state.add_as(1, Table::Users, user("Morgan", "Reyes", "morgan.reyes@hiring.example", true));
    for (first, last) in [("Jules", "Moreau"), ("Priya", "Nair"), ("Søren", "Holm")] {
        let mail = format!("{}@hiring.example", first.to_lowercase());
        state.add(Table::Users, user(first, last, &mail, false));
    }
    let mut service = user("Integration", "Service", "", false);
    for (name, value) in &mut service {
        if *name == "primary_email" {
            *value = Value::Null;
        }
    }
    service.push(("_service", json!(true)));
    state.add(Table::Users, service);
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
        let kind = json!({"id": 1, "key": "we_rejected_them", "name": "We rejected them"});
        state.add(Table::RejectionReasons, vec![("name", json!(name)), ("type", kind), ("_builtin", json!(builtin))]);
    }
    for name in ["Jobs page on your website", "Referral"] {
        state.add(Table::Sources, vec![("name", json!(name)), ("type", json!({"id": 1, "name": "Company marketing"}))]);
    }
    for _ in 0..3 {
        job(state, chance, "open");
    }
}

/// The fields of a user.
#[must_use]
pub fn user(first: &str, last: &str, mail: &str, admin: bool) -> Vec<(&'static str, Value)> {
    vec![
        ("first_name", json!(first)),
        ("last_name", json!(last)),
        ("primary_email", json!(mail)),
        ("job_title", Value::Null),
        ("agency_id", Value::Null),
        ("name", json!(format!("{first} {last}"))),
        ("deactivated", json!(false)),
        ("site_admin", json!(admin)),
        ("employee_id", Value::Null),
        ("linked_candidate_ids", json!([])),
        ("office_ids", json!([])),
        ("department_ids", json!([])),
        ("interviewer_tags", json!([])),
        ("emails", json!([mail])),
        ("custom_fields", json!({})),
    ]
}

/// A new department.
pub fn department(state: &mut State, name: &str, parent: Option<u64>) -> u64 {
    state.add(
        Table::Departments,
        vec![("name", json!(name)), ("parent_id", json!(parent)), ("external_id", Value::Null)],
    )
}

/// A new office.
pub fn office(state: &mut State, name: &str, location: Option<&str>, parent: Option<u64>) -> u64 {
    state.add(
        Table::Offices,
        vec![
            ("name", json!(name)),
            ("parent_id", json!(parent)),
            ("external_id", Value::Null),
            ("location", json!(location)),
            ("primary_in_house_contact_user_id", Value::Null),
        ],
    )
}

/// A new job with its plan of interviews, openings and, when it is open, a live post.
pub fn job(state: &mut State, chance: &mut Chance, status: &str) -> u64 {
    let department = state.store.pick(Table::Departments, chance).map(|row| row.id).filter(|_| chance.percent(90));
    let office = state.store.pick(Table::Offices, chance).map(|row| row.id).filter(|_| chance.percent(90));
    let name = title(chance);
    let opened = if status == "draft" { Value::Null } else { time(state.now_ms() - 20 * DAY_MS) };
    let custom = json!({"employment_type": {"name": "Employment Type", "type": "single_select", "value": "Full-time"}});
    let id = state.add(
        Table::Jobs,
        vec![
            ("name", name.clone()),
            ("requisition_id", json!(chance.below(9_000).to_string())),
            ("notes", Value::Null),
            ("confidential", json!(false)),
            ("is_template", if chance.percent(50) { json!(false) } else { Value::Null }),
            ("copied_from_id", Value::Null),
            ("opened_at", opened),
            ("closed_at", Value::Null),
            ("status", json!(status)),
            ("office_ids", json!(office.into_iter().collect::<Vec<_>>())),
            ("department_id", json!(department)),
            ("custom_fields", custom),
        ],
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
pub fn plan(state: &mut State, job: u64, order: usize, name: &str) -> u64 {
    let stage = state.add(
        Table::JobInterviewStages,
        vec![("job_id", json!(job)), ("sort_order", json!(order)), ("name", json!(name)), ("active", json!(true))],
    );
    let interview = state.add(
        Table::JobInterviews,
        vec![
            ("job_interview_stage_id", json!(stage)),
            ("job_id", json!(job)),
            ("sort_order", json!(0)),
            ("scheduling_type", json!("needs_scheduling")),
            ("duration", json!(45)),
            ("summary", Value::Null),
            ("instructions", Value::Null),
            ("name", json!(format!("{name} call"))),
            ("active", json!(true)),
            ("require_scorecard", json!(true)),
        ],
    );
    state.add(
        Table::InterviewKits,
        vec![
            ("job_id", json!(job)),
            ("job_interview_id", json!(interview)),
            ("exercises", Value::Null),
            ("anonymize_candidate", json!(false)),
            ("anonymize_resumes", json!(false)),
        ],
    );
    stage
}

/// A new open opening.
pub fn opening(state: &mut State, job: u64, order: usize) -> u64 {
    let opened = time(state.now_ms() - 20 * DAY_MS);
    state.add(
        Table::Openings,
        vec![
            ("job_id", json!(job)),
            ("opened_at", opened),
            ("closed_at", Value::Null),
            ("sort_order", json!(order)),
            ("opening_id", json!(format!("{job}-{order}"))),
            ("application_id", Value::Null),
            ("close_reason_id", Value::Null),
            ("target_start_on", Value::Null),
            ("open", json!(true)),
            ("custom_fields", json!({})),
        ],
    )
}

/// A new job post.
pub fn post(state: &mut State, job: u64, title: Value, live: bool) -> u64 {
    let published = if live { time(state.now_ms() - 20 * DAY_MS) } else { Value::Null };
    state.add(
        Table::JobPosts,
        vec![
            ("title", title),
            ("internal", json!(false)),
            ("active", json!(true)),
            ("live", json!(live)),
            ("featured", json!(false)),
            ("first_published_at", published),
            ("content", json!("<p>Build things & keep them running.</p>")),
            ("language", json!("en")),
            ("public_url", Value::Null),
            ("demographic_question_set_id", Value::Null),
            ("job_id", json!(job)),
            ("job_board_id", json!(7)),
            ("questions", json!([])),
        ],
    )
}

/// The fields of a candidate who applied with these words.
#[must_use]
pub fn candidate(first: Value, last: Value, mail: Option<&str>, phone: Option<&str>) -> Vec<(&'static str, Value)> {
    let list = |value: Option<&str>| value.map_or(json!([]), |value| json!([{"value": value, "type": "personal"}]));
    vec![
        ("first_name", first),
        ("last_name", last),
        ("preferred_name", Value::Null),
        ("company", Value::Null),
        ("title", Value::Null),
        ("last_activity_at", Value::Null),
        ("private", json!(false)),
        ("can_email", json!(true)),
        ("time_zone", Value::Null),
        ("tags", json!([])),
        ("linked_user_ids", json!([])),
        ("phone_numbers", list(phone)),
        ("addresses", json!([])),
        ("email_addresses", list(mail)),
        ("website_addresses", json!([])),
        ("social_media_addresses", json!([])),
        ("custom_fields", json!({})),
    ]
}

/// Anybody, not yet in the store.
pub fn anybody(chance: &mut Chance) -> Vec<(&'static str, Value)> {
    let number = chance.below(1_000_000);
    let mail = format!("candidate.{number}@example.com");
    let phone = format!("+353 1 555 {:04}", number % 10_000);
    let (first, last) = (word(chance, &FIRST_NAMES), word(chance, &LAST_NAMES));
    let mail = Some(mail.as_str()).filter(|_| chance.percent(95));
    let phone = Some(phone.as_str()).filter(|_| chance.percent(80));
    let mut fields = candidate(first, last, mail, phone);
    for (name, value) in &mut fields {
        if *name == "company" && chance.percent(60) {
            *value = word(chance, &COMPANIES);
        }
        if *name == "title" && chance.percent(60) {
            *value = title(chance);
        }
    }
    fields
}
