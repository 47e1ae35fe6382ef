//! BambooHR's objects in the product's words. The tables are in the documentation of [`super`].

use std::collections::BTreeMap;

use domain::FORMAT_VERSION;
use domain::ats::{Application, ApplicationStatus, Candidate, Extent, Job, JobStatus, Observation, Origin, Record};

use super::wire;

/// Settings with the company's own statuses.
pub(super) const HIRED: &str = "hired_statuses";
pub(super) const REJECTED: &str = "rejected_statuses";

type Settings = BTreeMap<String, String>;

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn label(labelled: Option<wire::Labelled>) -> Option<String> {
    non_empty(labelled.and_then(|labelled| labelled.label))
}

fn whole(record: Record) -> Observation {
    Observation { record, version_ms: None, extent: Extent::Whole }
}

/// The status of an application, by the name of BambooHR's.
pub(super) fn status(settings: &Settings, name: Option<&str>) -> ApplicationStatus {
    let Some(name) = name.map(str::trim) else { return ApplicationStatus::Unknown };
    let own = |setting: &str| {
        let names = settings.get(setting).map_or("", String::as_str);
        names.split(',').any(|own| own.trim().eq_ignore_ascii_case(name))
    };
    match name {
        _ if own(HIRED) => ApplicationStatus::Hired,
        _ if own(REJECTED) => ApplicationStatus::Rejected,
        "Hired" => ApplicationStatus::Hired,
        "Not a Fit" | "Declined Offer" | "Not Qualified" | "Over Qualified" | "Hired Elsewhere" => {
            ApplicationStatus::Rejected
        }
        _ => ApplicationStatus::Active,
    }
}

/// A job; none for one that was deleted.
pub(super) fn job(origin: &Origin, wire: wire::Job) -> Option<Observation> {
    let wire::Job { id, title, status, department, location } = wire;
    let provider_status = label(status);
    let status = match provider_status.as_deref() {
        Some("Open") => JobStatus::Open,
        Some("Draft") => JobStatus::Draft,
        Some("On Hold") => JobStatus::OnHold,
        Some("Filled" | "Canceled") => JobStatus::Closed,
        Some("Deleted") => return None,
        Some(_) | None => JobStatus::Unknown,
    };
    let id = id.to_string();
    let job = Job {
        v: FORMAT_VERSION,
        id: origin.job(&id),
        title: label(title).unwrap_or_default(),
        status,
        provider_status,
        department: label(department),
        location: label(location),
        departments: vec![],
        offices: vec![],
        description: None,
        source: Some(origin.source(&id)),
    };
    Some(whole(Record::Job(job)))
}

/// An application and who made it.
pub(super) fn application(origin: &Origin, settings: &Settings, wire: wire::Application) -> [Observation; 2] {
    let wire::Application { id, applied_date, status: step, applicant, job } = wire;
    let wire::Applicant { id: applicant, first_name, last_name, email } = applicant;
    let (id, applicant) = (id.to_string(), applicant.to_string());
    let names: Vec<String> = [first_name, last_name].into_iter().filter_map(non_empty).collect();
    let candidate = Candidate {
        v: FORMAT_VERSION,
        id: origin.candidate(&applicant),
        name: names.join(" "),
        email: non_empty(email),
        phone: None,
        title: None,
        company: None,
        source: origin.source(&applicant),
    };
    let step = label(step);
    let application = Application {
        v: FORMAT_VERSION,
        id: origin.application(&id),
        candidate: candidate.id,
        job: job.and_then(|job| job.id).map(|id| origin.job(&id.to_string())),
        status: status(settings, step.as_deref()),
        provider_status: step.clone(),
        stage: step,
        applied_at: applied_date,
        rejection_reason: None,
        history: None,
        source: origin.source(&id),
    };
    [whole(Record::Candidate(candidate)), whole(Record::Application(application))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origin() -> Origin {
        Origin {
            org: "acme".parse().expect("slug"),
            provider: "bamboohr".to_owned(),
            connection: "b".parse().expect("slug"),
        }
    }

    #[test]
    fn names_of_statuses_mean_what_the_table_and_the_settings_say() {
        let settings: Settings = [(HIRED, "Signed"), (REJECTED, "No show, after test ,Hired")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (name, own, usual) in [
            (Some("Reviewed"), ApplicationStatus::Active, ApplicationStatus::Active),
            (Some("Hired"), ApplicationStatus::Rejected, ApplicationStatus::Hired),
            (Some("Not a Fit"), ApplicationStatus::Rejected, ApplicationStatus::Rejected),
            (Some("After Test"), ApplicationStatus::Rejected, ApplicationStatus::Active),
            (Some("signed"), ApplicationStatus::Hired, ApplicationStatus::Active),
            (None, ApplicationStatus::Unknown, ApplicationStatus::Unknown),
        ] {
            assert_eq!(status(&settings, name), own, "{name:?}");
            assert_eq!(status(&Settings::new(), name), usual, "{name:?}");
        }
    }

    #[test]
    fn a_row_with_nothing_but_ids_is_read() {
        let wire = serde_json::from_value(json!({"id": 7, "applicant": {"id": 9, "firstName": " ", "email": ""}}));
        let [candidate, application] = application(&origin(), &Settings::new(), wire.expect("readable"));
        let (Record::Candidate(candidate), Record::Application(application)) = (candidate.record, application.record)
        else {
            panic!("other kinds")
        };
        assert_eq!((candidate.name.as_str(), candidate.email), ("", None));
        assert_eq!((application.job, application.status), (None, ApplicationStatus::Unknown));
        assert_eq!(application.candidate, origin().candidate("9"));
    }

    #[test]
    fn every_status_of_a_job_has_a_word_and_a_deleted_one_is_none() {
        let of = |label: &str| {
            let wire = json!({"id": 1, "title": {"id": null, "label": "Baker"}, "status": {"id": 1, "label": label}});
            job(&origin(), serde_json::from_value(wire).expect("readable")).map(|seen| match seen.record {
                Record::Job(job) => job.status,
                _ => panic!("another kind"),
            })
        };
        assert_eq!(of("On Hold"), Some(JobStatus::OnHold));
        assert_eq!(of("Canceled"), Some(JobStatus::Closed));
        assert_eq!(of("Archived"), Some(JobStatus::Unknown));
        assert_eq!(of("Deleted"), None);
    }
}
