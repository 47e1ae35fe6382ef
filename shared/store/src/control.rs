//! The table `Control`: webhook events. What may expire has a TTL.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use domain::FORMAT_VERSION;
use domain::connection::{ConnectionKey, WebhookEvent};
use domain::message::WebhookDelivery;
use jiff::{SignedDuration, Timestamp};
use resilience::work::{self, Fenced};

use crate::records::{Cursor, newest_first};
use aws::clock::sortable;
use aws::error::AwsError;
use aws::table::{Item, Key, Query, Table, from_item, number, text, to_item};
use aws::work::{Claim, ClaimTerms, HeldLease, claim, finish};

/// The retention of webhook events, and so the time for which a repeated delivery is recognised.
const EVENT_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The largest body that is recorded so that it can be applied again: an item holds 400 KB, and base64 makes a third more of it.
const MAX_RECORDED_BODY: usize = 200 * 1024;
/// The held and final states of an event.
const EVENT_HELD: &str = "running";
const EVENT_DONE: &str = "done";

/// The table `Control`, with the data that may expire.
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
        connection: &ConnectionKey,
        delivery: &WebhookDelivery,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Claim<WebhookEvent>, AwsError> {
        let key = Key { pk: events_of(connection), sk: delivery.event_id.clone() };
        let event = WebhookEvent {
            v: FORMAT_VERSION,
            event_id: delivery.event_id.clone(),
            action: None,
            outcome: None,
            detail: None,
            received_at: delivery.received_at,
            replayable: delivery.body.len() <= MAX_RECORDED_BODY,
            body: (delivery.body.len() <= MAX_RECORDED_BODY).then(|| STANDARD.encode(&delivery.body)),
        };
        let expires_at = now.saturating_add(EVENT_RETENTION).unwrap_or(Timestamp::MAX).as_second();
        let mut set = to_item(&event)?;
        set.insert("expires_at".to_owned(), number(expires_at));
        set.insert("listed_at".to_owned(), text(format!("{}#{}", sortable(delivery.received_at), delivery.event_id)));
        let terms = ClaimTerms {
            condition: work::CLAIM_FIRST,
            ready: None,
            held: EVENT_HELD,
            lease_until,
            set,
            once: Item::new(),
        };
        claim(&self.table, key, terms, now).await
    }

    /// Records the result of an event. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_event(
        &self,
        hold: &HeldLease,
        event: &WebhookEvent,
        now: Timestamp,
    ) -> Result<Fenced, AwsError> {
        let mut set = to_item(event)?;
        set.insert(work::STATE.to_owned(), text(EVENT_DONE));
        finish(&self.table, hold, set, now).await
    }

    /// A page of a connection's events, newest first, without their bodies. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn events(
        &self,
        connection: &ConnectionKey,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<WebhookEvent>, Option<Cursor>), AwsError> {
        let page = self.table.query(newest_first(events_of(connection), limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        Ok((page.items, next))
    }
}

impl Control {
    /// One event, with its body. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn event(&self, connection: &ConnectionKey, event_id: &str) -> Result<Option<WebhookEvent>, AwsError> {
        self.table.get(&Key { pk: events_of(connection), sk: event_id.to_owned() }).await
    }

    /// Events by id with their bodies, in any order; missing ones are left out. One call for each hundred.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn with_bodies(
        &self,
        connection: &ConnectionKey,
        event_ids: &[&str],
    ) -> Result<Vec<WebhookEvent>, AwsError> {
        let key = |id: &&str| Key { pk: events_of(connection), sk: (*id).to_owned() };
        let keys: Vec<Key> = event_ids.iter().map(key).collect();
        self.table.items(&keys, &[]).await?.into_iter().map(from_item).collect()
    }

    /// The first events of a connection that were received in a time, both ends included, oldest first and without their
    /// bodies. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn received_between(
        &self,
        connection: &ConnectionKey,
        (from, to): (Timestamp, Timestamp),
        limit: u16,
    ) -> Result<Vec<WebhookEvent>, AwsError> {
        let pk = events_of(connection);
        // A place in the index just before the first event of that time: events are listed by time and id.
        let before = Item::from(
            [("pk", pk.clone()), ("sk", "-".to_owned()), ("listed_at", sortable(from))]
                .map(|(name, value)| (name.to_owned(), text(value))),
        );
        let query = Query {
            index: Some("by_time"),
            partition: ("pk", pk),
            // No id has a character after this one.
            up_to: Some(("listed_at", format!("{}#~", sortable(to)))),
            ascending: true,
            limit,
            after: Some(before),
        };
        Ok(self.table.query(query).await?.items)
    }
}

fn events_of(connection: &ConnectionKey) -> String {
    let ConnectionKey { org, connection } = connection;
    format!("ORG#{org}#event#{connection}")
}

#[cfg(test)]
mod tests {
    use domain::message::Sender;

    use super::*;

    #[tokio::test]
    async fn events_are_found_by_time_and_id_and_long_bodies_are_dropped() {
        let (control, now) = (Control::new(Table::in_memory()), Timestamp::UNIX_EPOCH);
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "one".parse().expect("slug") };
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        for (id, second, length) in [("b", 1, 2), ("a", 2, MAX_RECORDED_BODY + 1), ("c", 2, 2), ("d", 3, 2)] {
            let delivery = WebhookDelivery {
                v: FORMAT_VERSION,
                sender: Sender::Connection(key.clone()),
                provider: "an-ats".into(),
                event_id: id.into(),
                received_at: at(second),
                body: vec![b'x'; length],
            };
            let claimed = control.claim_event(&key, &delivery, at(60), now).await.expect("claimed");
            assert!(matches!(claimed, Claim::Held(..)));
        }
        let between = async |from, to, limit| {
            let found = control.received_between(&key, (at(from), at(to)), limit).await.expect("read");
            found.into_iter().map(|event| (event.event_id, event.replayable)).collect::<Vec<_>>()
        };
        let event = |id: &str, replayable| (id.to_owned(), replayable);
        assert_eq!(between(1, 2, 9).await, [event("b", true), event("a", false), event("c", true)]);
        assert_eq!(between(2, 9, 2).await, [event("a", false), event("c", true)]);
        assert!(between(4, 9, 9).await.is_empty());
        let mut found = control.with_bodies(&key, &["d", "a", "z"]).await.expect("read");
        found.sort_by(|left, right| left.event_id.cmp(&right.event_id));
        let bodies: Vec<_> = found.iter().map(|event| (event.event_id.as_str(), event.body.as_deref())).collect();
        assert_eq!(bodies, [("a", None), ("d", Some("eHg="))]);
        assert_eq!(control.event(&key, "b").await.expect("read").and_then(|event| event.body).as_deref(), Some("eHg="));
    }
}
