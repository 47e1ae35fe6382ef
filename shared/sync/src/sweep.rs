//! What a complete pass did not list: it is asked for by name, and tombstoned when it is not there.

use domain::ats::{Kind, ObjectRef};
use domain::sync::Mode;
use providers::ats::port::Stream;

use crate::Engine;
use crate::apply::add;
use crate::ask::{FOR_A_PAGE, further};
use crate::error::SyncError;
use crate::pass::{Session, add_problem};

/// Objects of one question.
const AT_ONCE: usize = 50;

impl Engine {
    /// Looks for what a list did not have. May be done again from its beginning: what was tombstoned is tombstoned.
    pub(crate) async fn sweep(&self, session: &mut Session<'_>, mode: Mode, stream: &Stream) -> Result<(), SyncError> {
        for kind in stream.complete {
            let missing = self.missing(session, mode, stream, *kind).await?;
            if missing.is_empty() {
                continue;
            }
            for ids in missing.chunks(AT_ONCE) {
                match session.opened.ats.lookup_cursors(*kind, ids) {
                    Some(cursors) => self.look_for(session, mode, cursors).await?,
                    None => self.tombstone_unasked(session, mode, *kind, ids).await?,
                }
                self.save(session).await?;
            }
        }
        Ok(())
    }

    /// Provider ids of records of a kind that the pass has not seen.
    async fn missing(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        stream: &Stream,
        kind: Kind,
    ) -> Result<Vec<String>, SyncError> {
        let connection = session.state.connection_key();
        let Some(progress) = session.state.progress(mode).as_ref() else { return Ok(vec![]) };
        let seen = self.syncs.seen(&connection, &progress.pass, stream.name, kind).await?;
        let mut missing = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.records.inventory(&session.opened.origin, kind, after).await?;
            missing.extend(page.into_iter().filter(|id| !seen.contains(id)));
            after = next;
            if after.is_none() {
                return Ok(missing);
            }
        }
    }

    /// Asks whether objects are there: the provider's word counts, not that a list left them out.
    async fn look_for(&self, session: &mut Session<'_>, mode: Mode, mut cursors: Vec<String>) -> Result<(), SyncError> {
        while let Some(cursor) = cursors.pop() {
            if session.invocation.left() < FOR_A_PAGE {
                return Err(SyncError::DeadlineReached);
            }
            match self.page_of_pass(session, mode, &cursor).await {
                Ok((page, observed_ms)) => {
                    let what = (page.observations.as_slice(), page.gone.as_slice());
                    let counts = self.apply(&session.opened, what, observed_ms, false).await?;
                    self.see(session, mode, &page.observations).await?;
                    let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(()) };
                    add(&mut progress.run.counts, &counts);
                    cursors.extend(further(page));
                }
                // Not known is not gone: the next pass asks again.
                Err(SyncError::InvalidResponse(detail) | SyncError::CursorExpired(detail)) => {
                    let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(()) };
                    add_problem(&mut progress.run, format!("{}: {detail}", progress.stream));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tombstones what cannot be asked for. What was written since the list was begun was seen since then, and stays.
    async fn tombstone_unasked(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        kind: Kind,
        ids: &[String],
    ) -> Result<(), SyncError> {
        let Some(progress) = session.state.progress(mode).as_ref() else { return Ok(()) };
        let begun_ms = progress.began_ms;
        let gone: Vec<ObjectRef> = ids.iter().map(|id| ObjectRef::new(kind, id.as_str())).collect();
        let counts = self.apply(&session.opened, (&[], &gone), begun_ms, false).await?;
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(()) };
        add(&mut progress.run.counts, &counts);
        Ok(())
    }
}
