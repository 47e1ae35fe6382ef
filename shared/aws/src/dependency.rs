//! A third party that a worker calls: how many calls may be in flight, and whether one may be made at present.

use std::time::Duration;

use resilience::batch::Outcome;

use crate::batch::Invocation;
use crate::breaker::{Permit, SharedBreaker, Verdict};
use crate::bulkhead::{Bulkhead, Slot};
use crate::clock;
use crate::error::AwsError;

/// The shortest delay of a message that waits for a breaker.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A third party behind its bulkhead and its breaker.
#[derive(Debug)]
pub struct Dependency {
    breaker: SharedBreaker,
    calls: Bulkhead,
}

/// The right to call a third party, and the duty to settle with its breaker.
#[derive(Debug)]
pub struct Admission<'a> {
    breaker: &'a SharedBreaker,
    permit: Permit,
    _slot: Slot,
}

/// The result of a request for admission.
#[derive(Debug)]
pub enum Admitted<'a> {
    /// A call may be made.
    Call(Admission<'a>),
    /// The breaker is open: the message waits for its probe time.
    Wait(Outcome),
}

impl Dependency {
    /// A third party behind both.
    #[must_use]
    pub fn new(breaker: SharedBreaker, calls: Bulkhead) -> Self {
        Self { breaker, calls }
    }

    /// Admits one piece of work that calls the third party, as soon as there is room and unless the breaker is open.
    ///
    /// # Errors
    /// When there is no room in time.
    pub async fn admit(&self, invocation: Invocation) -> Result<Admitted<'_>, AwsError> {
        let slot = self.calls.enter().await?;
        let now = clock::now();
        Ok(match self.breaker.permit(invocation.deadline, now).await {
            Ok(permit) => Admitted::Call(Admission { breaker: &self.breaker, permit, _slot: slot }),
            Err(until) => {
                let wait = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
                let reason = format!("the breaker `{}` is open", self.breaker.name());
                Admitted::Wait(Outcome::postpone(wait.max(SHORTEST_WAIT), reason))
            }
        })
    }

    /// Does work that calls the third party, and settles with the breaker by the work's verdict. Where there is no room, or the
    /// breaker is open, neither the work nor the message is touched: the message waits until a call may be made.
    ///
    /// # Errors
    /// When there is no room in time, or the work fails.
    pub async fn guard<W>(&self, invocation: Invocation, work: W) -> Result<Outcome, AwsError>
    where
        W: AsyncFnOnce(&mut Verdict) -> Result<Outcome, AwsError>,
    {
        let admission = match self.admit(invocation).await? {
            Admitted::Call(admission) => admission,
            Admitted::Wait(outcome) => return Ok(outcome),
        };
        let mut verdict = Verdict::NotTried;
        let outcome = work(&mut verdict).await;
        admission.settle(verdict).await;
        outcome
    }
}

impl Admission<'_> {
    /// Settles with the breaker by what the call says of the third party.
    pub async fn settle(self, verdict: Verdict) {
        self.breaker.settle(&self.permit, verdict, clock::now()).await;
    }
}
