//! Makes changes at applicant tracking systems: claim the action, make the change, record what became of it.
//!
//! A change is made once where the provider can be asked whether it is there: the first step of each change looks. Where an
//! earlier try may have been made, because its reply was lost or its worker died, and nobody can be asked, a person has to look.
//! What must never be here: a word of a provider's API, or a decision about who may change what.

mod follow;

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clients::Aws;
use aws::clock;
use aws::error::AwsError;
use aws::fault;
use aws::function::{Function, StartError, Worker};
use aws::metrics::{self, Unit};
use aws::random;
use aws::table::{Item, number};
use aws::work::{Claim, ClaimTerms, HeldLease, claim, finish, release, state_attributes};
use domain::action::{Action, ActionState};
use domain::connection::ConnectionKey;
use domain::failure::Failure;
use domain::message::ActionJob;
use resilience::batch::Outcome;
use resilience::work::{ATTEMPTS, CLAIM_RECORDED, CLAIM_WAITING, Fenced, Refusal};
use serde_json::Value;
use store::records::key_of;
use sync::{Changed, Engine, Halt};

use crate::follow::{Step, Wait, follow};

const READY: &str = ActionState::Accepted.as_str();
const HELD: &str = ActionState::Running.as_str();
/// What is kept of the invocation's time to record the outcome.
const TO_RECORD: Duration = Duration::from_secs(5);
/// The longest time that a change may take.
const LONGEST: Duration = Duration::from_secs(120);

/// The worker of actions.
#[derive(Debug, Clone)]
pub struct ActionWorker {
    engine: Engine,
}

/// An action that is ours.
#[derive(Debug)]
struct Held {
    hold: HeldLease,
    record: Value,
    /// Whether it was taken over from a worker that died: nobody knows how far that one came.
    taken_over: bool,
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
        match self.work(&job, invocation).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }
}

impl ActionWorker {
    async fn work(&self, job: &ActionJob, invocation: Invocation) -> Result<Outcome, AwsError> {
        let connection = self.engine.dependency(&job.connection_key());
        connection
            .guard(invocation, async |verdict| match self.take(job, invocation).await? {
                Ok(held) => self.held(job, held, invocation, verdict).await,
                Err(outcome) => Ok(outcome),
            })
            .await
    }

    /// Claims the action, or says what becomes of its message.
    async fn take(&self, job: &ActionJob, invocation: Invocation) -> Result<Result<Held, Outcome>, AwsError> {
        for (condition, taken_over) in [(CLAIM_WAITING, false), (CLAIM_RECORDED, true)] {
            let terms = ClaimTerms {
                condition,
                ready: Some(READY),
                held: HELD,
                lease_until: invocation.deadline,
                set: Item::new(),
                once: Item::new(),
            };
            let key = key_of::<Action>(&job.org, &job.action.to_string());
            // Claimed as it is and read after that, so that one that cannot be read has a holder who can say so.
            match claim::<Value>(self.engine.records.table(), key, terms, clock::now()).await? {
                Claim::Held(hold, record) => return Ok(Ok(Held { hold, record, taken_over })),
                Claim::Refused(Refusal::Busy(after)) => {
                    return Ok(Err(Outcome::retry(after, "another worker has it")));
                }
                Claim::Refused(Refusal::Missing) => return Ok(Err(Outcome::dead("there is no such action"))),
                Claim::Refused(Refusal::Finished) => return Ok(Err(Outcome::Done)),
                // Its worker died: the second claim takes it over.
                Claim::Refused(Refusal::Abandoned) => {}
            }
        }
        Ok(Err(Outcome::retry(Duration::ZERO, "it was given back meanwhile")))
    }

    async fn held(
        &self,
        job: &ActionJob,
        held: Held,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<Outcome, AwsError> {
        let Held { hold, record, taken_over } = held;
        let Ok(action) = serde_json::from_value::<Action>(record) else {
            // What stood there may be personal and is not repeated.
            let failure = Failure::new("unreadable", "the recorded action cannot be read");
            return self.end(job, &hold, ActionState::Failed, Some(failure)).await;
        };
        let doubt = taken_over || action.in_doubt();
        let made = self.make(job, &action, doubt, invocation).await;
        let step = match follow(made, &action, doubt, random::chance()) {
            Ok((heard, step)) => {
                *verdict = heard;
                step
            }
            Err(error) => {
                tracing::error!(org = %job.org, action.id = %job.action, %error, "an action cannot be worked on");
                let failure = Failure::new("not-recordable", "the action cannot be carried out as it is recorded");
                let state = if doubt { ActionState::NeedsReview } else { ActionState::Failed };
                Step::End(state, Some(failure))
            }
        };
        match step {
            Step::End(state, failure) => self.end(job, &hold, state, failure).await,
            Step::Wait { failure, after, how } => self.wait(job, (&hold, &action), failure, after, how).await,
        }
    }

    /// Makes the change, within the time that leaves enough to record what became of it.
    async fn make(
        &self,
        job: &ActionJob,
        action: &Action,
        doubt: bool,
        invocation: Invocation,
    ) -> Result<Changed, Halt> {
        let Some(allowed) = invocation.allows(TO_RECORD, LONGEST) else { return Err(Halt::OutOfTime) };
        let key = ConnectionKey::new(&job.org, &action.connection);
        let made = self.engine.make_change(&key, &action.change, doubt, invocation);
        let id = job.action.to_string();
        match tokio::time::timeout(allowed, fault::during(fault::CALLING, &id, made)).await {
            Ok(made) => made,
            Err(_) => Ok(Changed::Unknown("the time was used up before there was an answer".to_owned())),
        }
    }

    async fn end(
        &self,
        job: &ActionJob,
        hold: &HeldLease,
        state: ActionState,
        failure: Option<Failure>,
    ) -> Result<Outcome, AwsError> {
        let set = state_attributes(state.as_str(), failure.as_ref())?;
        if finish(self.engine.records.table(), hold, set, clock::now()).await? == Fenced::LeaseLost {
            // Only a message that comes again can settle what this lease did not: it may be the last one.
            return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the end could be recorded"));
        }
        let code = failure.map(|failure| failure.code);
        tracing::info!(org = %job.org, action.id = %job.action, action.state = state.as_str(), code, "action ended");
        if state == ActionState::NeedsReview {
            metrics::emit(None, &[("ActionNeedsReview", 1, Unit::Count)]);
        }
        Ok(Outcome::Done)
    }

    async fn wait(
        &self,
        job: &ActionJob,
        (hold, action): (&HeldLease, &Action),
        failure: Failure,
        after: Duration,
        how: Wait,
    ) -> Result<Outcome, AwsError> {
        let mut set = state_attributes(READY, Some(&failure))?;
        if how != Wait::Tried {
            // The claim counted a try that was none.
            set.insert(ATTEMPTS.to_owned(), number(i64::from(action.attempts.saturating_sub(1))));
        }
        if release(self.engine.records.table(), hold, set, after, clock::now()).await? == Fenced::LeaseLost {
            return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the try could be recorded"));
        }
        let reason = format!("the action waits: {}", failure.code);
        tracing::info!(org = %job.org, action.id = %job.action, code = failure.code, "action waits");
        Ok(match how {
            Wait::Tried | Wait::Blameless => Outcome::retry(after, reason),
            Wait::Postponed => Outcome::postpone(after, reason),
        })
    }
}

#[cfg(test)]
mod tests;
