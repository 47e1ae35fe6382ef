//! What providers tell of mails: recorded once, in whatever order it comes.

use aws::table::AttributeValue;
use domain::failure::Failure;
use domain::mail_event::{MailEvent, MailEventKind};
use domain::notification::{HistoryEntry, Notification, NotificationState};
use jiff::Timestamp;
use resilience::delivery::{self, TELL};
use resilience::outbox::{WAITING_SHARD, WAITING_SINCE};
use resilience::work::{LEASE, STATE};

use super::{Deliveries, LOOKUP_AT};
use crate::records::key_of;
use crate::suppression::suppress;
use aws::error::AwsError;
use aws::table::{Write, Written, from_item, map, null, text, to_item};

/// The events that were recorded.
const EVENT_IDS: &str = "event_ids";
/// Most entries of a history: what comes after these is recorded only when it changes the state.
const LONGEST_HISTORY: usize = 100;
/// How often an event is tried again on an item that changes meanwhile.
const TELL_TRIES: u32 = 5;

/// What became of a provider's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was recorded; the state that it led to, if it changed the state.
    Recorded(Option<NotificationState>),
    /// It was recorded before, or says nothing new.
    Known,
    /// There is no such notification.
    Missing,
}

impl Deliveries {
    /// Records a provider's event, once, whatever the notification's state is. An event that says that the address is not to be
    /// written to again suppresses it first: whoever dies in between does both again. One read and one write, and one more for
    /// a suppression.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn tell(&self, event: &MailEvent, provider: &str, now: Timestamp) -> Result<Told, AwsError> {
        let MailEvent { id: event_id, reference, kind, at, provider_message_id, detail } = event;
        let key = key_of::<Notification>(&reference.org, &reference.notification.to_string());
        let mut item = self.records.table().item(&key).await?;
        for _ in 0..TELL_TRIES {
            let Some(found) = item else { return Ok(Told::Missing) };
            let known = found.get(EVENT_IDS).and_then(|ids| ids.as_ss().ok()).is_some_and(|ids| ids.contains(event_id));
            if known {
                return Ok(Told::Known);
            }
            let notification: Notification = from_item(found)?;
            let state = delivery::told(notification.state, *kind);
            if state.is_none() && notification.history.len() >= LONGEST_HISTORY {
                return Ok(Told::Known);
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
            let mut write = Write::when(TELL)
                .value("state", text(notification.state.as_str()))
                .value("event", text(event_id.clone()))
                .append("history", map(to_item(&entry)?))
                .add_text(EVENT_IDS, event_id.clone())
                .set("updated_at", text(now.to_string()));
            if let (None, Some(given)) = (&notification.provider_message_id, provider_message_id) {
                write = write.set("provider_message_id", text(given.clone()));
            }
            if let Some(state) = state {
                // Nobody works on it any more, whoever did.
                write = write
                    .set(STATE, text(state.as_str()))
                    .set("failure", failure_of(event)?)
                    .remove(LEASE)
                    .remove(LOOKUP_AT)
                    .remove(WAITING_SHARD)
                    .remove(WAITING_SINCE);
            }
            match self.records.table().update(&key, write, false).await? {
                Written::Applied(_) => return Ok(Told::Recorded(state)),
                Written::Refused(changed) => item = changed,
            }
        }
        let detail = "the notification changes all the time".to_owned();
        Err(AwsError::Unavailable { operation: "record an event", detail })
    }
}

/// What a mail's end by an event says of it; nothing for one that arrived.
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
