//! Notifications: the kinds of e-mail, the guarantee and urgency of each, and the time after which it is of no use.

mod data;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::data::{
    ApplicationReceived, ApplicationStatusChanged, FlagResolved, ImportCompleted, InterviewScheduled, PasswordReset,
    UniversityVerification,
};
use crate::FORMAT_VERSION;
use crate::failure::Failure;
use crate::id::{NotificationId, OrgId, SuggestionId};
use crate::language::Language;

/// The event of which a notification informs its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationKind {
    /// A student has to confirm a university address.
    UniversityVerification,
    /// An import of candidates or jobs has ended.
    ImportCompleted,
    /// A flag that a user raised was dealt with.
    FlagResolved,
    /// A user requested a new password.
    PasswordReset,
    /// Recruiting staff are informed of a new application.
    ApplicationReceived,
    /// A candidate is invited to an interview.
    InterviewScheduled,
    /// A candidate is informed of the status of the application.
    ApplicationStatusChanged,
}

/// The guarantee of a kind when it is unknown whether the mail was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Better none than two: a person looks at it.
    AtMostOnce,
    /// Better two than none: the same mail with the same Message-ID is sent again.
    AtLeastOnce,
}

/// The queue of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// The recipient waits in front of a screen, or has an appointment.
    High,
    /// All other mails, in the order of their arrival.
    Normal,
}

impl NotificationKind {
    /// All kinds, in the order in which the documentation lists them.
    pub const ALL: [Self; 7] = [
        Self::UniversityVerification,
        Self::ImportCompleted,
        Self::FlagResolved,
        Self::PasswordReset,
        Self::ApplicationReceived,
        Self::InterviewScheduled,
        Self::ApplicationStatusChanged,
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
            Self::InterviewScheduled => "interview-scheduled",
            Self::ApplicationStatusChanged => "application-status-changed",
        }
    }

    /// A person waits for a verification or a reset and requests it again when it does not arrive, and no candidate may
    /// miss an interview: a second copy is harmless and a missing one is not. The others report something that a screen
    /// shows too: there a copy annoys, and two refusals of one application hurt.
    #[must_use]
    pub const fn guarantee(self) -> Guarantee {
        match self {
            Self::UniversityVerification | Self::PasswordReset | Self::InterviewScheduled => Guarantee::AtLeastOnce,
            Self::ImportCompleted | Self::FlagResolved | Self::ApplicationReceived | Self::ApplicationStatusChanged => {
                Guarantee::AtMostOnce
            }
        }
    }

    /// The queue of the notification.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match self {
            Self::UniversityVerification | Self::PasswordReset | Self::InterviewScheduled => Priority::High,
            Self::ImportCompleted | Self::FlagResolved | Self::ApplicationReceived | Self::ApplicationStatusChanged => {
                Priority::Normal
            }
        }
    }

    /// Whether it reports to staff, who may unsubscribe (`List-Unsubscribe`). The others belong to something that the
    /// recipient requested or takes part in.
    #[must_use]
    pub const fn may_be_unsubscribed(self) -> bool {
        match self {
            Self::ImportCompleted | Self::FlagResolved | Self::ApplicationReceived => true,
            Self::UniversityVerification
            | Self::PasswordReset
            | Self::InterviewScheduled
            | Self::ApplicationStatusChanged => false,
        }
    }

    /// Until when a mail of this kind may be sent: what it says is not true, or of no use, after that. A link lives as long as
    /// its own data says, an invitation until the interview begins, a report for some days.
    #[must_use]
    pub fn send_before(self, data: &Value, created_at: Timestamp) -> Timestamp {
        let number = |field: &str| data.get(field).and_then(Value::as_i64).unwrap_or(0);
        let after = |duration: SignedDuration| created_at.saturating_add(duration).unwrap_or(Timestamp::MAX);
        match self {
            Self::UniversityVerification => after(SignedDuration::from_hours(number("expires_in_hours").clamp(0, 720))),
            Self::PasswordReset => after(SignedDuration::from_mins(number("expires_in_minutes").clamp(0, 1440))),
            Self::InterviewScheduled => {
                let starts_at = data.get("starts_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
                starts_at.unwrap_or(created_at)
            }
            Self::ImportCompleted | Self::ApplicationReceived => after(SignedDuration::from_hours(3 * 24)),
            Self::FlagResolved | Self::ApplicationStatusChanged => after(SignedDuration::from_hours(7 * 24)),
        }
    }
}

/// The state of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// Recorded, or put back after an attempt that certainly sent nothing.
    Queued,
    /// A worker holds it.
    Sending,
    /// It may have been sent; it is looked up at the provider before anything else happens.
    Unknown,
    /// It is unknown whether it was sent; a person decides.
    NeedsReview,
    /// The mail provider accepted it.
    Accepted,
    /// It was not sent and will not be: refused for good, too late, or to an address that is not written to.
    Rejected,
    /// The recipient's server accepted it.
    Delivered,
    /// The recipient's server refused it for good.
    Bounced,
    /// The recipient called it spam.
    Complained,
}

impl NotificationState {
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Sending,
        Self::Unknown,
        Self::NeedsReview,
        Self::Accepted,
        Self::Rejected,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
    ];

    /// The state in its stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::NeedsReview => "needs_review",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }
}

/// A step in the history of a notification. It names providers and ids, and none of the mail's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The time: by our clock, or for an event by the provider's.
    pub at: Timestamp,
    /// The state after the step, or the provider's event (`deferred` changes no state).
    pub what: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The mail provider of the attempt, event or lookup.
    #[serde(default)]
    pub provider: Option<String>,
    /// The provider's own id of the mail.
    #[serde(default)]
    pub provider_message_id: Option<String>,
    /// The provider's id of the event.
    #[serde(default)]
    pub event_id: Option<String>,
    /// The detail, as a sentence.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A notification and the state of its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The version of the stored format.
    pub v: u8,
    /// Its id, and the left part of the mail's Message-ID.
    pub id: NotificationId,
    /// The event of which the mail informs.
    pub kind: NotificationKind,
    pub to: String,
    /// The language of the mail; none for that of the organisation.
    #[serde(default)]
    pub language: Option<Language>,
    /// The template's data, checked for its kind when it was accepted.
    pub data: Value,
    /// After this time it is not sent any more; none on records of before there was such a time.
    #[serde(default)]
    pub send_before: Option<Timestamp>,
    /// The state of the delivery.
    pub state: NotificationState,
    /// The number of attempts.
    pub attempts: u32,
    /// The mail provider that has it, or that had the last attempt.
    pub provider: Option<String>,
    /// The provider's own id of the mail.
    pub provider_message_id: Option<String>,
    /// The reason of the failure, or of the last retry.
    pub failure: Option<Failure>,
    /// Its Message-ID, from the first attempt on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The number of lookups at the provider since the last attempt.
    #[serde(default, rename = "asked")]
    pub lookups: u32,
    /// The begin of the last attempt.
    #[serde(default)]
    pub tried_at: Option<Timestamp>,
    /// The history, oldest first.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
    /// The time of the request.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl Notification {
    /// A notification that is recorded and waits for a worker.
    #[must_use]
    pub fn queued(id: NotificationId, kind: NotificationKind, to: String, data: Value, now: Timestamp) -> Self {
        Self {
            v: FORMAT_VERSION,
            id,
            kind,
            to,
            language: None,
            send_before: Some(kind.send_before(&data, now)),
            data,
            state: NotificationState::Queued,
            attempts: 0,
            provider: None,
            provider_message_id: None,
            failure: None,
            message_id: None,
            lookups: 0,
            tried_at: None,
            history: vec![],
            created_at: now,
            updated_at: now,
        }
    }
}

/// The id of the one notification of a finished suggestion.
#[must_use]
pub fn id_for_suggestion(org: &OrgId, suggestion: SuggestionId) -> NotificationId {
    NotificationId::derived(org, &["suggestion", &suggestion.to_string()])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_those_of_the_wire_and_unique() {
        for kind in NotificationKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(json!(kind.as_str())));
        }
        for state in NotificationState::ALL {
            assert_eq!(serde_json::to_value(state).ok(), Some(json!(state.as_str())));
        }
    }

    #[test]
    fn a_mail_is_sent_while_what_it_says_is_of_use() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("time");
        let until = |kind: NotificationKind, data: Value| kind.send_before(&data, now).to_string();
        let reset = json!({"expires_in_minutes": 30});
        assert_eq!(until(NotificationKind::PasswordReset, reset), "2026-11-22T10:30:00Z");
        let verification = json!({"expires_in_hours": 24});
        assert_eq!(until(NotificationKind::UniversityVerification, verification), "2026-11-23T10:00:00Z");
        let interview = json!({"starts_at": "2026-12-01T09:00:00Z"});
        assert_eq!(until(NotificationKind::InterviewScheduled, interview), "2026-12-01T09:00:00Z");
        assert_eq!(until(NotificationKind::InterviewScheduled, json!({})), "2026-11-22T10:00:00Z");
        assert_eq!(until(NotificationKind::ImportCompleted, json!({})), "2026-11-25T10:00:00Z");
    }

    #[test]
    fn a_record_of_before_is_read() {
        let old = json!({"v": 1, "id": "0190f5fe-7c00-7a00-8000-000000000001", "kind": "flag-resolved", "to": "a@b.example",
            "data": {}, "state": "queued", "attempts": 0, "provider": null, "provider_message_id": null, "failure": null,
            "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z"});
        let read: Notification = serde_json::from_value(old).expect("readable");
        assert!(read.history.is_empty() && read.send_before.is_none() && read.language.is_none());
    }
}
