//! The batch runner: every queue worker gets its messages through this, each handled apart from the others.
//!
//! A message that does not parse, panics or exceeds its time harms no other; only failures are reported back; a message
//! that can never succeed goes to the dead-letter queue at once with the reason beside it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use resilience::batch::{CONCURRENCY, Outcome, RESERVE, handler_time};
use resilience::deadline;
use serde::de::DeserializeOwned;

use crate::clients::Aws;
use crate::clock;
use crate::environment::EnvironmentError;
use crate::metrics::{self, Unit};
use crate::queue::Queue;
use crate::telemetry::chain;

/// The delay of a message whose handler panicked.
pub const AFTER_PANIC: Duration = Duration::from_secs(30);

/// The queues of a worker, each with its dead-letter queue.
#[derive(Debug, Clone)]
pub struct SourceQueues {
    first: SourceQueue,
    others: Vec<SourceQueue>,
}

/// A queue of a worker, with the queue for messages that can never succeed.
#[derive(Debug, Clone)]
struct SourceQueue {
    source: Queue,
    dead_letters: Queue,
}

/// The end of a message in this invocation, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Retried,
    Postponed,
    DeadLetter,
    Panicked,
    TimedOut,
}

/// The invocation that a message is handled in.
#[derive(Debug, Clone, Copy)]
pub struct Invocation {
    /// The time by which the invocation must have ended: leases end then, and no call may take longer.
    pub deadline: Timestamp,
    /// The number of times that the queue handed this message out, this time included.
    pub receive_count: u32,
}

impl Invocation {
    /// The time left until the deadline.
    #[must_use]
    pub fn left(&self) -> Duration {
        Duration::try_from(self.deadline.duration_since(clock::now())).unwrap_or(Duration::ZERO)
    }

    /// The time on this machine's clock that a call may take when `reserve` is needed after it; none when it must not begin.
    #[must_use]
    pub fn allows(&self, reserve: Duration, longest: Duration) -> Option<Duration> {
        let [left, reserve] = [self.left(), reserve].map(clock::on_machine);
        deadline::allowance(left, reserve, clock::for_work(longest))
    }
}

impl SourceQueues {
    /// Reads `SOURCE_QUEUE_URL` and `DEAD_LETTER_QUEUE_URL`.
    ///
    /// # Errors
    /// When one is not set.
    pub fn from_environment(aws: &Aws) -> Result<Self, EnvironmentError> {
        let first =
            SourceQueue { source: aws.queue("SOURCE_QUEUE_URL")?, dead_letters: aws.queue("DEAD_LETTER_QUEUE_URL")? };
        Ok(Self { first, others: vec![] })
    }

    /// Adds the queue of urgent messages: reads `PRIORITY_SOURCE_QUEUE_URL` and `PRIORITY_DEAD_LETTER_QUEUE_URL`. The event
    /// source that a message names says which queue it came from.
    ///
    /// # Errors
    /// When one is not set.
    pub fn with_priority(mut self, aws: &Aws) -> Result<Self, EnvironmentError> {
        let (source, dead_letters) = ("PRIORITY_SOURCE_QUEUE_URL", "PRIORITY_DEAD_LETTER_QUEUE_URL");
        self.others.push(SourceQueue { source: aws.queue(source)?, dead_letters: aws.queue(dead_letters)? });
        Ok(self)
    }

    /// Opens the connection to the queues: they are one service.
    pub async fn preconnect(&self) {
        let _ignored = self.first.source.waiting().await;
    }

    /// The queue that a message came from, with its dead-letter queue.
    fn queue_of(&self, event_source_arn: Option<&str>) -> &SourceQueue {
        let arn = event_source_arn.unwrap_or_default();
        self.others.iter().find(|queue| queue.source.is_at(arn)).unwrap_or(&self.first)
    }

    /// Takes batches from Lambda until the process ends.
    ///
    /// # Errors
    /// When the runtime's API cannot be used.
    pub async fn serve<M, F, Fut>(&self, handle: F) -> Result<(), lambda_runtime::Error>
    where
        M: DeserializeOwned,
        F: Fn(M, Invocation) -> Fut,
        Fut: Future<Output = Outcome>,
    {
        let handle = &handle;
        lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
            Ok::<_, lambda_runtime::Error>(self.run(event, handle).await)
        }))
        .await
    }

    /// Works on a batch and says which messages the queue must keep.
    async fn run<M, F, Fut>(&self, event: LambdaEvent<SqsEvent>, handle: F) -> SqsBatchResponse
    where
        M: DeserializeOwned,
        F: Fn(M, Invocation) -> Fut,
        Fut: Future<Output = Outcome>,
    {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let deadline = clock::from_machine(Timestamp::from_millisecond(deadline).unwrap_or(Timestamp::MAX));
        let (handle, begin) = (&handle, clock::now());
        let endings: Vec<(End, Option<BatchItemFailure>)> = stream::iter(event.payload.records)
            .map(|message| async move { self.one(message, deadline, handle).await })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let count =
            |wanted: End| u64::try_from(endings.iter().filter(|(end, _)| *end == wanted).count()).unwrap_or(u64::MAX);
        let duration_ms = u64::try_from(clock::now().duration_since(begin).as_millis()).unwrap_or(0);
        metrics::emit(
            None,
            &[
                ("MessagesDone", count(End::Done), Unit::Count),
                ("MessagesPutBack", count(End::Retried), Unit::Count),
                ("MessagesPostponed", count(End::Postponed), Unit::Count),
                ("MessagesDead", count(End::DeadLetter), Unit::Count),
                ("MessagesPanicked", count(End::Panicked), Unit::Count),
                ("MessagesTimedOut", count(End::TimedOut), Unit::Count),
                ("BatchDuration", duration_ms, Unit::Milliseconds),
            ],
        );
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = endings.into_iter().filter_map(|(_, failure)| failure).collect();
        response
    }

    async fn one<M, F, Fut>(
        &self,
        message: SqsMessage,
        deadline: Timestamp,
        handle: &F,
    ) -> (End, Option<BatchItemFailure>)
    where
        M: DeserializeOwned,
        F: Fn(M, Invocation) -> Fut,
        Fut: Future<Output = Outcome>,
    {
        let SourceQueue { source, dead_letters } = self.queue_of(message.event_source_arn.as_deref());
        let id = message.message_id.unwrap_or_default();
        let body = message.body.unwrap_or_default();
        let received = message.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1);
        let invocation = Invocation { deadline, receive_count: received };
        let begin = clock::now();
        let handled = match domain::message::read::<M>(&body) {
            Err(error) => Handled::Ended(Outcome::dead(format!("failed to {}", chain(&error)))),
            Ok(_) if invocation.left() < RESERVE => {
                Handled::Ended(Outcome::retry(Duration::ZERO, "the invocation is about to end"))
            }
            Ok(message) => in_time(handle(message, invocation), invocation).await,
        };
        let (outcome, retried) = handled.outcome(invocation.left());
        let duration_ms = clock::now().duration_since(begin).as_millis();
        match outcome {
            Outcome::Done => {
                tracing::info!(message.id = id, message.received = received, duration_ms, "message done");
                (End::Done, None)
            }
            Outcome::Retry { after, reason } => {
                let receipt = message.receipt_handle.unwrap_or_default();
                (retried, retry_later(source, &id, received, &receipt, after, &reason).await)
            }
            Outcome::Postpone { after, reason } => match source.send_later(&body, after).await {
                Ok(()) => {
                    tracing::info!(
                        message.id = id,
                        message.received = received,
                        duration_ms,
                        reason,
                        "message postponed"
                    );
                    (End::Postponed, None)
                }
                // Only after its copy is durable may the message go.
                Err(error) => {
                    let reason = format!("{reason}; failed to {}", chain(&error));
                    let receipt = message.receipt_handle.unwrap_or_default();
                    (End::Retried, retry_later(source, &id, received, &receipt, after, &reason).await)
                }
            },
            Outcome::Dead { reason } => {
                tracing::error!(
                    message.id = id,
                    message.received = received,
                    duration_ms,
                    reason,
                    "message goes to the dead-letter queue"
                );
                match dead_letters.send_dead_letter(&body, &reason, &id).await {
                    Ok(()) => (End::DeadLetter, None),
                    Err(error) => {
                        tracing::error!(message.id = id, error = %chain(&error), "the dead letter was not taken; the message stays");
                        (End::Retried, Some(failure(id)))
                    }
                }
            }
        }
    }
}

/// The end of a handler.
#[derive(Debug, PartialEq, Eq)]
enum Handled {
    Ended(Outcome),
    Panicked,
    TimedOut,
}

impl Handled {
    /// The outcome of the message when so much of the invocation is left, and its end where it is a retry.
    fn outcome(self, left: Duration) -> (Outcome, End) {
        match self {
            Self::Ended(outcome) => (outcome, End::Retried),
            Self::Panicked => (Outcome::retry(AFTER_PANIC, "the handler panicked"), End::Panicked),
            // Its leases end by the deadline: a message that came sooner would find its work busy.
            Self::TimedOut => (Outcome::retry(left, "the handler ran out of time"), End::TimedOut),
        }
    }
}

/// Runs a handler within the time that leaves enough of the invocation to release its message.
async fn in_time(handler: impl Future<Output = Outcome>, invocation: Invocation) -> Handled {
    match tokio::time::timeout(handler_time(invocation.left()), AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(outcome)) => Handled::Ended(outcome),
        Ok(Err(_)) => Handled::Panicked,
        Err(_) => Handled::TimedOut,
    }
}

/// Hides a message until its next attempt, and reports it as failed so that it stays in the queue.
async fn retry_later(
    source: &Queue,
    id: &str,
    received: u32,
    receipt: &str,
    after: Duration,
    reason: &str,
) -> Option<BatchItemFailure> {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(
        message.id = id,
        message.received = received,
        retry.after_ms = after_ms,
        reason,
        "message is tried again later"
    );
    if let Err(error) = source.hide(receipt, after).await {
        // Harmless: the queue's own visibility timeout brings the message back, only later.
        tracing::warn!(message.id = id, error = %chain(&error), "the message comes back later than asked");
    }
    Some(failure(id.to_owned()))
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

#[cfg(test)]
mod tests {
    use resilience::batch::RELEASE_RESERVE;

    use super::*;

    fn ending_in(left: Duration) -> Invocation {
        let deadline = clock::now().saturating_add(jiff::SignedDuration::try_from(left).expect("short"));
        Invocation { deadline: deadline.expect("a time"), receive_count: 1 }
    }

    #[tokio::test]
    async fn a_slow_handler_leaves_time_to_release_its_message() {
        let spare = Duration::from_millis(50);
        let invocation = ending_in(RELEASE_RESERVE + spare);
        let begin = std::time::Instant::now();
        assert_eq!(in_time(std::future::pending(), invocation).await, Handled::TimedOut);
        assert!(begin.elapsed() < RELEASE_RESERVE, "it ran for {:?}", begin.elapsed());
        let left = invocation.left();
        assert!(left > Duration::ZERO);
        let (outcome, end) = Handled::TimedOut.outcome(left);
        assert!(matches!(outcome, Outcome::Retry { after, .. } if after == left), "its leases last until then");
        assert_eq!(end, End::TimedOut);
    }

    #[tokio::test]
    async fn a_panic_of_a_handler_differs_from_its_timeout() {
        let invocation = ending_in(Duration::from_secs(60));
        assert_eq!(in_time(async { Outcome::Done }, invocation).await, Handled::Ended(Outcome::Done));
        let panics = async { panic!("a handler's bug") };
        assert_eq!(in_time(panics, invocation).await, Handled::Panicked);
        assert_eq!(in_time(std::future::pending(), ending_in(Duration::ZERO)).await, Handled::TimedOut);
    }
}
