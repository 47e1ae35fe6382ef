//! Steps of the progress of a pass: where it begins, enters a list, begins it again, leaves its rest out, and hands over.

use domain::sync::{Mode, Run, RunOutcome, Trigger};
use jiff::Timestamp;
use providers::ats::port::Stream;
use store::sync_states::{Progress, begin};

/// The most problems that a run reports.
const MAX_PROBLEMS: usize = 20;

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

/// Continues a pass that waited.
pub(crate) fn resume(progress: Progress, now: Timestamp) -> Progress {
    let Progress { mut run, running, .. } = progress;
    if !running && run.trigger == Trigger::Resume && run.requests == 0 {
        // A record of its own that has not begun yet.
        run.started_at = now;
    }
    Progress { run, running: true, ..progress }
}

/// Moves to the beginning of another list.
pub(crate) fn enter(progress: &mut Progress, stream: &Stream) {
    progress.stream = stream.name.to_owned();
    restart(progress);
    progress.restarts = 0;
    progress.incomplete = false;
}

/// Moves to the beginning of the same list.
pub(crate) fn restart(progress: &mut Progress) {
    progress.next = None;
    progress.follow.clear();
    progress.sweeping = false;
    progress.begun_ms = None;
    progress.failures = 0;
}

/// Leaves the rest of a list out, and reports that.
pub(crate) fn leave_out(progress: &mut Progress, stream: &Stream, detail: &str) {
    add_problem(&mut progress.run, format!("{}: {detail}; the rest of this list was left out", stream.name));
    progress.incomplete = true;
    progress.next = None;
    progress.follow.clear();
    progress.failures = 0;
    // It has begun, also when that was its first page.
    progress.begun_ms.get_or_insert(0);
}

/// Adds a problem to those that a run reports.
pub(crate) fn add_problem(run: &mut Run, problem: String) {
    if run.problems.len() < MAX_PROBLEMS && !run.problems.contains(&problem) {
        run.problems.push(problem);
    }
}

/// Ends the run of a pass before the pass's end: the next run, which has a record of its own, resumes where this one was.
pub(crate) fn hand_over(
    progress: &mut Progress,
    (outcome, detail, until): (RunOutcome, String, Option<Timestamp>),
    now: Timestamp,
) -> Run {
    progress.running = false;
    let mut next = begin(progress.run.mode, Trigger::Resume, now);
    next.resumes = Some(progress.run.id.clone());
    next.counts.clone_from(&progress.run.counts);
    next.problems.clone_from(&progress.run.problems);
    let run = std::mem::replace(&mut progress.run, next);
    Run {
        outcome: Some(outcome),
        detail: Some(detail),
        until,
        resume_point: Some(resume_point(&progress.stream, progress.next.as_deref())),
        finished_at: Some(now),
        ..run
    }
}

/// The position at which the next run resumes, in words.
fn resume_point(stream: &str, next: Option<&str>) -> String {
    match next {
        Some(next) => format!("{stream}, at {}", next.chars().take(200).collect::<String>()),
        None => stream.to_owned(),
    }
}
