//! The webhooks of mail providers. An event whose delivery proves its origin is recorded; any other is a hint, and email-worker,
//! which has the credentials, looks the mail up at the provider before anything is recorded.

use std::collections::BTreeMap;

use aws::clock;
use aws::error::AwsError;
use aws::metrics::{self, Unit};
use aws::telemetry::chain;
use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use domain::message::{EmailJob, WebhookDelivery};
use domain::notification::{NotificationState, Priority};
use resilience::batch::Outcome;
use resilience::delivery::after_event;
use store::delivery::{AppliedEvent, Deliveries};

use crate::WebhookWorker;

/// The event of the highest rank of each mail: one lookup confirms all.
fn strongest(events: &[MailEvent]) -> Vec<(&MailReference, MailEventKind)> {
    let mut found: BTreeMap<String, (&MailReference, MailEventKind, NotificationState)> = BTreeMap::new();
    for event in events {
        let state = found.get(&event.reference.to_string()).map_or(NotificationState::Sending, |(_, _, state)| *state);
        if let Some(state) = after_event(state, event.kind) {
            found.insert(event.reference.to_string(), (&event.reference, event.kind, state));
        }
    }
    found.into_values().map(|(reference, kind, _)| (reference, kind)).collect()
}

impl WebhookWorker {
    /// Works on the events of one delivery. Each may come again: a recorded one is a duplicate, and a second lookup is harmless.
    pub(crate) async fn mail_events(&self, delivery: &WebhookDelivery) -> Result<Outcome, AwsError> {
        let Some((id, source)) = providers::mail::event_source(&delivery.provider) else {
            let reason = format!("`{}` sends no events of mails that this version can read", delivery.provider);
            return Ok(Outcome::dead(reason));
        };
        let events = match source.read(&delivery.body, delivery.received_at) {
            Ok(events) => events,
            Err(error) => return Ok(Outcome::dead(format!("failed to {}", chain(&error)))),
        };
        let (mut recorded, mut unknown) = (0_u64, 0_u64);
        if source.covers_body() {
            let deliveries = Deliveries::new(self.records().clone());
            for event in &events {
                match deliveries.record_event(event, id, clock::now()).await? {
                    AppliedEvent::Recorded(_) => recorded += 1,
                    AppliedEvent::Duplicate => {}
                    AppliedEvent::Missing => unknown += 1,
                }
            }
        } else {
            for (reference, hint) in strongest(&events) {
                let job = EmailJob::to_confirm(reference.org.clone(), reference.notification, hint);
                self.emails.send(&job, Priority::Normal).await?;
            }
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        metrics::emit(
            Some(("provider", id)),
            &[("MailEvents", count, Unit::Count), ("MailEventsUnknown", unknown, Unit::Count)],
        );
        tracing::info!(mail.provider = id, events = count, recorded, unknown, "mail events read");
        Ok(Outcome::Done)
    }
}
