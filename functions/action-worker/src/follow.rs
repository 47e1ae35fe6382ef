//! What follows from a try: rules, and nothing that asks or writes.

use std::time::Duration;

use aws::breaker::Verdict;
use aws::error::AwsError;
use domain::action::{Action, ActionState, UNKNOWN};
use domain::failure::Failure;
use domain::write_back::ChangeKind;
use resilience::retry::{ACTION, Next, WORKER};
use sync::{Changed, Halt};

/// The provider refused the change.
const REFUSED: &str = "provider-refused";
/// The connection or the provider does not allow it; nobody was asked.
const NOT_POSSIBLE: &str = "not-possible";
/// It may be asked for again later.
const UNAVAILABLE: &str = "unavailable";
/// Somebody has to repair the connection first.
const CONNECTION_FAILED: &str = "connection-failed";
/// The provider asked to wait, or our own budget of requests does.
const RATE_LIMITED: &str = "rate-limited";

/// What becomes of an action after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// This is its end.
    End(ActionState, Option<Failure>),
    /// It waits for its next try.
    Wait {
        /// Why.
        failure: Failure,
        /// How long.
        after: Duration,
        /// What becomes of its message, and whether that was a try.
        how: Wait,
    },
}

/// How an action waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It was a try, and its message comes again.
    Tried,
    /// Nobody was asked because of AWS: its message comes again, and the tries are those that there were.
    Blameless,
    /// Nobody could be asked: a copy of its message comes later, which costs no receive, and the tries are those that there
    /// were.
    Postponed,
}

/// What follows from a try of an action; `doubt` says that an earlier one may have been made, `chance` is a random number in
/// 0..1. Gives what the breaker hears, too.
///
/// # Errors
/// When AWS refuses for good.
pub(crate) fn follow(
    made: Result<Changed, Halt>,
    action: &Action,
    doubt: bool,
    chance: f64,
) -> Result<(Verdict, Step), AwsError> {
    let kind = action.change.kind();
    // What may have been made is never called certainly not made.
    let certain = |code: &str, detail: String| {
        if doubt {
            Step::End(ActionState::NeedsReview, Some(Failure::new(UNKNOWN, detail)))
        } else {
            Step::End(ActionState::Failed, Some(Failure::new(code, detail)))
        }
    };
    let review = |detail: String| Step::End(ActionState::NeedsReview, Some(Failure::new(UNKNOWN, detail)));
    let waiting = |code: &str, detail: String| Failure::new(if doubt { UNKNOWN } else { code }, detail);
    let changed = match made {
        Ok(changed) => changed,
        Err(halt) => return halted(halt, action, chance, (&certain, &waiting)),
    };
    Ok(match changed {
        Changed::Made => (Verdict::Works, Step::End(ActionState::Succeeded, None)),
        // What says how something is to be was looked at and cannot be so; of what adds something nobody knows.
        Changed::Refused(detail) if !kind.adds() => {
            (Verdict::Works, Step::End(ActionState::Failed, Some(Failure::new(REFUSED, detail))))
        }
        Changed::Refused(detail) => (Verdict::Works, certain(REFUSED, detail)),
        Changed::Barred(detail) => (Verdict::NotTried, certain(NOT_POSSIBLE, detail)),
        Changed::Doubtful(detail) => (Verdict::NotTried, review(detail)),
        // Nothing of ours is in it by which it could be found.
        Changed::Unknown(detail) if kind == ChangeKind::Submit => (Verdict::Failed, review(detail)),
        Changed::Unknown(detail) => {
            let step = match ACTION.next(action.attempts, chance, None) {
                Next::After(after) => Step::Wait { failure: Failure::new(UNKNOWN, detail), after, how: Wait::Tried },
                Next::GiveUp => review(detail),
            };
            (Verdict::Failed, step)
        }
    })
}

type Certain<'a> = &'a dyn Fn(&str, String) -> Step;
type Waiting<'a> = &'a dyn Fn(&str, String) -> Failure;

/// What follows when it was certainly not made this time.
fn halted(
    halt: Halt,
    action: &Action,
    chance: f64,
    (certain, waiting): (Certain<'_>, Waiting<'_>),
) -> Result<(Verdict, Step), AwsError> {
    let again = |detail: String| match ACTION.next(action.attempts, chance, None) {
        Next::After(after) => Step::Wait { failure: waiting(UNAVAILABLE, detail), after, how: Wait::Tried },
        Next::GiveUp => certain(UNAVAILABLE, detail),
    };
    Ok(match halt {
        Halt::RateLimited { wait, ours } => {
            let failure = waiting(RATE_LIMITED, halt.to_string());
            // A provider may not say how long, and is not to be asked each second.
            let (verdict, least) = if ours { (Verdict::NotTried, WORKER.base) } else { (Verdict::Works, ACTION.base) };
            (verdict, Step::Wait { failure, after: wait.max(least), how: Wait::Postponed })
        }
        Halt::OutOfTime | Halt::Lost => {
            let failure = waiting(UNAVAILABLE, halt.to_string());
            (Verdict::NotTried, Step::Wait { failure, after: WORKER.base, how: Wait::Postponed })
        }
        Halt::Failed(detail) | Halt::Reauthorise(detail) => (Verdict::Works, certain(CONNECTION_FAILED, detail)),
        Halt::Unreadable(detail) | Halt::PlaceLost(detail) => (Verdict::Works, again(detail)),
        Halt::Unavailable(detail) => (Verdict::Failed, again(detail)),
        Halt::Platform(error) if error.retry() => {
            let failure = waiting(UNAVAILABLE, "the records could not be reached; it is tried again".to_owned());
            (Verdict::NotTried, Step::Wait { failure, after: WORKER.cap, how: Wait::Blameless })
        }
        Halt::Platform(error) => return Err(error),
    })
}

#[cfg(test)]
mod tests {
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

    fn step(made: Result<Changed, Halt>, change: Change, attempts: u32, doubt: bool) -> (Verdict, Step) {
        follow(made, &action(change, attempts), doubt, 0.5).expect("AWS did its part")
    }

    fn code(step: &Step) -> (&'static str, Option<&str>) {
        match step {
            Step::End(state, failure) => (state.as_str(), failure.as_ref().map(|failure| failure.code.as_str())),
            Step::Wait { failure, how: Wait::Tried, .. } => ("tried", Some(&failure.code)),
            Step::Wait { failure, how: Wait::Blameless, .. } => ("blameless", Some(&failure.code)),
            Step::Wait { failure, how: Wait::Postponed, .. } => ("postponed", Some(&failure.code)),
        }
    }

    fn said(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_the_provider_says_ends_it() {
        for change in [move_stage(), note(), submit()] {
            let (verdict, made) = step(Ok(Changed::Made), change.clone(), 1, true);
            assert_eq!((verdict, code(&made)), (Verdict::Works, ("succeeded", None)));
            let (verdict, refused) = step(Ok(Changed::Refused(said("no"))), change.clone(), 1, false);
            assert_eq!((verdict, code(&refused)), (Verdict::Works, ("failed", Some("provider-refused"))));
            let (verdict, barred) = step(Ok(Changed::Barred(said("no"))), change, 1, false);
            assert_eq!((verdict, code(&barred)), (Verdict::NotTried, ("failed", Some("not-possible"))));
        }
    }

    #[test]
    fn a_lost_reply_is_looked_for_but_an_application_that_was_handed_in_waits_for_a_person() {
        let lost = || Ok(Changed::Unknown(said("the reply was lost")));
        for change in [move_stage(), note(), Change::Hire { application: "7".into() }] {
            let (verdict, again) = step(lost(), change.clone(), 1, false);
            assert_eq!((verdict, code(&again)), (Verdict::Failed, ("tried", Some("unknown"))));
            assert_eq!(code(&step(lost(), change, ACTION.tries, false).1), ("needs-review", Some("unknown")));
        }
        assert_eq!(code(&step(lost(), submit(), 1, false).1), ("needs-review", Some("unknown")));
        let (verdict, doubtful) = step(Ok(Changed::Doubtful(said("nobody knows"))), note(), 1, true);
        assert_eq!((verdict, code(&doubtful)), (Verdict::NotTried, ("needs-review", Some("unknown"))));
    }

    #[test]
    fn a_doubt_is_never_called_certainty() {
        let refused = || Ok(Changed::Refused(said("no")));
        assert_eq!(code(&step(refused(), note(), 2, true).1), ("needs-review", Some("unknown")));
        assert_eq!(code(&step(refused(), move_stage(), 2, true).1), ("failed", Some("provider-refused")));
        let gone = || Ok(Changed::Barred(said("removed")));
        assert_eq!(code(&step(gone(), move_stage(), 2, true).1), ("needs-review", Some("unknown")));
        let down = || Err(Halt::Unavailable(said("down")));
        assert_eq!(code(&step(down(), move_stage(), 2, true).1), ("tried", Some("unknown")));
        assert_eq!(code(&step(down(), move_stage(), ACTION.tries, true).1), ("needs-review", Some("unknown")));
        let limited = || Err(Halt::RateLimited { wait: Duration::from_secs(9), ours: false });
        assert_eq!(code(&step(limited(), note(), 2, true).1), ("postponed", Some("unknown")));
    }

    #[test]
    fn what_was_certainly_not_made_is_tried_again_until_the_tries_are_used_up() {
        let down = || Err(Halt::Unavailable(said("down")));
        for tried in 1..ACTION.tries {
            let (verdict, again) = step(down(), submit(), tried, false);
            assert_eq!((verdict, code(&again)), (Verdict::Failed, ("tried", Some("unavailable"))));
        }
        assert_eq!(code(&step(down(), submit(), ACTION.tries, false).1), ("failed", Some("unavailable")));
        let (verdict, broken) = step(Err(Halt::Failed(said("no key"))), submit(), 1, false);
        assert_eq!((verdict, code(&broken)), (Verdict::Works, ("failed", Some("connection-failed"))));
    }

    #[test]
    fn waiting_for_a_limit_or_for_aws_is_no_try() {
        let limited = |ours| Err(Halt::RateLimited { wait: Duration::from_secs(40), ours });
        let (verdict, step_of_theirs) = step(limited(false), note(), ACTION.tries, false);
        assert_eq!((verdict, code(&step_of_theirs)), (Verdict::Works, ("postponed", Some("rate-limited"))));
        assert!(matches!(step_of_theirs, Step::Wait { after, .. } if after == Duration::from_secs(40)));
        assert_eq!(step(limited(true), note(), 1, false).0, Verdict::NotTried);
        let at_once = Err(Halt::RateLimited { wait: Duration::ZERO, ours: true });
        assert!(matches!(step(at_once, note(), 1, false).1, Step::Wait { after, .. } if after == WORKER.base));
        let gone = |retry| {
            let detail = said("throttled");
            let operation = "read the table";
            Err(Halt::Platform(if retry {
                AwsError::Unavailable { operation, detail }
            } else {
                AwsError::Refused { operation, detail }
            }))
        };
        let (verdict, blameless) = step(gone(true), note(), ACTION.tries, false);
        assert_eq!((verdict, code(&blameless)), (Verdict::NotTried, ("blameless", Some("unavailable"))));
        assert!(follow(gone(false), &action(note(), 1), false, 0.5).is_err());
        assert_eq!(code(&step(Err(Halt::OutOfTime), note(), 1, false).1), ("postponed", Some("unavailable")));
    }
}
