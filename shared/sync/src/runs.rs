//! The work of one invocation on one connection: claim it, run the passes that are due, release it.

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use aws::error::AwsError;
use aws::random;
use domain::connection::ConnectionStatus;
use domain::message::SyncJob;
use domain::sync::{Mode, Run, RunOutcome, Trigger};
use jiff::{SignedDuration, Timestamp};
use resilience::batch::Outcome;
use resilience::retry::{Next, POLL};
use resilience::work::Fenced;
use store::sync_states::{Progress, SyncClaim, SyncState, SyncStates};

use crate::check::ConnectionChecker;
use crate::client::Client;
use crate::connections::Connections;
use crate::error::SyncError;
use crate::leased::LeasedState;
use crate::passes::lists::{SliceEnd, run_slice};
use crate::passes::pass::Pass;
use crate::plan::{idle, later, mode_to_run, next_check, next_full, parked_reason, wants};
use crate::poll::PollPlanner;
use crate::progress::{hand_over, new_pass, resume};
use crate::session::ConnectionSession;
use crate::writer::RecordWriter;

/// The delay of a message whose connection another worker holds.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Runs what is due of connections.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionRunner {
    pub(crate) states: SyncStates,
    pub(crate) connections: Connections,
    pub(crate) client: Client,
    pub(crate) writer: RecordWriter,
    pub(crate) checker: ConnectionChecker,
    pub(crate) planner: PollPlanner,
}

/// The runs of one invocation on one connection.
struct Runs<'a> {
    runner: &'a ConnectionRunner,
    leased: &'a mut LeasedState,
    session: ConnectionSession,
    invocation: Invocation,
    verdict: &'a mut Verdict,
}

/// The lease of a connection after its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// The lease is ours: the connection is to be released with its state.
    Held,
    /// The lease was lost.
    Lost,
}

impl ConnectionRunner {
    /// Runs what is due of a connection.
    pub(crate) async fn run(
        &self,
        job: &SyncJob,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<Outcome, AwsError> {
        let now = clock::now();
        let mut leased = match self.states.claim(&job.connection_key(), now).await? {
            SyncClaim::Held(lease, state) => LeasedState::new(self.states.clone(), lease, *state),
            SyncClaim::Missing => return Ok(Outcome::Done),
            SyncClaim::Busy(until_ms) => {
                // The message may bring what the holder does not know yet, such as a person's request: it comes again soon.
                let left = u64::try_from(until_ms.saturating_sub(now.as_millisecond())).unwrap_or(0);
                let wait = Duration::from_millis(left + 1).min(LEASE_CHECK_INTERVAL);
                return Ok(Outcome::postpone(wait, "another worker asks for this connection"));
            }
        };
        let worked = self.claimed(&mut leased, invocation, verdict).await;
        if worked.is_err() {
            // The next delivery need not wait for the lease; when this fails too, it waits.
            let _ignored = leased.release_unchanged().await;
        }
        worked.map(|()| Outcome::Done)
    }

    async fn claimed(
        &self,
        leased: &mut LeasedState,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<(), AwsError> {
        leased.record_interrupted().await?;
        let (now, key) = (clock::now(), leased.key());
        let Some(connection) = self.connections.load(&key).await? else {
            // Its sync state was left behind.
            return leased.remove().await;
        };
        let state = &mut leased.state;
        if let Some((at, reason)) = idle(connection.status, now) {
            (state.next_at, state.reason) = (at, reason);
            return leased.release().await;
        }
        if connection.status == ConnectionStatus::Checking {
            // With new credentials nothing that failed before counts.
            state.parked_until = None;
            state.failures = 0;
        }
        if let Some(until) = state.parked_until.filter(|until| *until > now) {
            (state.next_at, state.reason) = (until, parked_reason(state));
            return leased.release().await;
        }
        state.parked_until = None;
        let session = match self.connections.open(&key, connection).await {
            Ok(session) => session,
            Err(SyncError::Aws(error)) => return Err(error),
            Err(error) => {
                back_off(state, &error.to_string());
                (state.next_at, state.reason) = (state.parked_until.unwrap_or(now), parked_reason(state));
                return leased.release().await;
            }
        };
        let mut runs = Runs { runner: self, leased: &mut *leased, session, invocation, verdict };
        match runs.while_due().await? {
            Lease::Lost => Ok(()),
            Lease::Held => {
                let (now, status) = (clock::now(), runs.session.connection.status);
                let state = &mut leased.state;
                (state.next_at, state.reason) = idle(status, now).unwrap_or_else(|| next_check(state, now));
                leased.release().await
            }
        }
    }
}

impl Runs<'_> {
    /// Runs what is due until nothing is, or the time or the provider's patience is used up.
    async fn while_due(&mut self) -> Result<Lease, AwsError> {
        if self.session.connection.status == ConnectionStatus::Checking {
            match self.runner.checker.check(&mut self.session, self.invocation).await {
                Ok(ConnectionStatus::Active) => *self.verdict = Verdict::Works,
                Ok(_) => return Ok(Lease::Held),
                Err(error) => return self.stopped(None, error).await,
            }
        }
        if !self.session.has_login() {
            let (at, reason) = (later(clock::now(), SignedDuration::from_hours(24 * 7)), "webhooks only");
            self.leased.state.full_at = Some(at);
            self.leased.state.reason = reason.to_owned();
            return Ok(Lease::Held);
        }
        loop {
            let (now, state, planner) = (clock::now(), &mut self.leased.state, &self.runner.planner);
            let Some(mode) = mode_to_run(state, now) else { return Ok(Lease::Held) };
            if mode == Mode::Incremental && !planner.is_wanted(state, self.session.provider, now).await? {
                continue;
            }
            let other_waits = wants(state, mode.other(), now);
            let mut progress = begin_or_resume(self.leased, mode, now);
            let pass = Pass {
                client: &self.runner.client,
                writer: &self.runner.writer,
                leased: &mut *self.leased,
                session: &mut self.session,
                progress: &mut progress,
                invocation: self.invocation,
            };
            match run_slice(pass, other_waits).await {
                Ok(SliceEnd::Yielded) => {
                    *self.verdict = Verdict::Works;
                    *self.leased.state.progress(mode) = Some(progress);
                }
                Ok(SliceEnd::Ended) => {
                    *self.verdict = Verdict::Works;
                    if self.ended(progress.run).await? == Fenced::LeaseLost {
                        return Ok(Lease::Lost);
                    }
                }
                Err(error) => return self.stopped(Some(progress), error).await,
            }
        }
    }

    /// A pass came to its end, and so does its run.
    async fn ended(&mut self, mut run: Run) -> Result<Fenced, AwsError> {
        let now = clock::now();
        let whole = run.problems.is_empty();
        run.outcome = Some(if whole { RunOutcome::Succeeded } else { RunOutcome::Partial });
        run.detail = (!whole).then(|| "some of what the provider has could not be read; see the problems".to_owned());
        run.resume_point = (!whole).then(|| match run.mode {
            Mode::Full => "the next pass through everything, within the hour".to_owned(),
            Mode::Incremental => "the next window begins where this one began".to_owned(),
        });
        run.finished_at = Some(now);
        let state = &mut self.leased.state;
        state.failures = 0;
        if whole {
            state.succeeded_at = Some(now);
        }
        match run.mode {
            Mode::Full => {
                state.full_at = Some(next_full(now, whole));
                state.poll_at.get_or_insert(now);
            }
            Mode::Incremental => self.runner.planner.plan_next(state, self.session.provider, &run, now).await?,
        }
        self.leased.record_end(run).await
    }

    /// A pass stops before its end: its run ends, and its progress is stored for the next one. None when the connection was
    /// being checked.
    async fn stopped(&mut self, progress: Option<Progress>, error: SyncError) -> Result<Lease, AwsError> {
        let now = clock::now();
        let detail = error.to_string();
        let (verdict, outcome, until) = match error {
            SyncError::Aws(error) => return Err(error),
            SyncError::LeaseLost => return Ok(Lease::Lost),
            SyncError::DeadlineReached => {
                *self.verdict = Verdict::Works;
                self.suspend(progress);
                return Ok(Lease::Held);
            }
            SyncError::RateLimited { wait, ours } => {
                let until = later(now, SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_mins(1)));
                let who = if ours { "this connection's requests are used up" } else { "the provider asked to wait" };
                let reason = format!("{who} until {}", until.strftime("%H:%M:%S UTC"));
                self.leased.state.parked_until = Some(until);
                self.leased.state.parked_reason = Some(reason.clone());
                (Verdict::Works, (RunOutcome::RateLimited, reason), Some(until))
            }
            SyncError::ReauthorizationRequired(_) => {
                let status = ConnectionStatus::NeedsReauthorisation;
                *self.verdict = Verdict::Works;
                self.runner.connections.set_status(&mut self.session, status, Some(&detail)).await?;
                back_off(&mut self.leased.state, &detail);
                (Verdict::Works, (RunOutcome::Failed, detail), None)
            }
            SyncError::Failed(_) | SyncError::InvalidResponse(_) | SyncError::CursorExpired(_) => {
                back_off(&mut self.leased.state, &detail);
                (Verdict::Works, (RunOutcome::Failed, detail), None)
            }
            SyncError::Unavailable(_) => {
                back_off(&mut self.leased.state, &detail);
                (Verdict::Failed, (RunOutcome::Failed, detail), None)
            }
        };
        *self.verdict = verdict;
        // The other mode's run waits as well, and is not at work meanwhile.
        self.suspend(None);
        let Some(mut progress) = progress else { return Ok(Lease::Held) };
        let (outcome, detail) = outcome;
        let run = hand_over(&mut progress, (outcome, detail, until), now);
        *self.leased.state.progress(run.mode) = Some(progress);
        Ok(match self.leased.record_end(run).await? {
            Fenced::Written => Lease::Held,
            Fenced::LeaseLost => Lease::Lost,
        })
    }

    /// Stores the progress of a pass, and leaves no run at work.
    fn suspend(&mut self, progress: Option<Progress>) {
        let state = &mut self.leased.state;
        if let Some(progress) = progress {
            let mode = progress.run.mode;
            *state.progress(mode) = Some(progress);
        }
        for progress in [&mut state.full, &mut state.incremental].into_iter().flatten() {
            progress.running = false;
        }
    }
}

/// The progress of the pass of a mode: the one that waits, or that of a new pass.
fn begin_or_resume(leased: &mut LeasedState, mode: Mode, now: Timestamp) -> Progress {
    let requested = leased.state.requested == Some(mode);
    if requested {
        leased.state.requested = None;
        leased.request_taken = true;
    }
    match leased.state.progress(mode).take() {
        Some(progress) => resume(progress, now),
        None => new_pass(mode, if requested { Trigger::Manual } else { Trigger::Schedule }, now),
    }
}

/// A run failed: the next one waits longer with each failure in a row.
fn back_off(state: &mut SyncState, detail: &str) {
    state.failures = state.failures.saturating_add(1);
    let wait = match POLL.next(state.failures, random::chance(), None) {
        Next::After(wait) => wait,
        Next::GiveUp => POLL.cap,
    };
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_mins(1)).max(SignedDuration::from_secs(5));
    let until = later(clock::now(), wait);
    state.parked_until = Some(until);
    let at = until.strftime("%H:%M UTC");
    state.parked_reason = Some(format!("try {} failed: {detail}; the next one is at {at}", state.failures));
}
