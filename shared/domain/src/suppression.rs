//! Addresses that an organisation does not write to any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::NotificationId;
use crate::mail_event::MailEventKind;

/// An address that refused mail for good, or whose owner called mail spam. It holds until a person lifts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The version of the stored format.
    pub v: u8,
    /// [`suppression_id`] of the address.
    pub id: String,
    /// The address, in lower case.
    pub address: String,
    /// The cause: `bounced` or `complained`.
    pub reason: MailEventKind,
    /// The notification whose mail bounced or drew the complaint.
    pub notification: NotificationId,
    /// The time of the event.
    pub since: Timestamp,
    /// The time at which a person lifted it; then mail is sent to the address again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<Timestamp>,
}

/// The id of an address: a hash, because an address is no part of a key or path. Upper and lower case are the same
/// address: hardly any server distinguishes them, and a person who complained must not get another mail because of a
/// capital letter.
#[must_use]
pub fn suppression_id(address: &str) -> String {
    hex::encode(Sha256::digest(address.to_lowercase().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_capitals() {
        assert_eq!(suppression_id("Ada@Example.com"), suppression_id("ada@example.com"));
        assert_ne!(suppression_id("ada@example.com"), suppression_id("ada@example.org"));
    }
}
