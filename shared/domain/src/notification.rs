//! Notifications: what people are told by e-mail, and how sure the sending must be.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::FORMAT_VERSION;
use crate::failure::Failure;
use crate::id::{NotificationId, OrgId, SuggestionId};
use crate::text::https_url;

/// What happened that somebody is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationKind {
    /// A student is asked to confirm a university address.
    UniversityVerification,
    /// An import of candidates or jobs has ended.
    ImportCompleted,
    /// A flag that somebody raised was dealt with.
    FlagResolved,
    /// Somebody asked for a new password.
    PasswordReset,
    /// Recruiting staff are told of a new application.
    ApplicationReceived,
}

/// What to do when nobody can say whether the mail went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Better none than two: a person looks at it.
    AtMostOnce,
    /// Better two than none: the same mail with the same Message-ID is sent again.
    AtLeastOnce,
}

impl NotificationKind {
    /// All kinds, in the order in which the documentation lists them.
    pub const ALL: [Self; 5] = [
        Self::UniversityVerification,
        Self::ImportCompleted,
        Self::FlagResolved,
        Self::PasswordReset,
        Self::ApplicationReceived,
    ];

    /// The kind's name on the wire and of its template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UniversityVerification => "university-verification",
            Self::ImportCompleted => "import-completed",
            Self::FlagResolved => "flag-resolved",
            Self::PasswordReset => "password-reset",
            Self::ApplicationReceived => "application-received",
        }
    }

    /// A person waits for a verification or a reset and asks again when it does not come, so a second copy is harmless
    /// and a missing one is not. The others report something that also stands on a screen: there a copy annoys.
    #[must_use]
    pub const fn guarantee(self) -> Guarantee {
        match self {
            Self::UniversityVerification | Self::PasswordReset => Guarantee::AtLeastOnce,
            Self::ImportCompleted | Self::FlagResolved | Self::ApplicationReceived => Guarantee::AtMostOnce,
        }
    }
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// Recorded, or put back after an attempt that certainly sent nothing.
    Queued,
    /// A worker holds it.
    Sending,
    /// The mail provider took it.
    Accepted,
    /// The mail provider refused it for good.
    Rejected,
    /// Nobody can say whether it went out; a person decides.
    NeedsReview,
}

/// Data of [`NotificationKind::UniversityVerification`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct UniversityVerification {
    /// Who is addressed.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// The university.
    #[garde(length(chars, min = 1, max = 200))]
    pub university: String,
    /// Where to confirm.
    #[garde(length(bytes, max = 2000), custom(https_url))]
    pub verification_url: String,
    /// How long the link lives, in hours.
    #[garde(range(min = 1, max = 720))]
    pub expires_in_hours: u32,
}

/// Data of [`NotificationKind::ImportCompleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ImportCompleted {
    /// Who is addressed.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// Where the records came from.
    #[garde(length(chars, min = 1, max = 200))]
    pub source: String,
    /// Records taken in.
    #[garde(range(max = 100_000_000))]
    pub imported: u32,
    /// Records that were not.
    #[garde(range(max = 100_000_000))]
    pub failed: u32,
}

/// Data of [`NotificationKind::FlagResolved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct FlagResolved {
    /// Who is addressed.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// What had been flagged.
    #[garde(length(chars, min = 1, max = 200))]
    pub flag: String,
    /// What was decided.
    #[garde(length(chars, min = 1, max = 2000))]
    pub resolution: String,
}

/// Data of [`NotificationKind::PasswordReset`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// Who is addressed.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// Where to choose a new password.
    #[garde(length(bytes, max = 2000), custom(https_url))]
    pub reset_url: String,
    /// How long the link lives, in minutes.
    #[garde(range(min = 1, max = 1440))]
    pub expires_in_minutes: u32,
}

/// Data of [`NotificationKind::ApplicationReceived`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApplicationReceived {
    /// Who applied.
    #[garde(length(chars, min = 1, max = 200))]
    pub candidate_name: String,
    /// To what.
    #[garde(length(chars, min = 1, max = 200))]
    pub job_title: String,
    /// What the model says of it.
    #[garde(inner(length(chars, max = 4000)))]
    #[serde(default)]
    pub summary: Option<String>,
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Format version.
    pub v: u8,
    /// Its id, and the left part of the mail's Message-ID.
    pub id: NotificationId,
    /// What happened.
    pub kind: NotificationKind,
    /// The recipient's address.
    pub to: String,
    /// The template's data, checked for its kind when it was accepted.
    pub data: Value,
    /// Where it stands.
    pub state: NotificationState,
    /// How often a worker took it.
    pub attempts: u32,
    /// Which mail provider took it.
    pub provider: Option<String>,
    /// What the mail provider calls it.
    pub provider_message_id: Option<String>,
    /// Why not, or why not yet.
    pub failure: Option<Failure>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Notification {
    /// A new notification.
    #[must_use]
    pub fn queued(id: NotificationId, kind: NotificationKind, to: String, data: Value, now: Timestamp) -> Self {
        Self {
            v: FORMAT_VERSION,
            id,
            kind,
            to,
            data,
            state: NotificationState::Queued,
            attempts: 0,
            provider: None,
            provider_message_id: None,
            failure: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The one notification that a finished suggestion asks for.
#[must_use]
pub fn id_for_suggestion(org: &OrgId, suggestion: SuggestionId) -> NotificationId {
    NotificationId::derived(org, &["suggestion", &suggestion.to_string()])
}
