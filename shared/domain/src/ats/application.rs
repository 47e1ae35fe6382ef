//! Jobs, candidates and applications.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Source;
use crate::id::{ApplicationId, CandidateId, DepartmentId, JobId, OfficeId};

/// Whether a job can be applied to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStatus {
    /// Not published yet.
    Draft,
    /// Can be applied to.
    Open,
    /// Suspended.
    OnHold,
    /// Filled, withdrawn or ended.
    Closed,
    /// The provider said nothing, or a word that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id, or fresh for a job made here.
    pub id: JobId,
    /// Title.
    pub title: String,
    /// Whether it can be applied to.
    #[serde(default)]
    pub status: JobStatus,
    /// The provider's own word for that.
    #[serde(default)]
    pub provider_status: Option<String>,
    /// Name of the department, where the job itself tells it.
    pub department: Option<String>,
    /// Location, where the job itself tells it.
    pub location: Option<String>,
    /// Departments, where the job refers to them.
    #[serde(default)]
    pub departments: Vec<DepartmentId>,
    /// Offices, where the job refers to them.
    #[serde(default)]
    pub offices: Vec<OfficeId>,
    /// Description.
    pub description: Option<String>,
    /// Where it came from; none for a job made here.
    pub source: Option<Source>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: CandidateId,
    /// Full name; may be empty where the provider has none.
    pub name: String,
    /// First e-mail address.
    pub email: Option<String>,
    /// First phone number.
    pub phone: Option<String>,
    /// Current title.
    pub title: Option<String>,
    /// Current company.
    pub company: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// How far an application is, in the words that all ATS share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationStatus {
    /// In progress.
    Active,
    /// Turned down or withdrawn.
    Rejected,
    /// Ended with a hire.
    Hired,
    /// The provider said something that this version does not know; `provider_status` keeps its word.
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

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: ApplicationId,
    /// Who applied.
    pub candidate: CandidateId,
    /// To what; none for a prospect.
    pub job: Option<JobId>,
    /// Status.
    pub status: ApplicationStatus,
    /// The provider's own word for that.
    #[serde(default)]
    pub provider_status: Option<String>,
    /// The provider's name of the stage.
    pub stage: Option<String>,
    /// When it was made, as the provider says; none when it did not say.
    pub applied_at: Option<Timestamp>,
    /// Why it was turned down, in the provider's words.
    #[serde(default)]
    pub rejection_reason: Option<String>,
    /// The stages that it was in, oldest first. None in an observation of a provider that does not tell: then what was
    /// observed is collected.
    #[serde(default)]
    pub history: Option<Vec<StageEntry>>,
    /// Where it came from.
    pub source: Source,
}

/// The candidate as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRef {
    /// The candidate.
    pub id: CandidateId,
    /// Full name; empty while nothing is known of the person.
    pub name: String,
    /// First e-mail address.
    pub email: Option<String>,
}

/// The job as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRef {
    /// The job.
    pub id: JobId,
    /// Its title; empty while nothing is known of the job.
    pub title: String,
}

/// An application with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationInFull {
    /// The application.
    pub application: Application,
    /// Who applied.
    pub candidate: CandidateRef,
    /// To what.
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
