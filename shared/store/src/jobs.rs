//! Jobs: work that a queue message names, a record holds, and one worker at a time does under a lease.
//!
//! A job defines its record, its attempt, and the follow-up ([`LeasedJob`]); claims, refusals, lost leases, releases
//! and ends are here, the same for all jobs. The interface takes many messages at once, so that their claims and their
//! ends can go to the table together. What must never be here: the work of any one job.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use aws::batch::{AFTER_PANIC, Invocation};
use aws::breaker::Verdict;
use aws::clock;
use aws::dependency::{Admission, Admitted, Dependency};
use aws::error::AwsError;
use aws::random;
use aws::table::{Item, number};
use aws::telemetry::chain;
use aws::work::{Claim, ClaimTerms, HeldLease, LeaseEnd, claim_many, record_many, state_attributes};
use domain::failure::Failure;
use domain::id::OrgId;
use futures::future::{FutureExt as _, join_all};
use resilience::batch::Outcome;
use resilience::retry::{Next, WORKER};
use resilience::work::{ATTEMPTS, CLAIM_RECORDED, CLAIM_WAITING, Fenced, Refusal};
use serde_json::Value;

use crate::records::{Records, Stored, key_of};

/// A kind of job.
pub trait LeasedJob {
    /// The queue message that names a piece of work.
    type Message;
    /// The record that holds it.
    type Record: Stored;
    /// The follow-up of a recorded end, such as a notification.
    type FollowUp;

    /// The job's name, for logs.
    const NAME: &'static str;
    /// The word for what is worked on, in failures that people read: "the recorded … cannot be read".
    const SUBJECT: &'static str;
    /// The record's state while it waits.
    const READY: &'static str;
    /// The record's state while a worker holds it.
    const HELD: &'static str;
    /// The record's state when it failed for good.
    const FAILED: &'static str;
    /// Whether an attempt must know that the previous worker died. It costs a second claim in that case.
    const KNOWS_TAKEOVER: bool = false;

    /// The table of records that hold the work.
    fn records(&self) -> &Records;

    /// The organisation and the id of the record that a message names.
    fn key(message: &Self::Message) -> (&OrgId, String);

    /// The third party that an attempt calls: while it may not be called, neither the record nor the message is
    /// touched.
    fn dependency(&self, _message: &Self::Message) -> Option<Arc<Dependency>> {
        None
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// When AWS did not do its part: then it is tried again, or ends as failed where another try cannot help.
    fn attempt(
        &self,
        attempt: Attempt<'_, Self::Message, Self::Record>,
    ) -> impl Future<Output = Result<AttemptResult<Self::FollowUp>, AwsError>>;

    /// Does what an end leaves to be done. It may be done again when its worker dies.
    ///
    /// # Errors
    /// When AWS did not do its part: then the message comes again, to [`LeasedJob::finished`].
    fn follow_up(
        &self,
        message: &Self::Message,
        follow_up: Self::FollowUp,
    ) -> impl Future<Output = Result<(), AwsError>>;

    /// Does what a message leaves to be done whose work has ended: it is a duplicate, or its worker died after the end was
    /// recorded.
    ///
    /// # Errors
    /// When AWS did not do its part: then the message comes again.
    fn finished(&self, _message: &Self::Message) -> impl Future<Output = Result<(), AwsError>> {
        async { Ok(()) }
    }
}

/// One attempt at a piece of work whose lease is held.
#[derive(Debug)]
pub struct Attempt<'a, M, R> {
    /// The message that named it.
    pub message: &'a M,
    /// The record as it was claimed.
    pub record: R,
    /// Whether it was taken over from a worker that died, so that an earlier attempt may have had its effect.
    pub taken_over: bool,
    /// The invocation, whose deadline is the lease's end.
    pub invocation: Invocation,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptResult<F> {
    /// The verdict on the third party.
    pub verdict: Verdict,
    /// The transition of the work.
    pub transition: Transition<F>,
}

/// The transition after an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition<F> {
    /// The work has ended.
    End(End<F>),
    /// The work waits for its next attempt.
    Wait {
        /// The reason, for the record.
        failure: Failure,
        /// The delay of the next attempt.
        after: Duration,
        /// Whether this attempt counts, and how the message comes again.
        kind: RetryKind,
    },
}

/// The end of a piece of work.
#[derive(Debug, Clone, PartialEq)]
pub struct End<F> {
    /// The state in which the work ends.
    pub state: &'static str,
    /// The reason why there is no result.
    pub failure: Option<Failure>,
    /// Further attributes, the result among them.
    pub set: Item,
    /// The follow-up, once the end is recorded.
    pub follow_up: Option<F>,
}

impl<F> End<F> {
    /// An end in that state, with a failure or without, and nothing else.
    #[must_use]
    pub fn new(state: &'static str, failure: Option<Failure>) -> Self {
        Self { state, failure, set: Item::new(), follow_up: None }
    }
}

/// The way in which work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// The attempt counts, and its message comes again.
    Counted,
    /// No third party was called because of an error of AWS: its message comes again, and the attempt does not count.
    NotCounted,
    /// No third party could be called: a copy of its message comes later, which costs no receive, and the attempt does
    /// not count.
    Postponed,
}

/// Works on one message. A panic reaches the batch runner, which reports it and releases the message.
pub async fn work<J: LeasedJob>(job: &J, message: J::Message, invocation: Invocation) -> Outcome {
    match work_apart(job, &[(message, invocation)]).await.pop() {
        Some(Ok(outcome)) => outcome,
        Some(Err(panic)) => resume_unwind(panic),
        None => Outcome::Done,
    }
}

/// Works on many messages: their claims go to the table together. The outcomes are in the order of the messages. One that
/// panics harms none but itself, and comes again.
pub async fn work_many<J: LeasedJob>(job: &J, messages: &[(J::Message, Invocation)]) -> Vec<Outcome> {
    let outcome = |ended: Result<_, _>| ended.unwrap_or_else(|_| Outcome::retry(AFTER_PANIC, "the job panicked"));
    work_apart(job, messages).await.into_iter().map(outcome).collect()
}

/// Works on many messages, each apart from the others once it is claimed.
async fn work_apart<J: LeasedJob>(
    job: &J,
    messages: &[(J::Message, Invocation)],
) -> Vec<Result<Outcome, Box<dyn Any + Send>>> {
    let dependencies: Vec<_> = messages.iter().map(|(message, _)| job.dependency(message)).collect();
    let admitted =
        join_all(messages.iter().zip(&dependencies).map(|(message, of)| admit(message, of.as_deref()))).await;
    let claimed = claim_all(job, admitted).await;
    join_all(claimed.into_iter().map(|claimed| {
        let worked = async {
            match claimed {
                Err(outcome) => outcome,
                Ok((Entered { message, invocation, admission }, claim)) => {
                    let mut verdict = Verdict::NotTried;
                    let outcome = claimed_or_refused(job, (message, invocation), claim, &mut verdict).await;
                    if let Some(admission) = admission {
                        admission.settle(verdict).await;
                    }
                    outcome.unwrap_or_else(|error| error.outcome())
                }
            }
        };
        AssertUnwindSafe(worked).catch_unwind()
    }))
    .await
}

/// A message whose third party may be called.
struct Entered<'a, M> {
    message: &'a M,
    invocation: Invocation,
    admission: Option<Admission<'a>>,
}

/// A message's way through the stages: its outcome, as soon as it has one.
type Staged<T> = Result<T, Outcome>;

async fn admit<'a, M>(
    (message, invocation): &'a (M, Invocation),
    dependency: Option<&'a Dependency>,
) -> Staged<Entered<'a, M>> {
    let admission = match dependency {
        None => None,
        Some(dependency) => match dependency.admit(*invocation).await {
            Ok(Admitted::Call(admission)) => Some(admission),
            Ok(Admitted::Wait(outcome)) => return Err(outcome),
            Err(error) => return Err(error.outcome()),
        },
    };
    Ok(Entered { message, invocation: *invocation, admission })
}

/// The result of the claim of one piece of work, and whether it was taken over.
type Claimed = (Result<Claim<Value>, AwsError>, bool);

/// Claims the work of all messages that entered.
async fn claim_all<'a, J: LeasedJob>(
    job: &J,
    entered: Vec<Staged<Entered<'a, J::Message>>>,
) -> Vec<Staged<(Entered<'a, J::Message>, Claimed)>> {
    let first = if J::KNOWS_TAKEOVER { CLAIM_WAITING } else { CLAIM_RECORDED };
    let of =
        |entered: &Entered<'_, J::Message>, condition| terms_of::<J>(entered.message, entered.invocation, condition);
    let table = job.records().table();
    let wanted = entered.iter().filter_map(|entered| entered.as_ref().ok()).map(|entered| of(entered, first)).collect();
    let mut claims = claim_many::<Value>(table, wanted, clock::now()).await.into_iter();
    let mut all = Vec::with_capacity(entered.len());
    for entered in entered {
        all.push(match entered {
            Err(outcome) => Err(outcome),
            Ok(entered) => match claims.next() {
                // The previous worker died: the second claim takes its work over.
                Some(Ok(Claim::Refused(Refusal::Abandoned))) if J::KNOWS_TAKEOVER => {
                    let mut again = claim_many(table, vec![of(&entered, CLAIM_RECORDED)], clock::now()).await;
                    let claim = again.pop().unwrap_or(Ok(Claim::Refused(Refusal::Abandoned)));
                    Ok((entered, (claim, true)))
                }
                Some(claim) => Ok((entered, (claim, false))),
                // There is one result for each claim.
                None => Err(Outcome::retry(Duration::ZERO, "the claim has no result")),
            },
        });
    }
    all
}

fn terms_of<J: LeasedJob>(
    message: &J::Message,
    invocation: Invocation,
    condition: &'static str,
) -> (aws::table::Key, ClaimTerms) {
    let (org, id) = J::key(message);
    let terms = ClaimTerms {
        condition,
        ready: Some(J::READY),
        held: J::HELD,
        lease_until: invocation.deadline,
        set: Item::new(),
        once: Item::new(),
    };
    (key_of::<J::Record>(org, &id), terms)
}

async fn claimed_or_refused<J: LeasedJob>(
    job: &J,
    (message, invocation): (&J::Message, Invocation),
    (claim, taken_over): Claimed,
    verdict: &mut Verdict,
) -> Result<Outcome, AwsError> {
    match claim? {
        Claim::Held(lease, record) => {
            let (AttemptResult { verdict: reported, transition }, attempts) =
                try_once(job, (message, invocation), record, taken_over).await;
            *verdict = reported;
            record_transition(job, message, &lease, transition, attempts).await
        }
        Claim::Refused(Refusal::Busy(after)) => Ok(Outcome::retry(after, "another worker has it")),
        Claim::Refused(Refusal::Missing) => Ok(Outcome::dead(format!("there is no such {}", J::NAME))),
        Claim::Refused(Refusal::Finished) => job.finished(message).await.map(|()| Outcome::Done),
        // Only if it changed between two claims: a claim of recorded work takes over abandoned work.
        Claim::Refused(Refusal::Abandoned) => Ok(Outcome::retry(WORKER.base, "its lease has just passed")),
    }
}

/// Makes one attempt, and returns it with the number of attempts, this one included.
async fn try_once<J: LeasedJob>(
    job: &J,
    (message, invocation): (&J::Message, Invocation),
    record: Value,
    taken_over: bool,
) -> (AttemptResult<J::FollowUp>, u32) {
    let attempts = record.get(ATTEMPTS).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    // Read after the claim, so that a record that cannot be read has a holder who can say so. Its text may be personal data
    // and is not repeated.
    let tried = match serde_json::from_value::<J::Record>(record) {
        Ok(record) => job.attempt(Attempt { message, record, taken_over, invocation }).await,
        Err(_) => {
            let failure = Failure::new("unreadable", format!("the recorded {} cannot be read", J::SUBJECT));
            Ok(AttemptResult {
                verdict: Verdict::NotTried,
                transition: Transition::End(End::new(J::FAILED, Some(failure))),
            })
        }
    };
    let after_error = |error| {
        let (org, id) = J::key(message);
        AttemptResult { verdict: Verdict::NotTried, transition: after_error::<J>(&error, (org, &id), attempts) }
    };
    (tried.unwrap_or_else(after_error), attempts)
}

/// The transition after an error of AWS. It is no fault of the work, so the number of attempts never ends it: after the
/// last one the longest delay is used, and when its message is used up, maintenance enqueues it again.
fn after_error<J: LeasedJob>(error: &AwsError, (org, id): (&OrgId, &str), attempts: u32) -> Transition<J::FollowUp> {
    if !error.retry() {
        tracing::error!(%org, job.kind = J::NAME, job.id = id, error = %chain(error), "a job cannot be recorded");
        let failure = Failure::new("not-recordable", format!("the {} cannot be recorded as it is", J::SUBJECT));
        return Transition::End(End::new(J::FAILED, Some(failure)));
    }
    tracing::warn!(%org, job.kind = J::NAME, job.id = id, error = %chain(error), "a job is tried again");
    let after = match WORKER.next(attempts.min(WORKER.tries - 1), random::chance(), None) {
        Next::After(after) => after,
        Next::GiveUp => WORKER.cap,
    };
    let failure = Failure::new("unavailable", "the records could not be written; it is tried again");
    Transition::Wait { failure, after, kind: RetryKind::Counted }
}

/// Records the transition of an attempt, and does the follow-up of an end.
async fn record_transition<J: LeasedJob>(
    job: &J,
    message: &J::Message,
    lease: &HeldLease,
    transition: Transition<J::FollowUp>,
    attempts: u32,
) -> Result<Outcome, AwsError> {
    let (org, id) = J::key(message);
    match transition {
        Transition::End(End { state, failure, set, follow_up }) => {
            let mut attributes = state_attributes(state, failure.as_ref())?;
            attributes.extend(set);
            if record(job, lease, LeaseEnd::Finish(attributes.into())).await? == Fenced::LeaseLost {
                // Only a message that comes again can settle what this lease did not: it may be the last one.
                return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the end could be recorded"));
            }
            let code = failure.map(|failure| failure.code);
            tracing::info!(%org, job.kind = J::NAME, job.id = id, job.state = state, job.attempts = attempts, code, "job ended");
            if let Some(follow_up) = follow_up {
                job.follow_up(message, follow_up).await?;
            }
            Ok(Outcome::Done)
        }
        Transition::Wait { failure, after, kind } => {
            let mut attributes = state_attributes(J::READY, Some(&failure))?;
            if kind != RetryKind::Counted {
                // The claim counted an attempt that does not count.
                attributes.insert(ATTEMPTS.to_owned(), number(i64::from(attempts.saturating_sub(1))));
            }
            if record(job, lease, LeaseEnd::Release(attributes.into(), after)).await? == Fenced::LeaseLost {
                return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the try could be recorded"));
            }
            let code = failure.code;
            tracing::info!(%org, job.kind = J::NAME, job.id = id, job.attempts = attempts, code, "job waits");
            let reason = format!("the {} waits: {code}", J::NAME);
            Ok(match kind {
                RetryKind::Counted | RetryKind::NotCounted => Outcome::retry(after, reason),
                RetryKind::Postponed => Outcome::postpone(after, reason),
            })
        }
    }
}

async fn record<J: LeasedJob>(job: &J, lease: &HeldLease, end: LeaseEnd) -> Result<Fenced, AwsError> {
    let mut recorded = record_many(job.records().table(), vec![(lease, end)], clock::now()).await;
    recorded.pop().unwrap_or(Ok(Fenced::LeaseLost))
}

#[cfg(test)]
mod tests;
