//! Plans the next poll from the changes that polls and webhooks have found.

use aws::error::AwsError;
use aws::random;
use domain::sync::{Mode, Run};
use jiff::Timestamp;
use providers::ats::port::AtsProvider;
use store::control::Control;
use store::sync_states::SyncState;

use crate::plan::{policy, webhooks_cover_everything};

/// Plans the polls of connections.
#[derive(Debug, Clone)]
pub(crate) struct PollPlanner {
    pub(crate) control: Control,
}

impl PollPlanner {
    /// Plans the next poll after one that came to its end.
    pub(crate) async fn plan_next(
        &self,
        state: &mut SyncState,
        provider: &AtsProvider,
        run: &Run,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        self.observe_webhooks(state, provider).await?;
        let policy = policy(provider);
        let from = state.polled_at.unwrap_or(run.started_at);
        state.rate.learn(&policy, from, run.started_at, run.changed());
        state.polled_at = Some(run.started_at);
        let plan = state.rate.plan(now, &policy, random::chance());
        state.poll_at = Some(plan.at);
        state.poll_reason = Some(plan.reason);
        Ok(())
    }

    /// Whether a poll that is due is wanted: not when webhooks came since it was planned and it is not time to reconcile.
    pub(crate) async fn is_wanted(
        &self,
        state: &mut SyncState,
        provider: &AtsProvider,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let planned = state.incremental.is_none() && state.requested != Some(Mode::Incremental);
        if !planned || !webhooks_cover_everything(provider) {
            return Ok(true);
        }
        self.observe_webhooks(state, provider).await?;
        let policy = policy(provider);
        if state.rate.wants_poll(now, &policy) {
            return Ok(true);
        }
        let plan = state.rate.plan(now, &policy, random::chance());
        state.poll_at = Some(plan.at);
        state.poll_reason = Some(plan.reason);
        Ok(false)
    }

    /// Takes the time of the last webhook into the rate. One call, where the provider's webhooks cover everything.
    async fn observe_webhooks(&self, state: &mut SyncState, provider: &AtsProvider) -> Result<(), AwsError> {
        if !webhooks_cover_everything(provider) {
            return Ok(());
        }
        let (events, _) = self.control.events(&state.connection_key(), 1, None).await?;
        if let Some(at) = events.first().map(|event| event.received_at)
            && state.rate.heard_at().is_none_or(|heard_at| heard_at < at)
        {
            state.rate.record_webhooks(&policy(provider), at, 1);
        }
        Ok(())
    }
}
