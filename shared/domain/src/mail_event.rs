//! The events that mail providers report of a mail, and the reference by which a mail names its notification to them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{IdError, NotificationId, OrgId};

/// Names a notification to a mail provider, which repeats it in its events and can be searched by it:
/// `<organisation>_<id>`. All of its characters are letters, digits, `-` and `_`: SES allows no others in the value of
/// a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailReference {
    /// The organisation of the notification.
    pub org: OrgId,
    pub notification: NotificationId,
}

impl fmt::Display for MailReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.org, self.notification)
    }
}

impl FromStr for MailReference {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (org, notification) = text.split_once('_').ok_or(IdError::Slug)?;
        Ok(Self { org: org.parse()?, notification: notification.parse()? })
    }
}

impl TryFrom<String> for MailReference {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<MailReference> for String {
    fn from(reference: MailReference) -> String {
        reference.to_string()
    }
}

/// The kinds of event after a mail was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailEventKind {
    /// The provider accepted it.
    Accepted,
    /// The recipient's server did not accept it yet, and the provider retries. A soft bounce is one of these.
    Deferred,
    /// The recipient's server accepted it.
    Delivered,
    /// The provider accepted it and then did not send it, for example because it has bad experience with the address.
    Refused,
    /// The recipient's server refused it for good: the address is not to be written to again.
    Bounced,
    /// The recipient called it spam: the address is not to be written to again.
    Complained,
}

impl MailEventKind {
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Deferred, Self::Delivered, Self::Refused, Self::Bounced, Self::Complained];

    /// The kind in its stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }
}

/// One thing that a provider says happened to one mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailEvent {
    /// The provider's id of this event, or one that is derived from what makes it unique: the same event has the same id
    /// each time it comes. At most 128 characters of letters, digits and `-_.:`.
    pub id: String,
    /// The notification whose mail the event is about.
    pub reference: MailReference,
    pub kind: MailEventKind,
    /// The time, as the provider states it.
    pub at: Timestamp,
    /// The provider's own id of the mail.
    pub provider_message_id: Option<String>,
    /// The provider's words, at most 300 characters on one line.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_parsed_from_its_text_and_from_no_other() {
        let text = "acme-2_0190f5fe-7c00-7a00-8000-000000000001";
        let reference: MailReference = text.parse().expect("a reference");
        assert_eq!(reference.to_string(), text);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        for bad in ["", "_", "acme", "acme_", "acme_1", "Acme_0190f5fe-7c00-7a00-8000-000000000001", "a_b_c"] {
            assert!(bad.parse::<MailReference>().is_err(), "{bad}");
        }
    }
}
