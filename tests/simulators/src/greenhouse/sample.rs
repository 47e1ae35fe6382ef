//! A `new_candidate_application` of the documented shape, made for tests.

use serde_json::{Value, json};

const FIRST_NAMES: [&str; 6] = ["Nadia", "Oskar", "Renée", "Thabo", "Minh", "Elena"];
const LAST_NAMES: [&str; 7] = ["Castillo", "Brandt", "Le Gall", "Ndlovu", "Trần", "Sørensen", "Marchetti"];
const JOBS: [(&str, &str, &str); 5] = [
    ("Platform Engineer", "Infrastructure", "Dublin, Ireland"),
    ("Machine Learning Engineer", "Research & Development", "Zürich, Switzerland"),
    ("Recruiting Coordinator", "People", "Remote, Europe"),
    ("Frontend Developer", "Product", "Gdańsk, Poland"),
    ("Solutions Architect", "Customer Success", "Valencia, Spain"),
];

fn pick<T: Copy>(list: &[T], seed: u64, otherwise: T) -> T {
    let index = u64::try_from(list.len()).ok().and_then(|length| seed.checked_rem(length));
    index.and_then(|index| usize::try_from(index).ok()).and_then(|index| list.get(index)).copied().unwrap_or(otherwise)
}

fn field(name: &str, kind: &str, value: Value) -> Value {
    json!({"name": name, "type": kind, "value": value})
}

fn user(id: u64, name: &str, mail: &str) -> Value {
    json!({"id": id, "email": format!("{mail}@hiring.example"), "name": name, "employee_id": null})
}

/// A whole webhook body. The same arguments give the same body; `seed` chooses person and job.
pub fn new_candidate_application(application_id: u64, candidate_id: u64, seed: u64) -> Value {
    let at = format!("2026-11-{:02}T{:02}:{:02}:00Z", 1 + seed % 21, 8 + seed % 10, seed % 60);
    json!({
        "action": "new_candidate_application",
        "payload": {
            "application": {
                "id": application_id, "rejected_at": null, "prospect": false, "status": "active", "applied_at": at,
                "last_activity_at": at,
                "url": format!("https://app.greenhouse.example/people/{candidate_id}?application_id={application_id}"),
                "source": {"id": 7, "name": "Jobs page on your website"},
                "credited_to": user(4_101, "Morgan Reyes", "morgan.reyes"),
                "rejection_reason": null, "rejection_details": null,
                "current_stage": stage(application_id, candidate_id),
                "prospect_detail": {"prospect_pool": null, "prospect_stage": null, "prospect_owner": null},
                "custom_fields": {
                    "notice_period": field("Notice period", "short_text", json!(format!("{} weeks", 2 + seed % 10))),
                    "needs_visa": field("Needs a visa", "boolean", json!(seed.is_multiple_of(3))),
                },
                "candidate": candidate(candidate_id, seed, &at),
                "jobs": [job(seed)],
            },
        },
        "organization_id": 50_001,
        "organization_name": "Example Hiring",
    })
}

fn stage(application_id: u64, candidate_id: u64) -> Value {
    json!({
        "id": 310_001,
        "name": "Application Review",
        "interviews": [{
            "id": 310_501, "name": "Application Review", "status": "collect_feedback",
            "interview_kit": {
                "url": format!("https://app.greenhouse.example/guides/310501/people/{candidate_id}?application_id={application_id}"),
                "content": "<p>Read the résumé & note <b>two</b> questions.</p>",
                "questions": [{"id": 310_701, "question": "What would you ask first?"}],
            },
            "interviewers": [],
        }],
    })
}

fn candidate(id: u64, seed: u64, at: &str) -> Value {
    let (first, last) = (pick(&FIRST_NAMES, seed, "Nadia"), pick(&LAST_NAMES, seed, "Castillo"));
    json!({
        "id": id, "first_name": first, "last_name": last, "title": "Senior Engineer", "company": "Larch & Pine Ltd.",
        "created_at": at, "external_id": null, "photo_url": null, "is_private": false, "can_email": true,
        "url": format!("https://app.greenhouse.example/people/{id}"),
        "phone_numbers": [{"value": format!("+353 1 555 {:04}", id % 10_000), "type": "mobile"}],
        "email_addresses": [
            {"value": format!("candidate.{id}@example.com"), "type": "personal"},
            {"value": format!("candidate.{id}@work.example"), "type": "work"},
        ],
        "addresses": [{"value": "4 Mill Lane\nDublin", "type": "home"}],
        "website_addresses": [{"value": format!("https://portfolio.example/{id}"), "type": "portfolio"}],
        "social_media_addresses": [],
        "educations": [{
            "school_name": "Technical University", "degree": "Master's Degree", "discipline": "Computer Science",
            "start_date": "2012-09-01", "end_date": "2017-06-30",
        }],
        "employments": [{
            "company_name": "Larch & Pine Ltd.", "title": "Senior Engineer", "start_date": "2020-02-01", "end_date": null,
        }],
        "recruiter": user(4_102, "Jules Moreau", "jules.moreau"),
        "coordinator": null,
        "attachments": [
            {"filename": "resume.pdf", "url": format!("https://files.greenhouse.example/{id}/resume.pdf"), "type": "resume"},
            {"filename": "cover letter.docx", "url": format!("https://files.greenhouse.example/{id}/cover"), "type": "cover_letter"},
        ],
        "tags": ["referral-week"],
        "custom_fields": {
            "expected_salary": field("Expected salary", "short_text", Value::Null),
            "works_remotely": field("Works remotely", "boolean", json!(seed.is_multiple_of(2))),
        },
    })
}

fn job(seed: u64) -> Value {
    let (title, department, office) = pick(&JOBS, seed, ("Platform Engineer", "Infrastructure", "Dublin, Ireland"));
    let id = 88_000 + seed % 5;
    let member = |id: u64| json!({"user_id": id, "employee_id": null});
    json!({
        "id": id, "name": title, "requisition_id": format!("REQ-{id}"), "notes": null, "confidential": false,
        "job_post_id": 99_000 + seed % 5, "status": "open", "created_by_id": 4_100, "created_at": "2026-08-03T09:00:00Z",
        "opened_at": "2026-08-10T09:00:00Z", "closed_at": null,
        "url": format!("https://app.greenhouse.example/sdash/{id}"),
        "departments": [{"id": 610 + seed % 5, "name": department, "external_id": null}],
        "offices": [{"id": 620 + seed % 5, "name": office, "location": office, "external_id": null}],
        "hiring_team": {
            "hiring_managers": [member(4_103)], "sourcers": [], "recruiters": [member(4_102)], "coordinators": [],
        },
        "custom_fields": {
            "employment_type": field("Employment type", "single_select", json!("Full-time")),
            "salary_range": field("Salary range", "currency_range", json!({"unit": "EUR", "min_value": "70000.0", "max_value": "95000.0"})),
        },
    })
}
