//! Sends mails: one notification, one e-mail. The decisions are those of `resilience::delivery`; none is taken here.
//!
//! A message names a notification; its state decides what is to be done. A queued one is sent (`send.rs`). One whose worker
//! died in the middle, or whose provider's reply was lost, is looked up at the provider (`lookup.rs`). For a settled one the
//! message is a duplicate.

mod lookup;
pub mod mailer;
mod record;
mod send;

use std::time::Duration;

use aws::batch::Invocation;
use aws::bulkhead::Bulkhead;
use aws::clients::Aws;
use aws::clock;
use aws::environment::{self, EnvironmentError};
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use domain::mail_event::MailReference;
use domain::message::EmailJob;
use mail_templates::Templates;
use resilience::batch::Outcome;
use resilience::delivery::DeliveryStatus;
use store::delivery::{Claim, Deliveries, DeliverySnapshot};
use store::records::Records;
use store::suppression::MailSenders;

use crate::mailer::Mailers;
use crate::send::Chosen;

/// The part of the invocation's time that is reserved to record the outcome.
const TO_RECORD: Duration = Duration::from_secs(4);
/// The settling time where `MAIL_SETTLING_SECONDS` is not set: the delay before the first lookup of a mail, so that the
/// provider has had the time to index it.
const SETTLING: Duration = Duration::from_secs(120);

/// The worker of notifications, with its tables, providers and templates.
pub struct EmailWorker {
    deliveries: Deliveries,
    senders: MailSenders,
    mailers: Mailers,
    templates: Templates,
    calls: Bulkhead,
    settling: Duration,
}

/// Reads `MAIL_SETTLING_SECONDS`, 1 to 900.
///
/// # Errors
/// When it is something else.
fn settling() -> Result<Duration, EnvironmentError> {
    let name = "MAIL_SETTLING_SECONDS";
    let Some(text) = environment::optional(name) else { return Ok(SETTLING) };
    let seconds = text.parse().ok().filter(|seconds| (1..=900).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(EnvironmentError::Invalid { name, rule: "a whole number from 1 to 900" })
}

impl Function for EmailWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let records = Records::new(aws.table("RECORDS_TABLE")?);
        Ok(Self {
            senders: MailSenders::new(records.clone()),
            deliveries: Deliveries::new(records),
            mailers: Mailers::from_environment(aws.secrets()?, aws.table("CONTROL_TABLE")?)?,
            templates: Templates::built_in()?,
            calls: Bulkhead::from_environment("mail", "POOL_MAIL")?,
            settling: settling()?,
        })
    }

    async fn warm_up(&self) {
        let provider = async {
            if let Some(first) = self.mailers.first() {
                let _read_again_when_needed =
                    tokio::join!(self.mailers.credentials(first.info), first.mailer.preconnect());
            }
        };
        tokio::join!(self.deliveries.records().table().preconnect(), provider);
    }
}

impl Worker for EmailWorker {
    type Message = EmailJob;

    const PRIORITY: bool = true;

    async fn handle(&self, job: EmailJob, invocation: Invocation) -> Outcome {
        let EmailJob { v: _, org, notification, hint } = job;
        let reference = MailReference { org, notification };
        let worked = match hint {
            Some(hint) => self.confirm(&reference, hint, invocation).await,
            None => self.work(&reference, invocation).await,
        };
        worked.unwrap_or_else(|error| error.outcome())
    }
}

impl EmailWorker {
    async fn work(&self, reference: &MailReference, invocation: Invocation) -> Result<Outcome, AwsError> {
        // Without a free slot neither the work nor the message is touched.
        let _slot = self.calls.enter().await?;
        let sender = match self.senders.of(&reference.org).await {
            Ok(sender) => sender,
            Err(error) => return Ok(error.outcome()),
        };
        let wanted = sender.profile.as_ref().map_or(&[][..], |profile| profile.mail_providers.as_slice());
        let order = self.mailers.order(wanted);
        let chosen = match send::choose(&order, 0, invocation.deadline).await {
            Ok(chosen) => chosen,
            // No provider may be called, neither to send nor to look up: the message waits, and costs nothing.
            Err(wait) => return Ok(Outcome::postpone(wait, "the breakers of all mail providers are open")),
        };
        let Chosen { provider, permit, .. } = &chosen;
        let message_id = self.mailers.message_id(reference);
        let (id, now) = (reference.notification, clock::now());
        let claim =
            self.deliveries.claim(&reference.org, id, provider.info.id, &message_id, invocation.deadline, now).await;
        match claim {
            Ok(Claim::Claimed(hold, notification)) => {
                let attempt = send::Attempt { reference, hold, notification: *notification, order, invocation };
                self.send(attempt, &sender, chosen).await
            }
            other => {
                // No provider was called: the probe is free for the next worker.
                provider.breaker.settle(permit, aws::breaker::Verdict::NotTried, clock::now()).await;
                match other? {
                    Claim::Missing => Ok(Outcome::dead("there is no such notification")),
                    Claim::Claimed(..) => Ok(Outcome::Done),
                    Claim::Refused(snapshot) => self.follow(reference, &snapshot, invocation).await,
                }
            }
        }
    }

    /// Handles a notification whose claim was refused.
    async fn follow(
        &self,
        reference: &MailReference,
        snapshot: &DeliverySnapshot,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        match snapshot.status {
            DeliveryStatus::Queued => Ok(Outcome::retry(Duration::ZERO, "it is queued again")),
            DeliveryStatus::Leased(left) => Ok(Outcome::retry(left, "another worker has it")),
            DeliveryStatus::LeaseExpired => self.mark_unknown(reference, snapshot).await,
            DeliveryStatus::Unknown(Duration::ZERO) => self.look_up(reference, snapshot, invocation).await,
            DeliveryStatus::Unknown(left) => Ok(Outcome::postpone(left, "the mail is looked up later")),
            DeliveryStatus::Settled => Ok(Outcome::Done),
        }
    }
}
