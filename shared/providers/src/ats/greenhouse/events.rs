//! The meaning of the actions of webhooks.
//!
//! | action | reported | gone | looked up |
//! |---|---|---|---|
//! | `new_candidate_application`, `new_prospect_application`, `application_updated`, `candidate_stage_change`, `reject_candidate`, `unreject_candidate`, `hire_candidate`, `unhire_candidate` | application, candidate, job | | the same, and the offer of a hire |
//! | `delete_application` | | application | |
//! | `update_candidate` | candidate | | candidate |
//! | `candidate_anonymized` | | | candidate |
//! | `merge_candidate` | | the one that was merged | the one that is left; its new applications changed and come with the next run |
//! | `delete_candidate` | | candidate and its applications | |
//! | `offer_created`, `offer_updated`, `offer_approved` | offer | | offer |
//! | `offer_deleted`, `interview_deleted`, `scorecard_deleted`, `job_post_deleted` | | that | |
//! | `job_created`, `job_updated`, `job_approved` | job | | job, its openings |
//! | `job_deleted` | | job | |
//! | `job_post_created`, `job_post_updated` | post | | post |
//! | `department_deleted`, `office_deleted` | | that | what it was a parent of |
//! | `job_interview_stage_deleted` | | | nothing: there is no record of it |
//!
//! The version of an application is its `last_activity_at`; that of an object without a time is the time of its
//! receipt.

use domain::FORMAT_VERSION;
use domain::ats::{
    Application, ApplicationStatus, Candidate, Extent, Job, Kind, ObjectRef, Observation, Offer, Origin, Post, Record,
};
use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::mapping;
use super::wire::Valued;
use crate::transport::json;
use crate::transport::webhook::{ChangedObjects, Meaning};

/// The most objects that one event looks up.
const ABOUT_MAX: usize = 100;

/// The meaning of an action.
///
/// # Errors
/// Why its payload cannot be read, without any of its values.
pub(super) fn meaning(origin: &Origin, action: &str, payload: Value, at: Timestamp) -> Result<Meaning, String> {
    let mut changed = match action {
        "ping" => return Ok(Meaning::Ping),
        "new_candidate_application"
        | "new_prospect_application"
        | "application_updated"
        | "candidate_stage_change"
        | "reject_candidate"
        | "unreject_candidate"
        | "hire_candidate"
        | "unhire_candidate" => application(origin, read(payload, "application")?, action, at),
        "update_candidate" => {
            let wire: WireCandidate = read(payload, "candidate")?;
            let about = vec![ObjectRef::new(Kind::Candidate, wire.id.to_string())];
            let reported = vec![part(Record::Candidate(candidate(origin, wire)), at)];
            ChangedObjects { reported, about, ..ChangedObjects::default() }
        }
        "candidate_anonymized" => {
            let Anonymized { candidate_id } = json::read_value(payload)?;
            ChangedObjects { about: refs(Kind::Candidate, [candidate_id]), ..ChangedObjects::default() }
        }
        "merge_candidate" | "delete_candidate" => {
            let person: Person = read(payload, "person")?;
            let mut gone = refs(Kind::Candidate, [person.id]);
            gone.extend(refs(Kind::Application, person.deleted_application_ids.into_iter().flatten()));
            ChangedObjects { gone, about: refs(Kind::Candidate, person.new_candidate_id), ..ChangedObjects::default() }
        }
        "offer_created" | "offer_updated" | "offer_approved" => offer(origin, json::read_value(payload)?, at),
        "job_created" | "job_updated" | "job_approved" => {
            let wire: WireJob = read(payload, "job")?;
            let mut about = refs(Kind::Job, [wire.id]);
            about.extend(refs(Kind::Opening, wire.openings.iter().flatten().map(|opening| opening.id)));
            let reported = vec![part(Record::Job(job(origin, wire)), at)];
            ChangedObjects { reported, about, ..ChangedObjects::default() }
        }
        "job_post_created" | "job_post_updated" => post(origin, json::read_value(payload)?, at),
        "delete_application" => gone(Kind::Application, read(payload, "application")?),
        "offer_deleted" => gone(Kind::Offer, read(payload, "offer")?),
        "interview_deleted" => gone(Kind::Interview, read(payload, "interview")?),
        "scorecard_deleted" => gone(Kind::Scorecard, read(payload, "scorecard")?),
        "job_deleted" => gone(Kind::Job, read(payload, "job")?),
        "job_post_deleted" => gone(Kind::Post, read(payload, "job_post")?),
        "department_deleted" => gone(Kind::Department, read(payload, "department")?),
        "office_deleted" => gone(Kind::Office, read(payload, "office")?),
        "job_interview_stage_deleted" => {
            let reason = "stages have no records of their own; an application tells its stage".to_owned();
            return Ok(Meaning::Ignored { reason });
        }
        _ => return Ok(Meaning::Ignored { reason: "this version does not act on this kind of event".to_owned() }),
    };
    changed.about.truncate(ABOUT_MAX);
    Ok(Meaning::Changed(changed))
}

fn read<T: DeserializeOwned>(mut payload: Value, name: &str) -> Result<T, String> {
    let inner = payload.get_mut(name).map(Value::take).ok_or_else(|| format!("missing field `payload.{name}`"))?;
    Ok(json::read_value(inner)?)
}

fn refs(kind: Kind, ids: impl IntoIterator<Item = u64>) -> Vec<ObjectRef> {
    ids.into_iter().map(|id| ObjectRef::new(kind, id.to_string())).collect()
}

fn part(record: Record, at: Timestamp) -> Observation {
    Observation { record, version_ms: Some(at.as_millisecond()), extent: Extent::Part }
}

#[derive(Deserialize)]
struct Anonymized {
    candidate_id: u64,
}

#[derive(Deserialize)]
struct Person {
    id: u64,
    new_candidate_id: Option<u64>,
    deleted_application_ids: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct Deleted {
    id: u64,
    child_ids: Option<Vec<u64>>,
}

fn gone(kind: Kind, Deleted { id, child_ids }: Deleted) -> ChangedObjects {
    let about = refs(kind, child_ids.into_iter().flatten());
    ChangedObjects { gone: refs(kind, [id]), about, ..ChangedObjects::default() }
}

#[derive(Deserialize)]
struct WireApplication {
    id: u64,
    prospect: Option<bool>,
    status: Option<String>,
    applied_at: Option<Timestamp>,
    last_activity_at: Option<Timestamp>,
    current_stage: Option<Named>,
    rejection_reason: Option<Named>,
    candidate: WireCandidate,
    jobs: Option<Vec<WireJob>>,
    offer: Option<Identified>,
}

#[derive(Deserialize)]
struct Named {
    id: Option<u64>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    id: u64,
}

#[derive(Deserialize)]
struct WireCandidate {
    id: u64,
    first_name: Option<String>,
    last_name: Option<String>,
    title: Option<String>,
    company: Option<String>,
    phone_numbers: Option<Vec<Valued>>,
    email_addresses: Option<Vec<Valued>>,
}

#[derive(Deserialize)]
struct WireJob {
    id: u64,
    name: Option<String>,
    status: Option<String>,
    departments: Option<Vec<Option<Named>>>,
    offices: Option<Vec<Option<Named>>>,
    openings: Option<Vec<Identified>>,
}

#[derive(Deserialize)]
struct WireOffer {
    id: u64,
    application_id: Option<u64>,
    offer_status: Option<String>,
    start_date: Option<String>,
}

#[derive(Deserialize)]
struct WirePost {
    id: u64,
    job_id: Option<u64>,
    title: Option<String>,
    live: Option<bool>,
    updated_at: Option<Timestamp>,
}

fn candidate(origin: &Origin, wire: WireCandidate) -> Candidate {
    let id = wire.id.to_string();
    Candidate {
        v: FORMAT_VERSION,
        id: origin.candidate(&id),
        name: mapping::full_name([wire.first_name, wire.last_name]),
        email: mapping::first(wire.email_addresses),
        phone: mapping::first(wire.phone_numbers),
        title: wire.title,
        company: wire.company,
        source: origin.source(&id),
    }
}

fn job(origin: &Origin, wire: WireJob) -> Job {
    let id = wire.id.to_string();
    let (departments, offices): (Vec<Named>, Vec<Named>) = (
        wire.departments.into_iter().flatten().flatten().collect(),
        wire.offices.into_iter().flatten().flatten().collect(),
    );
    let ids = |list: &[Named]| list.iter().filter_map(|named| named.id).map(|id| id.to_string()).collect::<Vec<_>>();
    Job {
        v: FORMAT_VERSION,
        id: origin.job(&id),
        title: wire.name.unwrap_or_default(),
        status: mapping::job_status(wire.status.as_deref()),
        provider_status: wire.status,
        departments: ids(&departments).iter().map(|id| origin.department(id)).collect(),
        offices: ids(&offices).iter().map(|id| origin.office(id)).collect(),
        department: departments.into_iter().find_map(|named| named.name),
        location: offices.into_iter().find_map(|named| named.name),
        description: None,
        source: Some(origin.source(&id)),
    }
}

/// Some actions carry only a part of the application: `hire_candidate` names neither status nor times.
fn application(origin: &Origin, wire: WireApplication, action: &str, received_at: Timestamp) -> ChangedObjects {
    let at = wire.last_activity_at.unwrap_or(received_at);
    let id = wire.id.to_string();
    let mut about = refs(Kind::Application, [wire.id]);
    about.extend(refs(Kind::Candidate, [wire.candidate.id]));
    about.extend(refs(Kind::Job, wire.jobs.iter().flatten().map(|job| job.id)));
    about.extend(refs(Kind::Offer, wire.offer.map(|offer| offer.id)));
    let candidate = candidate(origin, wire.candidate);
    let jobs: Vec<Job> = wire.jobs.into_iter().flatten().map(|wire| job(origin, wire)).collect();
    let status = match (wire.status.as_deref(), action) {
        (Some("active"), _) | (None, "unhire_candidate" | "unreject_candidate") => ApplicationStatus::Active,
        (Some("rejected"), _) | (None, "reject_candidate") => ApplicationStatus::Rejected,
        (Some("hired"), _) | (None, "hire_candidate") => ApplicationStatus::Hired,
        _ => ApplicationStatus::Unknown,
    };
    // The jobs of a prospect are those that it is considered for: it is an application of none.
    let of = jobs.first().filter(|_| wire.prospect != Some(true)).map(|job| job.id);
    let application = Application {
        v: FORMAT_VERSION,
        id: origin.application(&id),
        candidate: candidate.id,
        job: of,
        status,
        provider_status: wire.status,
        stage: wire.current_stage.and_then(|stage| stage.name),
        applied_at: wire.applied_at,
        rejection_reason: wire.rejection_reason.and_then(|reason| reason.name),
        history: None,
        source: origin.source(&id),
    };
    let records = [Record::Candidate(candidate)].into_iter().chain(jobs.into_iter().map(Record::Job));
    let reported = records.chain([Record::Application(application)]).map(|record| part(record, at)).collect();
    let new_application = (action == "new_candidate_application").then_some(id);
    ChangedObjects { reported, gone: vec![], about, new_application }
}

fn offer(origin: &Origin, wire: WireOffer, at: Timestamp) -> ChangedObjects {
    let id = wire.id.to_string();
    let record = Offer {
        v: FORMAT_VERSION,
        id: origin.offer(&id),
        application: wire.application_id.map(|id| origin.application(&id.to_string())),
        status: mapping::offer_status(wire.offer_status.as_deref()),
        provider_status: wire.offer_status,
        // Month, day and year with slashes, as nowhere else.
        starts_on: wire.start_date.and_then(|day| Date::strptime("%m/%d/%Y", day).ok()),
        source: origin.source(&id),
    };
    let about = refs(Kind::Offer, [wire.id]);
    ChangedObjects { reported: vec![part(Record::Offer(record), at)], about, ..ChangedObjects::default() }
}

fn post(origin: &Origin, wire: WirePost, at: Timestamp) -> ChangedObjects {
    let id = wire.id.to_string();
    let record = Post {
        v: FORMAT_VERSION,
        id: origin.post(&id),
        job: wire.job_id.map(|id| origin.job(&id.to_string())),
        title: wire.title.unwrap_or_default(),
        live: wire.live.unwrap_or_default(),
        source: origin.source(&id),
    };
    let reported = vec![part(Record::Post(record), wire.updated_at.unwrap_or(at))];
    ChangedObjects { reported, about: refs(Kind::Post, [wire.id]), ..ChangedObjects::default() }
}

#[cfg(test)]
mod tests {
    use domain::ats::OfferStatus;
    use domain::connection::LoginMethod;
    use serde_json::json;

    use super::*;
    use crate::ats::greenhouse::fixture::Parts;

    fn changed(action: &str, payload: Value) -> ChangedObjects {
        let parts = Parts::new(LoginMethod::WebhookOnly);
        match meaning(&parts.origin, action, payload, Timestamp::UNIX_EPOCH) {
            Ok(Meaning::Changed(changed)) => changed,
            other => panic!("{other:?}"),
        }
    }

    fn named(refs: &[ObjectRef]) -> Vec<String> {
        refs.iter().map(|object| format!("{}/{}", object.kind.as_str(), object.provider_id)).collect()
    }

    #[test]
    fn deleting_removes_applications_and_merging_keeps_one() {
        let deleted = changed("delete_candidate", json!({"person": {"id": 3, "deleted_application_ids": [8, 9]}}));
        assert_eq!(named(&deleted.gone), ["candidate/3", "application/8", "application/9"]);
        let merged = changed("merge_candidate", json!({"person": {"id": 3, "new_candidate_id": 4}}));
        assert_eq!(
            (named(&merged.gone), named(&merged.about)),
            (vec!["candidate/3".into()], vec!["candidate/4".into()])
        );
        let unit = changed("department_deleted", json!({"department": {"id": 5, "child_ids": [6, 7]}}));
        assert_eq!(named(&unit.gone), ["department/5"]);
        assert_eq!(named(&unit.about), ["department/6", "department/7"]);
    }

    #[test]
    fn a_prospect_is_of_no_job_and_a_rejection_has_its_reason() {
        let payload = |prospect: bool| {
            json!({"application": {
                "id": 9, "prospect": prospect, "status": "rejected", "rejection_reason": {"id": 1, "name": "Too junior"},
                "candidate": {"id": 1}, "jobs": [{"id": 7, "name": "A"}, {"id": 8, "departments": [{"id": 2, "name": "D"}]}],
            }})
        };
        for prospect in [true, false] {
            let ChangedObjects { reported, about, .. } = changed("reject_candidate", payload(prospect));
            let Some(Record::Application(application)) = reported.last().map(|seen| &seen.record) else {
                panic!("{reported:?}")
            };
            assert_eq!(application.job.is_none(), prospect);
            assert_eq!(application.rejection_reason.as_deref(), Some("Too junior"));
            assert_eq!(named(&about), ["application/9", "candidate/1", "job/7", "job/8"]);
            assert!(reported.iter().all(|seen| seen.extent == Extent::Part));
        }
    }

    #[test]
    fn an_offer_says_its_first_day_in_its_own_way() {
        let payload = json!({"id": 5, "application_id": 9, "offer_status": "Accepted", "start_date": "04/15/2013"});
        let ChangedObjects { reported, .. } = changed("offer_created", payload);
        let Some(Record::Offer(offer)) = reported.first().map(|seen| &seen.record) else { panic!("{reported:?}") };
        assert_eq!((offer.status, offer.starts_on), (OfferStatus::Accepted, Some(Date::constant(2013, 4, 15))));
    }

    #[test]
    fn a_job_has_its_openings_and_a_post_its_own_time() {
        let job =
            changed("job_created", json!({"job": {"id": 5, "status": "open", "openings": [{"id": 6}, {"id": 7}]}}));
        assert_eq!(named(&job.about), ["job/5", "opening/6", "opening/7"]);
        let payload = json!({"id": 4, "title": "A", "job_id": 5, "live": true, "updated_at": "1970-01-01T00:00:01.5Z"});
        let post = changed("job_post_updated", payload);
        assert_eq!(post.reported.first().and_then(|seen| seen.version_ms), Some(1_500));
    }

    #[test]
    fn nothing_of_a_payload_that_cannot_be_read_is_repeated() {
        let origin = Parts::new(LoginMethod::WebhookOnly).origin;
        for (action, payload) in [
            ("update_candidate", json!({"candidate": {"id": "Jane"}})),
            ("update_candidate", json!({"person": {"id": 1}})),
            ("delete_candidate", json!({"person": "Jane"})),
            ("offer_created", json!({"offer": {"id": 1}})),
            ("job_deleted", json!(null)),
        ] {
            let error = meaning(&origin, action, payload, Timestamp::UNIX_EPOCH).expect_err("refused");
            assert!(!error.contains("Jane"), "{error}");
        }
        let stage = meaning(&origin, "job_interview_stage_deleted", json!({}), Timestamp::UNIX_EPOCH);
        assert!(matches!(stage, Ok(Meaning::Ignored { .. })));
    }
}
