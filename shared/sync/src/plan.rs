//! The schedule of a connection: the mode of the next run, and its time.

use domain::connection::ConnectionStatus;
use domain::sync::Mode;
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{AtsProvider, SyncMethod};
use resilience::adaptive::Policy;
use store::sync_states::SyncState;

/// Between two passes through everything.
pub(crate) const FULL_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// The delay after a full pass that left something out.
const FULL_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// A connection that cannot work is looked at this late; who makes it work makes it due.
const IDLE: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The mode that runs next: the two alternate while both are due.
pub(crate) fn mode_to_run(state: &SyncState, now: Timestamp) -> Option<Mode> {
    let wanted = |mode| wants(state, mode, now);
    match (wanted(Mode::Full), wanted(Mode::Incremental), state.last_mode) {
        (true, true, Some(last)) => Some(last.other()),
        (true, true, None) | (true, false, _) => Some(Mode::Full),
        (false, true, _) => Some(Mode::Incremental),
        (false, false, _) => None,
    }
}

/// Whether a mode is due.
pub(crate) fn wants(state: &SyncState, mode: Mode, now: Timestamp) -> bool {
    let due = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
    match mode {
        Mode::Full => state.full.is_some() || due(state.full_at) || state.requested == Some(Mode::Full),
        // A full pass must have begun: its begin is the start of the first window of changes.
        Mode::Incremental => {
            !state.marks.is_empty()
                && (state.incremental.is_some() || due(state.poll_at) || state.requested == Some(Mode::Incremental))
        }
    }
}

/// The policy of a provider's connections. A provider whose webhooks do not cover everything is polled at its
/// contract's interval all the same.
pub(crate) fn policy(provider: &AtsProvider) -> Policy {
    match provider.sync {
        SyncMethod::Polled { contract } => Policy::new(contract),
        SyncMethod::Webhook { reconcile, contract } if reconcile > contract => {
            Policy { reconcile, ..Policy::new(contract) }
        }
        SyncMethod::Webhook { reconcile, .. } => Policy::new(reconcile),
    }
}

/// Whether the provider's webhooks cover everything, so that polls only reconcile.
pub(crate) fn webhooks_cover_everything(provider: &AtsProvider) -> bool {
    matches!(provider.sync, SyncMethod::Webhook { reconcile, contract } if reconcile > contract)
}

/// The time of the full pass after one that ended.
pub(crate) fn next_full(now: Timestamp, whole: bool) -> Timestamp {
    later(now, if whole { FULL_EVERY } else { FULL_AGAIN })
}

/// The time of a connection's next run or check, and the reason.
pub(crate) fn next_check(state: &SyncState, now: Timestamp) -> (Timestamp, String) {
    let earliest = [state.poll_at.filter(|_| !state.marks.is_empty()), state.full_at].into_iter().flatten().min();
    let wanted = if state.full.is_some() || state.incremental.is_some() { Some(now) } else { earliest };
    let wanted = wanted.unwrap_or(now);
    match state.parked_until {
        Some(until) if until > wanted => (until, parked_reason(state)),
        Some(_) | None if wanted <= now => (now, "a long run goes on".to_owned()),
        Some(_) | None if state.full_at == Some(wanted) && state.poll_at != Some(wanted) => {
            (wanted, "everything is read once a day".to_owned())
        }
        Some(_) | None => (wanted, state.poll_reason.as_ref().unwrap_or(&state.reason).clone()),
    }
}

/// The reason for which a connection waits that is parked.
pub(crate) fn parked_reason(state: &SyncState) -> String {
    state.parked_reason.as_ref().unwrap_or(&state.reason).clone()
}

/// The reason for which a connection that is not active waits, and the time of its next check.
pub(crate) fn idle(status: ConnectionStatus, now: Timestamp) -> Option<(Timestamp, String)> {
    let reason = match status {
        ConnectionStatus::Active | ConnectionStatus::Checking => return None,
        ConnectionStatus::Paused => "paused",
        ConnectionStatus::Refused => "the provider refused the credentials; enter new ones",
        ConnectionStatus::NeedsReauthorisation => "the connection has to be authorised again",
        ConnectionStatus::Deleted => "the connection was removed",
        ConnectionStatus::Unknown => "a later version of this service set this connection up",
    };
    Some((later(now, IDLE), reason.to_owned()))
}

pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use domain::connection::ConnectionKey;

    use super::*;

    #[test]
    fn each_due_time_has_its_own_reason() {
        let now = Timestamp::UNIX_EPOCH;
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "one".parse().expect("slug") };
        let hours = |hours| later(now, SignedDuration::from_hours(hours));
        let mut state = SyncState::new(key, "an-ats", now);
        state.reason = "asked for by a person".to_owned();
        (state.poll_at, state.poll_reason) = (Some(hours(1)), Some("it changes each hour".to_owned()));
        state.full_at = Some(hours(24));
        state.marks.insert("applications".to_owned(), 0);
        assert_eq!(next_check(&state, now), (hours(1), "it changes each hour".to_owned()));
        (state.parked_until, state.parked_reason) = (Some(hours(2)), Some("the provider asked to wait".to_owned()));
        assert_eq!(next_check(&state, now), (hours(2), "the provider asked to wait".to_owned()));
        (state.parked_until, state.full_at) = (None, Some(hours(0)));
        assert_eq!(next_check(&state, hours(-1)), (hours(0), "everything is read once a day".to_owned()));
    }
}
