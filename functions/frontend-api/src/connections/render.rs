//! Renders connections, their sync states and their runs for the API. No IO.

use domain::connection::{Connection, ConnectionStatus};
use domain::id::{ConnectionId, OrgId};
use domain::sync::{Run, RunOutcome};
use jiff::{SignedDuration, Timestamp};
use store::sync_states::{Progress, SyncState};

use super::types::{ConnectionResponse, RunResponse, RunningRunResponse, SyncResponse};

/// The longest time between two pages of a run. A worker that exceeds it counts as dead, whatever its lease says.
const MAX_HEARTBEAT_AGE: SignedDuration = SignedDuration::from_mins(2);
/// The most characters of a provider's cursor in a response.
const MAX_CURSOR_CHARS: usize = 200;

/// Renders a connection with its sync state.
pub(super) fn connection_response(
    org: &OrgId,
    connection: Connection,
    state: Option<SyncState>,
    now: Timestamp,
) -> ConnectionResponse {
    let Connection { v: _, id, provider, status, detail, login, account, settings, created_at } = connection;
    let takes_webhooks = providers::ats::find(&provider).is_some_and(|ats| ats.webhooks.is_some());
    let webhook_url = takes_webhooks.then(|| webhook_path(&provider, org, &id));
    let sync = state.map(|state| sync_response(state, status, now));
    ConnectionResponse { id, provider, status, detail, login, account, settings, webhook_url, created_at, sync }
}

/// Renders the sync state of a connection with this status.
fn sync_response(state: SyncState, status: ConnectionStatus, now: Timestamp) -> SyncResponse {
    let running = running_runs(&state, now).into_iter().next().map(running_run_response);
    let SyncState {
        next_at, reason, activity, poll_at, full_at, parked_until, requested, last_run, succeeded_at, ..
    } = state;
    // The plan of a connection that does not work is not carried out.
    let (next_at, reason) = match idle_reason(status) {
        Some(idle) => (None, idle.to_owned()),
        None => (Some(next_at), activity.unwrap_or(reason)),
    };
    SyncResponse {
        next_at,
        reason,
        poll_at,
        full_at,
        parked_until: parked_until.filter(|until| *until > now),
        requested,
        running,
        last_run: last_run.map(run_response),
        last_success_at: succeeded_at,
    }
}

fn running_run_response(run: Run) -> RunningRunResponse {
    let Run { id, mode, trigger, outcome, started_at, heartbeat_at, counts, requests, resume_point, .. } = run;
    let position = resume_point;
    RunningRunResponse { id, mode, trigger, outcome, started_at, heartbeat_at, counts, requests, position }
}

/// Renders a run for the list of runs.
pub(super) fn run_response(run: Run) -> RunResponse {
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
    RunResponse {
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

/// The path of a connection's webhooks.
pub(super) fn webhook_path(provider: &str, org: &OrgId, connection: &ConnectionId) -> String {
    format!("/api/webhooks/{provider}/{org}/{connection}")
}

/// The reason why a connection makes no requests; none while it works.
const fn idle_reason(status: ConnectionStatus) -> Option<&'static str> {
    match status {
        ConnectionStatus::Active | ConnectionStatus::Checking => None,
        ConnectionStatus::Paused => Some("paused"),
        ConnectionStatus::Refused => Some("the provider refused the credentials; enter new ones"),
        ConnectionStatus::NeedsReauthorisation => Some("the connection has to be authorised again"),
        ConnectionStatus::Deleted => Some("the connection is being removed"),
        ConnectionStatus::Unknown => Some("a later version of this service set this connection up"),
    }
}

/// The runs that the history lacks, newest first: those that have not ended, and those whose end is written with the state only.
pub(super) fn unlisted_runs(state: &SyncState, listed: &[Run], now: Timestamp) -> Vec<Run> {
    let unlisted = |run: &&Run| !listed.iter().any(|listed| listed.id == run.id);
    let ended = state.ended.iter().rev().filter(unlisted).cloned();
    running_runs(state, now).into_iter().chain(ended).collect()
}

/// The runs that have not ended, the one that worked last first, each with its position as `resume_point`. A run whose
/// worker has stopped reporting is returned as interrupted, before the next worker records that.
fn running_runs(state: &SyncState, now: Timestamp) -> Vec<Run> {
    let passes = [state.full.as_ref(), state.incremental.as_ref()].into_iter().flatten();
    let mut running: Vec<&Progress> = passes.filter(|progress| progress.running).collect();
    running.sort_by_key(|progress| (Some(progress.run.mode) != state.last_mode, progress.run.started_at));
    // One worker has both runs: while either of them makes progress, neither is interrupted.
    let last_heartbeat = running.iter().map(|progress| progress.run.heartbeat_at).max();
    let leased = state.lease_until.is_some_and(|until| until >= now.as_millisecond());
    let alive = last_heartbeat.is_some_and(|heartbeat| now.duration_since(heartbeat) <= MAX_HEARTBEAT_AGE);
    let render = |progress: &Progress| {
        let mut run = progress.run.clone();
        run.resume_point = Some(position(progress));
        if !(leased && alive) {
            run.outcome = Some(RunOutcome::Interrupted);
            run.detail = Some("its worker says nothing any more; the next run goes on where it was".to_owned());
        }
        run
    };
    running.into_iter().map(render).collect()
}

/// The position of a run: the stream that it reads, and the provider's cursor in it.
fn position(progress: &Progress) -> String {
    match &progress.next {
        Some(cursor) => {
            format!("{}, at {}", progress.stream, cursor.chars().take(MAX_CURSOR_CHARS).collect::<String>())
        }
        None => progress.stream.clone(),
    }
}

#[cfg(test)]
mod tests {
    use domain::connection::ConnectionKey;
    use domain::sync::{Mode, Trigger};
    use store::sync_states::begin;

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
    fn a_run_without_heartbeat_is_interrupted() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let ago = |seconds| now - SignedDuration::from_secs(seconds);
        assert!(running_runs(&state(now), now).is_empty());
        let outcomes = |state: &SyncState| {
            running_runs(state, now).into_iter().map(|run| (run.mode, run.outcome)).collect::<Vec<_>>()
        };
        let one = SyncState { full: Some(progress(Mode::Full, ago(5))), ..state(now) };
        assert_eq!(outcomes(&one), [(Mode::Full, None)]);
        assert_eq!(running_runs(&one, now)[0].resume_point.as_deref(), Some("jobs, at page 2"));
        let interrupted = [(Mode::Full, Some(RunOutcome::Interrupted))];
        for lease_until in [None, Some(now.as_millisecond() - 1)] {
            assert_eq!(outcomes(&SyncState { lease_until, ..one.clone() }), interrupted, "{lease_until:?}");
        }
        let silent = SyncState { full: Some(progress(Mode::Full, ago(121))), ..state(now) };
        assert_eq!(outcomes(&silent), interrupted);
        let turns = SyncState {
            incremental: Some(progress(Mode::Incremental, ago(1))),
            last_mode: Some(Mode::Incremental),
            ..silent
        };
        assert_eq!(outcomes(&turns), [(Mode::Incremental, None), (Mode::Full, None)]);
        let ended = SyncState { full: Some(Progress { running: false, ..progress(Mode::Full, now) }), ..state(now) };
        assert!(outcomes(&ended).is_empty());
        // An ended run that the history lacks is listed once, after the runs that have not ended.
        let run = |mode| begin(mode, Trigger::Schedule, ago(60));
        let (first, second) = (run(Mode::Full), run(Mode::Incremental));
        let both = SyncState { ended: vec![first.clone(), second.clone()], ..one };
        let ids = |listed: &[Run]| {
            unlisted_runs(&both, listed, now).into_iter().skip(1).map(|run| run.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]), [second.id.clone(), first.id.clone()]);
        assert_eq!(ids(&[second]), [first.id]);
    }

    #[test]
    fn a_connection_that_is_not_polled_shows_the_reason() {
        let now = Timestamp::UNIX_EPOCH;
        for status in [ConnectionStatus::Active, ConnectionStatus::Checking] {
            assert_eq!(sync_response(state(now), status, now).next_at, Some(now), "{status:?}");
        }
        for status in [
            ConnectionStatus::Paused,
            ConnectionStatus::Refused,
            ConnectionStatus::NeedsReauthorisation,
            ConnectionStatus::Deleted,
            ConnectionStatus::Unknown,
        ] {
            let view = sync_response(state(now), status, now);
            assert!(view.next_at.is_none() && view.reason != "new connection", "{status:?}: {view:?}");
        }
        let passed = SyncState { parked_until: Some(now), ..state(now) };
        assert_eq!(sync_response(passed, ConnectionStatus::Active, now).parked_until, None);
    }
}
