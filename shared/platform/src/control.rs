//! The table `Control`: webhook events. What may expire has a TTL.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use domain::FORMAT_VERSION;
use domain::connection::WebhookEvent;
use domain::id::{ConnectionId, OrgId};
use domain::message::WebhookDelivery;
use jiff::{SignedDuration, Timestamp};
use resilience::work;

use crate::clock::sortable;
use crate::error::PlatformError;
use crate::records::{Cursor, newest_first};
use crate::table::{Item, Key, Table, number, text, to_item};
use crate::work::{Claim, Hold, Terms, claim, finish};

/// How long webhook events are kept, and so how late a repeated delivery is still recognised.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Largest body that is kept to be applied again: an item holds 400 KB, and base64 makes a third more of it.
const KEPT_BODY: usize = 200 * 1024;
/// The held and final states of an event.
const EVENT_HELD: &str = "running";
const EVENT_DONE: &str = "done";

/// The table `Control`.
#[derive(Debug, Clone)]
pub struct Control {
    table: Table,
}

impl Control {
    /// Control items in the given table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table itself.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Claims the work on a webhook event; the claim is what recognises a repeated delivery. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn claim_event(
        &self,
        (org, connection): (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Claim<WebhookEvent>, PlatformError> {
        let key = Key { pk: events_of(org, connection), sk: delivery.event_id.clone() };
        let event = WebhookEvent {
            v: FORMAT_VERSION,
            event_id: delivery.event_id.clone(),
            action: None,
            outcome: None,
            detail: None,
            received_at: delivery.received_at,
            body: (delivery.body.len() <= KEPT_BODY).then(|| STANDARD.encode(&delivery.body)),
        };
        let expires_at = now.saturating_add(EVENTS_KEPT).unwrap_or(Timestamp::MAX).as_second();
        let mut set = to_item(&event)?;
        set.insert("expires_at".to_owned(), number(expires_at));
        set.insert("listed_at".to_owned(), text(format!("{}#{}", sortable(delivery.received_at), delivery.event_id)));
        let terms =
            Terms { condition: work::CLAIM_FIRST, ready: None, held: EVENT_HELD, lease_until, set, once: Item::new() };
        claim(&self.table, key, terms, now).await
    }

    /// Records what became of an event. One write, fenced.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_event(&self, hold: &Hold, event: &WebhookEvent, now: Timestamp) -> Result<bool, PlatformError> {
        let mut set = to_item(event)?;
        set.insert(work::STATE.to_owned(), text(EVENT_DONE));
        finish(&self.table, hold, set, now).await
    }

    /// A page of a connection's events, newest first. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn events(
        &self,
        org: &OrgId,
        connection: &ConnectionId,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<WebhookEvent>, Option<Cursor>), PlatformError> {
        let page = self.table.query(newest_first(events_of(org, connection), limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        Ok((page.items, next))
    }
}

fn events_of(org: &OrgId, connection: &ConnectionId) -> String {
    format!("ORG#{org}#event#{connection}")
}
