//! How connections, their sync and their runs are shown.

use std::collections::BTreeMap;

use domain::connection::{Connection, ConnectionStatus, LoginMethod};
use domain::id::{ConnectionId, OrgId};
use domain::sync::{CountsByKind, Mode, Run, RunOutcome, Trigger};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::sync::{Progress, SyncState};

/// A worker whose run has applied no page for so long is not at work any more, whatever its lease says.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_mins(2);
/// Most characters of a place in a provider's list that are shown.
const LONGEST_PLACE: usize = 200;

/// A connection, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionResponse {
    id: ConnectionId,
    provider: String,
    status: ConnectionStatus,
    /// Why it does not work.
    detail: Option<String>,
    login: LoginMethod,
    account: Option<String>,
    settings: BTreeMap<String, String>,
    /// The path at which the provider's webhooks are taken; none for a provider without.
    webhook_url: Option<String>,
    created_at: Timestamp,
    sync: Option<SyncResponse>,
}

/// How a connection's sync stands.
#[derive(Debug, Serialize)]
struct SyncResponse {
    /// When something is asked next; none while the connection does not work.
    next_at: Option<Timestamp>,
    reason: String,
    poll_at: Option<Timestamp>,
    full_at: Option<Timestamp>,
    parked_until: Option<Timestamp>,
    requested: Option<Mode>,
    running: Option<RunningRunResponse>,
    last_run: Option<RunResponse>,
    last_success_at: Option<Timestamp>,
}

/// A run that is at work.
#[derive(Debug, Serialize)]
struct RunningRunResponse {
    id: String,
    mode: Mode,
    trigger: Trigger,
    /// None while it is at work; `interrupted` when its worker says nothing any more.
    outcome: Option<RunOutcome>,
    started_at: Timestamp,
    heartbeat_at: Timestamp,
    counts: CountsByKind,
    requests: u64,
    position: Option<String>,
}

/// A run, ended or at work.
#[derive(Debug, Serialize)]
pub(super) struct RunResponse {
    id: String,
    mode: Mode,
    trigger: Trigger,
    outcome: Option<RunOutcome>,
    detail: Option<String>,
    until: Option<Timestamp>,
    resume_point: Option<String>,
    resumes: Option<String>,
    started_at: Timestamp,
    heartbeat_at: Timestamp,
    finished_at: Option<Timestamp>,
    requests: u64,
    counts: CountsByKind,
    problems: Vec<String>,
}

impl From<Run> for RunResponse {
    fn from(run: Run) -> Self {
        let Run {
            v: _,
            id,
            mode,
            trigger,
            outcome,
            detail,
            until,
            resume_point,
            resumes,
            started_at,
            heartbeat_at,
            finished_at,
            requests,
            counts,
            problems,
        } = run;
        Self {
            id,
            mode,
            trigger,
            outcome,
            detail,
            until,
            resume_point,
            resumes,
            started_at,
            heartbeat_at,
            finished_at,
            requests,
            counts,
            problems,
        }
    }
}

impl ConnectionResponse {
    pub(super) fn new(org: &OrgId, connection: Connection, state: Option<SyncState>, now: Timestamp) -> Self {
        let Connection { v: _, id, provider, status, detail, login, account, settings, created_at } = connection;
        let webhooks = providers::catalog::find(&provider).is_some_and(|spec| spec.webhooks.is_some());
        let webhook_url = webhooks.then(|| webhook_path(&provider, org, &id));
        let sync = state.map(|state| SyncResponse::new(state, status, now));
        Self { id, provider, status, detail, login, account, settings, webhook_url, created_at, sync }
    }
}

impl SyncResponse {
    fn new(state: SyncState, status: ConnectionStatus, now: Timestamp) -> Self {
        let running = at_work(&state, now).into_iter().next().map(RunningRunResponse::from);
        let SyncState { next_at, reason, poll_at, full_at, parked_until, requested, last_run, succeeded_at, .. } =
            state;
        // While it does not work, whatever was planned before does not happen.
        let (next_at, reason) = match idle(status) {
            Some(why) => (None, why.to_owned()),
            None => (Some(next_at), reason),
        };
        Self {
            next_at,
            reason,
            poll_at,
            full_at,
            parked_until: parked_until.filter(|until| *until > now),
            requested,
            running,
            last_run: last_run.map(RunResponse::from),
            last_success_at: succeeded_at,
        }
    }
}

impl From<Run> for RunningRunResponse {
    fn from(run: Run) -> Self {
        let Run { id, mode, trigger, outcome, started_at, heartbeat_at, counts, requests, resume_point, .. } = run;
        Self { id, mode, trigger, outcome, started_at, heartbeat_at, counts, requests, position: resume_point }
    }
}

/// The path at which a connection's webhooks are taken.
pub(super) fn webhook_path(provider: &str, org: &OrgId, connection: &ConnectionId) -> String {
    format!("/api/webhooks/{provider}/{org}/{connection}")
}

/// Why nothing is asked for a connection; none while it works.
const fn idle(status: ConnectionStatus) -> Option<&'static str> {
    match status {
        ConnectionStatus::Active | ConnectionStatus::Checking => None,
        ConnectionStatus::Paused => Some("paused"),
        ConnectionStatus::Refused => Some("the provider refused the credentials; enter new ones"),
        ConnectionStatus::NeedsReauthorisation => Some("the connection has to be authorised again"),
        ConnectionStatus::Deleted => Some("the connection is being removed"),
        ConnectionStatus::Unknown => Some("a later version of this service set this connection up"),
    }
}

/// The runs that the history does not have yet, newest first: those at work, and those whose end is written with the state only.
pub(super) fn not_listed(state: &SyncState, listed: &[Run], now: Timestamp) -> Vec<Run> {
    let on_its_way = |run: &&Run| !listed.iter().any(|listed| listed.id == run.id);
    let ended = state.ended.iter().rev().filter(on_its_way).cloned();
    at_work(state, now).into_iter().chain(ended).collect()
}

/// The runs that a worker has not ended, the one that had its turn last first; each with its place as `resume_point`. When
/// their worker says nothing any more, they are interrupted, although nobody has recorded that yet.
fn at_work(state: &SyncState, now: Timestamp) -> Vec<Run> {
    let passes = [state.full.as_ref(), state.incremental.as_ref()].into_iter().flatten();
    let mut running: Vec<&Progress> = passes.filter(|progress| progress.running).collect();
    running.sort_by_key(|progress| (Some(progress.run.mode) != state.last_turn, progress.run.started_at));
    // One worker has both: while either goes on, neither is interrupted.
    let heard = running.iter().map(|progress| progress.run.heartbeat_at).max();
    let held = state.lease_until.is_some_and(|until| until >= now.as_millisecond());
    let silent = !held || heard.is_none_or(|heard| now.duration_since(heard) > LONGEST_SILENCE);
    let shown = |progress: &Progress| {
        let mut run = progress.run.clone();
        run.resume_point = Some(place(progress));
        if silent {
            run.outcome = Some(RunOutcome::Interrupted);
            run.detail = Some("its worker says nothing any more; the next run goes on where it was".to_owned());
        }
        run
    };
    running.into_iter().map(shown).collect()
}

fn place(progress: &Progress) -> String {
    match &progress.next {
        Some(next) => format!("{}, at {}", progress.stream, next.chars().take(LONGEST_PLACE).collect::<String>()),
        None => progress.stream.clone(),
    }
}

#[cfg(test)]
mod tests {
    use domain::connection::ConnectionKey;
    use store::sync::begin;

    use super::*;

    fn state(now: Timestamp) -> SyncState {
        let (org, id) = ("acme".parse().expect("slug"), "gh".parse().expect("slug"));
        SyncState {
            lease_until: Some(now.as_millisecond() + 1),
            ..SyncState::new(ConnectionKey { org, connection: id }, "greenhouse", now)
        }
    }

    fn progress(mode: Mode, heartbeat_at: Timestamp) -> Progress {
        let mut run = begin(mode, Trigger::Schedule, heartbeat_at);
        run.heartbeat_at = heartbeat_at;
        Progress {
            pass: "p".into(),
            began_ms: 0,
            run,
            running: true,
            stream: "jobs".into(),
            next: Some("page 2".into()),
            follow: vec![],
            sweeping: false,
            begun_ms: None,
            incomplete: false,
            seen_lists: 0,
            failures: 0,
            restarts: 0,
        }
    }

    #[test]
    fn a_run_whose_worker_is_silent_is_interrupted_and_one_that_waits_for_its_turn_is_not() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let ago = |seconds| now - SignedDuration::from_secs(seconds);
        assert!(at_work(&state(now), now).is_empty());
        let outcomes =
            |state: &SyncState| at_work(state, now).into_iter().map(|run| (run.mode, run.outcome)).collect::<Vec<_>>();
        let one = SyncState { full: Some(progress(Mode::Full, ago(5))), ..state(now) };
        assert_eq!(outcomes(&one), [(Mode::Full, None)]);
        assert_eq!(at_work(&one, now)[0].resume_point.as_deref(), Some("jobs, at page 2"));
        let interrupted = [(Mode::Full, Some(RunOutcome::Interrupted))];
        for lease_until in [None, Some(now.as_millisecond() - 1)] {
            assert_eq!(outcomes(&SyncState { lease_until, ..one.clone() }), interrupted, "{lease_until:?}");
        }
        let silent = SyncState { full: Some(progress(Mode::Full, ago(121))), ..state(now) };
        assert_eq!(outcomes(&silent), interrupted);
        let turns = SyncState {
            incremental: Some(progress(Mode::Incremental, ago(1))),
            last_turn: Some(Mode::Incremental),
            ..silent
        };
        assert_eq!(outcomes(&turns), [(Mode::Incremental, None), (Mode::Full, None)]);
        let ended = SyncState { full: Some(Progress { running: false, ..progress(Mode::Full, now) }), ..state(now) };
        assert!(outcomes(&ended).is_empty());
        // What has ended and is not in the history yet is shown once, after what is at work.
        let run = |mode| begin(mode, Trigger::Schedule, ago(60));
        let (first, second) = (run(Mode::Full), run(Mode::Incremental));
        let both = SyncState { ended: vec![first.clone(), second.clone()], ..one };
        let ids =
            |listed: &[Run]| not_listed(&both, listed, now).into_iter().skip(1).map(|run| run.id).collect::<Vec<_>>();
        assert_eq!(ids(&[]), [second.id.clone(), first.id.clone()]);
        assert_eq!(ids(&[second]), [first.id]);
    }

    #[test]
    fn what_does_not_work_has_no_next_time_and_says_why() {
        let now = Timestamp::UNIX_EPOCH;
        for status in [ConnectionStatus::Active, ConnectionStatus::Checking] {
            assert_eq!(SyncResponse::new(state(now), status, now).next_at, Some(now), "{status:?}");
        }
        for status in [
            ConnectionStatus::Paused,
            ConnectionStatus::Refused,
            ConnectionStatus::NeedsReauthorisation,
            ConnectionStatus::Deleted,
            ConnectionStatus::Unknown,
        ] {
            let view = SyncResponse::new(state(now), status, now);
            assert!(view.next_at.is_none() && view.reason != "new connection", "{status:?}: {view:?}");
        }
        let passed = SyncState { parked_until: Some(now), ..state(now) };
        assert_eq!(SyncResponse::new(passed, ConnectionStatus::Active, now).parked_until, None);
    }
}
