//! The sync state of a connection while this worker holds its lease.
//!
//! Invariant: every write is fenced by the lease. After a lost lease nothing more is written: the next holder has the truth.

use aws::clock;
use aws::error::AwsError;
use domain::connection::ConnectionKey;
use domain::sync::{Mode, Run, RunOutcome};
use resilience::work::Fenced;
use store::sync_states::{Progress, SyncLease, SyncState, SyncStates};

use crate::progress::hand_over;

/// A sync state and its lease.
#[derive(Debug)]
pub(crate) struct LeasedState {
    states: SyncStates,
    lease: SyncLease,
    /// The state as it is to be written. The progress of a pass that is running is not in it: the pass has it.
    pub(crate) state: SyncState,
    /// Whether the run that a person requested has begun, so that the request is removed with the next checkpoint.
    pub(crate) request_taken: bool,
}

impl LeasedState {
    /// The state of a connection that was claimed.
    pub(crate) fn new(states: SyncStates, lease: SyncLease, state: SyncState) -> Self {
        Self { states, lease, state, request_taken: false }
    }

    pub(crate) fn key(&self) -> ConnectionKey {
        self.state.connection_key()
    }

    /// Moves the checkpoint: writes the state, with the progress of the running pass in its place, and prolongs the lease.
    pub(crate) async fn checkpoint(&mut self, mut running: Option<&mut Progress>) -> Result<Fenced, AwsError> {
        let now = clock::now();
        let passes = [self.state.full.as_mut(), self.state.incremental.as_mut(), running.as_deref_mut()];
        for progress in passes.into_iter().flatten().filter(|progress| progress.running) {
            progress.run.heartbeat_at = now;
        }
        let fenced = self.states.checkpoint(&self.lease, &self.state, running.as_deref(), self.request_taken).await?;
        if fenced == Fenced::Written {
            self.request_taken = false;
        }
        Ok(fenced)
    }

    /// Releases the connection with its state.
    pub(crate) async fn release(&self) -> Result<(), AwsError> {
        // The next holder of a lost lease has set what is right.
        let (Fenced::Written | Fenced::LeaseLost) = self.states.release(&self.lease, &self.state).await?;
        Ok(())
    }

    /// Releases the connection at its last checkpoint.
    pub(crate) async fn release_unchanged(&self) -> Result<(), AwsError> {
        let (Fenced::Written | Fenced::LeaseLost) = self.states.release_unchanged(&self.lease).await?;
        Ok(())
    }

    /// Removes the state, because its connection was removed.
    pub(crate) async fn remove(&self) -> Result<(), AwsError> {
        self.states.remove(&self.key()).await
    }

    /// Records a run that has ended, and shows it as the last one: first with the state that it leaves, in one write, and then
    /// in the history. A worker that dies before the first leaves a run that was interrupted, one that dies before the second a
    /// run that the next worker records.
    pub(crate) async fn record_end(&mut self, run: Run) -> Result<Fenced, AwsError> {
        tracing::info!(
            org = %self.state.org, connection = %self.state.connection, run.id = run.id, run.mode = run.mode.as_str(),
            run.outcome = run.outcome.map(RunOutcome::as_str), run.detail = run.detail, run.requests, changed = run.changed(), "sync run ended"
        );
        self.state.ended.push(run.clone());
        self.state.last_run = Some(run);
        let fenced = self.checkpoint(None).await?;
        if fenced == Fenced::Written {
            self.record_history().await?;
        }
        Ok(fenced)
    }

    /// Records the runs whose worker died: the lease has passed, and they have no end.
    pub(crate) async fn record_interrupted(&mut self) -> Result<(), AwsError> {
        for mode in [Mode::Full, Mode::Incremental] {
            let ConnectionKey { org, connection } = self.key();
            let running = self.state.progress(mode).as_mut().filter(|progress| progress.running);
            let Some(progress) = running else { continue };
            let detail = "its worker ended without a word; the next run goes on at its checkpoint".to_owned();
            let run = hand_over(progress, (RunOutcome::Interrupted, detail, None), clock::now());
            tracing::warn!(%org, %connection, run.id = run.id, "a sync run was interrupted");
            self.state.ended.push(run.clone());
            self.state.last_run = Some(run);
        }
        self.record_history().await
    }

    /// Puts runs that have ended into the history. Recording one twice changes nothing.
    async fn record_history(&mut self) -> Result<(), AwsError> {
        let key = self.key();
        for run in &self.state.ended {
            self.states.record_run(&key, run, clock::now()).await?;
        }
        self.state.ended.clear();
        Ok(())
    }

    /// The sync states of all connections.
    pub(crate) fn states(&self) -> &SyncStates {
        &self.states
    }
}
