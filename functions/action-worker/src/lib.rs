//! Makes changes at applicant tracking systems: claim the action, make the change, record the result.
//!
//! A change is made once where the provider has a lookup for it: the first step of each change looks it up. If an
//! earlier attempt may have made it, because its reply was lost or its worker died, and the provider has no lookup, a
//! person reviews it. What must never be here: a word of a provider's API, or a decision about who may change what.

mod follow;

use std::sync::Arc;
use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clients::Aws;
use aws::dependency::Dependency;
use aws::error::AwsError;
use aws::fault;
use aws::function::{Function, StartError, Worker};
use aws::metrics::{self, Unit};
use aws::random;
use aws::telemetry::chain;
use domain::action::{Action, ActionState};
use domain::connection::ConnectionKey;
use domain::failure::Failure;
use domain::id::OrgId;
use domain::message::ActionJob;
use resilience::batch::Outcome;
use store::jobs::{self, Attempt, AttemptResult, LeasedJob};
use store::records::Records;
use sync::{ChangeOutcome, Engine, SyncError};

use crate::follow::{NeedsReview, follow};

/// The part of the invocation's time that recording the outcome needs.
const TO_RECORD: Duration = Duration::from_secs(5);
/// The longest time that a change may take.
const LONGEST: Duration = Duration::from_secs(120);

/// The worker of actions.
#[derive(Debug, Clone)]
pub struct ActionWorker {
    engine: Engine,
}

impl Function for ActionWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        Ok(Self { engine: Engine::from_environment(aws)? })
    }

    async fn warm_up(&self) {
        self.engine.preconnect().await;
    }
}

impl Worker for ActionWorker {
    type Message = ActionJob;

    async fn handle(&self, job: ActionJob, invocation: Invocation) -> Outcome {
        jobs::work(self, job, invocation).await
    }
}

impl LeasedJob for ActionWorker {
    type Message = ActionJob;
    type Record = Action;
    type FollowUp = NeedsReview;

    const NAME: &'static str = "action";
    const SUBJECT: &'static str = "action";
    const READY: &'static str = ActionState::Accepted.as_str();
    const HELD: &'static str = ActionState::Running.as_str();
    const FAILED: &'static str = ActionState::Failed.as_str();
    const KNOWS_TAKEOVER: bool = true;

    fn records(&self) -> &Records {
        &self.engine.records
    }

    fn key(job: &ActionJob) -> (&OrgId, String) {
        (&job.org, job.action.to_string())
    }

    fn dependency(&self, job: &ActionJob) -> Option<Arc<Dependency>> {
        Some(Arc::new(self.engine.dependency(&job.connection_key())))
    }

    async fn attempt(&self, attempt: Attempt<'_, ActionJob, Action>) -> Result<AttemptResult<NeedsReview>, AwsError> {
        let Attempt { message: job, record: action, taken_over, invocation } = attempt;
        // An earlier attempt may have had its effect: its worker died, or its reply was lost.
        let unknown = taken_over || action.may_be_made();
        let made = self.make(job, &action, unknown, invocation).await;
        let (verdict, transition) = follow(made, &action, unknown, random::chance()).unwrap_or_else(|error| {
            tracing::error!(org = %job.org, action.id = %job.action, error = %chain(&error), "an action cannot be carried out");
            let failure = Failure::new("not-recordable", "the action cannot be carried out as it is recorded");
            let state = if unknown { ActionState::NeedsReview } else { ActionState::Failed };
            (Verdict::NotTried, follow::end(state, Some(failure)))
        });
        Ok(AttemptResult { verdict, transition })
    }

    async fn follow_up(&self, _job: &ActionJob, NeedsReview: NeedsReview) -> Result<(), AwsError> {
        metrics::emit(None, &[("ActionNeedsReview", 1, Unit::Count)]);
        Ok(())
    }
}

impl ActionWorker {
    /// Makes the change, within the time that leaves enough to record the result.
    async fn make(
        &self,
        job: &ActionJob,
        action: &Action,
        unknown: bool,
        invocation: Invocation,
    ) -> Result<ChangeOutcome, SyncError> {
        let Some(allowed) = invocation.allows(TO_RECORD, LONGEST) else { return Err(SyncError::DeadlineReached) };
        let key = ConnectionKey::new(&job.org, &action.connection);
        let made = self.engine.make_change(&key, &action.change, unknown, invocation);
        let id = job.action.to_string();
        match tokio::time::timeout(allowed, fault::during(fault::CALLING, &id, made)).await {
            Ok(made) => made,
            Err(_) => Ok(ChangeOutcome::Unknown("the time was used up before there was an answer".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
