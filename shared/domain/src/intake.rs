//! Intakes: applications that other systems send by API, and the records that follow from them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::ats::{Application, ApplicationStatus, Candidate, Job, JobStatus, Origin};
use crate::failure::Failure;
use crate::id::{ApplicationId, CandidateId, ConnectionId, IntakeId, JobId, OrgId};

/// The provider that records from an intake name as their source.
pub const PROVIDER: &str = "external";
/// The connection that they name: the API itself.
pub const CONNECTION: &str = "api";

/// The priority of an intake. Each priority has a queue of its own, so that many ordinary ones do not delay an urgent
/// one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// In the order of arrival.
    #[default]
    Normal,
    /// Before the ordinary ones.
    High,
}

/// The state of the work. `Accepted` means durable and waiting, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntakeState {
    /// Recorded; a worker has not begun, or will retry later.
    Accepted,
    /// A worker holds it.
    Running,
    /// Candidate and application are on record.
    Succeeded,
    /// It will not be retried; the failure has the reason.
    Failed,
}

/// The person who applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applicant {
    /// The applicant's full name.
    pub name: String,
    /// The e-mail address; two applications with the same one are of one candidate.
    pub email: String,
    /// The applicant's phone number.
    pub phone: Option<String>,
}

/// The job that an application is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppliedJob {
    /// A job that is on record here.
    Recorded(JobId),
    /// A job of the caller's own system, by its reference there.
    External {
        /// The reference: the same one is the same job.
        reference: String,
        /// The job's title; the reference is used where there is none.
        title: Option<String>,
    },
}

/// The resume that came with an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// The resume as plain text.
    Text(String),
    /// The URL at which it can be read.
    Url(String),
}

/// One application that came in, and the work that makes records of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// The version of the stored format.
    pub v: u8,
    pub id: IntakeId,
    /// The priority of the intake.
    pub priority: Priority,
    /// The person who applied.
    pub candidate: Applicant,
    /// The job that the application is for.
    pub job: AppliedJob,
    /// The applicant's resume, if there is one.
    pub resume: Option<Resume>,
    /// The applicant's cover letter, if there is one.
    pub cover_letter: Option<String>,
    /// The channel of the application, in the caller's words.
    pub source: Option<String>,
    /// The time of the application; none when the caller did not state it.
    pub applied_at: Option<Timestamp>,
    /// The state of the work.
    pub state: IntakeState,
    /// The number of attempts.
    pub attempts: u32,
    /// The candidate's record, when it is there.
    pub candidate_id: Option<CandidateId>,
    /// The application's record, when it is there.
    pub application_id: Option<ApplicationId>,
    /// The reason of the failure, or of the last retry.
    pub failure: Option<Failure>,
    /// The time at which it arrived.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// The content of an accepted application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The priority of the intake.
    pub priority: Priority,
    /// The person who applied.
    pub candidate: Applicant,
    /// The job that the application is for.
    pub job: AppliedJob,
    /// The applicant's resume, if there is one.
    pub resume: Option<Resume>,
    /// The applicant's cover letter, if there is one.
    pub cover_letter: Option<String>,
    /// The channel of the application, in the caller's words.
    pub source: Option<String>,
    /// The time of the application.
    pub applied_at: Option<Timestamp>,
}

impl Intake {
    /// An intake that is recorded and waits for a worker.
    #[must_use]
    pub fn accepted(id: IntakeId, submission: Submission, now: Timestamp) -> Self {
        let Submission { priority, candidate, job, resume, cover_letter, source, applied_at } = submission;
        Self {
            v: FORMAT_VERSION,
            id,
            priority,
            candidate,
            job,
            resume,
            cover_letter,
            source,
            applied_at,
            state: IntakeState::Accepted,
            attempts: 0,
            candidate_id: None,
            application_id: None,
            failure: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The records that it becomes, with derived ids: the same intake always lands on the same application, the same address
    /// on the same candidate, the same reference on the same job. `recorded` is the job that it names by id; its record
    /// stays as it is.
    #[must_use]
    pub fn records(&self, org: &OrgId, connection: &ConnectionId, recorded: Option<&Job>) -> IntakeRecords {
        let Applicant { name, email, phone } = self.candidate.clone();
        let origin = Origin { org: org.clone(), provider: PROVIDER.to_owned(), connection: connection.clone() };
        let job = match &self.job {
            AppliedJob::Recorded(_) => None,
            AppliedJob::External { reference, title } => Some(Job {
                v: FORMAT_VERSION,
                id: origin.job(reference),
                title: title.clone().unwrap_or_else(|| reference.clone()),
                status: JobStatus::Unknown,
                provider_status: None,
                department: None,
                location: None,
                departments: vec![],
                offices: vec![],
                description: None,
                source: Some(origin.source(reference)),
            }),
        };
        let person = email.to_lowercase();
        let candidate = Candidate {
            v: FORMAT_VERSION,
            id: origin.candidate(&person),
            name,
            email: Some(email),
            phone,
            title: None,
            company: None,
            source: origin.source(&person),
        };
        let provider_id = self.id.to_string();
        let application = Application {
            v: FORMAT_VERSION,
            id: origin.application(&provider_id),
            candidate: candidate.id,
            job: recorded.or(job.as_ref()).map(|job| job.id),
            status: ApplicationStatus::Active,
            provider_status: None,
            stage: None,
            applied_at: Some(self.applied_at.unwrap_or(self.created_at)),
            rejection_reason: None,
            history: None,
            source: origin.source(&provider_id),
        };
        IntakeRecords { candidate, application, job, version_ms: self.created_at.as_millisecond() }
    }
}

/// The records that an intake becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeRecords {
    /// The record of the person who applied.
    pub candidate: Candidate,
    /// The record of the application itself.
    pub application: Application,
    /// The job, if the application creates it.
    pub job: Option<Job>,
    /// The time at which it arrived, in milliseconds since 1970 UTC.
    pub version_ms: i64,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn intake(number: u128, email: &str, job: AppliedJob) -> Intake {
        let candidate = Applicant { name: "Ada Byron".into(), email: email.into(), phone: None };
        let submission = Submission {
            priority: Priority::Normal,
            candidate,
            job,
            resume: None,
            cover_letter: None,
            source: None,
            applied_at: None,
        };
        Intake::accepted(IntakeId::fresh(Uuid::from_u128(number)), submission, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn intakes_of_one_person_or_job_share_its_record() {
        let org: OrgId = "acme".parse().expect("slug");
        let api: ConnectionId = CONNECTION.parse().expect("slug");
        let external =
            |title: Option<&str>| AppliedJob::External { reference: "REQ-1".into(), title: title.map(str::to_owned) };
        let first = intake(1, "Ada@Example.com", external(None)).records(&org, &api, None);
        let again = intake(1, "Ada@Example.com", external(None)).records(&org, &api, None);
        assert_eq!(first, again);
        let second = intake(2, "ada@example.com", external(Some("Analyst"))).records(&org, &api, None);
        assert_eq!(first.candidate.id, second.candidate.id, "one address is one person");
        assert_ne!(first.application.id, second.application.id);
        let title = |set: &IntakeRecords| set.job.as_ref().map(|job| (job.id, job.title.clone()));
        let (first_job, second_job) = (title(&first).expect("a job"), title(&second).expect("a job"));
        assert_eq!(first_job.0, second_job.0, "one reference is one job");
        assert_eq!((first_job.1.as_str(), second_job.1.as_str()), ("REQ-1", "Analyst"));
        assert_eq!(first.application.applied_at, Some(Timestamp::UNIX_EPOCH), "when it came in");
    }

    #[test]
    fn a_job_of_ours_is_named_and_not_written_again() {
        let org: OrgId = "acme".parse().expect("slug");
        let api: ConnectionId = CONNECTION.parse().expect("slug");
        let id = JobId::derived(&org, &["job"]);
        let ours = Job {
            v: FORMAT_VERSION,
            id,
            title: "Gardener".into(),
            status: JobStatus::Open,
            provider_status: None,
            departments: vec![],
            offices: vec![],
            department: None,
            location: None,
            description: None,
            source: None,
        };
        let set = intake(1, "a@example.com", AppliedJob::Recorded(id)).records(&org, &api, Some(&ours));
        assert_eq!(set.job, None);
        assert_eq!(set.application.job, Some(id));
    }
}
