//! Records that wait for a worker, in the sparse index `waiting` of the table `Records`: the DynamoDB side of
//! `resilience::outbox`.

use domain::action::Action;
use domain::id::{ActionId, IntakeId, NotificationId, OrgId, SuggestionId};
use domain::intake::Intake;
use domain::notification::Notification;
use domain::suggestion::Suggestion;
use jiff::{SignedDuration, Timestamp};
use resilience::outbox::{self, WAITING_SHARD, WAITING_SINCE};
use serde::Deserialize;

use crate::records::{Records, Stored};
use aws::error::AwsError;
use aws::table::{Item, Key, Page, Query, Write, Written, text};

/// A record that waits, as the index knows it: its keys and nothing else. All of them are texts, so that no record can
/// make a page unreadable.
#[derive(Debug, Clone, Deserialize)]
pub struct Waiting {
    pk: String,
    sk: String,
    waiting_since: String,
}

/// The message that overdue work waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingMessage {
    /// A suggestion waits to be made.
    Suggestion(OrgId, SuggestionId),
    /// A notification waits to be sent.
    Notification(OrgId, NotificationId),
    /// An application that came in waits to be made into records.
    Intake(OrgId, IntakeId),
    /// A change waits to be made at a provider.
    Action(OrgId, ActionId),
}

impl Waiting {
    /// The message that is missing, read from the key; none for a kind that this version does not know.
    #[must_use]
    pub fn missing_message(&self) -> Option<MissingMessage> {
        let (org, kind) = self.pk.strip_prefix("ORG#")?.split_once('#')?;
        let org = org.parse().ok()?;
        match kind {
            Suggestion::KIND => Some(MissingMessage::Suggestion(org, self.sk.parse().ok()?)),
            Notification::KIND => Some(MissingMessage::Notification(org, self.sk.parse().ok()?)),
            Intake::KIND => Some(MissingMessage::Intake(org, self.sk.parse().ok()?)),
            Action::KIND => Some(MissingMessage::Action(org, self.sk.parse().ok()?)),
            _ => None,
        }
    }

    /// The kind's part of the key, for the log.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.pk.rsplit('#').next().unwrap_or_default()
    }
}

impl Records {
    /// A page of what waits for too long in one partition of the index, longest first, across organisations. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn overdue(&self, shard: u8, now: Timestamp, after: Option<Item>) -> Result<Page<Waiting>, AwsError> {
        self.table()
            .query(Query {
                index: Some("waiting"),
                partition: (WAITING_SHARD, format!("waiting#{shard}")),
                up_to: Some((WAITING_SINCE, outbox::overdue_since(now).to_string())),
                ascending: true,
                limit: 100,
                after,
            })
            .await
    }

    /// Lets a record wait from now on after its message was sent again, unless it was claimed meanwhile. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn push_waiting(&self, waiting: &Waiting, now: Timestamp) -> Result<bool, AwsError> {
        let Waiting { pk, sk, waiting_since } = waiting.clone();
        let until = outbox::waiting_since(now, SignedDuration::ZERO);
        let write = Write::when(outbox::PUSH_WAITING)
            .value("seen", text(waiting_since))
            .set(WAITING_SINCE, text(until.to_string()));
        Ok(matches!(self.table().update(&Key { pk, sk }, write, false).await?, Written::Applied(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a1b2-0000-7000-8000-000000000000";

    fn at(pk: &str, sk: &str) -> Waiting {
        Waiting { pk: pk.to_owned(), sk: sk.to_owned(), waiting_since: "2026-11-22T10:00:00Z".to_owned() }
    }

    #[test]
    fn what_waits_is_read_from_the_key_and_strangers_are_nothing() {
        assert!(matches!(at("ORG#acme#suggestion", ID).missing_message(), Some(MissingMessage::Suggestion(..))));
        assert!(matches!(at("ORG#acme#notification", ID).missing_message(), Some(MissingMessage::Notification(..))));
        assert!(matches!(at("ORG#acme#intake", ID).missing_message(), Some(MissingMessage::Intake(..))));
        assert!(matches!(at("ORG#acme#action", ID).missing_message(), Some(MissingMessage::Action(..))));
        for (pk, sk) in [
            ("ORG#acme#carrier-pigeon", ID),
            ("ORG#acme#suggestion", "not-an-id"),
            ("ORG#Not An Org#suggestion", ID),
            ("ORG#acme", ID),
            ("ORG##suggestion", ID),
            ("", ""),
        ] {
            assert_eq!(at(pk, sk).missing_message(), None, "{pk} {sk}");
        }
    }
}
