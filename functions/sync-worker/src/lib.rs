//! Asks for one connection: what is due of it, page by page.
//!
//! The work is the sync engine's. Here its provider is left alone while its breaker is open, and a message that comes twice
//! finds nothing to do.

use aws::batch::Invocation;
use aws::error::AwsError;
use domain::message::SyncJob;
use resilience::batch::Outcome;
use sync::Engine;

/// The worker and what it needs.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Engine,
}

impl Worker {
    /// A worker with this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Opens the connections.
    pub async fn preconnect(&self) {
        self.engine.preconnect().await;
    }

    /// Works on one connection.
    pub async fn handle(&self, job: SyncJob, invocation: Invocation) -> Outcome {
        match self.work(&job, invocation).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }

    async fn work(&self, job: &SyncJob, invocation: Invocation) -> Result<Outcome, AwsError> {
        let connection = self.engine.dependency(&job.connection_key());
        connection.guard(invocation, async |verdict| self.engine.work(job, invocation, verdict).await).await
    }
}
