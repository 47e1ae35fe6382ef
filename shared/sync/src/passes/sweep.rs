//! The sweep after a complete pass through a list: what the list did not have is looked up by id, and gets a tombstone when it
//! is not there.

use domain::ats::{Kind, ObjectRef};
use providers::ats::port::Stream;

use crate::client::further_cursors;
use crate::error::SyncError;
use crate::passes::pass::{Pass, whole};
use crate::progress::add_problem;
use crate::requests::PAGE_RESERVE;
use crate::writer::{Findings, add};

/// The most objects of one lookup.
const LOOKUP_SIZE: usize = 50;

/// Looks up what a list did not have. May be done again from its beginning: a tombstone stays.
pub(crate) async fn sweep(pass: &mut Pass<'_>, stream: &Stream) -> Result<(), SyncError> {
    for kind in stream.complete {
        for ids in missing(pass, stream, *kind).await?.chunks(LOOKUP_SIZE) {
            match pass.session.ats.lookup_cursors(*kind, ids) {
                Some(cursors) => look_up(pass, cursors).await?,
                None => tombstone_unlisted(pass, *kind, ids).await?,
            }
            pass.checkpoint().await?;
        }
    }
    Ok(())
}

/// The provider ids of records of a kind that the pass has not seen.
async fn missing(pass: &Pass<'_>, stream: &Stream, kind: Kind) -> Result<Vec<String>, SyncError> {
    let states = pass.leased.states();
    let seen = states.seen(&pass.leased.key(), &pass.progress.pass, stream.name, kind).await?;
    let mut missing = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = pass.writer.records.inventory(&pass.session.origin, kind, after).await?;
        missing.extend(page.into_iter().filter(|id| !seen.contains(id)));
        after = next;
        if after.is_none() {
            return Ok(missing);
        }
    }
}

/// Requests objects by id: the provider's reply counts, not that a list left them out.
async fn look_up(pass: &mut Pass<'_>, mut cursors: Vec<String>) -> Result<(), SyncError> {
    while let Some(cursor) = cursors.pop() {
        if pass.invocation.left() < PAGE_RESERVE {
            return Err(SyncError::DeadlineReached);
        }
        match pass.page(&cursor).await {
            Ok((page, observed_ms)) => {
                let findings = Findings { observations: &page.observations, gone: &page.gone, observed_ms };
                let counts = pass.writer.write(&pass.session.origin, findings, false).await?;
                pass.record_seen(&whole(&page.observations).collect::<Vec<_>>()).await?;
                add(&mut pass.progress.run.counts, &counts);
                cursors.extend(further_cursors(page));
            }
            // Not known is not gone: the next pass looks it up again.
            Err(SyncError::InvalidResponse(detail) | SyncError::CursorExpired(detail)) => {
                let problem = format!("{}: {detail}", pass.progress.stream);
                add_problem(&mut pass.progress.run, problem);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Puts tombstones for objects that cannot be looked up. A record that was written since the pass began was seen since then,
/// and stays.
async fn tombstone_unlisted(pass: &mut Pass<'_>, kind: Kind, ids: &[String]) -> Result<(), SyncError> {
    let gone: Vec<ObjectRef> = ids.iter().map(|id| ObjectRef::new(kind, id.as_str())).collect();
    let findings = Findings { observations: &[], gone: &gone, observed_ms: pass.progress.began_ms };
    let counts = pass.writer.write(&pass.session.origin, findings, false).await?;
    add(&mut pass.progress.run.counts, &counts);
    Ok(())
}
