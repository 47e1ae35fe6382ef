//! The events that providers report of mails: each is recorded once, in any order.

use aws::table::AttributeValue;
use domain::failure::Failure;
use domain::mail_event::{MailEvent, MailEventKind};
use domain::notification::{HistoryEntry, Notification, NotificationState};
use jiff::Timestamp;
use resilience::delivery::{self, RECORD_EVENT};
use resilience::outbox::{WAITING_SHARD, WAITING_SINCE};
use resilience::work::{LEASE, STATE};

use super::{Deliveries, LOOKUP_AT};
use crate::records::key_of;
use crate::suppression::suppress;
use aws::error::AwsError;
use aws::table::{Write, Written, from_item, map, null, text, to_item};

/// The attribute with the ids of the events that were recorded.
const EVENT_IDS: &str = "event_ids";
/// The most entries of a history: a later event is recorded only when it changes the state.
const LONGEST_HISTORY: usize = 100;
/// The attempts at recording an event on an item that changes meanwhile.
const RECORD_TRIES: u32 = 5;

/// The outcome of recording a provider's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliedEvent {
    /// The event was recorded; the new state, if it changed the state.
    Recorded(Option<NotificationState>),
    /// The event was recorded before, or says nothing new.
    Duplicate,
    /// There is no such notification.
    Missing,
}

impl Deliveries {
    /// Records a provider's event, once, whatever the notification's state is. An event that says that the address is not to be
    /// written to again suppresses it first: after a crash in between both are repeated. One read and one write, and one more for
    /// a suppression.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn record_event(
        &self,
        event: &MailEvent,
        provider: &str,
        now: Timestamp,
    ) -> Result<AppliedEvent, AwsError> {
        let MailEvent { id: event_id, reference, kind, at, provider_message_id, detail } = event;
        let key = key_of::<Notification>(&reference.org, &reference.notification.to_string());
        let mut item = self.records.table().item(&key).await?;
        for _ in 0..RECORD_TRIES {
            let Some(found) = item else { return Ok(AppliedEvent::Missing) };
            let known = found.get(EVENT_IDS).and_then(|ids| ids.as_ss().ok()).is_some_and(|ids| ids.contains(event_id));
            if known {
                return Ok(AppliedEvent::Duplicate);
            }
            let notification: Notification = from_item(found)?;
            let state = delivery::after_event(notification.state, *kind);
            if state.is_none() && notification.history.len() >= LONGEST_HISTORY {
                return Ok(AppliedEvent::Duplicate);
            }
            if delivery::suppresses(*kind) {
                suppress(&self.records, &reference.org, &notification, *kind, *at).await?;
            }
            let entry = HistoryEntry {
                at: *at,
                what: kind.as_str().to_owned(),
                attempt: notification.attempts,
                provider: Some(provider.to_owned()),
                provider_message_id: provider_message_id.clone(),
                event_id: Some(event_id.clone()),
                detail: detail.clone(),
            };
            let mut write = Write::when(RECORD_EVENT)
                .value("state", text(notification.state.as_str()))
                .value("event", text(event_id.clone()))
                .append("history", map(to_item(&entry)?))
                .add_text(EVENT_IDS, event_id.clone())
                .set("updated_at", text(now.to_string()));
            if let (None, Some(given)) = (&notification.provider_message_id, provider_message_id) {
                write = write.set("provider_message_id", text(given.clone()));
            }
            if let Some(state) = state {
                // The event settles the notification, so that no worker holds it any more.
                write = write
                    .set(STATE, text(state.as_str()))
                    .set("failure", failure_of(event)?)
                    .remove(LEASE)
                    .remove(LOOKUP_AT)
                    .remove(WAITING_SHARD)
                    .remove(WAITING_SINCE);
            }
            match self.records.table().update(&key, write, false).await? {
                Written::Applied(_) => return Ok(AppliedEvent::Recorded(state)),
                Written::Refused(changed) => item = changed,
            }
        }
        let detail = "the notification changes all the time".to_owned();
        Err(AwsError::unavailable("record an event", detail))
    }
}

/// The failure that an event records; null for a mail that arrived.
fn failure_of(event: &MailEvent) -> Result<AttributeValue, AwsError> {
    let code = match event.kind {
        MailEventKind::Accepted | MailEventKind::Deferred | MailEventKind::Delivered => return Ok(null()),
        MailEventKind::Refused => "refused",
        MailEventKind::Bounced => "bounced",
        MailEventKind::Complained => "complained",
    };
    let detail = event.detail.clone().unwrap_or_else(|| "the provider did not say why".to_owned());
    Ok(map(to_item(&Failure::new(code, detail))?))
}
