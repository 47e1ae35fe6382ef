//! Every five minutes: what was accepted and waits for too long gets its message again.
//!
//! A record is written before its message is sent, and a process that dies between the two leaves a record without one.
//! The message is sent before the record's time is pushed: a tick that dies between the two leaves a second message behind,
//! and workers claim, so that it finds nothing to do; the other order could lose the message once more.

use aws::breaker::{self, SharedBreaker};
use aws::clients::Aws;
use aws::clock;
use aws::environment;
use aws::error::AwsError;
use aws::function::{Function, Scheduled, StartError};
use aws::queue::Queue;
use aws::table::Table;
use domain::FORMAT_VERSION;
use domain::action::{Action, ActionState};
use domain::connection::ConnectionKey;
use domain::id::{ActionId, IntakeId, NotificationId, OrgId};
use domain::intake::{Intake, IntakeState, Priority};
use domain::message::{ActionJob, EmailJob, IntakeJob, SuggestionJob};
use domain::notification::{Notification, NotificationState};
use futures::stream::{self, StreamExt as _};
use resilience::breaker::POLICY;
use resilience::outbox::WAITING_SHARDS;
use serde_json::{Value, json};
use store::email_queues::EmailQueues;
use store::outbox::{MissingMessage, Waiting};
use store::records::Records;

/// The most records that one tick sweeps for each shard; what is left is overdue in the next tick, oldest first. It bounds what
/// a sweep adds to a queue that is merely long: then messages are not missing, and each one more costs a refused claim.
const MAX_RECORDS: usize = 500;
/// The number of messages that are sent at once.
const AT_ONCE: usize = 10;

/// The sweep of the outbox; the breakers of connections are in `control`.
#[derive(Debug)]
pub struct Sweep {
    records: Records,
    control: Table,
    queues: Queues,
    model: SharedBreaker,
    mail: Option<SharedBreaker>,
}

/// The queue of each kind of work.
#[derive(Debug)]
struct Queues {
    suggestions: Queue,
    emails: EmailQueues,
    intakes: Intakes,
    actions: Queue,
}

/// The queues of applications that came in by API, by priority.
#[derive(Debug)]
struct Intakes {
    normal: Queue,
    priority: Queue,
}

/// The counts of a tick.
#[derive(Debug, Default)]
struct Counts {
    enqueued: usize,
    unknown: usize,
}

impl Function for Sweep {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let control = aws.table("CONTROL_TABLE")?;
        // With a fallback, the second provider can send while the breaker of the first is open.
        let only = environment::optional("MAIL_FALLBACK").is_none();
        let first = environment::required("MAIL_PROVIDER")?;
        let breaker = providers::mail::breaker(&first).filter(|_| only);
        let intakes =
            Intakes { normal: aws.queue("INTAKE_QUEUE_URL")?, priority: aws.queue("INTAKE_PRIORITY_QUEUE_URL")? };
        Ok(Self {
            records: Records::new(aws.table("RECORDS_TABLE")?),
            queues: Queues {
                suggestions: aws.queue("SUGGESTION_QUEUE_URL")?,
                emails: EmailQueues::from_environment(aws)?,
                intakes,
                actions: aws.queue("ACTION_QUEUE_URL")?,
            },
            model: SharedBreaker::of_deployment(control.clone(), breaker::MODEL, POLICY),
            mail: breaker.map(|name| SharedBreaker::of_deployment(control.clone(), &name, POLICY)),
            control,
        })
    }

    async fn warm_up(&self) {
        let _ignored = tokio::join!(self.records.table().preconnect(), self.queues.emails.preconnect());
    }
}

impl Scheduled for Sweep {
    /// Sends what is missing and says how much. A failure ends its shard; what it did not reach is overdue in the next tick.
    async fn tick(&self) -> Result<Value, AwsError> {
        let mut counts = Counts::default();
        let mut outcome = Ok(());
        for shard in 0..WAITING_SHARDS {
            outcome = outcome.and(self.shard(shard, &mut counts).await);
        }
        let Counts { enqueued, unknown } = counts;
        tracing::info!(enqueued, unknown, whole = outcome.is_ok(), "outbox swept");
        outcome?;
        Ok(json!({"enqueued": enqueued, "unknown": unknown}))
    }
}

impl Sweep {
    async fn shard(&self, shard: u8, counts: &mut Counts) -> Result<(), AwsError> {
        let now = clock::now();
        let mut after = None;
        let mut swept = 0;
        loop {
            let page = self.records.overdue(shard, now, after).await?;
            let results: Vec<Result<bool, AwsError>> = stream::iter(&page.items)
                .map(|waiting| async move {
                    let known = self.send(waiting).await?;
                    // What this version does not know is pushed as well, so that it does not stay first for ever.
                    self.records.push_waiting(waiting, clock::now()).await?;
                    Ok(known)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            swept += results.len();
            let count =
                |wanted: bool| results.iter().filter(|result| matches!(result, Ok(known) if *known == wanted)).count();
            counts.enqueued += count(true);
            counts.unknown += count(false);
            results.into_iter().collect::<Result<Vec<bool>, _>>()?;
            after = page.next;
            if after.is_none() || swept >= MAX_RECORDS {
                return Ok(());
            }
        }
    }

    /// Sends the message that a record waits for. False when this version does not know which that is.
    async fn send(&self, waiting: &Waiting) -> Result<bool, AwsError> {
        match waiting.missing_message() {
            // While a breaker is open its messages are postponed, not missing; a copy with each tick would only pile up.
            Some(MissingMessage::Suggestion(..)) if self.model.open_until(clock::now()).await.is_some() => {}
            Some(MissingMessage::Suggestion(org, suggestion)) => {
                tracing::warn!(%org, suggestion.id = %suggestion, "a suggestion waited for too long; enqueued again");
                self.queues.suggestions.send(&SuggestionJob { v: FORMAT_VERSION, org, suggestion }).await?;
            }
            Some(MissingMessage::Notification(org, notification)) => self.send_notification(org, notification).await?,
            Some(MissingMessage::Intake(org, intake)) => self.send_intake(org, intake).await?,
            Some(MissingMessage::Action(org, action)) => self.send_action(org, action).await?,
            None => {
                tracing::error!(kind = waiting.kind(), "a record waits for something unknown; nothing sent");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends the message of a notification, which waits to be sent or to be looked up. Its queue follows from its kind, which
    /// the index does not hold.
    async fn send_notification(&self, org: OrgId, id: NotificationId) -> Result<(), AwsError> {
        let record: Option<Notification> = self.records.get(&org, &id.to_string()).await?;
        let kind = match record {
            Some(Notification { state: NotificationState::Queued, .. }) if self.mail_is_postponed().await => {
                return Ok(());
            }
            Some(Notification { state: NotificationState::Queued | NotificationState::Unknown, kind, .. }) => kind,
            // A worker was faster than the index.
            Some(_) | None => return Ok(()),
        };
        tracing::warn!(%org, notification.id = %id, "a notification waited for too long; enqueued again");
        self.queues.emails.send(&EmailJob::to_send(org, id), kind.priority()).await
    }

    /// Whether the breaker of the only mail provider is open: then its messages are postponed, not missing.
    async fn mail_is_postponed(&self) -> bool {
        match &self.mail {
            Some(breaker) => breaker.open_until(clock::now()).await.is_some(),
            None => false,
        }
    }

    /// Sends the message of an intake. Its queue follows from its priority, which the index does not hold.
    async fn send_intake(&self, org: OrgId, intake: IntakeId) -> Result<(), AwsError> {
        let record: Option<Intake> = self.records.get(&org, &intake.to_string()).await?;
        let queue = match record {
            Some(Intake { state: IntakeState::Accepted, priority: Priority::High, .. }) => {
                &self.queues.intakes.priority
            }
            Some(Intake { state: IntakeState::Accepted, priority: Priority::Normal, .. }) => {
                &self.queues.intakes.normal
            }
            // A worker was faster than the index.
            Some(_) | None => return Ok(()),
        };
        tracing::warn!(%org, intake.id = %intake, "an intake waited for too long; enqueued again");
        queue.send(&IntakeJob { v: FORMAT_VERSION, org, intake }).await
    }

    /// Sends the message of an action, unless the breaker of its connection is open: then its message is postponed, not missing.
    async fn send_action(&self, org: OrgId, action: ActionId) -> Result<(), AwsError> {
        let record: Option<Action> = self.records.get(&org, &action.to_string()).await?;
        let Some(Action { state: ActionState::Accepted, connection, .. }) = record else {
            // A worker was faster than the index.
            return Ok(());
        };
        let breaker =
            SharedBreaker::of_connection(self.control.clone(), &ConnectionKey::new(&org, &connection), POLICY);
        if breaker.open_until(clock::now()).await.is_some() {
            return Ok(());
        }
        tracing::warn!(%org, action.id = %action, "an action waited for too long; enqueued again");
        self.queues.actions.send(&ActionJob { v: FORMAT_VERSION, org, connection, action }).await
    }
}
