//! A pass through a provider's lists, page by page: from its checkpoint, slice by slice.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use domain::ats::{Extent, ObjectRef, Observation};
use domain::sync::{Mode, Run, Trigger};
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{Next, Page, Stream};
use resilience::work::Fenced;
use store::sync_states::{Progress, SyncLease, SyncState, begin};

use crate::apply::add;
use crate::ask::FOR_A_PAGE;
use crate::error::SyncError;
use crate::pending::PendingPages;
use crate::{ConnectionSession, Engine};

/// Pages of one slice while the other mode waits.
const SLICE_PAGES: u32 = 20;
/// What is asked again before the last window's end: what the provider shows late.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// How far our clock may be behind or ahead of a provider's that does not tell its time.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
const SKEW_MS: i64 = 5 * 60 * 1_000;
/// How often a page that cannot be read is asked for before it is left out.
const TRIES: u32 = 3;
/// How often a list is begun again because its place was lost.
const RESTARTS: u32 = 3;
/// How many windows in a row a list's mark waits for rows that cannot be read.
const PATIENT_WINDOWS: u32 = 3;
/// Most problems that a run tells.
const MOST_PROBLEMS: usize = 20;
/// Most cursors that wait: with them a checkpoint stays well within an item.
const MOST_FOLLOW: usize = 4_000;

/// The work of one invocation on one connection.
pub(crate) struct Session<'a> {
    pub(crate) hold: &'a SyncLease,
    pub(crate) state: SyncState,
    pub(crate) opened: ConnectionSession,
    pub(crate) invocation: Invocation,
    /// Whether what a person asked for has begun, so that it is taken away with the next checkpoint.
    pub(crate) taken: bool,
    pub(crate) pending: PendingPages,
}

/// The end of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceEnd {
    /// The pass came to its end.
    Ended,
    /// The other mode runs next.
    Yielded,
}

impl Engine {
    /// Continues the pass of a mode, which has begun, until its end or the end of its slice.
    pub(crate) async fn run_slice(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        other_waits: bool,
    ) -> Result<SliceEnd, SyncError> {
        let ended = self.pages(session, mode, other_waits).await;
        // However it ended, what was done is done: a provider that lets little through at a time is read to the end, too.
        if !matches!(ended, Err(SyncError::LeaseLost | SyncError::Aws(_))) && self.flush(session, mode).await? {
            self.save(session).await?;
        }
        ended
    }

    async fn pages(&self, session: &mut Session<'_>, mode: Mode, other_waits: bool) -> Result<SliceEnd, SyncError> {
        let streams = session.opened.ats.streams(&session.opened.connection.settings);
        session.state.last_mode = Some(mode);
        let mut pages = 0;
        loop {
            if session.invocation.left() < FOR_A_PAGE {
                return Err(SyncError::DeadlineReached);
            }
            if other_waits && pages >= SLICE_PAGES {
                return Ok(SliceEnd::Yielded);
            }
            pages += 1;
            let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(SliceEnd::Ended) };
            let known = streams.iter().position(|stream| stream.name == progress.stream);
            let Some(stream) = streams.get(known.unwrap_or(0)) else { return Ok(SliceEnd::Ended) };
            if known.is_none() {
                // The first one, or one that a former version had.
                enter(progress, stream);
            }
            let step = self.step(session, mode, stream).await?;
            if step == Step::StreamEnded {
                self.leave(session, mode, stream);
                let next = known.unwrap_or(0) + 1;
                let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(SliceEnd::Ended) };
                match streams.get(next) {
                    Some(stream) => enter(progress, stream),
                    None => return Ok(SliceEnd::Ended),
                }
            }
        }
    }

    /// One page of a list, or what follows its last page.
    async fn step(&self, session: &mut Session<'_>, mode: Mode, stream: &Stream) -> Result<Step, SyncError> {
        let since = match (mode, session.state.marks.get(stream.name)) {
            (Mode::Full, _) => None,
            (Mode::Incremental, Some(mark)) => {
                Some(Timestamp::from_millisecond(*mark).unwrap_or_default().saturating_sub(OVERLAP).unwrap_or_default())
            }
            // The pass through everything has not come to this list yet.
            (Mode::Incremental, None) => return Ok(Step::StreamEnded),
        };
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(Step::StreamEnded) };
        if progress.sweeping {
            self.sweep(session, mode, stream).await?;
            return Ok(Step::StreamEnded);
        }
        let followed = progress.follow.get(session.pending.cursors).cloned();
        let cursor = match (&followed, &progress.next, progress.begun_ms) {
            (Some(cursor), ..) | (None, Some(cursor), _) => cursor.clone(),
            (None, None, None) => {
                match session.opened.ats.first_cursor(stream, &session.opened.connection.settings, since) {
                    Some(cursor) => cursor,
                    None => {
                        // A list that tells changes only: they count from the first pass through everything on.
                        let mark = clock::now().saturating_sub(SKEW).unwrap_or_default().as_millisecond();
                        session.state.marks.entry(stream.name.to_owned()).or_insert(mark);
                        return Ok(Step::StreamEnded);
                    }
                }
            }
            (None, None, Some(_)) => return Ok(ended(progress, mode, stream)),
        };
        let asked = self.page_of_pass(session, mode, &cursor).await;
        if matches!(asked, Err(SyncError::InvalidResponse(_) | SyncError::CursorExpired(_))) {
            self.flush(session, mode).await?;
        }
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(Step::StreamEnded) };
        match asked {
            Ok((page, observed_ms)) => {
                self.take(session, mode, stream, (page, observed_ms), followed.is_some()).await?;
            }
            Err(SyncError::InvalidResponse(detail)) => {
                progress.failures += 1;
                if progress.failures < TRIES {
                    clock::sleep(Duration::from_secs(u64::from(progress.failures))).await;
                    return Ok(Step::Page);
                }
                leave_out(progress, stream, &detail);
                self.save(session).await?;
            }
            Err(SyncError::CursorExpired(detail)) => {
                progress.restarts += 1;
                if progress.restarts <= RESTARTS {
                    begin_again(progress);
                } else {
                    leave_out(progress, stream, &detail);
                }
                self.save(session).await?;
            }
            Err(error) => return Err(error),
        }
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(Step::StreamEnded) };
        let more = progress.next.is_some() || !progress.follow.is_empty() || progress.begun_ms.is_none();
        Ok(if more { Step::Page } else { ended(progress, mode, stream) })
    }

    /// Asks for a page of a pass, whose run counts the requests.
    pub(crate) async fn page_of_pass(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        cursor: &str,
    ) -> Result<(Page, i64), SyncError> {
        let before = session.opened.requests;
        let asked = self.page(&mut session.opened, cursor, session.invocation).await;
        if let Some(progress) = session.state.progress(mode) {
            progress.run.requests += session.opened.requests - before;
        }
        asked
    }

    /// Applies a page and moves the checkpoint.
    async fn take(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        stream: &Stream,
        (page, observed_ms): (Page, i64),
        followed: bool,
    ) -> Result<(), SyncError> {
        let Page { observations, gone, present, skipped, next, follow, server_time, pause: _ } = page;
        let again = session.invocation.receive_count > 1;
        // What was written since the last window is new to this list, whoever wrote it.
        let since_ms = session.state.marks.get(stream.name).map_or(i64::MAX, |mark| mark.saturating_sub(SKEW_MS));
        let what = (observations.as_slice(), gone.as_slice());
        let (counts, recent) = self.apply_asking(&session.opened, what, (observed_ms, since_ms), again).await?;
        let changed: u64 = counts.values().map(|counts| counts.created + counts.updated + counts.deleted).sum();
        let first_of_all = mode == Mode::Full && !session.state.marks.contains_key(stream.name);
        let mut seen = Vec::new();
        if mode == Mode::Full && !stream.complete.is_empty() {
            seen = present;
            seen.extend(whole(&observations));
        }
        let due = if followed {
            session.pending.push(seen)
        } else {
            self.see_refs(session, mode, seen).await?;
            true
        };
        let done = session.pending.cursors;
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(()) };
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
        if progress.follow.len() + follow.len() > MOST_FOLLOW + done {
            progress.incomplete = true;
            add_problem(&mut progress.run, format!("{}: a page named more details than can be asked for", stream.name));
        } else {
            progress.follow.extend(follow);
        }
        let due = due || progress.follow.len() == done;
        if first_of_all {
            // What changes from here on is found by windows of changes, however long this pass takes.
            session.state.marks.insert(stream.name.to_owned(), begun);
        }
        if due {
            self.flush(session, mode).await?;
            self.save(session).await?;
        }
        Ok(())
    }

    /// Keeps that a pass has seen these objects.
    pub(crate) async fn see(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        observations: &[Observation],
    ) -> Result<(), SyncError> {
        self.see_refs(session, mode, whole(observations).collect()).await
    }

    pub(crate) async fn see_refs(
        &self,
        session: &mut Session<'_>,
        mode: Mode,
        seen: Vec<ObjectRef>,
    ) -> Result<(), SyncError> {
        if seen.is_empty() {
            return Ok(());
        }
        let connection = session.state.connection_key();
        let Some(progress) = session.state.progress(mode).as_mut() else { return Ok(()) };
        let list = (progress.stream.as_str(), progress.seen_lists);
        self.syncs.record_seen(&connection, &progress.pass, list, &seen, clock::now()).await?;
        progress.seen_lists += 1;
        Ok(())
    }

    /// Moves the checkpoint.
    pub(crate) async fn save(&self, session: &mut Session<'_>) -> Result<(), SyncError> {
        let now = clock::now();
        for progress in [&mut session.state.full, &mut session.state.incremental].into_iter().flatten() {
            if progress.running {
                progress.run.heartbeat_at = now;
            }
        }
        match self.syncs.checkpoint(session.hold, &session.state, session.taken).await? {
            Fenced::Written => {
                session.taken = false;
                Ok(())
            }
            Fenced::LeaseLost => Err(SyncError::LeaseLost),
        }
    }

    /// A list was read to its end: its mark moves, unless something was left out.
    fn leave(&self, session: &mut Session<'_>, mode: Mode, stream: &Stream) {
        let Some(progress) = session.state.progress(mode).as_mut() else { return };
        let (incomplete, begun) = (progress.incomplete, progress.begun_ms);
        let Some(begun) = begun else { return };
        let name = stream.name.to_owned();
        let moves = if !incomplete {
            session.state.left_out.remove(stream.name);
            true
        } else if mode == Mode::Incremental {
            let windows = session.state.left_out.entry(name.clone()).or_default();
            *windows += 1;
            // A row that can never be read must not make every window longer; a full pass asks for it again.
            *windows >= PATIENT_WINDOWS
        } else {
            false
        };
        if moves {
            let mark = session.state.marks.entry(name).or_insert(begun);
            *mark = (*mark).max(begun);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Page,
    StreamEnded,
}

/// The objects that were told whole.
fn whole(observations: &[Observation]) -> impl Iterator<Item = ObjectRef> {
    let whole = observations.iter().filter(|seen| seen.extent == Extent::Whole);
    whole.filter_map(|seen| Some(ObjectRef::new(seen.record.kind(), seen.record.provider_id()?)))
}

/// A list that has no more pages: what it did not have is looked for, where that says something.
fn ended(progress: &mut Progress, mode: Mode, stream: &Stream) -> Step {
    if mode == Mode::Full && !stream.complete.is_empty() && !progress.incomplete && !progress.sweeping {
        progress.sweeping = true;
        return Step::Page;
    }
    Step::StreamEnded
}

fn enter(progress: &mut Progress, stream: &Stream) {
    progress.stream = stream.name.to_owned();
    begin_again(progress);
    progress.restarts = 0;
    progress.incomplete = false;
}

fn begin_again(progress: &mut Progress) {
    progress.next = None;
    progress.follow.clear();
    progress.sweeping = false;
    progress.begun_ms = None;
    progress.failures = 0;
}

/// Leaves the rest of a list out, and says so.
fn leave_out(progress: &mut Progress, stream: &Stream, detail: &str) {
    add_problem(&mut progress.run, format!("{}: {detail}; the rest of this list was left out", stream.name));
    progress.incomplete = true;
    progress.next = None;
    progress.follow.clear();
    progress.failures = 0;
    // It has begun, also when that was its first page.
    progress.begun_ms.get_or_insert(0);
}

pub(crate) fn add_problem(run: &mut Run, problem: String) {
    if run.problems.len() < MOST_PROBLEMS && !run.problems.contains(&problem) {
        run.problems.push(problem);
    }
}

/// The beginning of a pass.
pub(crate) fn new_pass(mode: Mode, trigger: Trigger, now: Timestamp) -> Progress {
    let run = begin(mode, trigger, now);
    Progress {
        pass: run.id.clone(),
        began_ms: now.as_millisecond(),
        run,
        running: true,
        stream: String::new(),
        next: None,
        follow: vec![],
        sweeping: false,
        begun_ms: None,
        incomplete: false,
        seen_lists: 0,
        failures: 0,
        restarts: 0,
    }
}
