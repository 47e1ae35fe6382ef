//! Candidates, applications and jobs: the records that every ATS is mapped to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::FORMAT_VERSION;
use crate::id::{ApplicationId, CandidateId, ConnectionId, JobId, OrgId};

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The provider's id in the registry, for example `greenhouse`.
    pub provider: String,
    /// The connection that brought it.
    pub connection: ConnectionId,
    /// The object's id at the provider.
    pub provider_id: String,
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
    /// The provider said something that this version does not know; the stage keeps the provider's word.
    Unknown,
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

/// The candidate as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRef {
    /// The candidate.
    pub id: CandidateId,
    /// Full name.
    pub name: String,
    /// First e-mail address.
    pub email: Option<String>,
}

/// The job as an application shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRef {
    /// The job.
    pub id: JobId,
    /// Its title.
    pub title: String,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: ApplicationId,
    /// Who applied.
    pub candidate: CandidateRef,
    /// To what; none for a prospect.
    pub job: Option<JobRef>,
    /// Status.
    pub status: ApplicationStatus,
    /// The provider's name of the stage.
    pub stage: Option<String>,
    /// When it was made, as the provider says; none when it did not say.
    pub applied_at: Option<Timestamp>,
    /// Where it came from.
    pub source: Source,
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
    /// Department.
    pub department: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Where it came from; none for a job made here.
    pub source: Option<Source>,
}

/// What a provider says of one application: the shape that every ATS mapping ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedApplication {
    /// The application's id at the provider.
    pub provider_id: String,
    /// The person.
    pub candidate: ObservedCandidate,
    /// The job, when there is one.
    pub job: Option<ObservedJob>,
    /// Status.
    pub status: ApplicationStatus,
    /// The provider's name of the stage.
    pub stage: Option<String>,
    /// When it was made; none when the provider did not say.
    pub applied_at: Option<Timestamp>,
    /// The object's own version: later observations win, whatever order they arrive in.
    pub version: Timestamp,
}

/// What a provider says of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedCandidate {
    /// The person's id at the provider.
    pub provider_id: String,
    /// Full name.
    pub name: String,
    /// First e-mail address.
    pub email: Option<String>,
    /// First phone number.
    pub phone: Option<String>,
    /// Current title.
    pub title: Option<String>,
    /// Current company.
    pub company: Option<String>,
}

/// What a provider says of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedJob {
    /// The job's id at the provider.
    pub provider_id: String,
    /// Title.
    pub title: String,
    /// Department.
    pub department: Option<String>,
    /// Location.
    pub location: Option<String>,
}

/// The records that one observation becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// The person.
    pub candidate: Candidate,
    /// The application.
    pub application: Application,
    /// The job, when there is one.
    pub job: Option<Job>,
    /// The object's own version, in milliseconds since 1970 UTC.
    pub version_ms: i64,
}

/// Maps an observation to records with derived ids, so that the same object always lands on the same records.
#[must_use]
pub fn records(org: &OrgId, provider: &str, connection: &ConnectionId, seen: ObservedApplication) -> RecordSet {
    let ObservedApplication { provider_id, candidate, job, status, stage, applied_at, version } = seen;
    let source = |provider_id: &str| Source {
        provider: provider.to_owned(),
        connection: connection.clone(),
        provider_id: provider_id.to_owned(),
    };

    let candidate_id = CandidateId::derived(org, &[provider, connection.as_str(), &candidate.provider_id]);
    let ObservedCandidate { provider_id: candidate_key, name, email, phone, title, company } = candidate;
    let candidate = Candidate {
        v: FORMAT_VERSION,
        id: candidate_id,
        source: source(&candidate_key),
        name: name.clone(),
        email: email.clone(),
        phone,
        title,
        company,
    };

    let job = job.map(|job| {
        let ObservedJob { provider_id, title, department, location } = job;
        Job {
            v: FORMAT_VERSION,
            id: JobId::derived(org, &[provider, connection.as_str(), &provider_id]),
            title,
            department,
            location,
            description: None,
            source: Some(source(&provider_id)),
        }
    });

    let application = Application {
        v: FORMAT_VERSION,
        id: ApplicationId::derived(org, &[provider, connection.as_str(), &provider_id]),
        candidate: CandidateRef { id: candidate_id, name, email },
        job: job.as_ref().map(|job| JobRef { id: job.id, title: job.title.clone() }),
        status,
        stage,
        applied_at,
        source: source(&provider_id),
    };
    RecordSet { candidate, application, job, version_ms: version.as_millisecond() }
}

/// SHA-256 of a value's JSON, in hex: tells whether a record changed, and whether two requests are the same.
#[must_use]
pub fn content_hash<T: Serialize>(value: &T) -> String {
    // Serialising our own types to JSON cannot fail: no map has a key that is not text.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: ApplicationStatus) -> ObservedApplication {
        ObservedApplication {
            provider_id: "77".into(),
            candidate: ObservedCandidate {
                provider_id: "5".into(),
                name: "Ada Byron".into(),
                email: Some("ada@example.com".into()),
                phone: None,
                title: None,
                company: None,
            },
            job: Some(ObservedJob {
                provider_id: "9".into(),
                title: "Analyst".into(),
                department: None,
                location: None,
            }),
            status,
            stage: None,
            applied_at: Some(Timestamp::UNIX_EPOCH),
            version: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_object_lands_on_the_same_records_and_tenants_are_apart() {
        let org = |s: &str| s.parse::<OrgId>().expect("slug");
        let connection = "gh".parse::<ConnectionId>().expect("slug");
        let first = records(&org("acme"), "greenhouse", &connection, seen(ApplicationStatus::Active));
        let later = records(&org("acme"), "greenhouse", &connection, seen(ApplicationStatus::Hired));
        let foreign = records(&org("globex"), "greenhouse", &connection, seen(ApplicationStatus::Active));
        assert_eq!(first.application.id, later.application.id);
        assert_ne!(first.application.id, foreign.application.id);
        assert_ne!(content_hash(&first.application), content_hash(&later.application));
        assert_eq!(content_hash(&first.candidate), content_hash(&later.candidate));
    }
}
