//! Greenhouse against what was recorded: the known signature, and every field of the documented webhooks, mapped or left out
//! with a reason.

use std::collections::{BTreeMap, BTreeSet};

use domain::ats::Origin;
use http::HeaderMap;
use jiff::Timestamp;
use providers::transport::webhook::{Meaning, WebhookSource};
use serde_json::{Value, json};

use crate::contract::fixtures::read;

/// Paths that become a part of a record or of a reference. Fields of one object are under its name, at every place.
const MAPPED: [&str; 48] = [
    ".action",
    "application.id",
    "application.applied_at",
    "application.current_stage",
    "application.current_stage.name",
    "application.jobs",
    "application.last_activity_at",
    "application.offer.id",
    "application.prospect",
    "application.rejection_reason",
    "application.rejection_reason.name",
    "application.status",
    "candidate.company",
    "candidate.email_addresses[].value",
    "candidate.first_name",
    "candidate.id",
    "candidate.last_name",
    "candidate.phone_numbers[].value",
    "candidate.title",
    "job.departments[].id",
    "job.departments[].name",
    "job.id",
    "job.name",
    "job.offices[].id",
    "job.offices[].name",
    "job.openings[].id",
    "job.status",
    "person.deleted_application_ids[]",
    "person.id",
    "person.new_candidate_id",
    ".payload.application_id",
    ".payload.candidate_id",
    ".payload.department.child_ids[]",
    ".payload.department.id",
    ".payload.id",
    ".payload.interview.id",
    ".payload.job_id",
    ".payload.job_post.id",
    ".payload.live",
    ".payload.offer.id",
    ".payload.offer_status",
    ".payload.office.child_ids[]",
    ".payload.office.id",
    ".payload.scorecard.id",
    ".payload.start_date",
    ".payload.title",
    ".payload.updated_at",
    // The event as a whole is ignored: there is no record of a stage.
    ".payload.job_interview_stage.id",
];

const GONE: &str = "the object is gone: its id says all";
const ELSEWHERE: &str = "it is a part of another object, which has its own list";
const SCREEN: &str = "an address of the provider's own screens or files, which needs its login or passes in a week";
const CUSTOM: &str = "fields of the customer's choice have no place in the product";
const TEAM: &str = "who does what in the hiring team has no place in the product";
const PERSONAL: &str = "the product keeps of a person what it needs to reach them";
const TEXT: &str = "the product keeps no texts about people or jobs";
const SORT: &str = "it says what kind of value stands beside it, and only the first value is kept";

/// Paths that are left out, with what is below them, and why.
const DROPPED: [(&str, &str); 67] = [
    ("application.candidate_id", GONE),
    ("application.candidate_rejection_reason_id", GONE),
    ("application.created_at", GONE),
    ("application.credited_to", TEAM),
    ("application.current_stage.id", "an application keeps the stage's name"),
    ("application.current_stage.interviews", "planned interviews: those that take place have a list"),
    ("application.custom_fields", CUSTOM),
    ("application.job_id", GONE),
    ("application.offer.created_at", ELSEWHERE),
    ("application.offer.custom_fields", CUSTOM),
    ("application.offer.resolved_at", ELSEWHERE),
    ("application.offer.sent_at", ELSEWHERE),
    ("application.offer.starts_at", "the offer is asked for, or an event of its own tells it"),
    ("application.offer.version", ELSEWHERE),
    ("application.opening", "it has the customer's label of the opening and not its id"),
    ("application.prospect_detail", "pools of prospects have no place in the product"),
    ("application.referrer_id", GONE),
    ("application.rejected_at", "the status says it, and the time of the observation when"),
    ("application.rejected_by_user_id", GONE),
    ("application.rejection_details", CUSTOM),
    ("application.rejection_note_id", GONE),
    ("application.rejection_reason.id", "an application keeps the reason's name"),
    ("application.rejection_reason.type", "a grouping of reasons"),
    ("application.source", "where people came from has no place in the product"),
    ("application.source_id", GONE),
    ("application.url", SCREEN),
    ("candidate.addresses", PERSONAL),
    ("candidate.attachments", SCREEN),
    ("candidate.can_email", PERSONAL),
    ("candidate.coordinator", TEAM),
    ("candidate.created_at", "the time of the application is kept"),
    ("candidate.custom_fields", CUSTOM),
    ("candidate.educations", PERSONAL),
    ("candidate.email_addresses[].type", SORT),
    ("candidate.employments", PERSONAL),
    ("candidate.external_id", PERSONAL),
    ("candidate.is_private", "who may see a candidate at the provider does not decide it here"),
    ("candidate.phone_numbers[].type", SORT),
    ("candidate.photo_url", SCREEN),
    ("candidate.recruiter", TEAM),
    ("candidate.social_media_addresses", PERSONAL),
    ("candidate.tags", "labels of the customer's choice"),
    ("candidate.url", SCREEN),
    ("candidate.website_addresses", PERSONAL),
    ("job.close_date", "the status says it"),
    ("job.closed_at", "the status says it"),
    ("job.confidential", "a flag that cannot be set any more"),
    ("job.created_at", "when a job was made has no place in the product"),
    ("job.created_by_id", TEAM),
    ("job.custom_fields", CUSTOM),
    ("job.departments[].external_id", "the id at the provider is enough"),
    ("job.hiring_team", TEAM),
    ("job.job_post_id", ELSEWHERE),
    ("job.notes", TEXT),
    ("job.offices[].external_id", "the id at the provider is enough"),
    ("job.offices[].location", ELSEWHERE),
    ("job.open_date", "the status says it"),
    ("job.opened_at", "the status says it"),
    ("job.openings[].custom_fields", CUSTOM),
    ("job.openings[].opening_id", "the customer's label: the id at the provider is enough"),
    ("job.requisition_id", "the customer's label: the id at the provider is enough"),
    ("job.url", SCREEN),
    ("person.", GONE),
    (".payload.anonymized_fields[]", "the candidate is asked for, and what was made unknown is not told any more"),
    (".payload.approval_flow", "how the provider approves has no place in the product"),
    (".payload.custom_fields", CUSTOM),
    (".payload.job_interview_stage.", "an application tells its stage by name"),
];

/// What flat payloads (offers, posts) and deleted units have besides.
const FLAT: [(&str, &str); 16] = [
    (".payload.content", TEXT),
    (".payload.department.", GONE),
    (".payload.external", "live says whether the public sees a post"),
    (".payload.internal", "live says whether the public sees a post"),
    (".payload.internal_content", TEXT),
    (".payload.location", "a post's place is free text"),
    (".payload.notes", TEXT),
    (".payload.office.", GONE),
    (".payload.questions", "what a form asks has no place in the product"),
    (".payload.resolved_at", "the status says it"),
    (".payload.sent_on", "the status says it"),
    (".payload.user_id", TEAM),
    (".payload.version", "a later version makes an earlier one deprecated, which its status says"),
    (".payload.job_post.", GONE),
    (".payload.offer.", GONE),
    (".payload.scorecard.", GONE),
];

fn greenhouse() -> &'static dyn WebhookSource {
    providers::ats::find("greenhouse").and_then(|provider| provider.webhooks).expect("greenhouse sends webhooks")
}

fn origin() -> Origin {
    let (org, connection) = ("acme".parse().expect("slug"), "gh".parse().expect("slug"));
    Origin { org, provider: "greenhouse".to_owned(), connection }
}

fn samples() -> Option<Vec<Value>> {
    let Some(samples) = read("ats/gh_webhooks_official_samples.json") else {
        println!("skipped: FIXTURES does not name the folder of recorded files");
        return None;
    };
    let samples = samples.as_array().expect("a list").iter();
    Some(samples.map(|sample| sample["body"].clone()).collect())
}

#[test]
fn the_recorded_signature_is_accepted() {
    let Some(known) = read("ats/gh_webhook_ping_known_answer.json") else {
        println!("skipped: FIXTURES does not name the folder of recorded files");
        return;
    };
    let now = Timestamp::UNIX_EPOCH;
    let body = known["raw_body"].as_str().expect("a body").as_bytes();
    let secret = known["secret"].as_str().expect("a secret").into();
    let mut headers = HeaderMap::new();
    headers.insert("signature", known["signature_header"].as_str().expect("a header").parse().expect("a value"));
    assert!(greenhouse().verify(&headers, body, &secret, now).is_ok());
    assert!(greenhouse().verify(&headers, &body[1..], &secret, now).is_err());
    assert_eq!(greenhouse().interpret(&origin(), body, now).expect("readable").meaning, Meaning::Ping);
}

/// Every place of a value with its content, with `[]` for the places of a list.
fn leaves(value: &Value, place: String, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| leaves(value, format!("{place}.{name}"), found));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().for_each(|value| leaves(value, format!("{place}[]"), found));
        }
        _ => found.entry(place).or_default().push(value.clone()),
    }
}

/// The place, with the fields of one object under its name.
fn plain(place: &str) -> String {
    for (outer, name) in [
        (".payload.application.candidate.", "candidate."),
        (".payload.candidate.", "candidate."),
        (".payload.application.jobs[].", "job."),
        (".payload.application.job.", "job."),
        (".payload.job.", "job."),
        (".payload.application.", "application."),
        (".payload.person.", "person."),
    ] {
        if let Some(rest) = place.strip_prefix(outer) {
            return format!("{name}{rest}");
        }
    }
    place.to_owned()
}

/// The reason for which a path is left out; the longest rule that fits counts.
fn reason(place: &str) -> Option<(&'static str, &'static str)> {
    let below = |rule: &str| {
        place == rule
            || (rule.ends_with('.') && place.starts_with(rule))
            || place.strip_prefix(rule).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let rules = DROPPED.into_iter().chain(FLAT);
    rules.filter(|(rule, _)| below(rule)).max_by_key(|(rule, _)| rule.len())
}

#[test]
fn every_field_of_the_documented_events_is_mapped_or_listed() {
    let Some(samples) = samples() else { return };
    assert_eq!(samples.len(), 29);
    let mut used = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for body in &samples {
        let mut found = BTreeMap::new();
        leaves(body, String::new(), &mut found);
        for place in found.keys().map(|place| plain(place)) {
            match (MAPPED.iter().find(|known| **known == place), reason(&place)) {
                (Some(known), _) => used.insert(*known),
                (None, Some((rule, _))) => used.insert(rule),
                (None, None) => unknown.insert(place),
            };
        }
    }
    assert_eq!(unknown, BTreeSet::new(), "neither mapped nor left out");
    let rules = DROPPED.iter().chain(&FLAT).map(|(rule, _)| *rule);
    let idle: Vec<&str> = MAPPED.into_iter().chain(rules).filter(|rule| !used.contains(rule)).collect();
    assert_eq!(idle, Vec::<&str>::new(), "rules that are about nothing");
}

#[test]
fn what_is_mapped_arrives() {
    let Some(samples) = samples() else { return };
    let carried = [
        "application.current_stage.name",
        "application.rejection_reason.name",
        "application.status",
        "candidate.company",
        "candidate.first_name",
        "candidate.last_name",
        "candidate.title",
        "job.name",
        "job.status",
        ".payload.offer_status",
        ".payload.title",
    ];
    let mut checked = BTreeSet::new();
    for body in &samples {
        let event =
            greenhouse().interpret(&origin(), body.to_string().as_bytes(), Timestamp::UNIX_EPOCH).expect("readable");
        assert_eq!(event.action, body["action"]);
        let changed = match event.meaning {
            Meaning::Changed(changed) => changed,
            Meaning::Ignored { .. } => {
                assert_eq!(event.action, "job_interview_stage_deleted");
                continue;
            }
            Meaning::Ping => panic!("{} is no ping", event.action),
        };
        assert!(!(changed.about.is_empty() && changed.gone.is_empty()), "{} is about something", event.action);
        let reported: Vec<Value> = changed.reported.iter().map(|seen| json!(seen.record)).collect();
        if reported.is_empty() {
            continue;
        }
        let reported = Value::from(reported).to_string();
        let mut found = BTreeMap::new();
        leaves(body, String::new(), &mut found);
        for (place, values) in found {
            let place = plain(&place);
            for value in values.iter().filter_map(Value::as_str).filter(|_| carried.contains(&place.as_str())) {
                let written = json!(value).to_string();
                assert!(reported.contains(written.trim_matches('"')), "{}: {place} does not arrive", event.action);
                checked.insert(place.clone());
            }
        }
    }
    assert_eq!(checked.len(), carried.len(), "each was in some event: {checked:?}");
}
