//! When to ask a provider what changed: from what polls and webhooks have shown of a connection.

use aws::error::AwsError;
use aws::random;
use domain::sync::{Mode, Run};
use jiff::Timestamp;
use store::control::Control;

use crate::Engine;
use crate::pass::Session;
use crate::plan::{policy, webhooks_cover_everything};

impl Engine {
    /// When to ask for changes next: from what polls and webhooks have shown.
    pub(crate) async fn plan_poll(&self, session: &mut Session<'_>, run: &Run, now: Timestamp) -> Result<(), AwsError> {
        self.hear(session).await?;
        let policy = policy(session.opened.provider);
        let state = &mut session.state;
        let from = state.polled_at.unwrap_or(run.started_at);
        state.rate.learn(&policy, from, run.started_at, run.changed(), None);
        state.polled_at = Some(run.started_at);
        let plan = state.rate.plan(now, &policy, random::chance());
        state.poll_at = Some(plan.at);
        state.reason = plan.reason;
        Ok(())
    }

    /// Learns when the last webhook came. One call, where the provider's webhooks tell of everything.
    async fn hear(&self, session: &mut Session<'_>) -> Result<(), AwsError> {
        if !webhooks_cover_everything(session.opened.provider) {
            return Ok(());
        }
        let control = Control::new(self.syncs.table().clone());
        let (events, _) = control.events(&session.state.connection_key(), 1, None).await?;
        if let Some(at) = events.first().map(|event| event.received_at)
            && session.state.rate.heard_at().is_none_or(|heard| heard < at)
        {
            session.state.rate.heard(&policy(session.opened.provider), at, 1);
        }
        Ok(())
    }

    /// Whether a poll that is due is wanted: not when webhooks came meanwhile and it is not time to reconcile.
    pub(crate) async fn wanted(&self, session: &mut Session<'_>, now: Timestamp) -> Result<bool, AwsError> {
        let planned = session.state.incremental.is_none() && session.state.requested != Some(Mode::Incremental);
        if !planned || !webhooks_cover_everything(session.opened.provider) {
            return Ok(true);
        }
        self.hear(session).await?;
        let policy = policy(session.opened.provider);
        if session.state.rate.wants_poll(now, &policy) {
            return Ok(true);
        }
        let plan = session.state.rate.plan(now, &policy, random::chance());
        session.state.poll_at = Some(plan.at);
        session.state.reason = plan.reason;
        Ok(false)
    }
}
