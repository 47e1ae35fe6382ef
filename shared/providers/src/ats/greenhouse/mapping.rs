//! From a row to a record: the tables of the provider's file in code.

use domain::FORMAT_VERSION;
use domain::ats::{
    Application, ApplicationStatus, Candidate, Department, Extent, Interview, InterviewStatus, Job, JobStatus, Kind,
    Observation, Offer, OfferStatus, Office, Opening, OpeningStatus, Origin, Post, Recommendation, Record, Scorecard,
    User,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire;
use crate::transport::json;

/// A row of a list as an object.
///
/// # Errors
/// Why it is none, without any of its values.
pub(super) fn observation(origin: &Origin, kind: Kind, row: Value) -> Result<Observation, String> {
    let wire::Stamp { id, updated_at } = read(&row)?;
    let record = record(origin, kind, &id.to_string(), row)?;
    Ok(Observation { record, version_ms: updated_at.map(|at| at.as_millisecond()), extent: Extent::Whole })
}

fn read<T: DeserializeOwned>(row: &Value) -> Result<T, String> {
    Ok(json::read_value(row.clone())?)
}

/// The words that make up a name.
pub(super) fn full_name(parts: [Option<String>; 2]) -> String {
    let words: Vec<String> = parts.into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    words.join(" ")
}

/// The first value that is not empty.
pub(super) fn first(values: Option<Vec<wire::Valued>>) -> Option<String> {
    values.into_iter().flatten().find_map(|valued| valued.value.filter(|value| !value.trim().is_empty()))
}

pub(super) fn job_status(word: Option<&str>) -> JobStatus {
    match word {
        Some("draft") => JobStatus::Draft,
        Some("open") => JobStatus::Open,
        Some("closed") => JobStatus::Closed,
        Some(_) | None => JobStatus::Unknown,
    }
}

pub(super) fn offer_status(word: Option<&str>) -> OfferStatus {
    match word {
        Some("Created") => OfferStatus::Unresolved,
        Some("Accepted") => OfferStatus::Accepted,
        Some("Rejected") => OfferStatus::Rejected,
        Some("Deprecated") => OfferStatus::Deprecated,
        Some(_) | None => OfferStatus::Unknown,
    }
}

fn application_status(word: Option<&str>) -> ApplicationStatus {
    match word {
        Some("in_process") => ApplicationStatus::Active,
        Some("rejected") => ApplicationStatus::Rejected,
        Some("hired") => ApplicationStatus::Hired,
        Some(_) | None => ApplicationStatus::Unknown,
    }
}

fn interview_status(word: Option<&str>) -> InterviewStatus {
    match word {
        Some("scheduled") => InterviewStatus::Scheduled,
        Some("awaiting_feedback" | "collect_feedback") => InterviewStatus::AwaitingFeedback,
        Some("complete") => InterviewStatus::Complete,
        Some("skipped") => InterviewStatus::Canceled,
        Some(_) | None => InterviewStatus::Unknown,
    }
}

fn recommendation(word: Option<&str>) -> Recommendation {
    match word {
        Some("strong_yes") => Recommendation::StrongYes,
        Some("yes") => Recommendation::Yes,
        Some("mixed") => Recommendation::Mixed,
        Some("no") => Recommendation::No,
        Some("definitely_not") => Recommendation::StrongNo,
        Some("no_decision") | None => Recommendation::None,
        Some(_) => Recommendation::Unknown,
    }
}

fn record(origin: &Origin, kind: Kind, id: &str, row: Value) -> Result<Record, String> {
    let (v, source) = (FORMAT_VERSION, origin.source(id));
    let text = |id: u64| id.to_string();
    let of = |application: Option<u64>| application.map(|id| origin.application(&text(id)));
    Ok(match kind {
        Kind::Job => {
            let row: wire::Job = read(&row)?;
            Record::Job(Job {
                v,
                id: origin.job(id),
                title: row.name.unwrap_or_default(),
                status: job_status(row.status.as_deref()),
                provider_status: row.status,
                department: None,
                location: None,
                departments: row.department_id.map(|id| origin.department(&text(id))).into_iter().collect(),
                offices: row.office_ids.into_iter().flatten().map(|id| origin.office(&text(id))).collect(),
                description: None,
                source: Some(source),
            })
        }
        Kind::Opening => {
            let row: wire::Opening = read(&row)?;
            let status = match row.open {
                Some(true) => OpeningStatus::Open,
                Some(false) => OpeningStatus::Closed,
                None => OpeningStatus::Unknown,
            };
            let job = row.job_id.map(|id| origin.job(&text(id)));
            Record::Opening(Opening { v, id: origin.opening(id), job, status, provider_status: None, source })
        }
        Kind::Post => {
            let row: wire::Post = read(&row)?;
            let job = row.job_id.map(|id| origin.job(&text(id)));
            let (title, live) = (row.title.unwrap_or_default(), row.live.unwrap_or_default());
            Record::Post(Post { v, id: origin.post(id), job, title, live, source })
        }
        Kind::Candidate => {
            let row: wire::Candidate = read(&row)?;
            Record::Candidate(Candidate {
                v,
                id: origin.candidate(id),
                name: full_name([row.first_name, row.last_name]),
                email: first(row.email_addresses),
                phone: first(row.phone_numbers),
                title: row.title,
                company: row.company,
                source,
            })
        }
        Kind::Application => {
            let row: wire::Application = read(&row)?;
            let candidate = row.candidate_id.ok_or("missing field `candidate_id`")?;
            Record::Application(Application {
                v,
                id: origin.application(id),
                candidate: origin.candidate(&text(candidate)),
                job: row.job_id.map(|id| origin.job(&text(id))),
                status: application_status(row.status.as_deref()),
                provider_status: row.status,
                stage: row.stage_name,
                applied_at: row.created_at,
                rejection_reason: None,
                history: None,
                source,
            })
        }
        Kind::Interview => {
            let row: wire::Interview = read(&row)?;
            Record::Interview(Interview {
                v,
                id: origin.interview(id),
                application: of(row.application_id),
                candidate: None,
                name: None,
                status: interview_status(row.status.as_deref()),
                provider_status: row.status,
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                interviewers: vec![],
                source,
            })
        }
        Kind::Offer => {
            let row: wire::Offer = read(&row)?;
            Record::Offer(Offer {
                v,
                id: origin.offer(id),
                application: of(row.application_id),
                status: offer_status(row.status.as_deref()),
                provider_status: row.status,
                starts_on: row.starts_on,
                source,
            })
        }
        Kind::Scorecard => {
            let row: wire::Scorecard = read(&row)?;
            Record::Scorecard(Scorecard {
                v,
                id: origin.scorecard(id),
                application: of(row.application_id),
                interview_name: None,
                recommendation: recommendation(row.candidate_rating.as_deref()),
                provider_recommendation: row.candidate_rating,
                submitted_by: row.submitter_id.map(|id| origin.user(&text(id))),
                submitted_at: row.submitted_at,
                source,
            })
        }
        Kind::Department => {
            let row: wire::Unit = read(&row)?;
            let parent = row.parent_id.map(|id| origin.department(&text(id)));
            let name = row.name.unwrap_or_default();
            Record::Department(Department { v, id: origin.department(id), name, parent, source })
        }
        Kind::Office => {
            let row: wire::Unit = read(&row)?;
            let parent = row.parent_id.map(|id| origin.office(&text(id)));
            let (name, location) = (row.name.unwrap_or_default(), row.location);
            Record::Office(Office { v, id: origin.office(id), name, location, parent, source })
        }
        Kind::User => {
            let row: wire::User = read(&row)?;
            let named = row.name.filter(|name| !name.trim().is_empty());
            Record::User(User {
                v,
                id: origin.user(id),
                name: named.unwrap_or_else(|| full_name([row.first_name, row.last_name])),
                email: row.primary_email.filter(|email| !email.trim().is_empty()),
                active: row.deactivated != Some(true),
                source,
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use domain::connection::LoginMethod;
    use serde_json::json;

    use super::*;
    use crate::ats::greenhouse::fixture::Parts;

    fn mapped(kind: Kind, row: Value) -> Result<Value, String> {
        let parts = Parts::new(LoginMethod::ClientCredentials);
        let seen = observation(&parts.origin, kind, row)?;
        assert_eq!((seen.record.kind(), seen.extent), (kind, Extent::Whole));
        Ok(serde_json::to_value(&seen.record).expect("JSON"))
    }

    #[test]
    fn a_row_with_nothing_but_its_id_is_an_object_where_that_can_be() {
        for kind in Kind::ALL {
            let mapped = mapped(kind, json!({"id": 9_007_199_254_740_993_u64}));
            if kind == Kind::Application {
                assert_eq!(mapped, Err("missing field `candidate_id`".to_owned()));
            } else {
                let source = mapped.expect("an object")["source"]["provider_id"].clone();
                assert_eq!(source, json!("9007199254740993"), "{kind:?}");
            }
        }
    }

    #[test]
    fn words_are_open_and_stay_beside_what_they_mean() {
        // (kind, row without its id, field, meaning, field with the word)
        let table = [
            (Kind::Job, json!({"status": "open"}), "status", "open", "provider_status"),
            (Kind::Job, json!({"status": "frozen"}), "status", "unknown", "provider_status"),
            (
                Kind::Application,
                json!({"status": "in_process", "candidate_id": 1}),
                "status",
                "active",
                "provider_status",
            ),
            (
                Kind::Application,
                json!({"status": "converted", "candidate_id": 1}),
                "status",
                "unknown",
                "provider_status",
            ),
            (Kind::Interview, json!({"status": "collect_feedback"}), "status", "awaiting-feedback", "provider_status"),
            (Kind::Interview, json!({"status": "to_be_scheduled"}), "status", "unknown", "provider_status"),
            (Kind::Interview, json!({"status": "skipped"}), "status", "canceled", "provider_status"),
            (Kind::Offer, json!({"status": "Created"}), "status", "unresolved", "provider_status"),
            (Kind::Offer, json!({"status": "created"}), "status", "unknown", "provider_status"),
            (
                Kind::Scorecard,
                json!({"candidate_rating": "definitely_not"}),
                "recommendation",
                "strong-no",
                "provider_recommendation",
            ),
            (
                Kind::Scorecard,
                json!({"candidate_rating": "splendid"}),
                "recommendation",
                "unknown",
                "provider_recommendation",
            ),
        ];
        for (kind, mut row, field, meaning, word) in table {
            row["id"] = json!(5);
            let said = ["status", "candidate_rating"].into_iter().find_map(|name| row.get(name)).cloned();
            let mapped = mapped(kind, row.clone()).expect("an object");
            assert_eq!((&mapped[field], Some(&mapped[word])), (&json!(meaning), said.as_ref()), "{row}");
        }
    }

    #[test]
    fn references_are_our_ids_and_times_are_the_versions() {
        let parts = Parts::new(LoginMethod::ClientCredentials);
        let row = json!({
            "id": 7, "updated_at": "2026-05-05T22:36:05.370Z", "name": "Window Washer", "status": "open",
            "department_id": 4, "office_ids": [2, 3], "custom_fields": {"x": {"value": [1]}}, "is_template": null,
        });
        let seen = observation(&parts.origin, Kind::Job, row).expect("an object");
        let Record::Job(job) = seen.record else { panic!("a job") };
        assert_eq!(seen.version_ms, Some(1_778_020_565_370));
        assert_eq!(job.departments, [parts.origin.department("4")]);
        assert_eq!(job.offices, [parts.origin.office("2"), parts.origin.office("3")]);
        let row = json!({"id": 7, "first_name": " ", "last_name": "King", "email_addresses": [{"value": ""}, {"value": "a@b.example"}]});
        let person = mapped(Kind::Candidate, row).expect("an object");
        assert_eq!((&person["name"], &person["email"]), (&json!("King"), &json!("a@b.example")));
    }

    #[test]
    fn a_row_that_is_wrong_says_so_without_its_values() {
        for row in [
            json!({"id": "Jane"}),
            json!({"id": 1, "candidate_id": "Jane"}),
            json!({"id": 1, "candidate_id": 2, "created_at": "Jane"}),
            json!(["Jane"]),
        ] {
            let error = mapped(Kind::Application, row).expect_err("refused");
            assert!(!error.contains("Jane"), "{error}");
        }
    }
}
