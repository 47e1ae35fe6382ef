//! Pages of details that are applied and whose checkpoint is not written yet: one write of the connection's item is for several
//! of them, because that item names all details that still wait, and a list of a provider such as Lever has two for each row.
//!
//! Invariant: the checkpoint never names less than what is still to be requested. The worker that resumes after a death requests
//! the pending pages once more, and applies what is there already.

use std::time::Duration;

use aws::clock;
use domain::ats::ObjectRef;
use jiff::Timestamp;

use crate::error::SyncError;
use crate::passes::pass::Pass;

/// The most pages of one checkpoint.
const MAX_PENDING: usize = 10;
/// The longest that a checkpoint waits: it is what prolongs the lease, and what shows that a worker is alive.
const LONGEST: Duration = Duration::from_secs(10);

/// The pages since the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct PendingPages {
    /// So many of the first cursors of `follow` are done.
    cursors: usize,
    /// The objects on their pages.
    seen: Vec<ObjectRef>,
    since: Option<Timestamp>,
}

impl PendingPages {
    /// The number of pages.
    pub(crate) fn len(&self) -> usize {
        self.cursors
    }

    /// Adds a page. True when it is time for the checkpoint.
    pub(crate) fn push(&mut self, seen: Vec<ObjectRef>) -> bool {
        let now = clock::now();
        self.cursors += 1;
        self.seen.extend(seen);
        let since = *self.since.get_or_insert(now);
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
        self.cursors >= MAX_PENDING || waited >= LONGEST
    }

    /// Moves the pages into the progress of the pass, for the next checkpoint. False when there was none.
    pub(crate) async fn flush(&mut self, pass: &mut Pass<'_>) -> Result<bool, SyncError> {
        let Self { cursors, seen, since: _ } = std::mem::take(self);
        if cursors == 0 {
            return Ok(false);
        }
        pass.record_seen(&seen).await?;
        let follow = &mut pass.progress.follow;
        follow.drain(..cursors.min(follow.len()));
        Ok(true)
    }
}
