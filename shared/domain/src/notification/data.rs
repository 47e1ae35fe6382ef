//! The data of a template, for each kind. They are validated when a notification is accepted, so that stored data can
//! be rendered.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::https_url;

/// The data of a [`super::NotificationKind::UniversityVerification`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct UniversityVerification {
    /// The recipient's name, for the salutation.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// The name of the university.
    #[garde(length(chars, min = 1, max = 200))]
    pub university: String,
    /// The link by which the address is confirmed.
    #[garde(length(bytes, max = 2000), custom(https_url))]
    pub verification_url: String,
    /// The lifetime of the link, in hours.
    #[garde(range(min = 1, max = 720))]
    pub expires_in_hours: u32,
}

/// The data of a [`super::NotificationKind::ImportCompleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ImportCompleted {
    /// The recipient's name, for the salutation.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// The origin of the records.
    #[garde(length(chars, min = 1, max = 200))]
    pub source: String,
    /// The number of records that were imported.
    #[garde(range(max = 100_000_000))]
    pub imported: u32,
    /// Records that were not.
    #[garde(range(max = 100_000_000))]
    pub failed: u32,
}

/// The data of a [`super::NotificationKind::FlagResolved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct FlagResolved {
    /// The recipient's name, for the salutation.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// The object that was flagged.
    #[garde(length(chars, min = 1, max = 200))]
    pub flag: String,
    /// The decision about the flag.
    #[garde(length(chars, min = 1, max = 2000))]
    pub resolution: String,
}

/// The data of a [`super::NotificationKind::PasswordReset`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// The recipient's name, for the salutation.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// The address at which a new password is chosen.
    #[garde(length(bytes, max = 2000), custom(https_url))]
    pub reset_url: String,
    /// The lifetime of the link, in minutes.
    #[garde(range(min = 1, max = 1440))]
    pub expires_in_minutes: u32,
}

/// The data of an [`super::NotificationKind::ApplicationReceived`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApplicationReceived {
    /// The name of the person who applied.
    #[garde(length(chars, min = 1, max = 200))]
    pub candidate_name: String,
    /// The title of the job.
    #[garde(length(chars, min = 1, max = 200))]
    pub job_title: String,
    /// The model's review of it.
    #[garde(inner(length(chars, max = 4000)))]
    #[serde(default)]
    pub summary: Option<String>,
}

/// The data of an [`super::NotificationKind::InterviewScheduled`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct InterviewScheduled {
    /// The name of the invited candidate.
    #[garde(length(chars, min = 1, max = 200))]
    pub candidate_name: String,
    /// To talk about what.
    #[garde(length(chars, min = 1, max = 200))]
    pub job_title: String,
    /// The begin of the interview: a later invitation is not sent.
    #[garde(skip)]
    pub starts_at: Timestamp,
    /// The same for the reader, with day, time and time zone as they are written where the reader lives.
    #[garde(length(chars, min = 1, max = 100))]
    pub when: String,
    /// The duration, in minutes.
    #[garde(range(min = 5, max = 1440))]
    pub duration_minutes: u32,
    /// The place of the interview.
    #[garde(inner(length(chars, min = 1, max = 200)))]
    #[serde(default)]
    pub location: Option<String>,
    /// The address of the video call.
    #[garde(inner(length(bytes, max = 2000), custom(https_url)))]
    #[serde(default)]
    pub meeting_url: Option<String>,
    /// Further information for the candidate.
    #[garde(inner(length(chars, max = 2000)))]
    #[serde(default)]
    pub note: Option<String>,
}

/// The data of an [`super::NotificationKind::ApplicationStatusChanged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApplicationStatusChanged {
    /// The name of the person who applied.
    #[garde(length(chars, min = 1, max = 200))]
    pub candidate_name: String,
    /// The title of the job.
    #[garde(length(chars, min = 1, max = 200))]
    pub job_title: String,
    /// The new status, in the reader's words.
    #[garde(length(chars, min = 1, max = 100))]
    pub status: String,
    /// A message of the staff.
    #[garde(inner(length(chars, max = 2000)))]
    #[serde(default)]
    pub message: Option<String>,
}
