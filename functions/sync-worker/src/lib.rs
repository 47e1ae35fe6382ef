//! Runs the sync of one connection: the lists that are due, page by page.
//!
//! The work is the sync engine's. Here its provider is not called while its breaker is open, and a message that comes twice
//! finds nothing to do.

use aws::batch::Invocation;
use aws::clients::Aws;
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use domain::message::SyncJob;
use resilience::batch::Outcome;
use sync::Engine;

/// The worker of sync runs.
#[derive(Debug, Clone)]
pub struct SyncWorker {
    engine: Engine,
}

impl Function for SyncWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        Ok(Self { engine: Engine::from_environment(aws)? })
    }

    async fn warm_up(&self) {
        self.engine.preconnect().await;
    }
}

impl Worker for SyncWorker {
    type Message = SyncJob;

    async fn handle(&self, job: SyncJob, invocation: Invocation) -> Outcome {
        match self.work(&job, invocation).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }
}

impl SyncWorker {
    async fn work(&self, job: &SyncJob, invocation: Invocation) -> Result<Outcome, AwsError> {
        let connection = self.engine.dependency(&job.connection_key());
        connection.guard(invocation, async |verdict| self.engine.work(job, invocation, verdict).await).await
    }
}
