//! Turns verified webhook deliveries into records, and a new application into a request for a suggestion.
//!
//! Every step may be repeated: the event is claimed first, records have derived ids and are written only when newer, the
//! suggestion of an application has one id. So a delivery that comes five times at once does its work once.

mod mail_events;

use std::time::Duration;

use aws::batch::Invocation;
use aws::clients::Aws;
use aws::clock;
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use aws::queue::Queue;
use aws::random;
use aws::telemetry::chain;
use aws::work::{Claim, expire};
use domain::FORMAT_VERSION;
use domain::ats::{Origin, content_hash};
use domain::connection::{ConnectionKey, EventOutcome, WebhookEvent};
use domain::id::{ApplicationId, OrgId};
use domain::message::{Sender, SuggestionJob, WebhookDelivery};
use domain::suggestion::{Suggestion, SuggestionState, id_for_new_application};
use providers::transport::webhook::Event;
use resilience::batch::Outcome;
use resilience::retry::{Next, Schedule, WORKER};
use resilience::work::{Fenced, Refusal};
use store::control::Control;
use store::email_queues::EmailQueues;
use store::records::{Created, Records};
use sync::{AppliedEvent, Engine, SyncError};

/// The retries of a lookup that failed.
const AGAIN: Schedule = Schedule { base: Duration::from_secs(4), cap: Duration::from_secs(300), tries: 12 };
/// The number of attempts after which an event whose object the provider refuses to return is dead.
const GIVE_UP: u32 = 6;

/// The worker of webhook deliveries.
#[derive(Debug, Clone)]
pub struct WebhookWorker {
    engine: Engine,
    control: Control,
    suggestions: Queue,
    emails: EmailQueues,
}

impl Function for WebhookWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        Ok(Self {
            engine: Engine::from_environment(aws)?,
            control: Control::new(aws.table("CONTROL_TABLE")?),
            suggestions: aws.queue("SUGGESTION_QUEUE_URL")?,
            emails: EmailQueues::from_environment(aws)?,
        })
    }

    async fn warm_up(&self) {
        self.engine.preconnect().await;
    }
}

impl Worker for WebhookWorker {
    type Message = WebhookDelivery;

    async fn handle(&self, delivery: WebhookDelivery, invocation: Invocation) -> Outcome {
        let worked = match &delivery.sender {
            Sender::Deployment => self.mail_events(&delivery).await,
            Sender::Connection(connection) => self.of_connection(connection, &delivery, invocation).await,
        };
        worked.unwrap_or_else(|error| try_again(&error, invocation))
    }
}

impl WebhookWorker {
    pub(crate) fn records(&self) -> &Records {
        &self.engine.records
    }

    async fn of_connection(
        &self,
        connection: &ConnectionKey,
        delivery: &WebhookDelivery,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        // A name that this version does not know may come from a newer receiver; the dead letter can be sent again later.
        let Some(source) = providers::ats::find(&delivery.provider).and_then(|provider| provider.webhooks) else {
            let reason = format!("`{}` sends no webhooks that this version can read", delivery.provider);
            return Ok(Outcome::dead(reason));
        };
        let ConnectionKey { org, connection: id } = connection.clone();
        let origin = Origin { org, provider: delivery.provider.clone(), connection: id };
        match source.interpret(&origin, &delivery.body, delivery.received_at) {
            Ok(event) => self.claim_and_apply(connection, delivery, event, invocation).await,
            Err(error) => Ok(Outcome::dead(format!("failed to {}", chain(&error)))),
        }
    }

    async fn claim_and_apply(
        &self,
        connection: &ConnectionKey,
        delivery: &WebhookDelivery,
        event: Event,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        let (hold, mut recorded) =
            match self.control.claim_event(connection, delivery, invocation.deadline, clock::now()).await? {
                Claim::Held(hold, recorded) => (hold, recorded),
                Claim::Refused(Refusal::Busy(after)) => {
                    return Ok(Outcome::retry(after, "another worker has this event"));
                }
                Claim::Refused(Refusal::Finished) => return Ok(Outcome::Done),
                // Neither can be: this claim creates a missing item and takes over abandoned work.
                Claim::Refused(refusal @ (Refusal::Missing | Refusal::Abandoned)) => {
                    return Ok(Outcome::retry(WORKER.base, format!("the event could not be claimed: {refusal:?}")));
                }
            };
        let applied = self.apply(connection, delivery, &event, invocation).await;
        let (outcome, detail) = match applied {
            Ok(applied) => applied,
            Err(error) => {
                // The next delivery need not wait for the lease; when this fails too, it waits.
                let _ignored = expire(self.control.table(), &hold, clock::now()).await;
                return postponed(error, invocation);
            }
        };
        let WebhookEvent { action, outcome: recorded_outcome, detail: recorded_detail, .. } = &mut recorded;
        *action = Some(event.action);
        *recorded_outcome = Some(outcome);
        *recorded_detail = Some(detail);
        Ok(match self.control.finish_event(&hold, &recorded, clock::now()).await? {
            Fenced::Written => Outcome::Done,
            // Only a message that comes again can settle what this lease did not: it may be the last one.
            Fenced::LeaseLost => {
                Outcome::retry(Duration::ZERO, "the lease had passed before the event could be recorded")
            }
        })
    }

    async fn apply(
        &self,
        connection: &ConnectionKey,
        delivery: &WebhookDelivery,
        event: &Event,
        invocation: Invocation,
    ) -> Result<(EventOutcome, String), SyncError> {
        let AppliedEvent { outcome, detail, new_application } =
            self.engine.apply_event(connection, event, delivery.received_at, invocation).await?;
        if let Some(application) = new_application {
            self.suggest(&connection.org, application).await?;
        }
        Ok((outcome, detail))
    }

    /// Requests a suggestion for a new application, once.
    async fn suggest(&self, org: &OrgId, application: ApplicationId) -> Result<(), AwsError> {
        let now = clock::now();
        let id = id_for_new_application(org, application);
        let suggestion = Suggestion::accepted(id, application, true, now);
        let request = content_hash(&application);
        let waiting = match self.records().create(org, &suggestion, &request, now).await? {
            Created::New => true,
            Created::Same(existing) => existing.state == SuggestionState::Accepted,
            Created::Other => false,
        };
        if waiting {
            self.suggestions.send(&SuggestionJob { v: FORMAT_VERSION, org: org.clone(), suggestion: id }).await?;
        }
        Ok(())
    }
}

/// The outcome of a message whose object could not be looked up or written: it waits, and the event stays unfinished.
fn postponed(error: SyncError, invocation: Invocation) -> Result<Outcome, AwsError> {
    match error {
        SyncError::Aws(error) => Err(error),
        SyncError::RateLimited { wait, .. } => Ok(Outcome::postpone(wait.max(WORKER.base), error.to_string())),
        SyncError::Failed(detail) | SyncError::ReauthorizationRequired(detail)
            if invocation.receive_count >= GIVE_UP =>
        {
            Ok(Outcome::dead(detail.to_string()))
        }
        SyncError::Failed(_)
        | SyncError::ReauthorizationRequired(_)
        | SyncError::Unavailable(_)
        | SyncError::InvalidResponse(_)
        | SyncError::CursorExpired(_)
        | SyncError::DeadlineReached
        | SyncError::LeaseLost => {
            let after = match AGAIN.next(invocation.receive_count.min(AGAIN.tries - 1), random::chance(), None) {
                Next::After(after) => after,
                Next::GiveUp => AGAIN.cap,
            };
            Ok(Outcome::retry(after.max(WORKER.base), error.to_string()))
        }
    }
}

/// The outcome of a message after an error of AWS.
fn try_again(error: &AwsError, invocation: Invocation) -> Outcome {
    let reason = format!("failed to {}", chain(error));
    if !error.retry() {
        return Outcome::dead(reason);
    }
    match WORKER.next(invocation.receive_count.min(WORKER.tries - 1), random::chance(), None) {
        Next::After(after) => Outcome::retry(after, reason),
        Next::GiveUp => Outcome::retry(WORKER.cap, reason),
    }
}
