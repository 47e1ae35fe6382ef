//! Interviews, offers and scorecards.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::Source;
use crate::id::{ApplicationId, CandidateId, InterviewId, OfferId, ScorecardId, UserId};

/// How far an interview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterviewStatus {
    /// It will take place.
    Scheduled,
    /// It took place, and somebody has not said yet how it went.
    AwaitingFeedback,
    /// It took place.
    Complete,
    /// It will not take place.
    Canceled,
    /// The provider said nothing, or a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A meeting with a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interview {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: InterviewId,
    /// For which application.
    pub application: Option<ApplicationId>,
    /// With whom.
    pub candidate: Option<CandidateId>,
    /// What it is called.
    pub name: Option<String>,
    /// How far it is.
    pub status: InterviewStatus,
    /// The provider's own word for that.
    pub provider_status: Option<String>,
    /// Begin.
    pub starts_at: Option<Timestamp>,
    /// End.
    pub ends_at: Option<Timestamp>,
    /// Who asks.
    pub interviewers: Vec<UserId>,
    /// Where it came from.
    pub source: Source,
}

/// How far an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferStatus {
    /// Not answered yet.
    Unresolved,
    /// Taken.
    Accepted,
    /// Turned down.
    Rejected,
    /// Replaced by a later one.
    Deprecated,
    /// The provider said nothing, or a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An offer to a candidate. What it promises (pay) is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: OfferId,
    /// For which application.
    pub application: Option<ApplicationId>,
    /// How far it is.
    pub status: OfferStatus,
    /// The provider's own word for that.
    pub provider_status: Option<String>,
    /// First day at work.
    pub starts_on: Option<Date>,
    /// Where it came from.
    pub source: Source,
}

/// What an interviewer recommends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recommendation {
    /// By all means.
    StrongYes,
    /// Yes.
    Yes,
    /// Both.
    Mixed,
    /// No.
    No,
    /// By no means.
    StrongNo,
    /// Nothing was decided.
    None,
    /// The provider said a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What an interviewer thinks. The text is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scorecard {
    /// Format version.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: ScorecardId,
    /// For which application.
    pub application: Option<ApplicationId>,
    /// Of which interview.
    pub interview_name: Option<String>,
    /// What is recommended.
    pub recommendation: Recommendation,
    /// The provider's own word for that.
    pub provider_recommendation: Option<String>,
    /// By whom.
    pub submitted_by: Option<UserId>,
    /// When.
    pub submitted_at: Option<Timestamp>,
    /// Where it came from.
    pub source: Source,
}
