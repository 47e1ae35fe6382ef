//! Recorded answers of Lever: all of them are read, and of each field it is known where it goes, or why it does not.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::ats::Record;
use http::{HeaderMap, StatusCode};
use providers::ats::port::{Next, Page};
use providers::transport::http::Reply;
use serde_json::{Value, json};

use super::Kind;
use super::connection::{Lever, lever};
use crate::contract::fixtures::read as fixture;

/// The use of a field.
type Fate = Option<&'static str>;
/// It is in a record.
const MAPPED: Fate = None;
const ITSELF: Fate = Some("the object itself tells it once more");
const PAY: Fate = Some("pay is not kept");
const SCREEN: Fate = Some("a place on Lever's screens");
const TEAM: Fate = Some("who works on it at Lever; the product has no use for it");
const TEXT: Fate = Some("the same text in another form, or a part of it that is not kept");
const KIND_OF_WORK: Fate = Some("no field of a job");
const PERSON: Fate = Some("of the person, and not needed");
const ORIGIN: Fate = Some("how the person came; not needed");
const FORM: Fate = Some("answers of a form are not kept");
const OTHER: Fate = Some("a setting of Lever");

fn posting_leaves() -> Vec<(&'static str, Fate)> {
    vec![
        ("id", MAPPED),
        ("text", MAPPED),
        ("state", MAPPED),
        ("categories.department", MAPPED),
        ("categories.location", MAPPED),
        ("content.description", MAPPED),
        ("updatedAt", MAPPED),
        ("createdAt", Some("a job has no time of its own; `updatedAt` is its version")),
        ("categories.allLocations[]", Some("the first one is `categories.location`")),
        ("categories.commitment", KIND_OF_WORK),
        ("categories.level", KIND_OF_WORK),
        ("categories.team", Some("a part of the department, which is kept")),
        ("workplaceType", KIND_OF_WORK),
        ("country", Some("a part of the location, which is kept")),
        ("content.closing", TEXT),
        ("content.closingHtml", TEXT),
        ("content.descriptionHtml", TEXT),
        ("content.lists", TEXT),
        ("content.lists[].content", TEXT),
        ("content.lists[].text", TEXT),
        ("salaryRange.currency", PAY),
        ("salaryRange.interval", PAY),
        ("salaryRange.max", PAY),
        ("salaryRange.min", PAY),
        ("confidentiality", Some("decides whether it is read at all")),
        ("distributionChannels", OTHER),
        ("transcribeInterviews", OTHER),
        ("screening.enabled", OTHER),
        ("reqCode", Some("of a requisition, which is not read")),
        ("requisitionCodes", Some("of requisitions, which are not read")),
        ("requisitionCodes[]", Some("of requisitions, which are not read")),
        ("tags", Some("words for searching at Lever")),
        ("followers", TEAM),
        ("followers[]", TEAM),
        ("hiringManager", TEAM),
        ("owner", TEAM),
        ("user", TEAM),
        ("urls", SCREEN),
        ("urls.apply", SCREEN),
        ("urls.list", SCREEN),
        ("urls.show", SCREEN),
    ]
}

fn opportunity_leaves() -> Vec<(&'static str, Fate)> {
    vec![
        ("id", MAPPED),
        ("name", MAPPED),
        ("emails[]", MAPPED),
        ("phones[].value", MAPPED),
        ("stage", MAPPED),
        ("stageChanges[].toStageId", MAPPED),
        ("stageChanges[].updatedAt", MAPPED),
        ("archived.reason", MAPPED),
        ("archived.archivedAt", MAPPED),
        ("createdAt", MAPPED),
        ("updatedAt", MAPPED),
        ("lastAdvancedAt", MAPPED),
        ("lastInteractionAt", MAPPED),
        ("stageChanges[].toStageIndex", Some("the order of stages, which may be another one today")),
        ("stageChanges[].userId", TEAM),
        ("contact", Some("a candidate is of one opportunity; the person behind several is not a record")),
        ("headline", Some("former employers and schools; no title")),
        ("location", PERSON),
        ("links", PERSON),
        ("phones[].type", PERSON),
        ("dataProtection", Some("consent is kept at Lever, which anonymises by itself")),
        ("isAnonymized", Some("the name and the addresses are empty then")),
        ("confidentiality", Some("decides whether it is read at all")),
        ("opportunityLocation", Some("a location of the posting")),
        ("origin", ORIGIN),
        ("sourcedBy", ORIGIN),
        ("sources[]", ORIGIN),
        ("tags[]", Some("words for searching at Lever")),
        ("followers[]", TEAM),
        ("owner", TEAM),
        ("snoozedUntil", OTHER),
        ("urls.list", SCREEN),
        ("urls.show", SCREEN),
    ]
}

fn application_leaves() -> Vec<(&'static str, Fate)> {
    vec![
        ("posting", MAPPED),
        ("createdAt", MAPPED),
        ("company", MAPPED),
        ("id", Some("an opportunity has one at most and is known by its own id")),
        ("opportunityId", ITSELF),
        ("candidateId", Some("the same as the opportunity's id")),
        ("archived.reason", Some("the opportunity's end counts")),
        ("archived.archivedAt", Some("the opportunity's end counts")),
        ("name", Some("the opportunity's counts")),
        ("email", Some("the opportunity's counts")),
        ("phone", Some("the opportunity's counts")),
        ("type", ORIGIN),
        ("user", ORIGIN),
        ("referer", ORIGIN),
        ("comments", FORM),
        ("customQuestions", FORM),
        ("links", PERSON),
        ("ipAddress", PERSON),
        ("userAgent", PERSON),
        ("acceptLanguage", PERSON),
        ("timezone", PERSON),
        ("postingHiringManager", TEAM),
        ("postingOwner", TEAM),
        ("requisitionForHire", Some("of a requisition, which is not read")),
    ]
}

fn interview_leaves() -> Vec<(&'static str, Fate)> {
    vec![
        ("id", MAPPED),
        ("subject", MAPPED),
        ("date", MAPPED),
        ("duration", MAPPED),
        ("canceledAt", MAPPED),
        ("feedbackForms", MAPPED),
        ("interviewers[].id", MAPPED),
        ("interviewers[].name", Some("of the user")),
        ("interviewers[].email", Some("of the user")),
        ("interviewers[].feedbackTemplate", FORM),
        ("opportunityId", ITSELF),
        ("createdAt", Some("not when it takes place")),
        ("feedbackReminder", OTHER),
        ("feedbackTemplate", FORM),
        ("gcalEventUrl", SCREEN),
        ("location", Some("where to meet or to call is not kept")),
        ("note", Some("what people write to each other is not kept")),
        ("panel", Some("several interviews of one day; each is read by itself")),
        ("postings[]", Some("of the application")),
        ("stage", Some("of the application")),
        ("timezone", Some("times are instants")),
        ("user", TEAM),
    ]
}

/// The leaves of a value, with `[]` for the places of a list.
fn leaves(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if place.is_empty() { "" } else { "." };
                leaves(value, &format!("{place}{dot}{name}"), found);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().for_each(|value| leaves(value, &format!("{place}[]"), found));
        }
        _ => drop(found.insert(place.to_owned())),
    }
}

/// Every recorded leaf has a fate, and every fate a recorded leaf.
fn accounted(what: &str, rows: &[Value], fates: Vec<(&'static str, Fate)>) {
    let mut found = BTreeSet::new();
    rows.iter().for_each(|row| leaves(row, "", &mut found));
    let known: BTreeMap<&str, Fate> = fates.into_iter().collect();
    let unknown: Vec<&String> = found.iter().filter(|path| !known.contains_key(path.as_str())).collect();
    let unrecorded: Vec<&&str> = known.keys().filter(|path| !found.contains(**path)).collect();
    assert!(unknown.is_empty() && unrecorded.is_empty(), "{what}: {unknown:?} {unrecorded:?}");
}

fn recorded() -> Option<(Value, Value)> {
    let (calls, postings) =
        (fixture("ats/lever_recorded_small_calls.json"), fixture("ats/lever_recorded_postings_list.json"));
    if calls.is_none() || postings.is_none() {
        println!("FIXTURES is not set: nothing recorded is read");
    }
    Some((calls?, postings?))
}

/// Reads a recorded answer as the answer to a cursor.
fn answered(lever: &Lever, cursor: &str, body: &Value) -> Page {
    let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) };
    let page = lever.ats.parse_page(&lever.context(), cursor, &reply).expect("readable");
    assert_eq!((page.skipped.as_slice(), page.present.as_slice()), (&[][..], &[][..]));
    page
}

fn first(lever: &Lever, stream: &str) -> String {
    let streams = lever.ats.streams(&lever.settings);
    let stream = streams.iter().find(|known| known.name == stream).expect("a stream");
    lever.ats.first_cursor(stream, &lever.settings, None).expect("a cursor")
}

fn lookup(lever: &Lever, kind: Kind, id: &str) -> String {
    lever.ats.lookup_cursors(kind, &[id.to_owned()]).and_then(|cursors| cursors.into_iter().next()).expect("a cursor")
}

fn id(data: &Value) -> &str {
    data["id"].as_str().expect("an id")
}

#[tokio::test]
async fn every_field_of_recorded_postings_has_its_place_or_a_reason() {
    let Some((calls, list)) = recorded() else { return };
    let (lever, _) = lever(5).await;
    let body = &list[0]["response"];
    let rows = body["data"].as_array().expect("rows");
    let page = answered(&lever, &first(&lever, "postings"), body);
    assert_eq!((page.observations.len(), page.next), (rows.len(), Next::End));
    let one = &calls["get-posting"][0]["response"];
    let page = answered(&lever, &lookup(&lever, Kind::Job, id(&one["data"])), one);
    let Record::Job(job) = &page.observations[0].record else { panic!("a job") };
    assert_eq!((job.title.as_str(), job.location.as_deref()), ("Nango Seed Posting 1", Some("San Francisco, CA")));
    accounted("postings", &[rows.as_slice(), &[one["data"].clone()]].concat(), posting_leaves());
}

#[tokio::test]
async fn every_field_of_recorded_opportunities_is_mapped_or_listed() {
    let Some((calls, _)) = recorded() else { return };
    let (lever, _) = lever(5).await;
    let call = |name: &str| calls[name][0]["response"].clone();
    let (mut one, applied) = (call("get-opportunity"), call("get-application"));
    let mut alone = one["data"].clone();
    one["data"]["applications"] = json!([applied["data"]]);
    // Names first, as they were recorded.
    let cursor = lookup(&lever, Kind::Application, id(&alone));
    let page = answered(&lever, &cursor, &call("get-stages"));
    let page = answered(&lever, &page.follow[0], &call("get-archive-reasons"));
    let page = answered(&lever, &page.follow[0], &one);
    let [candidate, application] = page.observations.as_slice() else { panic!("{page:?}") };
    let (Record::Candidate(candidate), Record::Application(application)) = (&candidate.record, &application.record)
    else {
        panic!("a candidate and an application")
    };
    assert_eq!((candidate.name.as_str(), candidate.phone.as_deref()), ("Nango Seed Candidate 1", Some("5555550100")));
    assert_eq!(
        (application.stage.as_deref(), application.rejection_reason.as_deref()),
        (Some("Reached out"), Some("Timing"))
    );
    let history: Vec<_> = application.history.iter().flatten().filter_map(|entry| entry.stage.as_deref()).collect();
    assert_eq!(history, ["New lead", "Reached out"]);
    assert_eq!(page.observations[0].version_ms, Some(1_782_974_048_515));
    alone.as_object_mut().expect("an object").remove("applications");
    accounted("an opportunity", &[alone], opportunity_leaves());
    accounted("an application", &[applied["data"].clone()], application_leaves());
}

#[tokio::test]
async fn recorded_interviews_deletions_and_new_webhooks_are_read() {
    let Some((calls, _)) = recorded() else { return };
    let (lever, _) = lever(5).await;
    let call = |name: &str| calls[name][0]["response"].clone();
    let data = call("get-interview")["data"].clone();
    let opportunity = data["opportunityId"].as_str().expect("an opportunity");
    let address = format!("{opportunity}/{}", id(&data));
    let page = answered(&lever, &lookup(&lever, Kind::Interview, &address), &json!({"data": [data], "hasNext": false}));
    let Record::Interview(interview) = &page.observations[0].record else { panic!("an interview") };
    assert_eq!((interview.source.provider_id.as_str(), page.gone.len()), (address.as_str(), 0));
    assert_eq!(interview.starts_at.map(|at| at.to_string()).as_deref(), Some("2026-07-02T13:46:40Z"));
    accounted("an interview", &[data], interview_leaves());
    for (name, cursor) in [
        ("get-opportunities-deleted", r#"{"c":"deleted-opportunities","since":1}"#),
        ("get-postings-deleted", r#"{"c":"deleted-postings","since":1}"#),
    ] {
        assert_eq!(answered(&lever, cursor, &call(name)), Page::default(), "{name}");
    }
    let body = Bytes::from(call("create-webhook").to_string());
    let reply = Reply { status: StatusCode::CREATED, headers: HeaderMap::new(), body };
    assert!(lever.subscriptions().parse_subscription(&lever.context(), &reply).is_ok());
}
