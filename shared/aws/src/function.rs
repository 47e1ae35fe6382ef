//! The life of a function's process: it is set up from its environment, warmed up, and then receives events until it
//! ends.
//!
//! What must never be here: the handling of an event by a function.

use std::time::{Duration, Instant};

use lambda_runtime::{LambdaEvent, service_fn};
use resilience::batch::Outcome;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::batch::{Invocation, SourceQueues};
use crate::clients::Aws;
use crate::error::AwsError;
use crate::telemetry;

/// The longest warm-up, in INIT.
const WARM_UP: Duration = Duration::from_millis(1_500);

/// The reason why a function does not start.
pub type StartError = lambda_runtime::Error;

pub trait Function: Sized {
    /// Builds the function from its environment.
    ///
    /// # Errors
    /// When a setting is missing or wrong: then the function does not start.
    fn from_environment(aws: &Aws) -> Result<Self, StartError>;

    /// Opens connections and reads what the first event would have to wait for. A failure has no consequence: it shows again in
    /// the first event.
    fn warm_up(&self) -> impl Future<Output = ()>;
}

/// A function with a queue.
pub trait Worker: Function {
    /// The message of its queue.
    type Message: DeserializeOwned;

    /// Whether it has a second queue, of urgent messages.
    const PRIORITY: bool = false;

    /// Works on one message. It is dropped when the time of the invocation is nearly used up.
    fn handle(&self, message: Self::Message, invocation: Invocation) -> impl Future<Output = Outcome>;
}

/// A function that a schedule starts.
pub trait Scheduled: Function {
    /// Does what is due, and says how much that was.
    ///
    /// # Errors
    /// When AWS did not do its part.
    fn tick(&self) -> impl Future<Output = Result<Value, AwsError>>;
}

/// Sets a function up and warms it up, in INIT, where it has full CPU: connections are open and TLS is negotiated before the
/// first event.
///
/// # Errors
/// When a setting is missing or wrong.
pub async fn start<F: Function>() -> Result<F, StartError> {
    let begin = Instant::now();
    telemetry::init();
    let function = F::from_environment(&Aws::from_environment()?)?;
    if tokio::time::timeout(WARM_UP, function.warm_up()).await.is_err() {
        tracing::warn!("the warm-up took too long; the first event pays for the connections");
    }
    telemetry::started(begin);
    Ok(function)
}

/// Runs a worker until its process ends.
///
/// # Errors
/// When it cannot start, or the runtime's API cannot be used.
pub async fn run<W: Worker>() -> Result<(), StartError> {
    let QueueWorker { worker, queues } = start::<QueueWorker<W>>().await?;
    queues.serve(|message, invocation| worker.handle(message, invocation)).await
}

/// Runs a scheduled function until its process ends.
///
/// # Errors
/// When it cannot start, or the runtime's API cannot be used.
pub async fn run_scheduled<S: Scheduled>() -> Result<(), StartError> {
    let function = start::<S>().await?;
    let function = &function;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async move { Ok::<_, StartError>(function.tick().await?) }))
        .await
}

/// A worker with its queues.
struct QueueWorker<W> {
    worker: W,
    queues: SourceQueues,
}

impl<W: Worker> Function for QueueWorker<W> {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let queues = SourceQueues::from_environment(aws)?;
        let queues = if W::PRIORITY { queues.with_priority(aws)? } else { queues };
        Ok(Self { worker: W::from_environment(aws)?, queues })
    }

    async fn warm_up(&self) {
        tokio::join!(self.worker.warm_up(), self.queues.preconnect());
    }
}
