//! The transition after an attempt at an action: rules, and nothing that calls or writes.

use aws::breaker::Verdict;
use aws::error::AwsError;
use domain::action::{Action, ActionState, UNKNOWN};
use domain::failure::Failure;
use domain::write_back::ChangeKind;
use resilience::retry::{ACTION, Next, WORKER};
use store::jobs::{End, RetryKind, Transition};
use sync::{ChangeOutcome, SyncError};

/// The provider refused the change.
const REFUSED: &str = "provider-refused";
/// The connection or the provider does not allow it; no request was made.
const NOT_POSSIBLE: &str = "not-possible";
/// The action could not be carried out for now.
const UNAVAILABLE: &str = "unavailable";
/// A person has to repair the connection first.
const CONNECTION_FAILED: &str = "connection-failed";
/// The provider, or our own budget of requests, requires a wait.
const RATE_LIMITED: &str = "rate-limited";

/// The mark of an action that ended in need of a person: it is counted once that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedsReview;

/// The end of an action in that state.
pub(crate) fn end(state: ActionState, failure: Option<Failure>) -> Transition<NeedsReview> {
    let follow_up = (state == ActionState::NeedsReview).then_some(NeedsReview);
    Transition::End(End { follow_up, ..End::new(state.as_str(), failure) })
}

/// The transition after an attempt at an action, with the verdict for the breaker. `unknown` says that an earlier
/// attempt may have made the change, `chance` is a random number in 0..1.
///
/// # Errors
/// When AWS refuses for good.
pub(crate) fn follow(
    made: Result<ChangeOutcome, SyncError>,
    action: &Action,
    unknown: bool,
    chance: f64,
) -> Result<(Verdict, Transition<NeedsReview>), AwsError> {
    let kind = action.change.kind();
    // What may have been made is never called certainly not made.
    let certain = |code: &str, detail: String| {
        if unknown {
            end(ActionState::NeedsReview, Some(Failure::new(UNKNOWN, detail)))
        } else {
            end(ActionState::Failed, Some(Failure::new(code, detail)))
        }
    };
    let review = |detail: String| end(ActionState::NeedsReview, Some(Failure::new(UNKNOWN, detail)));
    let waiting = |code: &str, detail: String| Failure::new(if unknown { UNKNOWN } else { code }, detail);
    let changed = match made {
        Ok(changed) => changed,
        Err(error) => return after_error(error, action, chance, (&certain, &waiting)),
    };
    Ok(match changed {
        ChangeOutcome::Made => (Verdict::Works, end(ActionState::Succeeded, None)),
        // A change that sets a state was looked up and cannot be made; one that adds something may have been made.
        ChangeOutcome::Refused(detail) if !kind.adds() => {
            (Verdict::Works, end(ActionState::Failed, Some(Failure::new(REFUSED, detail))))
        }
        ChangeOutcome::Refused(detail) => (Verdict::Works, certain(REFUSED, detail)),
        ChangeOutcome::NotPossible(detail) => (Verdict::NotTried, certain(NOT_POSSIBLE, detail)),
        ChangeOutcome::NotRepeatable(detail) => (Verdict::NotTried, review(detail)),
        // Nothing of ours is in it by which it could be found.
        ChangeOutcome::Unknown(detail) if kind == ChangeKind::Submit => (Verdict::Failed, review(detail)),
        ChangeOutcome::Unknown(detail) => {
            let transition = match ACTION.next(action.attempts, chance, None) {
                Next::After(after) => {
                    Transition::Wait { failure: Failure::new(UNKNOWN, detail), after, kind: RetryKind::Counted }
                }
                Next::GiveUp => review(detail),
            };
            (Verdict::Failed, transition)
        }
    })
}

type Certain<'a> = &'a dyn Fn(&str, String) -> Transition<NeedsReview>;
type Waiting<'a> = &'a dyn Fn(&str, String) -> Failure;

/// The transition when this attempt did not make the change.
fn after_error(
    error: SyncError,
    action: &Action,
    chance: f64,
    (certain, waiting): (Certain<'_>, Waiting<'_>),
) -> Result<(Verdict, Transition<NeedsReview>), AwsError> {
    let again = |detail: String| match ACTION.next(action.attempts, chance, None) {
        Next::After(after) => {
            Transition::Wait { failure: waiting(UNAVAILABLE, detail), after, kind: RetryKind::Counted }
        }
        Next::GiveUp => certain(UNAVAILABLE, detail),
    };
    Ok(match error {
        SyncError::RateLimited { wait, ours } => {
            let failure = waiting(RATE_LIMITED, error.to_string());
            // A provider may not say how long, and is not to be called each second.
            let (verdict, least) = if ours { (Verdict::NotTried, WORKER.base) } else { (Verdict::Works, ACTION.base) };
            (verdict, Transition::Wait { failure, after: wait.max(least), kind: RetryKind::Postponed })
        }
        SyncError::DeadlineReached | SyncError::LeaseLost => {
            let failure = waiting(UNAVAILABLE, error.to_string());
            (Verdict::NotTried, Transition::Wait { failure, after: WORKER.base, kind: RetryKind::Postponed })
        }
        SyncError::Failed(detail) | SyncError::ReauthorizationRequired(detail) => {
            (Verdict::Works, certain(CONNECTION_FAILED, detail.to_string()))
        }
        SyncError::InvalidResponse(detail) | SyncError::CursorExpired(detail) => {
            (Verdict::Works, again(detail.to_string()))
        }
        SyncError::Unavailable(detail) => (Verdict::Failed, again(detail.to_string())),
        SyncError::Aws(error) if error.retry() => {
            let failure = waiting(UNAVAILABLE, "the records could not be reached; it is tried again".to_owned());
            (Verdict::NotTried, Transition::Wait { failure, after: WORKER.cap, kind: RetryKind::NotCounted })
        }
        SyncError::Aws(error) => return Err(error),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::id::ActionId;
    use domain::write_back::Change;
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn action(change: Change, attempts: u32) -> Action {
        let id = ActionId::fresh(Uuid::from_u128(1));
        let action = Action::accepted(id, "bamboo".parse().expect("slug"), None, change, Timestamp::UNIX_EPOCH);
        Action { state: ActionState::Running, attempts, ..action }
    }

    fn move_stage() -> Change {
        Change::MoveStage { application: "7".into(), stage: "3".into() }
    }

    fn note() -> Change {
        let reference = ActionId::fresh(Uuid::from_u128(1));
        Change::Note { application: "7".into(), candidate: "8".into(), text: "Hello".into(), reference }
    }

    fn submit() -> Change {
        Change::Submit {
            job: "1".into(),
            first_name: "Ada".into(),
            last_name: "Byron".into(),
            email: "ada@example.com".into(),
            phone: None,
        }
    }

    fn transition(
        made: Result<ChangeOutcome, SyncError>,
        change: Change,
        attempts: u32,
        unknown: bool,
    ) -> (Verdict, Transition<NeedsReview>) {
        follow(made, &action(change, attempts), unknown, 0.5).expect("AWS did its part")
    }

    fn code(transition: &Transition<NeedsReview>) -> (&'static str, Option<&str>) {
        match transition {
            Transition::End(End { state, failure, .. }) => {
                (state, failure.as_ref().map(|failure| failure.code.as_str()))
            }
            Transition::Wait { failure, kind: RetryKind::Counted, .. } => ("tried", Some(&failure.code)),
            Transition::Wait { failure, kind: RetryKind::NotCounted, .. } => ("blameless", Some(&failure.code)),
            Transition::Wait { failure, kind: RetryKind::Postponed, .. } => ("postponed", Some(&failure.code)),
        }
    }

    fn said(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_the_provider_says_ends_it() {
        for change in [move_stage(), note(), submit()] {
            let (verdict, made) = transition(Ok(ChangeOutcome::Made), change.clone(), 1, true);
            assert_eq!((verdict, code(&made)), (Verdict::Works, ("succeeded", None)));
            let (verdict, refused) = transition(Ok(ChangeOutcome::Refused(said("no"))), change.clone(), 1, false);
            assert_eq!((verdict, code(&refused)), (Verdict::Works, ("failed", Some("provider-refused"))));
            let (verdict, not_possible) = transition(Ok(ChangeOutcome::NotPossible(said("no"))), change, 1, false);
            assert_eq!((verdict, code(&not_possible)), (Verdict::NotTried, ("failed", Some("not-possible"))));
        }
    }

    #[test]
    fn a_lost_reply_is_looked_up_and_a_lost_submission_is_reviewed() {
        let lost = || Ok(ChangeOutcome::Unknown(said("the reply was lost")));
        for change in [move_stage(), note(), Change::Hire { application: "7".into() }] {
            let (verdict, again) = transition(lost(), change.clone(), 1, false);
            assert_eq!((verdict, code(&again)), (Verdict::Failed, ("tried", Some("unknown"))));
            assert_eq!(code(&transition(lost(), change, ACTION.tries, false).1), ("needs-review", Some("unknown")));
        }
        assert_eq!(code(&transition(lost(), submit(), 1, false).1), ("needs-review", Some("unknown")));
        let (verdict, not_repeatable) =
            transition(Ok(ChangeOutcome::NotRepeatable(said("it has no lookup"))), note(), 1, true);
        assert_eq!((verdict, code(&not_repeatable)), (Verdict::NotTried, ("needs-review", Some("unknown"))));
    }

    #[test]
    fn what_is_unknown_is_never_called_certain() {
        let refused = || Ok(ChangeOutcome::Refused(said("no")));
        assert_eq!(code(&transition(refused(), note(), 2, true).1), ("needs-review", Some("unknown")));
        assert_eq!(code(&transition(refused(), move_stage(), 2, true).1), ("failed", Some("provider-refused")));
        let gone = || Ok(ChangeOutcome::NotPossible(said("removed")));
        assert_eq!(code(&transition(gone(), move_stage(), 2, true).1), ("needs-review", Some("unknown")));
        let down = || Err(SyncError::Unavailable(said("down").into()));
        assert_eq!(code(&transition(down(), move_stage(), 2, true).1), ("tried", Some("unknown")));
        assert_eq!(code(&transition(down(), move_stage(), ACTION.tries, true).1), ("needs-review", Some("unknown")));
        let limited = || Err(SyncError::RateLimited { wait: Duration::from_secs(9), ours: false });
        assert_eq!(code(&transition(limited(), note(), 2, true).1), ("postponed", Some("unknown")));
    }

    #[test]
    fn a_change_that_was_not_made_is_retried_until_attempts_end() {
        let down = || Err(SyncError::Unavailable(said("down").into()));
        for tried in 1..ACTION.tries {
            let (verdict, again) = transition(down(), submit(), tried, false);
            assert_eq!((verdict, code(&again)), (Verdict::Failed, ("tried", Some("unavailable"))));
        }
        assert_eq!(code(&transition(down(), submit(), ACTION.tries, false).1), ("failed", Some("unavailable")));
        let (verdict, broken) = transition(Err(SyncError::Failed(said("no key").into())), submit(), 1, false);
        assert_eq!((verdict, code(&broken)), (Verdict::Works, ("failed", Some("connection-failed"))));
    }

    #[test]
    fn waiting_for_a_limit_or_for_aws_is_no_try() {
        let limited = |ours| Err(SyncError::RateLimited { wait: Duration::from_secs(40), ours });
        let (verdict, transition_of_theirs) = transition(limited(false), note(), ACTION.tries, false);
        assert_eq!((verdict, code(&transition_of_theirs)), (Verdict::Works, ("postponed", Some("rate-limited"))));
        assert!(matches!(transition_of_theirs, Transition::Wait { after, .. } if after == Duration::from_secs(40)));
        assert_eq!(transition(limited(true), note(), 1, false).0, Verdict::NotTried);
        let at_once = Err(SyncError::RateLimited { wait: Duration::ZERO, ours: true });
        assert!(
            matches!(transition(at_once, note(), 1, false).1, Transition::Wait { after, .. } if after == WORKER.base)
        );
        let gone = |retry| {
            let detail = said("throttled");
            let operation = "read the table";
            Err(SyncError::Aws(if retry {
                AwsError::unavailable(operation, detail)
            } else {
                AwsError::refused(operation, detail)
            }))
        };
        let (verdict, blameless) = transition(gone(true), note(), ACTION.tries, false);
        assert_eq!((verdict, code(&blameless)), (Verdict::NotTried, ("blameless", Some("unavailable"))));
        assert!(follow(gone(false), &action(note(), 1), false, 0.5).is_err());
        assert_eq!(
            code(&transition(Err(SyncError::DeadlineReached), note(), 1, false).1),
            ("postponed", Some("unavailable"))
        );
    }
}
