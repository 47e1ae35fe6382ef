//! Reads the lists of a provider page by page: from the checkpoint of a pass, slice by slice.

use std::time::Duration;

use aws::clock;
use domain::sync::Mode;
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{Next, Page, Stream};
use store::sync_states::Progress;

use crate::error::SyncError;
use crate::passes::pass::{Pass, whole};
use crate::passes::pending::PendingPages;
use crate::passes::sweep::sweep;
use crate::progress::{add_problem, enter, leave_out, restart};
use crate::requests::PAGE_RESERVE;
use crate::writer::{Findings, add};

/// Pages of one slice while the other mode waits.
const SLICE_PAGES: u32 = 20;
/// The overlap of two windows: what the provider shows late.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// The largest difference between our clock and that of a provider that does not state its time.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
const SKEW_MS: i64 = 5 * 60 * 1_000;
/// The number of requests of an invalid page before it is left out.
const TRIES: u32 = 3;
/// The number of restarts of a list whose cursor expired.
const RESTARTS: u32 = 3;
/// The number of consecutive windows for which a list's mark waits for invalid rows.
const PATIENT_WINDOWS: u32 = 3;
/// The most cursors that wait: with them a checkpoint stays well within an item.
const MAX_FOLLOW: usize = 4_000;

/// The end of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceEnd {
    /// The pass came to its end.
    Ended,
    /// The other mode runs next.
    Yielded,
}

/// Runs a slice of a pass: until the pass's end, or until it has had its pages while the other mode waits.
pub(crate) async fn run_slice(pass: Pass<'_>, other_waits: bool) -> Result<SliceEnd, SyncError> {
    let mut reader = ListReader { pass, pending: PendingPages::default() };
    let ended = reader.pages(other_waits).await;
    // However it ended, what was done is done: a provider that lets little through at a time is read to the end, too.
    if !matches!(ended, Err(SyncError::LeaseLost | SyncError::Aws(_))) && reader.flush().await? {
        reader.pass.checkpoint().await?;
    }
    ended
}

/// Reads the lists of a pass in their order.
struct ListReader<'a> {
    pass: Pass<'a>,
    pending: PendingPages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Page,
    ListEnded,
}

impl ListReader<'_> {
    async fn flush(&mut self) -> Result<bool, SyncError> {
        self.pending.flush(&mut self.pass).await
    }

    async fn pages(&mut self, other_waits: bool) -> Result<SliceEnd, SyncError> {
        let streams = self.pass.session.ats.streams(&self.pass.session.connection.settings);
        self.pass.leased.state.last_mode = Some(self.pass.mode());
        let mut pages = 0;
        loop {
            if self.pass.invocation.left() < PAGE_RESERVE {
                return Err(SyncError::DeadlineReached);
            }
            if other_waits && pages >= SLICE_PAGES {
                return Ok(SliceEnd::Yielded);
            }
            pages += 1;
            let known = streams.iter().position(|stream| stream.name == self.pass.progress.stream);
            let Some(stream) = streams.get(known.unwrap_or(0)) else { return Ok(SliceEnd::Ended) };
            if known.is_none() {
                // The first one, or one that a former version had.
                enter(self.pass.progress, stream);
            }
            if self.step(stream).await? == Step::ListEnded {
                self.leave(stream);
                match streams.get(known.unwrap_or(0) + 1) {
                    Some(stream) => enter(self.pass.progress, stream),
                    None => return Ok(SliceEnd::Ended),
                }
            }
        }
    }

    /// One page of a list, or the sweep after its last page.
    async fn step(&mut self, stream: &Stream) -> Result<Step, SyncError> {
        let mode = self.pass.mode();
        let since = match (mode, self.pass.leased.state.marks.get(stream.name)) {
            (Mode::Full, _) => None,
            (Mode::Incremental, Some(mark)) => {
                Some(Timestamp::from_millisecond(*mark).unwrap_or_default().saturating_sub(OVERLAP).unwrap_or_default())
            }
            // The full pass has not come to this list yet.
            (Mode::Incremental, None) => return Ok(Step::ListEnded),
        };
        if self.pass.progress.sweeping {
            sweep(&mut self.pass, stream).await?;
            return Ok(Step::ListEnded);
        }
        let progress = &*self.pass.progress;
        let followed = progress.follow.get(self.pending.len()).cloned();
        let cursor = match (&followed, &progress.next, progress.begun_ms) {
            (Some(cursor), ..) | (None, Some(cursor), _) => cursor.clone(),
            (None, None, None) => {
                let session = &self.pass.session;
                match session.ats.first_cursor(stream, &session.connection.settings, since) {
                    Some(cursor) => cursor,
                    None => {
                        // A list that has changes only: they count from the first full pass on.
                        let mark = clock::now().saturating_sub(SKEW).unwrap_or_default().as_millisecond();
                        self.pass.leased.state.marks.entry(stream.name.to_owned()).or_insert(mark);
                        return Ok(Step::ListEnded);
                    }
                }
            }
            (None, None, Some(_)) => return Ok(after_last_page(self.pass.progress, stream)),
        };
        let page = self.pass.page(&cursor).await;
        if matches!(page, Err(SyncError::InvalidResponse(_) | SyncError::CursorExpired(_))) {
            self.flush().await?;
        }
        match page {
            Ok(page) => self.apply(stream, page, followed.is_some()).await?,
            Err(SyncError::InvalidResponse(detail)) => {
                let progress = &mut *self.pass.progress;
                progress.failures += 1;
                if progress.failures < TRIES {
                    clock::sleep(Duration::from_secs(u64::from(progress.failures))).await;
                    return Ok(Step::Page);
                }
                leave_out(progress, stream, &detail.to_string());
                self.pass.checkpoint().await?;
            }
            Err(SyncError::CursorExpired(detail)) => {
                let progress = &mut *self.pass.progress;
                progress.restarts += 1;
                if progress.restarts <= RESTARTS {
                    restart(progress);
                } else {
                    leave_out(progress, stream, &detail.to_string());
                }
                self.pass.checkpoint().await?;
            }
            Err(error) => return Err(error),
        }
        let progress = &mut *self.pass.progress;
        let more = progress.next.is_some() || !progress.follow.is_empty() || progress.begun_ms.is_none();
        Ok(if more { Step::Page } else { after_last_page(progress, stream) })
    }

    /// Applies a page, and moves the checkpoint when it is time for it.
    async fn apply(
        &mut self,
        stream: &Stream,
        (page, observed_ms): (Page, i64),
        followed: bool,
    ) -> Result<(), SyncError> {
        let Page { observations, gone, present, skipped, next, follow, server_time, pause: _ } = page;
        let mode = self.pass.mode();
        let repeated = self.pass.invocation.receive_count > 1;
        let marks = &self.pass.leased.state.marks;
        // What was written since the last window is new to this list, whichever worker wrote it.
        let since_ms = marks.get(stream.name).map_or(i64::MAX, |mark| mark.saturating_sub(SKEW_MS));
        let first_of_all = mode == Mode::Full && !marks.contains_key(stream.name);
        let findings = Findings { observations: &observations, gone: &gone, observed_ms };
        let (writer, origin) = (self.pass.writer, &self.pass.session.origin);
        let (counts, recent) = writer.write_counting_recent(origin, findings, since_ms, repeated).await?;
        let changed: u64 = counts.values().map(|counts| counts.created + counts.updated + counts.deleted).sum();
        let mut seen = Vec::new();
        if mode == Mode::Full && !stream.complete.is_empty() {
            seen = present;
            seen.extend(whole(&observations));
        }
        let due = if followed {
            self.pending.push(seen)
        } else {
            self.pass.record_seen(&seen).await?;
            true
        };
        let done = self.pending.len();
        let progress = &mut *self.pass.progress;
        add(&mut progress.run.counts, &counts);
        for problem in skipped {
            progress.incomplete = true;
            add_problem(&mut progress.run, format!("{}: {problem}", stream.name));
        }
        progress.failures = 0;
        let ours = Timestamp::from_millisecond(observed_ms).unwrap_or_default();
        let at = server_time.unwrap_or_else(|| ours.saturating_sub(SKEW).unwrap_or_default());
        let begun = *progress.begun_ms.get_or_insert(at.as_millisecond());
        if !followed {
            progress.next = match next {
                Next::End => None,
                Next::More(cursor) => Some(cursor),
                Next::MoreWhileNew(_) if mode == Mode::Incremental && changed + recent == 0 => None,
                Next::MoreWhileNew(cursor) => Some(cursor),
            };
        }
        if progress.follow.len() + follow.len() > MAX_FOLLOW + done {
            progress.incomplete = true;
            let problem = format!("{}: a page named more details than can be asked for", stream.name);
            add_problem(&mut progress.run, problem);
        } else {
            progress.follow.extend(follow);
        }
        let due = due || progress.follow.len() == done;
        if first_of_all {
            // Later changes are found by windows of changes, however long this pass takes.
            self.pass.leased.state.marks.insert(stream.name.to_owned(), begun);
        }
        if due {
            self.flush().await?;
            self.pass.checkpoint().await?;
        }
        Ok(())
    }

    /// A list was read to its end: its mark moves, unless something was left out.
    fn leave(&mut self, stream: &Stream) {
        let Some(begun) = self.pass.progress.begun_ms else { return };
        let (state, name) = (&mut self.pass.leased.state, stream.name.to_owned());
        let moves = if !self.pass.progress.incomplete {
            state.left_out.remove(stream.name);
            true
        } else if self.pass.progress.run.mode == Mode::Incremental {
            let windows = state.left_out.entry(name.clone()).or_default();
            *windows += 1;
            // A row that can never be read must not make every window longer; a full pass requests it again.
            *windows >= PATIENT_WINDOWS
        } else {
            false
        };
        if moves {
            let mark = state.marks.entry(name).or_insert(begun);
            *mark = (*mark).max(begun);
        }
    }
}

/// The step after a list's last page: the sweep, if the list is complete.
fn after_last_page(progress: &mut Progress, stream: &Stream) -> Step {
    let full = progress.run.mode == Mode::Full;
    if full && !stream.complete.is_empty() && !progress.incomplete && !progress.sweeping {
        progress.sweeping = true;
        return Step::Page;
    }
    Step::ListEnded
}
