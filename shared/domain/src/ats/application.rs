//! Jobs, candidates and applications.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Source;
use crate::id::{ApplicationId, CandidateId, DepartmentId, JobId, OfficeId};

/// Whether a job can be applied to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStatus {
    /// The job is not published yet.
    Draft,
    /// Can be applied to.
    Open,
    /// The job is suspended for now.
    OnHold,
    /// Filled, withdrawn or ended.
    Closed,
    /// The provider said nothing, or a word that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A job that candidates apply for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id, or fresh for a job made here.
    pub id: JobId,
    pub title: String,
    /// Whether candidates can apply for it.
    #[serde(default)]
    pub status: JobStatus,
    /// The provider's own word for that.
    #[serde(default)]
    pub provider_status: Option<String>,
    /// The name of the department, where the job itself contains it.
    pub department: Option<String>,
    /// The location, where the job itself contains it.
    pub location: Option<String>,
    /// Departments, where the job refers to them.
    #[serde(default)]
    pub departments: Vec<DepartmentId>,
    /// Offices, where the job refers to them.
    #[serde(default)]
    pub offices: Vec<OfficeId>,
    /// The job's description, as plain text or HTML.
    pub description: Option<String>,
    /// The source; none for a job that was created here.
    pub source: Option<Source>,
}

/// A person who applies for jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: CandidateId,
    /// Full name; may be empty where the provider has none.
    pub name: String,
    /// The first of the person's e-mail addresses.
    pub email: Option<String>,
    /// The first of the person's phone numbers.
    pub phone: Option<String>,
    /// The person's current job title.
    pub title: Option<String>,
    /// The person's current employer.
    pub company: Option<String>,
    /// The source of the record.
    pub source: Source,
}

/// The state of an application, in the words that all ATS share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationStatus {
    /// The application is in progress.
    Active,
    /// Turned down or withdrawn.
    Rejected,
    /// Ended with a hire.
    Hired,
    /// A word of the provider that this version does not know; it is in `provider_status`.
    #[serde(other)]
    Unknown,
}

/// A stage that an application was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEntry {
    /// The provider's name of the stage.
    pub stage: Option<String>,
    /// Since when: as the provider says, else when it was observed.
    pub at: Timestamp,
}

/// An application of a candidate for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: ApplicationId,
    /// The candidate who applied.
    pub candidate: CandidateId,
    /// To what; none for a prospect.
    pub job: Option<JobId>,
    pub status: ApplicationStatus,
    /// The provider's own word for that.
    #[serde(default)]
    pub provider_status: Option<String>,
    /// The provider's name of the stage.
    pub stage: Option<String>,
    /// The time of the application, as the provider states it.
    pub applied_at: Option<Timestamp>,
    /// The reason of the rejection, in the provider's words.
    #[serde(default)]
    pub rejection_reason: Option<String>,
    /// The stages of the application, oldest first. None in an observation of a provider that does not list them: then
    /// observed stages are collected.
    #[serde(default)]
    pub history: Option<Vec<StageEntry>>,
    /// The source of the record.
    pub source: Source,
}

/// The candidate as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRef {
    pub id: CandidateId,
    /// Full name; empty while nothing is known of the person.
    pub name: String,
    /// The first of the person's e-mail addresses.
    pub email: Option<String>,
}

/// The job as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRef {
    pub id: JobId,
    /// Its title; empty while nothing is known of the job.
    pub title: String,
}

/// An application with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationInFull {
    pub application: Application,
    /// The candidate who applied.
    pub candidate: CandidateRef,
    /// The job that the application is for.
    pub job: Option<JobRef>,
}

impl ApplicationInFull {
    /// Puts together what belongs together; what is not known yet is empty.
    #[must_use]
    pub fn new(application: Application, candidate: Option<&Candidate>, job: Option<&Job>) -> Self {
        let candidate = CandidateRef {
            id: application.candidate,
            name: candidate.map(|candidate| candidate.name.clone()).unwrap_or_default(),
            email: candidate.and_then(|candidate| candidate.email.clone()),
        };
        let job = application.job.map(|id| JobRef { id, title: job.map(|job| job.title.clone()).unwrap_or_default() });
        Self { application, candidate, job }
    }
}
