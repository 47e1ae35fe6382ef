//! Lever's objects in the product's words. The tables are in the documentation of [`super`].

use domain::FORMAT_VERSION;
use domain::ats::{
    Application, ApplicationStatus, Candidate, Extent, Interview, InterviewStatus, Job, JobStatus, Observation, Offer,
    OfferStatus, Origin, Record, StageEntry, User,
};
use jiff::{Timestamp, tz::TimeZone};

use super::cursor::Names;
use super::wire;

/// An interview or an offer: it has no address but below its opportunity.
pub(super) fn part_id(opportunity: &str, id: &str) -> String {
    format!("{opportunity}/{id}")
}

fn time(ms: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms?).ok()
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn whole(record: Record, version_ms: Option<i64>) -> Observation {
    Observation { record, version_ms, extent: Extent::Whole }
}

pub(super) fn user(origin: &Origin, wire: wire::User) -> Observation {
    let wire::User { id, name, email, deactivated_at } = wire;
    let user = User {
        v: FORMAT_VERSION,
        id: origin.user(&id),
        name: name.unwrap_or_default(),
        email: non_empty(email),
        active: deactivated_at.is_none(),
        source: origin.source(&id),
    };
    whole(Record::User(user), None)
}

pub(super) fn job(origin: &Origin, wire: wire::Posting) -> Observation {
    let wire::Posting { id, text, state, categories, content, updated_at } = wire;
    let status = match state.as_deref() {
        Some("published" | "internal") => JobStatus::Open,
        Some("draft" | "pending") => JobStatus::Draft,
        Some("closed" | "rejected") => JobStatus::Closed,
        Some(_) | None => JobStatus::Unknown,
    };
    let wire::Categories { department, location } = categories.unwrap_or_default();
    let job = Job {
        v: FORMAT_VERSION,
        id: origin.job(&id),
        title: text.unwrap_or_default(),
        status,
        provider_status: state,
        department: non_empty(department),
        location: non_empty(location),
        departments: vec![],
        offices: vec![],
        description: non_empty(content.and_then(|content| content.description)),
        source: Some(origin.source(&id)),
    };
    whole(Record::Job(job), updated_at)
}

/// The version of an opportunity. Old ones have no time of change; their other times are of the same clock and never
/// later than a future change, unlike the time of our request.
fn version(wire: &wire::Opportunity) -> Option<i64> {
    wire.updated_at.or_else(|| {
        let archived = wire.archived.as_ref().and_then(|archived| archived.archived_at);
        [wire.created_at, wire.last_interaction_at, wire.last_advanced_at, archived].into_iter().flatten().max()
    })
}

/// An opportunity is a candidate and an application of one and the same id.
pub(super) fn opportunity(origin: &Origin, names: &Names, wire: wire::Opportunity) -> [Observation; 2] {
    let version_ms = version(&wire);
    let wire::Opportunity {
        id, name, emails, phones, stage, stage_changes, archived, applications, created_at, ..
    } = wire;
    let application = applications.unwrap_or_default().into_iter().next();
    let (posting, company, applied_at) = match application {
        Some(wire::Application { posting, company, created_at: at }) => (posting, company, at.or(created_at)),
        None => (None, None, created_at),
    };
    let candidate = Candidate {
        v: FORMAT_VERSION,
        id: origin.candidate(&id),
        name: name.unwrap_or_default(),
        email: emails.unwrap_or_default().into_iter().next(),
        phone: phones.unwrap_or_default().into_iter().find_map(|phone| non_empty(phone.value)),
        title: None,
        company: non_empty(company),
        source: origin.source(&id),
    };
    let (status, rejection_reason) = match &archived {
        None => (ApplicationStatus::Active, None),
        Some(wire::Archived { reason: Some(reason), .. }) if names.hired.contains(reason) => {
            (ApplicationStatus::Hired, None)
        }
        Some(wire::Archived { reason, .. }) => {
            (ApplicationStatus::Rejected, reason.as_ref().and_then(|reason| names.reasons.get(reason)).cloned())
        }
    };
    let named = |stage: Option<String>| stage.and_then(|stage| names.stages.get(&stage)).cloned();
    let mut history: Vec<StageEntry> = stage_changes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|change| Some(StageEntry { at: time(change.updated_at)?, stage: named(change.to_stage_id) }))
        .collect();
    history.sort_by_key(|entry| entry.at);
    let application = Application {
        v: FORMAT_VERSION,
        id: origin.application(&id),
        candidate: candidate.id,
        job: posting.map(|posting| origin.job(&posting)),
        status,
        provider_status: None,
        stage: named(stage),
        applied_at: time(applied_at),
        rejection_reason,
        history: Some(history),
        source: origin.source(&id),
    };
    [whole(Record::Candidate(candidate), version_ms), whole(Record::Application(application), version_ms)]
}

pub(super) fn interview(origin: &Origin, opportunity: &str, wire: wire::Interview) -> Observation {
    let wire::Interview { id, subject, interviewers, date, duration, feedback_forms, canceled_at } = wire;
    let id = part_id(opportunity, &id);
    let status = match (canceled_at, feedback_forms) {
        (Some(_), _) => InterviewStatus::Canceled,
        (None, Some(forms)) if !forms.is_empty() => InterviewStatus::Complete,
        (None, _) => InterviewStatus::Scheduled,
    };
    let end = date.zip(duration).and_then(|(date, minutes)| date.checked_add(minutes.checked_mul(60_000)?));
    let interviewers = interviewers.unwrap_or_default().into_iter().filter_map(|who| who.id);
    let interview = Interview {
        v: FORMAT_VERSION,
        id: origin.interview(&id),
        application: Some(origin.application(opportunity)),
        candidate: Some(origin.candidate(opportunity)),
        name: non_empty(subject),
        status,
        provider_status: None,
        starts_at: time(date),
        ends_at: time(end),
        interviewers: interviewers.map(|id| origin.user(&id)).collect(),
        source: origin.source(&id),
    };
    whole(Record::Interview(interview), None)
}

/// The field of an offer's form that holds the first day.
const FIRST_DAY: &str = "anticipated_start_date";

pub(super) fn offer(origin: &Origin, opportunity: &str, wire: wire::Offer) -> Observation {
    let wire::Offer { id, status, fields } = wire;
    let id = part_id(opportunity, &id);
    let known = match status.as_deref() {
        Some("draft" | "approval-sent" | "approved" | "sent" | "sent-manually" | "opened") => OfferStatus::Unresolved,
        Some("signed") => OfferStatus::Accepted,
        Some("denied") => OfferStatus::Rejected,
        Some(_) | None => OfferStatus::Unknown,
    };
    let first_day = fields.unwrap_or_default().into_iter().find(|field| field.identifier.as_deref() == Some(FIRST_DAY));
    let first_day = time(first_day.and_then(|field| field.value.as_i64()));
    let offer = Offer {
        v: FORMAT_VERSION,
        id: origin.offer(&id),
        application: Some(origin.application(opportunity)),
        status: known,
        provider_status: status,
        starts_on: first_day.map(|at| at.to_zoned(TimeZone::UTC).date()),
        source: origin.source(&id),
    };
    whole(Record::Offer(offer), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origin() -> Origin {
        let (org, connection) = ("acme".parse().expect("slug"), "lever".parse().expect("slug"));
        Origin { org, provider: "lever".into(), connection }
    }

    fn names() -> Names {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(id, name)| ((*id).into(), (*name).into())).collect();
        Names {
            stages: map(&[("s1", "New lead"), ("s2", "Offer")]),
            reasons: map(&[("r1", "Withdrew"), ("r2", "Hired")]),
            hired: ["r2".to_owned()].into(),
        }
    }

    fn mapped(row: serde_json::Value) -> (Candidate, Application, Option<i64>) {
        let wire = crate::transport::json::read_value(row).expect("readable");
        let [candidate, application] = opportunity(&origin(), &names(), wire);
        assert_eq!(candidate.version_ms, application.version_ms);
        let (Record::Candidate(candidate), Record::Application(known)) = (candidate.record, application.record) else {
            panic!("a candidate and an application")
        };
        (candidate, known, application.version_ms)
    }

    #[test]
    fn an_opportunity_is_a_candidate_and_an_application() {
        let (candidate, application, version) = mapped(json!({
            "id": "o", "name": "Ada L", "emails": ["a@b.c", "x@b.c"], "phones": [{"value": ""}, {"value": "1"}],
            "stage": "s2", "stageChanges": [{"toStageId": "s2", "updatedAt": 9}, {"toStageId": "s1", "updatedAt": 5}],
            "archived": null, "applications": [{"id": "a", "posting": "p", "createdAt": 6, "company": "Engines"}],
            "createdAt": 5, "updatedAt": 12,
        }));
        assert_eq!((candidate.name.as_str(), candidate.email.as_deref()), ("Ada L", Some("a@b.c")));
        assert_eq!((candidate.phone.as_deref(), candidate.company.as_deref()), (Some("1"), Some("Engines")));
        assert_eq!((application.stage.as_deref(), application.job), (Some("Offer"), Some(origin().job("p"))));
        let history: Vec<_> = application.history.into_iter().flatten().map(|entry| entry.stage).collect();
        assert_eq!(history, [Some("New lead".to_owned()), Some("Offer".to_owned())], "oldest first");
        assert_eq!((application.applied_at, version), (time(Some(6)), Some(12)));
    }

    #[test]
    fn the_end_of_an_opportunity_is_a_hire_or_a_rejection() {
        let end = |archived: serde_json::Value| {
            let (_, application, _) = mapped(json!({"id": "o", "archived": archived}));
            (application.status, application.rejection_reason)
        };
        assert_eq!(end(json!(null)), (ApplicationStatus::Active, None));
        assert_eq!(end(json!({"reason": "r2", "archivedAt": 1})), (ApplicationStatus::Hired, None));
        assert_eq!(end(json!({"reason": "r1"})), (ApplicationStatus::Rejected, Some("Withdrew".to_owned())));
        assert_eq!(end(json!({"reason": "new"})), (ApplicationStatus::Rejected, None));
    }

    #[test]
    fn an_old_opportunity_has_its_latest_time_for_a_version() {
        let (candidate, application, version) = mapped(json!({
            "id": "o", "name": null, "createdAt": 5, "updatedAt": null, "lastInteractionAt": 8, "lastAdvancedAt": 7,
        }));
        assert_eq!((candidate.name.as_str(), application.job, version), ("", None, Some(8)));
        assert_eq!((application.applied_at, application.history), (time(Some(5)), Some(vec![])));
        assert_eq!(mapped(json!({"id": "o"})).2, None);
    }

    #[test]
    fn words_of_lever_are_mapped_and_others_are_unknown() {
        let job = |state: &str| {
            let wire = crate::transport::json::read_value(json!({"id": "p", "state": state})).expect("readable");
            let Record::Job(job) = job(&origin(), wire).record else { panic!("a job") };
            assert_eq!(job.provider_status.as_deref(), Some(state));
            job.status
        };
        for (state, wanted) in [
            ("published", JobStatus::Open),
            ("internal", JobStatus::Open),
            ("draft", JobStatus::Draft),
            ("pending", JobStatus::Draft),
            ("closed", JobStatus::Closed),
            ("rejected", JobStatus::Closed),
            ("brand-new", JobStatus::Unknown),
        ] {
            assert_eq!(job(state), wanted, "{state}");
        }
        let offer = |status: &str, day: serde_json::Value| {
            let fields = json!([{"identifier": "salary_amount", "value": 1}, {"identifier": FIRST_DAY, "value": day}]);
            let row = json!({"id": "f", "status": status, "fields": fields});
            let wire = crate::transport::json::read_value(row).expect("readable");
            let Record::Offer(offer) = offer(&origin(), "o", wire).record else { panic!("an offer") };
            (offer.status, offer.starts_on.map(|day| day.to_string()))
        };
        let day = Some("2026-12-01".to_owned());
        assert_eq!(offer("signed", json!(1_796_083_200_000_i64)), (OfferStatus::Accepted, day));
        assert_eq!(offer("denied", json!(null)), (OfferStatus::Rejected, None));
        assert_eq!(offer("sent-manually", json!("soon")), (OfferStatus::Unresolved, None));
        assert_eq!(offer("brand-new", json!(null)), (OfferStatus::Unknown, None));
    }

    #[test]
    fn an_interview_is_cancelled_complete_or_still_to_come() {
        let interview = |row: serde_json::Value| {
            let wire = crate::transport::json::read_value(row).expect("readable");
            let Record::Interview(interview) = interview(&origin(), "o", wire).record else { panic!("an interview") };
            interview
        };
        let seen = interview(json!({
            "id": "i", "subject": "On-site", "date": 1_000_000, "duration": 45, "feedbackForms": ["f"],
            "interviewers": [{"id": "u"}, {"id": null}],
        }));
        assert_eq!((seen.status, seen.ends_at), (InterviewStatus::Complete, time(Some(3_700_000))));
        assert_eq!((seen.source.provider_id.as_str(), seen.interviewers), ("o/i", vec![origin().user("u")]));
        let status = |row| interview(row).status;
        assert_eq!(status(json!({"id": "i", "canceledAt": 1, "feedbackForms": ["f"]})), InterviewStatus::Canceled);
        assert_eq!(status(json!({"id": "i", "feedbackForms": []})), InterviewStatus::Scheduled);
        assert_eq!(interview(json!({"id": "i", "date": i64::MAX, "duration": i64::MAX})).ends_at, None);
    }
}
