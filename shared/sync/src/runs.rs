//! One invocation's work on one connection: claim, go on with what is due, give back.

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use aws::error::AwsError;
use aws::random;
use domain::connection::{ConnectionKey, ConnectionStatus};
use domain::message::SyncJob;
use domain::sync::{Mode, Run, RunOutcome, Trigger};
use jiff::{SignedDuration, Timestamp};
use resilience::batch::Outcome;
use resilience::retry::{Next, POLL};
use resilience::work::Fenced;
use store::sync_states::{Progress, SyncClaim, SyncLease, SyncState, begin};

use crate::error::SyncError;
use crate::pass::{Session, SliceEnd, new_pass};
use crate::pending::PendingPages;
use crate::plan::{idle, later, look_again, mode_to_run, next_full, wants};
use crate::{ConnectionSession, Engine};

/// How soon a message comes again whose connection another worker has.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How an invocation leaves a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Given back, or to be given back with its state.
    WithState,
    /// Somebody else has it.
    Lost,
}

impl Engine {
    /// Works on a connection: whatever is due of it.
    ///
    /// # Errors
    /// When AWS does not do its part; the connection is given back where that is possible.
    pub async fn work(
        &self,
        job: &SyncJob,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<Outcome, AwsError> {
        let now = clock::now();
        let (hold, state) = match self.syncs.claim(&job.connection_key(), now).await? {
            SyncClaim::Held(hold, state) => (hold, *state),
            SyncClaim::Missing => return Ok(Outcome::Done),
            SyncClaim::Busy(until_ms) => {
                // It may say what the one at work does not know yet, such as a person's request: it comes again soon.
                let left = u64::try_from(until_ms.saturating_sub(now.as_millisecond())).unwrap_or(0);
                let wait = Duration::from_millis(left + 1).min(LOOK_AGAIN);
                return Ok(Outcome::postpone(wait, "another worker asks for this connection"));
            }
        };
        let worked = self.claimed(&hold, state, invocation, verdict).await;
        if worked.is_err() {
            // The next delivery need not wait for the lease; when this fails too, it waits.
            let _ignored = self.syncs.release_unchanged(&hold).await;
        }
        worked.map(|()| Outcome::Done)
    }

    async fn claimed(
        &self,
        hold: &SyncLease,
        mut state: SyncState,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<(), AwsError> {
        self.record_dead_runs(&mut state).await?;
        let now = clock::now();
        let Some(connection) = self.load_connection(&state.connection_key()).await? else {
            // Its sync state is what was left behind.
            return self.syncs.remove(&state.connection_key()).await;
        };
        if let Some((at, reason)) = idle(connection.status, now) {
            state.next_at = at;
            state.reason = reason;
            return self.release(hold, &state).await;
        }
        if connection.status == ConnectionStatus::Checking {
            // With new credentials nothing that failed before counts.
            state.parked_until = None;
            state.failures = 0;
        }
        if let Some(until) = state.parked_until.filter(|until| *until > now) {
            state.next_at = until;
            return self.release(hold, &state).await;
        }
        state.parked_until = None;
        let org = state.org.clone();
        let opened = match self.open(&org, connection).await {
            Ok(opened) => opened,
            Err(SyncError::Aws(error)) => return Err(error),
            Err(error) => {
                fail(&mut state, &error.to_string());
                return self.release(hold, &state).await;
            }
        };
        let mut session = Session { hold, state, opened, invocation, taken: false, pending: PendingPages::default() };
        match self.while_due(&mut session, verdict).await? {
            Left::Lost => Ok(()),
            Left::WithState => {
                let now = clock::now();
                (session.state.next_at, session.state.reason) = look_again(&session.state, now);
                if let Some((at, reason)) = idle(session.opened.connection.status, now) {
                    (session.state.next_at, session.state.reason) = (at, reason);
                }
                self.release(hold, &session.state).await
            }
        }
    }

    async fn release(&self, hold: &SyncLease, state: &SyncState) -> Result<(), AwsError> {
        // The next holder of a lost lease has set what is right.
        let (Fenced::Written | Fenced::LeaseLost) = self.syncs.release(hold, state).await?;
        Ok(())
    }

    /// Goes on with what is due until nothing is, or the time or the provider's patience is used up.
    async fn while_due(&self, session: &mut Session<'_>, verdict: &mut Verdict) -> Result<Left, AwsError> {
        if session.opened.connection.status == ConnectionStatus::Checking {
            match self.check(&mut session.opened, session.invocation).await {
                Ok(ConnectionStatus::Active) => *verdict = Verdict::Works,
                Ok(_) => return Ok(Left::WithState),
                Err(error) => return self.stopped(session, None, error, verdict).await,
            }
        }
        if !session.opened.can_ask() {
            let (at, reason) = (later(clock::now(), SignedDuration::from_hours(24 * 7)), "webhooks only");
            session.state.full_at = Some(at);
            session.state.reason = reason.to_owned();
            return Ok(Left::WithState);
        }
        loop {
            let now = clock::now();
            let Some(mode) = mode_to_run(&session.state, now) else { return Ok(Left::WithState) };
            if mode == Mode::Incremental && !self.wanted(session, now).await? {
                continue;
            }
            begin_or_resume(session, mode, now);
            let other_waits = wants(&session.state, mode.other(), now);
            match self.run_slice(session, mode, other_waits).await {
                Ok(SliceEnd::Yielded) => *verdict = Verdict::Works,
                Ok(SliceEnd::Ended) => {
                    *verdict = Verdict::Works;
                    if !self.ended(session, mode).await? {
                        return Ok(Left::Lost);
                    }
                }
                Err(error) => return self.stopped(session, Some(mode), error, verdict).await,
            }
        }
    }

    /// A pass came to its end.
    async fn ended(&self, session: &mut Session<'_>, mode: Mode) -> Result<bool, AwsError> {
        let now = clock::now();
        let Some(progress) = session.state.progress(mode).take() else { return Ok(true) };
        let mut run = progress.run;
        let whole = run.problems.is_empty();
        run.outcome = Some(if whole { RunOutcome::Succeeded } else { RunOutcome::Partial });
        run.detail = (!whole).then(|| "some of what the provider has could not be read; see the problems".to_owned());
        run.resume_point = (!whole).then(|| match mode {
            Mode::Full => "the next pass through everything, within the hour".to_owned(),
            Mode::Incremental => "the next window begins where this one began".to_owned(),
        });
        run.finished_at = Some(now);
        session.state.failures = 0;
        if whole {
            session.state.succeeded_at = Some(now);
        }
        match mode {
            Mode::Full => {
                session.state.full_at = Some(next_full(now, whole));
                session.state.poll_at.get_or_insert(now);
            }
            Mode::Incremental => self.plan_poll(session, &run, now).await?,
        }
        self.close(session, run).await
    }

    /// Records a run that has ended, and shows it as the last one: first with the state that it leaves, in one write, and then
    /// in the history. A worker that dies before the first leaves a run that was interrupted, one that dies before the second a
    /// run that the next worker records. False when the connection is no longer ours.
    async fn close(&self, session: &mut Session<'_>, run: Run) -> Result<bool, AwsError> {
        tracing::info!(
            org = %session.state.org, connection = %session.state.connection, run.id = run.id, run.mode = ?run.mode,
            run.outcome = ?run.outcome, run.detail = run.detail, run.requests, changed = run.changed(), "sync run ended"
        );
        session.state.ended.push(run.clone());
        session.state.last_run = Some(run);
        match self.save(session).await {
            Ok(()) => {}
            Err(SyncError::Aws(error)) => return Err(error),
            Err(_) => return Ok(false),
        }
        self.record_ended(&mut session.state).await?;
        Ok(true)
    }

    /// Puts runs that have ended into the history. Twice is once.
    async fn record_ended(&self, state: &mut SyncState) -> Result<(), AwsError> {
        let connection = state.connection_key();
        for run in &state.ended {
            self.syncs.record_run(&connection, run, clock::now()).await?;
        }
        state.ended.clear();
        Ok(())
    }

    /// A pass stops before its end: the run ends, and what it is at is kept for the next one.
    async fn stopped(
        &self,
        session: &mut Session<'_>,
        mode: Option<Mode>,
        error: SyncError,
        verdict: &mut Verdict,
    ) -> Result<Left, AwsError> {
        let now = clock::now();
        let (outcome, detail, until) = match error {
            SyncError::Aws(error) => return Err(error),
            SyncError::LeaseLost => return Ok(Left::Lost),
            SyncError::DeadlineReached => {
                *verdict = Verdict::Works;
                for progress in [&mut session.state.full, &mut session.state.incremental].into_iter().flatten() {
                    progress.running = false;
                }
                return Ok(Left::WithState);
            }
            SyncError::RateLimited { wait, ours } => {
                *verdict = Verdict::Works;
                let until = later(now, SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_mins(1)));
                let who = if ours { "this connection's requests are used up" } else { "the provider asked to wait" };
                let reason = format!("{who} until {}", until.strftime("%H:%M:%S UTC"));
                session.state.parked_until = Some(until);
                session.state.reason.clone_from(&reason);
                (RunOutcome::RateLimited, reason, Some(until))
            }
            SyncError::ReauthorizationRequired(detail) => {
                *verdict = Verdict::Works;
                let status = ConnectionStatus::NeedsReauthorisation;
                self.becomes(&mut session.opened, status, Some(&detail)).await?;
                fail(&mut session.state, &detail);
                (RunOutcome::Failed, detail, None)
            }
            SyncError::Failed(detail) | SyncError::InvalidResponse(detail) | SyncError::CursorExpired(detail) => {
                *verdict = Verdict::Works;
                fail(&mut session.state, &detail);
                (RunOutcome::Failed, detail, None)
            }
            SyncError::Unavailable(detail) => {
                *verdict = Verdict::Failed;
                fail(&mut session.state, &detail);
                (RunOutcome::Failed, detail, None)
            }
        };
        // The other mode's run waits as well, and is not at work meanwhile.
        let modes = [Mode::Full, Mode::Incremental];
        for other in modes.into_iter().filter(|other| Some(*other) != mode) {
            if let Some(progress) = session.state.progress(other) {
                progress.running = false;
            }
        }
        let Some(progress) = mode.and_then(|mode| session.state.progress(mode).as_mut()) else {
            return Ok(Left::WithState);
        };
        let run = hand_over(progress, (outcome, detail, until), now);
        Ok(if self.close(session, run).await? { Left::WithState } else { Left::Lost })
    }

    /// Runs whose worker died: their lease has passed, and they did not say how they ended.
    async fn record_dead_runs(&self, state: &mut SyncState) -> Result<(), AwsError> {
        for mode in [Mode::Full, Mode::Incremental] {
            let (org, connection) = (state.org.clone(), state.connection.clone());
            let Some(progress) = state.progress(mode).as_mut().filter(|progress| progress.running) else { continue };
            let detail = "its worker ended without a word; the next run goes on at its checkpoint".to_owned();
            let run = hand_over(progress, (RunOutcome::Interrupted, detail, None), clock::now());
            tracing::warn!(%org, %connection, run.id = run.id, "a sync run was interrupted");
            state.ended.push(run.clone());
            state.last_run = Some(run);
        }
        self.record_ended(state).await
    }
}

/// Ends the run of a pass before the pass's end: the next run, which has a record of its own, goes on where this one was.
fn hand_over(
    progress: &mut Progress,
    (outcome, detail, until): (RunOutcome, String, Option<Timestamp>),
    now: Timestamp,
) -> Run {
    progress.running = false;
    let mut next = begin(progress.run.mode, Trigger::Resume, now);
    next.resumes = Some(progress.run.id.clone());
    next.counts.clone_from(&progress.run.counts);
    next.problems.clone_from(&progress.run.problems);
    let run = std::mem::replace(&mut progress.run, next);
    Run {
        outcome: Some(outcome),
        detail: Some(detail),
        until,
        resume_point: Some(place(&progress.stream, progress.next.as_deref())),
        finished_at: Some(now),
        ..run
    }
}

/// Where a run goes on, in words.
fn place(stream: &str, next: Option<&str>) -> String {
    match next {
        Some(next) => format!("{stream}, at {}", next.chars().take(200).collect::<String>()),
        None => stream.to_owned(),
    }
}

fn begin_or_resume(session: &mut Session<'_>, mode: Mode, now: Timestamp) {
    let requested = session.state.requested == Some(mode);
    if requested {
        session.state.requested = None;
        session.taken = true;
    }
    let progress = session.state.progress(mode);
    match progress {
        Some(progress) => {
            if !progress.running && progress.run.trigger == Trigger::Resume && progress.run.requests == 0 {
                // A record of its own that has not begun yet.
                progress.run.started_at = now;
            }
            progress.running = true;
        }
        None => {
            let trigger = if requested { Trigger::Manual } else { Trigger::Schedule };
            *progress = Some(new_pass(mode, trigger, now));
        }
    }
}

/// A run failed: the next one waits longer with each failure.
fn fail(state: &mut SyncState, detail: &str) {
    state.failures = state.failures.saturating_add(1);
    let wait = match POLL.next(state.failures, random::chance(), None) {
        Next::After(wait) => wait,
        Next::GiveUp => POLL.cap,
    };
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_mins(1)).max(SignedDuration::from_secs(5));
    let until = later(clock::now(), wait);
    state.parked_until = Some(until);
    state.reason =
        format!("try {} failed: {detail}; the next one is at {}", state.failures, until.strftime("%H:%M UTC"));
}

/// A connection that can be asked, for whoever applies webhooks and changes.
impl Engine {
    /// Opens the connection of an organisation, when it is there and active.
    pub(crate) async fn open_active(
        &self,
        key: &ConnectionKey,
    ) -> Result<Result<ConnectionSession, &'static str>, SyncError> {
        let Some(connection) = self.load_connection(key).await? else { return Ok(Err("the connection was removed")) };
        match connection.status {
            ConnectionStatus::Active | ConnectionStatus::Checking => Ok(Ok(self.open(&key.org, connection).await?)),
            ConnectionStatus::Paused => Ok(Err("the connection is paused")),
            ConnectionStatus::Refused | ConnectionStatus::NeedsReauthorisation => {
                Ok(Err("the provider does not let this connection in"))
            }
            ConnectionStatus::Deleted | ConnectionStatus::Unknown => Ok(Err("the connection does not work")),
        }
    }
}
