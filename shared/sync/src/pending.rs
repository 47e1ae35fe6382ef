//! Pages of details that are applied and whose checkpoint is not written yet: one write of the connection's item is for several
//! of them, because that item names all details that still wait, and a list of a provider such as Lever has two for each row.
//!
//! Invariant: the checkpoint never names less than what is still to be asked for. Whoever goes on after a death asks for the pages
//! that were ahead once more, and applies what is there already.

use std::time::Duration;

use aws::clock;
use domain::ats::ObjectRef;
use domain::sync::Mode;
use jiff::Timestamp;

use crate::Engine;
use crate::error::SyncError;
use crate::pass::Session;

/// Most pages of one checkpoint.
const MOST_PENDING: usize = 10;
/// The longest that a checkpoint waits: it is what prolongs the lease, and what shows that somebody is at work.
const LONGEST: Duration = Duration::from_secs(10);

/// What is ahead of the checkpoint.
#[derive(Debug, Default)]
pub(crate) struct PendingPages {
    /// So many of the first cursors of `follow` are done.
    pub(crate) cursors: usize,
    /// What their pages had.
    seen: Vec<ObjectRef>,
    since: Option<Timestamp>,
}

impl PendingPages {
    /// A page more. True when it is time for the checkpoint.
    pub(crate) fn push(&mut self, seen: Vec<ObjectRef>) -> bool {
        let now = clock::now();
        self.cursors += 1;
        self.seen.extend(seen);
        let since = *self.since.get_or_insert(now);
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
        self.cursors >= MOST_PENDING || waited >= LONGEST
    }
}

impl Engine {
    /// Takes what is ahead into the state of the pass, for the next checkpoint. False when there was nothing.
    pub(crate) async fn flush(&self, session: &mut Session<'_>, mode: Mode) -> Result<bool, SyncError> {
        let PendingPages { cursors, seen, since: _ } = std::mem::take(&mut session.pending);
        if cursors == 0 {
            return Ok(false);
        }
        self.see_refs(session, mode, seen).await?;
        if let Some(progress) = session.state.progress(mode) {
            progress.follow.drain(..cursors.min(progress.follow.len()));
        }
        Ok(true)
    }
}
