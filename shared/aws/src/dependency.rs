//! A third party that a worker asks: how many may ask at once, and whether anybody may at present.

use std::time::Duration;

use resilience::batch::Outcome;

use crate::batch::Invocation;
use crate::breaker::{SharedBreaker, Verdict};
use crate::bulkhead::Bulkhead;
use crate::clock;
use crate::error::AwsError;

/// A message that waits for a breaker waits at least this long.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A third party behind its bulkhead and its breaker.
#[derive(Debug)]
pub struct Dependency {
    breaker: SharedBreaker,
    calls: Bulkhead,
}

impl Dependency {
    /// What asks it goes through both.
    #[must_use]
    pub fn new(breaker: SharedBreaker, calls: Bulkhead) -> Self {
        Self { breaker, calls }
    }

    /// Does work that asks the third party, and tells the breaker what the work says of it. Where there is no room, or the
    /// breaker is open, neither the work nor the message is touched: the message waits until a call may be made.
    ///
    /// # Errors
    /// When there is no room in time, or the work fails.
    pub async fn guard<W>(&self, invocation: Invocation, work: W) -> Result<Outcome, AwsError>
    where
        W: AsyncFnOnce(&mut Verdict) -> Result<Outcome, AwsError>,
    {
        let _slot = self.calls.enter().await?;
        let now = clock::now();
        let permit = match self.breaker.permit(invocation.deadline, now).await {
            Ok(permit) => permit,
            Err(until) => {
                let wait = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
                let reason = format!("the breaker `{}` is open", self.breaker.name());
                return Ok(Outcome::postpone(wait.max(SHORTEST_WAIT), reason));
            }
        };
        let mut verdict = Verdict::NotTried;
        let outcome = work(&mut verdict).await;
        self.breaker.settle(&permit, verdict, clock::now()).await;
        outcome
    }
}
