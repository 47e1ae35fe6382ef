//! Interviews, offers and scorecards.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::Source;
use crate::id::{ApplicationId, CandidateId, InterviewId, OfferId, ScorecardId, UserId};

/// The state of an interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterviewStatus {
    /// It will take place.
    Scheduled,
    /// The interview took place, and its feedback is still missing.
    AwaitingFeedback,
    /// The interview took place.
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
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: InterviewId,
    /// The application that it belongs to.
    pub application: Option<ApplicationId>,
    /// The candidate who is interviewed.
    pub candidate: Option<CandidateId>,
    /// The name of the interview.
    pub name: Option<String>,
    /// The state of the interview.
    pub status: InterviewStatus,
    /// The provider's own word for that.
    pub provider_status: Option<String>,
    /// The time at which the interview begins.
    pub starts_at: Option<Timestamp>,
    /// The time at which the interview ends.
    pub ends_at: Option<Timestamp>,
    /// The users who hold the interview.
    pub interviewers: Vec<UserId>,
    /// The source of the record.
    pub source: Source,
}

/// The state of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferStatus {
    /// The candidate has not responded yet.
    Unresolved,
    /// The candidate accepted the offer.
    Accepted,
    /// The candidate or the company turned it down.
    Rejected,
    /// Replaced by a later one.
    Deprecated,
    /// The provider said nothing, or a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An offer to a candidate. What it promises (pay) is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: OfferId,
    /// The application that it belongs to.
    pub application: Option<ApplicationId>,
    /// The state of the offer.
    pub status: OfferStatus,
    /// The provider's own word for that.
    pub provider_status: Option<String>,
    /// First day at work.
    pub starts_on: Option<Date>,
    /// The source of the record.
    pub source: Source,
}

/// The recommendation of an interviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recommendation {
    /// The candidate should certainly be hired.
    StrongYes,
    /// The candidate should be hired.
    Yes,
    /// The scorecard speaks for and against the candidate.
    Mixed,
    /// The candidate should not be hired.
    No,
    /// The candidate should certainly not be hired.
    StrongNo,
    /// The scorecard has no recommendation.
    None,
    /// The provider said a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An interviewer's scorecard. Its text is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scorecard {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: ScorecardId,
    /// The application that it belongs to.
    pub application: Option<ApplicationId>,
    /// The name of the interview that it is about.
    pub interview_name: Option<String>,
    pub recommendation: Recommendation,
    /// The provider's own word for that.
    pub provider_recommendation: Option<String>,
    /// The user who submitted the scorecard.
    pub submitted_by: Option<UserId>,
    /// The time at which it was submitted.
    pub submitted_at: Option<Timestamp>,
    /// The source of the record.
    pub source: Source,
}
