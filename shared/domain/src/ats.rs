//! The model that every applicant tracking system is mapped to: kinds of object, their sources, and observations.
//!
//! Objects refer to one another by ids that are derived from the provider's ids, so that they may arrive in any order. Words
//! that a provider may add to at any time are open: each has an `unknown`, and the provider's own word stays beside it.

mod application;
mod hiring;
mod structure;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use application::{
    Application, ApplicationInFull, ApplicationStatus, Candidate, CandidateRef, Job, JobRef, JobStatus, StageEntry,
};
pub use hiring::{Interview, InterviewStatus, Offer, OfferStatus, Recommendation, Scorecard};
pub use structure::{Department, Office, Opening, OpeningStatus, Post, User};

use crate::connection::ConnectionKey;
use crate::id::{
    ApplicationId, CandidateId, ConnectionId, DepartmentId, InterviewId, JobId, OfferId, OfficeId, OpeningId, OrgId,
    PostId, ScorecardId, UserId,
};

/// A kind of object of an ATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A job (requisition, posting) that can be applied to.
    Job,
    /// A position to be filled by a job.
    Opening,
    /// A job as it is advertised.
    Post,
    /// A person who applies.
    Candidate,
    /// One application of a candidate.
    Application,
    /// A meeting with a candidate.
    Interview,
    /// An offer to a candidate.
    Offer,
    /// The assessment of an interviewer.
    Scorecard,
    /// A department of the provider's structure.
    Department,
    /// An office of the provider's structure.
    Office,
    /// A member of the hiring team.
    User,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Job,
        Self::Opening,
        Self::Post,
        Self::Candidate,
        Self::Application,
        Self::Interview,
        Self::Offer,
        Self::Scorecard,
        Self::Department,
        Self::Office,
        Self::User,
    ];

    /// Its name, also in keys of the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Opening => "opening",
            Self::Post => "post",
            Self::Candidate => "candidate",
            Self::Application => "application",
            Self::Interview => "interview",
            Self::Offer => "offer",
            Self::Scorecard => "scorecard",
            Self::Department => "department",
            Self::Office => "office",
            Self::User => "user",
        }
    }
}

/// The source of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The provider's id in the registry, for example `greenhouse`.
    pub provider: String,
    /// The connection that brought it.
    pub connection: ConnectionId,
    /// The object's id at the provider.
    pub provider_id: String,
}

/// One organisation's connection to one provider, from which objects come. It turns the provider's ids into ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The organisation of the record.
    pub org: OrgId,
    /// The provider's id in the registry.
    pub provider: String,
    /// The connection that brings the record.
    pub connection: ConnectionId,
}

macro_rules! derived {
    ($($name:ident: $id:ident, $doc:literal;)+) => {
        $(#[doc = $doc]
        #[must_use]
        pub fn $name(&self, provider_id: &str) -> $id {
            $id::derived(&self.org, &[&self.provider, self.connection.as_str(), provider_id])
        })+
    };
}

impl Origin {
    #[must_use]
    pub fn connection_key(&self) -> ConnectionKey {
        ConnectionKey::new(&self.org, &self.connection)
    }

    derived! {
        job: JobId, "The job that the provider calls by this id.";
        opening: OpeningId, "The opening that the provider calls by this id.";
        post: PostId, "The post that the provider calls by this id.";
        candidate: CandidateId, "The candidate that the provider calls by this id.";
        application: ApplicationId, "The application that the provider calls by this id.";
        interview: InterviewId, "The interview that the provider calls by this id.";
        offer: OfferId, "The offer that the provider calls by this id.";
        scorecard: ScorecardId, "The scorecard that the provider calls by this id.";
        department: DepartmentId, "The department that the provider calls by this id.";
        office: OfficeId, "The office that the provider calls by this id.";
        user: UserId, "The user that the provider calls by this id.";
    }

    /// The source of an object.
    #[must_use]
    pub fn source(&self, provider_id: &str) -> Source {
        Source {
            provider: self.provider.clone(),
            connection: self.connection.clone(),
            provider_id: provider_id.to_owned(),
        }
    }

    /// Our id of an object of any kind, as text.
    #[must_use]
    pub fn id(&self, kind: Kind, provider_id: &str) -> String {
        match kind {
            Kind::Job => self.job(provider_id).to_string(),
            Kind::Opening => self.opening(provider_id).to_string(),
            Kind::Post => self.post(provider_id).to_string(),
            Kind::Candidate => self.candidate(provider_id).to_string(),
            Kind::Application => self.application(provider_id).to_string(),
            Kind::Interview => self.interview(provider_id).to_string(),
            Kind::Offer => self.offer(provider_id).to_string(),
            Kind::Scorecard => self.scorecard(provider_id).to_string(),
            Kind::Department => self.department(provider_id).to_string(),
            Kind::Office => self.office(provider_id).to_string(),
            Kind::User => self.user(provider_id).to_string(),
        }
    }
}

/// An object of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the kinds")]
pub enum Record {
    Job(Job),
    Opening(Opening),
    Post(Post),
    Candidate(Candidate),
    Application(Application),
    Interview(Interview),
    Offer(Offer),
    Scorecard(Scorecard),
    Department(Department),
    Office(Office),
    User(User),
}

macro_rules! each {
    ($record:expr, $name:ident => $body:expr) => {
        match $record {
            Record::Job($name) => $body,
            Record::Opening($name) => $body,
            Record::Post($name) => $body,
            Record::Candidate($name) => $body,
            Record::Application($name) => $body,
            Record::Interview($name) => $body,
            Record::Offer($name) => $body,
            Record::Scorecard($name) => $body,
            Record::Department($name) => $body,
            Record::Office($name) => $body,
            Record::User($name) => $body,
        }
    };
}

impl Record {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Job(_) => Kind::Job,
            Self::Opening(_) => Kind::Opening,
            Self::Post(_) => Kind::Post,
            Self::Candidate(_) => Kind::Candidate,
            Self::Application(_) => Kind::Application,
            Self::Interview(_) => Kind::Interview,
            Self::Offer(_) => Kind::Offer,
            Self::Scorecard(_) => Kind::Scorecard,
            Self::Department(_) => Kind::Department,
            Self::Office(_) => Kind::Office,
            Self::User(_) => Kind::User,
        }
    }

    /// Our id of it.
    #[must_use]
    pub fn id(&self) -> String {
        each!(self, record => record.id.to_string())
    }

    /// The provider's id of it; none for a job that was made here.
    #[must_use]
    pub fn provider_id(&self) -> Option<&str> {
        match self {
            Self::Job(job) => job.source.as_ref().map(|source| source.provider_id.as_str()),
            Self::Opening(record) => Some(&record.source.provider_id),
            Self::Post(record) => Some(&record.source.provider_id),
            Self::Candidate(record) => Some(&record.source.provider_id),
            Self::Application(record) => Some(&record.source.provider_id),
            Self::Interview(record) => Some(&record.source.provider_id),
            Self::Offer(record) => Some(&record.source.provider_id),
            Self::Scorecard(record) => Some(&record.source.provider_id),
            Self::Department(record) => Some(&record.source.provider_id),
            Self::Office(record) => Some(&record.source.provider_id),
            Self::User(record) => Some(&record.source.provider_id),
        }
    }

    /// The time that lists of its kind are ordered by; none when it is new in the list as it is written.
    #[must_use]
    pub const fn listed_by(&self) -> Option<Timestamp> {
        match self {
            Self::Application(application) => application.applied_at,
            _ => None,
        }
    }

    /// SHA-256 of the content of a record, by which a change is found.
    #[must_use]
    pub fn content_hash(&self) -> String {
        each!(self, record => content_hash(record))
    }
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        each!(self, record => record.serialize(serializer))
    }
}

/// The part of an object that an observation contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it: what it does not have, the object does not have.
    Whole,
    /// A part, as a webhook's body does: what it does not have stays as it was, and it never brings back what is gone.
    Part,
}

/// An object as the provider says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The record that was observed.
    pub record: Record,
    /// The provider's own version of it, in milliseconds since 1970 UTC. None where it has none: then the time at which it
    /// was observed counts.
    pub version_ms: Option<i64>,
    /// Whether that is all of it.
    pub extent: Extent,
}

/// An object that the provider does not have any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    pub kind: Kind,
    /// The provider's id of it.
    pub provider_id: String,
}

impl ObjectRef {
    /// The object of that kind and id.
    #[must_use]
    pub fn new(kind: Kind, provider_id: impl Into<String>) -> Self {
        Self { kind, provider_id: provider_id.into() }
    }
}

/// SHA-256 of a value's JSON, in hex: it differs if a record changed or two requests differ.
#[must_use]
pub fn content_hash<T: Serialize>(value: &T) -> String {
    // Serialising our own types to JSON cannot fail: no map has a key that is not text.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_record_for_its_tenant_connection_and_kind() {
        let origin = |org: &str, connection: &str| Origin {
            org: org.parse().expect("slug"),
            provider: "greenhouse".into(),
            connection: connection.parse().expect("slug"),
        };
        let here = origin("acme", "gh");
        assert_eq!(here.id(Kind::Application, "7"), here.application("7").to_string());
        let all: std::collections::BTreeSet<String> = Kind::ALL.iter().map(|kind| here.id(*kind, "7")).collect();
        assert_eq!(all.len(), Kind::ALL.len());
        assert_ne!(here.application("7"), origin("globex", "gh").application("7"));
        assert_ne!(here.application("7"), origin("acme", "gh-2").application("7"));
    }
}
