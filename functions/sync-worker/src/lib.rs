//! Polls one connection, page by page.
//!
//! A run is claimed once for each due time. Every page is applied with conditional writes and then the checkpoint moves, so
//! a killed run goes on where it was and repeats at most one page, which changes nothing. Every run ends with an outcome
//! that says what happened, and with the next time.

mod run;

use domain::connection::{Connection, ConnectionStatus};
use domain::message::SyncJob;
use domain::stage::Stage;
use domain::sync::{Checkpoint, Counts, LastRun, RunOutcome, SyncState};
use jiff::{SignedDuration, Timestamp};
use platform::batch::Turn;
use platform::breaker::{SharedBreaker, Verdict};
use platform::bulkhead::Bulkhead;
use platform::cache::Cache;
use platform::clock;
use platform::control::{Control, RunClaim, RunHold};
use platform::dependency::Dependency;
use platform::error::PlatformError;
use platform::limit::SharedLimiter;
use platform::records::Records;
use platform::secrets::Secrets;
use providers::http::Outbound;
use providers::spec::SyncMethod;
use resilience::batch::Outcome;
use resilience::breaker::POLICY;
use resilience::poll::{Ended, next_poll};
use resilience::retry::{Next, SYNC};
use std::time::Duration;

use crate::run::{Halt, Progress};

/// Name of the budget of requests to a provider, in the table.
pub const BUDGET_NAME: &str = "outbound";
/// The interval where a provider is not known: nothing is asked, only the time moves.
const UNKNOWN_CONTRACT: SignedDuration = SignedDuration::from_mins(60);

/// The worker and what it needs.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Business data.
    pub records: Records,
    /// Sync states.
    pub control: Control,
    /// Is told what was written.
    pub cache: Cache,
    /// API keys.
    pub secrets: Secrets,
    /// How many requests a connection may still cost its provider.
    pub budget: SharedLimiter,
    /// How many runs ask a provider at once.
    pub calls: Bulkhead,
    /// The way out.
    pub http: Outbound,
    /// Decides which hosts may be called.
    pub stage: Stage,
    /// A stand-in for the providers, in stage `local` only.
    pub replacement: Option<String>,
}

impl Worker {
    /// Opens the connections: both tables are one service, so one call is enough for them.
    pub async fn preconnect(&self) {
        tokio::join!(self.records.table().preconnect(), self.cache.preconnect());
    }

    /// Works on one due time of one connection.
    pub async fn handle(&self, job: SyncJob, turn: Turn) -> Outcome {
        match self.work(&job, turn).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }

    async fn work(&self, job: &SyncJob, turn: Turn) -> Result<Outcome, PlatformError> {
        let table = self.control.table().clone();
        let breaker = SharedBreaker::of_connection(table, &job.org, &job.connection, POLICY);
        let connection = Dependency::new(breaker, self.calls.clone());
        connection.guard(turn, async |verdict| self.claim_and_run(job, turn, verdict).await).await
    }

    async fn claim_and_run(&self, job: &SyncJob, turn: Turn, verdict: &mut Verdict) -> Result<Outcome, PlatformError> {
        let now = clock::now();
        let claimed = self.control.claim_run(&job.org, &job.connection, job.due_at, turn.deadline, now).await?;
        let (hold, state) = match claimed {
            RunClaim::Held(hold, state) => (hold, state),
            RunClaim::Finished => return Ok(Outcome::Done),
            RunClaim::Busy(until_ms) => {
                let left = u64::try_from(until_ms.saturating_sub(now.as_millisecond())).unwrap_or(0);
                return Ok(Outcome::retry(Duration::from_millis(left + 1), "another worker polls this connection"));
            }
        };
        let worked = self.claimed(job, &hold, *state, turn, verdict).await;
        if worked.is_err() {
            // The next delivery need not wait for the lease; when this fails too, it waits.
            let _ignored = self.control.release_run(&hold).await;
        }
        worked
    }

    async fn claimed(
        &self,
        job: &SyncJob,
        hold: &RunHold,
        state: SyncState,
        turn: Turn,
        verdict: &mut Verdict,
    ) -> Result<Outcome, PlatformError> {
        let attempts = state.attempts;
        let mut progress = Progress::resume(state.checkpoint, clock::now());
        let connection: Option<Connection> = self.records.get(&job.org, job.connection.as_str()).await?;
        let contract = contract_of(&state.provider);
        let halted = match connection {
            None => Err(Halt::Failed("the connection was removed".to_owned())),
            Some(connection) => match connection.status {
                ConnectionStatus::Paused => Err(Halt::Failed("the connection is paused".to_owned())),
                ConnectionStatus::Active => self.run(job, hold, &connection, &mut progress, turn, verdict).await,
            },
        };
        let end = End { job, hold, contract, progress: &progress };
        match halted {
            Ok(()) => self.finish(end, RunOutcome::Succeeded, None, &Ended::Complete).await,
            Err(Halt::RateLimited(wait)) => {
                let wait = SignedDuration::try_from(wait).unwrap_or(contract);
                let detail = format!("the provider asked to wait {} s", wait.as_secs());
                self.finish(end, RunOutcome::RateLimited, Some(detail), &Ended::RateLimited { wait }).await
            }
            Err(Halt::BudgetSpent(wait)) => {
                let wait = SignedDuration::try_from(wait).unwrap_or(contract);
                let detail = format!("the budget of requests to the provider is used up for {} s", wait.as_secs());
                self.finish(end, RunOutcome::RateLimited, Some(detail), &Ended::BudgetSpent { wait }).await
            }
            Err(Halt::Failed(detail)) => self.finish(end, RunOutcome::Failed, Some(detail), &Ended::Failed).await,
            Err(Halt::Unavailable(detail)) => match SYNC.next(attempts, clock::chance(), None) {
                Next::After(after) => {
                    self.control.release_run(hold).await?;
                    Ok(Outcome::retry(after, detail))
                }
                Next::GiveUp => self.finish(end, RunOutcome::Failed, Some(detail), &Ended::Failed).await,
            },
            Err(Halt::OutOfTime) => {
                self.control.continue_run(hold, clock::now()).await?;
                Ok(Outcome::Done)
            }
            Err(Halt::Lost) => Ok(Outcome::Done),
            Err(Halt::Platform(error)) => Err(error),
        }
    }

    async fn finish(
        &self,
        end: End<'_>,
        outcome: RunOutcome,
        detail: Option<String>,
        ended: &Ended,
    ) -> Result<Outcome, PlatformError> {
        let End { job, hold, contract, progress } = end;
        let now = clock::now();
        let next = next_poll(now, contract, ended, clock::chance());
        let Counts { read, created, updated, unchanged } = progress.counts;
        tracing::info!(
            org = %job.org, connection = %job.connection, run.outcome = ?outcome, run.detail = detail,
            read, created, updated, unchanged, next_at = %next.at, "sync run ended"
        );
        let last_run =
            LastRun { outcome, detail, started_at: progress.started_at, finished_at: now, counts: progress.counts };
        let keep = matches!(outcome, RunOutcome::RateLimited).then(|| progress.checkpoint()).flatten();
        self.control.finish_run(hold, job.due_at, &last_run, &next, keep.as_ref()).await?;
        Ok(Outcome::Done)
    }
}

/// What the end of a run needs.
struct End<'a> {
    job: &'a SyncJob,
    hold: &'a RunHold,
    contract: SignedDuration,
    progress: &'a Progress,
}

fn contract_of(provider: &str) -> SignedDuration {
    match providers::find(provider).map(|spec| spec.sync) {
        Some(SyncMethod::Polled { contract, .. }) => contract,
        Some(SyncMethod::Webhook | SyncMethod::None) | None => UNKNOWN_CONTRACT,
    }
}

impl Progress {
    /// Goes on at a checkpoint, or begins.
    fn resume(checkpoint: Option<Checkpoint>, now: Timestamp) -> Self {
        match checkpoint {
            Some(Checkpoint { page, started_at, counts }) => Self { page: Some(page), started_at, counts },
            None => Self { page: None, started_at: now, counts: Counts::default() },
        }
    }

    /// Where the run stands; none before its first page.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let Self { page, started_at, counts } = self;
        page.clone().map(|page| Checkpoint { page, started_at: *started_at, counts: *counts })
    }
}
