//! The notifications of which it is unknown whether they were sent: listed for people, and decided by them.

use domain::id::OrgId;
use domain::notification::{HistoryEntry, Notification, NotificationState};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use resilience::outbox::{self, WAITING_SHARD, WAITING_SINCE};

use super::{Deliveries, Transition};
use crate::records::key_of;
use aws::error::AwsError;
use aws::table::{Item, Key, Page, Query, text, to_item};

impl Deliveries {
    /// Records a person's decision about a notification in `needs_review`: it is sent again (`queued`, with all its
    /// attempts left) or was sent (`accepted`). One write. Returns the changed notification; none when it was not in
    /// that state.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn decide(
        &self,
        key: &Key,
        state: NotificationState,
        detail: &str,
        now: Timestamp,
    ) -> Result<Option<Notification>, AwsError> {
        let entry = HistoryEntry {
            at: now,
            what: state.as_str().to_owned(),
            attempt: 0,
            provider: None,
            provider_message_id: None,
            event_id: None,
            detail: Some(detail.to_owned()),
        };
        let (table, open, entry) = (self.records.table(), NotificationState::NeedsReview.as_str(), to_item(&entry)?);
        match state {
            NotificationState::Queued => aws::work::requeue(table, key, open, state.as_str(), entry, now).await,
            _ => aws::work::resolve(table, key, open, state.as_str(), entry, now).await,
        }
    }

    /// The notifications of an organisation that wait for a person, longest first, at most a hundred. One query, and one read
    /// for each.
    ///
    /// # Errors
    /// When the table cannot be reached or an item is not readable.
    pub async fn needing_review(&self, org: &OrgId) -> Result<Vec<Notification>, AwsError> {
        #[derive(serde::Deserialize)]
        struct Found {
            sk: String,
        }
        let query = Query {
            index: Some("waiting"),
            partition: (WAITING_SHARD, review_shard(&key_of::<Notification>(org, "").pk)),
            up_to: None,
            ascending: true,
            limit: 100,
            after: None,
        };
        let page: Page<Found> = self.records.table().query(query).await?;
        let read = page.items.iter().map(|found| self.records.get::<Notification>(org, &found.sk));
        let found: Vec<Option<Notification>> = try_join_all(read).await?;
        // The index may lag behind a decision.
        let open = |notification: &Notification| notification.state == NotificationState::NeedsReview;
        Ok(found.into_iter().flatten().filter(open).collect())
    }
}

/// The index attributes of a notification that waits for a person: in a partition of its organisation, which no worker queries.
pub(super) fn for_review(transition: &Transition, pk: &str, now: Timestamp) -> Item {
    match transition.state {
        NotificationState::NeedsReview => Item::from([
            (WAITING_SHARD.to_owned(), text(review_shard(pk))),
            (WAITING_SINCE.to_owned(), text(outbox::waiting_since(now, SignedDuration::ZERO).to_string())),
        ]),
        _ => Item::new(),
    }
}

fn review_shard(pk: &str) -> String {
    format!("review#{pk}")
}
