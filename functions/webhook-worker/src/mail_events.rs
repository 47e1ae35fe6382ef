//! What mail providers tell of mails. An event that its delivery proves is recorded; any other is a hint, and email-worker, which
//! has the credentials, asks the provider before anything is recorded.

use std::collections::BTreeMap;

use domain::mail_event::MailReference;
use domain::message::{EmailJob, WebhookDelivery};
use domain::notification::Priority;
use platform::clock;
use platform::delivery::{Deliveries, Told};
use platform::error::PlatformError;
use platform::metrics::{self, Unit};
use resilience::batch::Outcome;

use crate::Worker;

impl Worker {
    /// Works on the events of one delivery. Each may come again: what was recorded is known, and asking twice is harmless.
    pub(crate) async fn mail_events(&self, delivery: &WebhookDelivery) -> Result<Outcome, PlatformError> {
        let found = providers::find(&delivery.provider).and_then(|spec| Some((spec, spec.mail_events?)));
        let Some((spec, source)) = found else {
            let reason = format!("`{}` tells nothing of mails that this version can read", delivery.provider);
            return Ok(Outcome::dead(reason));
        };
        let events = match source.read(&delivery.body, delivery.received_at) {
            Ok(events) => events,
            Err(error) => return Ok(Outcome::dead(format!("failed to {error}"))),
        };
        let (mut recorded, mut unknown) = (0_u64, 0_u64);
        if source.covers_body() {
            let deliveries = Deliveries::new(self.records.clone());
            for event in &events {
                match deliveries.tell(event, spec.id, clock::now()).await? {
                    Told::Recorded(_) => recorded += 1,
                    Told::Known => {}
                    Told::Missing => unknown += 1,
                }
            }
        } else {
            // One question answers for all events of a mail.
            let hinted: BTreeMap<String, &MailReference> =
                events.iter().map(|event| (event.reference.to_string(), &event.reference)).collect();
            for reference in hinted.into_values() {
                let job = EmailJob::to_ask(reference.org.clone(), reference.notification);
                self.emails.send(&job, Priority::Normal).await?;
            }
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        metrics::emit(
            Some(("provider", spec.id)),
            &[("MailEvents", count, Unit::Count), ("MailEventsUnknown", unknown, Unit::Count)],
        );
        tracing::info!(mail.provider = spec.id, events = count, recorded, unknown, "mail events read");
        Ok(Outcome::Done)
    }
}
