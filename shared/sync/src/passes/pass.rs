//! A pass: one reading of a provider's lists, which may take several runs.
//!
//! It borrows its progress, so that there is one while it runs, and writes it with each checkpoint.

use aws::batch::Invocation;
use aws::clock;
use domain::ats::{Extent, ObjectRef, Observation};
use domain::sync::Mode;
use providers::ats::port::Page;
use resilience::work::Fenced;
use store::sync_states::Progress;

use crate::client::Client;
use crate::error::SyncError;
use crate::leased::LeasedState;
use crate::session::ConnectionSession;
use crate::writer::RecordWriter;

/// A pass that is running.
pub(crate) struct Pass<'a> {
    pub(crate) client: &'a Client,
    pub(crate) writer: &'a RecordWriter,
    pub(crate) leased: &'a mut LeasedState,
    pub(crate) session: &'a mut ConnectionSession,
    pub(crate) progress: &'a mut Progress,
    pub(crate) invocation: Invocation,
}

impl Pass<'_> {
    /// The mode of the pass.
    pub(crate) fn mode(&self) -> Mode {
        self.progress.run.mode
    }

    /// Requests a page; the run counts the requests.
    pub(crate) async fn page(&mut self, cursor: &str) -> Result<(Page, i64), SyncError> {
        let before = self.session.requests;
        let page = self.client.page(self.session, cursor, self.invocation).await;
        self.progress.run.requests += self.session.requests - before;
        page
    }

    /// Records that the pass has seen these objects, so that the sweep does not tombstone them.
    pub(crate) async fn record_seen(&mut self, seen: &[ObjectRef]) -> Result<(), SyncError> {
        if seen.is_empty() {
            return Ok(());
        }
        let list = (self.progress.stream.as_str(), self.progress.seen_lists);
        let states = self.leased.states();
        states.record_seen(&self.leased.key(), &self.progress.pass, list, seen, clock::now()).await?;
        self.progress.seen_lists += 1;
        Ok(())
    }

    pub(crate) async fn checkpoint(&mut self) -> Result<(), SyncError> {
        match self.leased.checkpoint(Some(&mut *self.progress)).await? {
            Fenced::Written => Ok(()),
            Fenced::LeaseLost => Err(SyncError::LeaseLost),
        }
    }
}

/// The objects that were observed whole.
pub(crate) fn whole(observations: &[Observation]) -> impl Iterator<Item = ObjectRef> {
    let whole = observations.iter().filter(|seen| seen.extent == Extent::Whole);
    whole.filter_map(|seen| Some(ObjectRef::new(seen.record.kind(), seen.record.provider_id()?)))
}
