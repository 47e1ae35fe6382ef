//! Turns verified webhook deliveries into records, and a new application into a request for a suggestion.
//!
//! Every step may be repeated: the event is claimed first, records have derived ids and are written only when newer, the
//! suggestion of an application has one id. So a delivery that comes five times at once does its work once.

mod mail_events;

use std::time::Duration;

use domain::FORMAT_VERSION;
use domain::application::{ObservedApplication, RecordSet, content_hash, records};
use domain::connection::{Connection, ConnectionStatus, EventOutcome, WebhookEvent};
use domain::id::{ConnectionId, OrgId};
use domain::message::{Sender, SuggestionJob, WebhookDelivery};
use domain::suggestion::{Suggestion, SuggestionState, id_for_new_application};
use platform::batch::Turn;
use platform::cache::Cache;
use platform::clock;
use platform::control::Control;
use platform::email_queues::EmailQueues;
use platform::error::PlatformError;
use platform::queue::Queue;
use platform::records::{Created, Records, Upserted};
use platform::work::{Claim, release};
use providers::webhook::{Event, Meaning};
use resilience::batch::Outcome;
use resilience::cache::Kind;
use resilience::retry::{Next, WORKER};
use resilience::work::Refusal;

/// The worker and what it needs.
#[derive(Debug, Clone)]
pub struct Worker {
    records: Records,
    control: Control,
    suggestions: Queue,
    emails: EmailQueues,
    cache: Cache,
}

impl Worker {
    /// A worker on these tables, sending to the queues of suggestions and of e-mails, telling the cache what it wrote.
    #[must_use]
    pub fn new(records: Records, control: Control, suggestions: Queue, emails: EmailQueues, cache: Cache) -> Self {
        Self { records, control, suggestions, emails, cache }
    }

    /// Opens the connections: both tables are one service, so one call is enough for them.
    pub async fn preconnect(&self) {
        tokio::join!(self.records.table().preconnect(), self.cache.preconnect());
    }

    /// Works on one delivery.
    pub async fn handle(&self, delivery: WebhookDelivery, turn: Turn) -> Outcome {
        let worked = match &delivery.sender {
            Sender::Deployment => self.mail_events(&delivery).await,
            Sender::Connection(org, connection) => self.of_connection((org, connection), &delivery, turn).await,
        };
        worked.unwrap_or_else(|error| try_again(&error, turn))
    }

    async fn of_connection(
        &self,
        connection: (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        turn: Turn,
    ) -> Result<Outcome, PlatformError> {
        // A name that this version does not know may come from a newer receiver; the dead letter can be sent again later.
        let Some(source) = providers::find(&delivery.provider).and_then(|spec| spec.webhooks) else {
            let reason = format!("`{}` sends no webhooks that this version can read", delivery.provider);
            return Ok(Outcome::dead(reason));
        };
        match source.interpret(&delivery.body, delivery.received_at) {
            Ok(event) => self.claim_and_apply(connection, delivery, event, turn).await,
            Err(error) => Ok(Outcome::dead(format!("failed to {error}"))),
        }
    }

    async fn claim_and_apply(
        &self,
        connection: (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        event: Event,
        turn: Turn,
    ) -> Result<Outcome, PlatformError> {
        let (hold, mut recorded) =
            match self.control.claim_event(connection, delivery, turn.deadline, clock::now()).await? {
                Claim::Held(hold, recorded) => (hold, recorded),
                Claim::Refused(Refusal::Busy(after)) => {
                    return Ok(Outcome::retry(after, "another worker has this event"));
                }
                Claim::Refused(Refusal::Finished) => return Ok(Outcome::Done),
                // Neither can be: this claim makes what is missing and takes over what was left.
                Claim::Refused(refusal @ (Refusal::Missing | Refusal::Abandoned)) => {
                    return Ok(Outcome::retry(WORKER.base, format!("the event could not be claimed: {refusal:?}")));
                }
            };
        let applied = self.apply(connection, delivery, &event, turn).await;
        let (outcome, detail) = match applied {
            Ok(applied) => applied,
            Err(error) => {
                // The next delivery need not wait for the lease; when this fails too, it waits.
                let _ignored = release(self.control.table(), &hold, clock::now()).await;
                return Err(error);
            }
        };
        let WebhookEvent { action, outcome: recorded_outcome, detail: recorded_detail, .. } = &mut recorded;
        *action = Some(event.action);
        *recorded_outcome = Some(outcome);
        *recorded_detail = Some(detail);
        if !self.control.finish_event(&hold, &recorded, clock::now()).await? {
            // Only a message that comes again can settle what this lease did not: it may be the last one.
            return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the event could be recorded"));
        }
        Ok(Outcome::Done)
    }

    async fn apply(
        &self,
        (org, connection): (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        event: &Event,
        turn: Turn,
    ) -> Result<(EventOutcome, String), PlatformError> {
        let (observed, new) = match &event.meaning {
            Meaning::Ping => return Ok((EventOutcome::Answered, "the provider tried the connection".to_owned())),
            Meaning::Ignored { reason } => return Ok((EventOutcome::Ignored, reason.clone())),
            Meaning::Application { observed, new } => (observed, *new),
        };
        let found: Option<Connection> = self.records.get(org, connection.as_str()).await?;
        match found.map(|found| found.status) {
            Some(ConnectionStatus::Active) => self.record((org, connection), delivery, observed, new, turn).await,
            Some(ConnectionStatus::Paused) => Ok((EventOutcome::Ignored, "the connection is paused".to_owned())),
            None => Ok((EventOutcome::Ignored, "the connection was removed".to_owned())),
        }
    }

    async fn record(
        &self,
        (org, connection): (&OrgId, &ConnectionId),
        delivery: &WebhookDelivery,
        observed: &ObservedApplication,
        new: bool,
        turn: Turn,
    ) -> Result<(EventOutcome, String), PlatformError> {
        let RecordSet { candidate, application, job, version_ms } =
            records(org, &delivery.provider, connection, observed.clone());
        let now = clock::now();
        let (_, upserted_job, upserted) = tokio::try_join!(
            self.records.upsert(org, &candidate, version_ms, now),
            async {
                match &job {
                    Some(job) => self.records.upsert(org, job, version_ms, now).await.map(Some),
                    None => Ok(None),
                }
            },
            self.records.upsert(org, &application, version_ms, now),
        )?;
        let written = [(Kind::Applicants, Some(upserted)), (Kind::Jobs, upserted_job)];
        self.cache.wrote(org, &changed(&written, turn)).await;
        if new {
            let id = id_for_new_application(org, application.id);
            let suggestion = Suggestion::accepted(id, application.id, true, now);
            let request = content_hash(&application.id);
            let waiting = match self.records.create(org, &suggestion, &request, now).await? {
                Created::New => true,
                Created::Same(existing) => existing.state == SuggestionState::Accepted,
                Created::Other => false,
            };
            if waiting {
                self.suggestions.send(&SuggestionJob { v: FORMAT_VERSION, org: org.clone(), suggestion: id }).await?;
            }
        }
        let what = match upserted {
            Upserted::Created => "created",
            Upserted::Updated => "updated",
            Upserted::Unchanged => "found up to date",
        };
        Ok((EventOutcome::Applied, format!("application {} was {what}", application.id)))
    }
}

/// The kinds whose lists are not right any more. A later delivery of the same message finds everything up to date; whether an
/// earlier one ended before it could tell the cache is not known, so it counts as a change.
fn changed(written: &[(Kind, Option<Upserted>)], turn: Turn) -> Vec<Kind> {
    let changes = |upserted: Upserted| upserted != Upserted::Unchanged || turn.received > 1;
    written.iter().filter(|(_, upserted)| upserted.is_some_and(changes)).map(|(kind, _)| *kind).collect()
}

/// What to do with a message when AWS did not do its part.
fn try_again(error: &PlatformError, turn: Turn) -> Outcome {
    if !error.retry() {
        return Outcome::dead(format!("failed to {error}"));
    }
    match WORKER.next(turn.received.min(WORKER.tries - 1), clock::chance(), None) {
        Next::After(after) => Outcome::retry(after, format!("failed to {error}")),
        Next::GiveUp => Outcome::retry(WORKER.cap, format!("failed to {error}")),
    }
}
