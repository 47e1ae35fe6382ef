//! One notification, one e-mail: what may follow from what, when nobody may get two and nobody may be forgotten.
//!
//! `queued -> sending -> accepted -> delivered | bounced | complained`. From `sending` also: `rejected` for good, back to `queued`
//! when certainly nothing was sent, and `unknown` when nobody can say: a lost reply, or a worker that died in the middle. From
//! `unknown` nothing is sent before the provider was asked, several times and not too soon: it knows the mail, and the mail is
//! accepted; it knows none, and the mail is sent again. Where the provider cannot be asked, the kind of the notification
//! decides between sending again and a person's look (`needs_review`).
//!
//! Invariants, guarded by the conditions below and explored exhaustively in the tests:
//! - never two accepted mails of a notification that promises at most one, and with a provider that can be asked never two of
//!   any;
//! - the item names the provider that an attempt is made with before that provider is called, so that the right one is asked;
//! - the next provider of a list is called only after the one before it certainly sent nothing;
//! - providers' events are applied in any order and any number of times, and end in the same state;
//! - accepted work is done: sooner or later every notification is settled.
//!
//! What is assumed: a process is gone when its lease has passed (Lambda ends it), and a provider shows a mail that it took
//! within the time for which it is asked. Cost of a success: two writes, no read.

use std::time::Duration;

use domain::mail_event::MailEventKind;
use domain::notification::{Guarantee, NotificationState};

/// A notification whose worker died while it was sending goes to what [`doubt`] says. Guards: the lease of the worker that the
/// reader saw has passed, and nobody has settled it since.
pub const DOUBT: &str = "#state = :sending AND #owner = :owner AND #lease_until < :now";

/// What was learned by asking is recorded. Guards: the doubt is the one that was asked about (its worker's token stays in the
/// item), and nobody has learned more since.
pub const LEARN: &str = "#state = :unknown AND #owner = :owner AND #asked = :asked";

/// A provider's event is recorded. Guards: each event once, and on the state that the reader saw.
pub const TELL: &str = "#state = :state AND (attribute_not_exists(#event_ids) OR NOT contains(#event_ids, :event))";

/// How often a provider must say that it knows no such mail before the mail is sent again.
pub const ASKS: u32 = 3;

/// For how long a provider that does not answer is asked before a person has to look.
pub const LONGEST_DOUBT: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest time between two questions: what a queue can hold a message back.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// Whether a provider can be asked what became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asking {
    /// It answers.
    Answers,
    /// It cannot be asked, but tells by events what it took.
    Tells,
    /// Neither: nobody can say.
    Silent,
}

/// What follows when it is not known whether a mail was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDoubt {
    /// `unknown`: the provider is asked, or heard.
    Ask,
    /// `queued`: it is sent again, with the same Message-ID.
    SendAgain,
    /// `needs_review`: a person decides.
    Review,
}

/// Decides what follows from doubt.
#[must_use]
pub const fn doubt(asking: Asking, guarantee: Guarantee) -> AfterDoubt {
    match (asking, guarantee) {
        (Asking::Answers | Asking::Tells, Guarantee::AtMostOnce | Guarantee::AtLeastOnce) => AfterDoubt::Ask,
        (Asking::Silent, Guarantee::AtLeastOnce) => AfterDoubt::SendAgain,
        (Asking::Silent, Guarantee::AtMostOnce) => AfterDoubt::Review,
    }
}

/// What came of asking a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It knows the mail.
    Found,
    /// It knows no such mail.
    NotFound,
    /// It cannot be asked, or not with these credentials, and has not told of the mail either.
    Silence,
    /// It did not answer this time.
    NoAnswer,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAnswer {
    /// What the provider says of the mail is recorded.
    Settle,
    /// It stays `unknown` and is asked about again; `counts`: this answer is one of the [`ASKS`].
    AskAgain {
        /// Whether it counts.
        counts: bool,
    },
    /// `queued`: it is sent again, with the same Message-ID.
    SendAgain,
    /// `needs_review`: a person decides.
    Review,
}

/// Decides what follows from an answer to question number `asked` (from 0) in a doubt that has lasted so long.
#[must_use]
pub fn learn(answer: Answer, asked: u32, doubted_for: Duration, guarantee: Guarantee) -> AfterAnswer {
    let last = asked.saturating_add(1) >= ASKS;
    match (answer, guarantee) {
        (Answer::Found, _) => AfterAnswer::Settle,
        (Answer::NoAnswer, _) if doubted_for >= LONGEST_DOUBT => AfterAnswer::Review,
        (Answer::NoAnswer, _) => AfterAnswer::AskAgain { counts: false },
        (Answer::NotFound | Answer::Silence, _) if !last => AfterAnswer::AskAgain { counts: true },
        (Answer::NotFound, _) | (Answer::Silence, Guarantee::AtLeastOnce) => AfterAnswer::SendAgain,
        (Answer::Silence, Guarantee::AtMostOnce) => AfterAnswer::Review,
    }
}

/// How long to wait before question number `asked` (from 0): the settling time, doubled each time.
#[must_use]
pub fn ask_after(settling: Duration, asked: u32) -> Duration {
    settling.saturating_mul(1 << asked.min(16)).min(LONGEST_WAIT)
}

/// What the item says to a worker that has a message about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a worker.
    Waits,
    /// A worker has it, for at least so long.
    Held(Duration),
    /// Its worker's lease has passed.
    Abandoned,
    /// It is in doubt, and is to be asked about after this time; zero for now.
    Doubted(Duration),
    /// There is nothing to do for a worker.
    Settled,
}

/// Reads how an item stands. `lease_until_ms` and `ask_at_ms` are milliseconds since 1970 UTC.
#[must_use]
pub fn standing(
    state: NotificationState,
    lease_until_ms: Option<i64>,
    ask_at_ms: Option<i64>,
    now_ms: i64,
) -> Standing {
    let left = |until: Option<i64>| u64::try_from(until.unwrap_or(now_ms).saturating_sub(now_ms)).ok();
    match state {
        NotificationState::Queued => Standing::Waits,
        NotificationState::Sending => match left(lease_until_ms) {
            Some(left) => Standing::Held(Duration::from_millis(left.saturating_add(1))),
            None => Standing::Abandoned,
        },
        NotificationState::Unknown => Standing::Doubted(Duration::from_millis(left(ask_at_ms).unwrap_or(0))),
        NotificationState::NeedsReview
        | NotificationState::Accepted
        | NotificationState::Rejected
        | NotificationState::Delivered
        | NotificationState::Bounced
        | NotificationState::Complained => Standing::Settled,
    }
}

/// The state after a provider's event; none when the event changes none, because what is known says more.
///
/// Each state and each event has a rank, and the highest wins: so the order of events, and how often each comes, changes
/// nothing. Every event says that the provider took the mail, which settles a doubt.
#[must_use]
pub fn told(state: NotificationState, event: MailEventKind) -> Option<NotificationState> {
    let after = match event {
        MailEventKind::Accepted | MailEventKind::Deferred => NotificationState::Accepted,
        MailEventKind::Delivered => NotificationState::Delivered,
        MailEventKind::Refused => NotificationState::Rejected,
        MailEventKind::Bounced => NotificationState::Bounced,
        MailEventKind::Complained => NotificationState::Complained,
    };
    (rank(after) > rank(state)).then_some(after)
}

/// Whether the address of a mail with this end is not to be written to again.
#[must_use]
pub const fn suppresses(event: MailEventKind) -> bool {
    match event {
        MailEventKind::Bounced | MailEventKind::Complained => true,
        MailEventKind::Accepted | MailEventKind::Deferred | MailEventKind::Delivered | MailEventKind::Refused => false,
    }
}

const fn rank(state: NotificationState) -> u8 {
    match state {
        NotificationState::Queued
        | NotificationState::Sending
        | NotificationState::Unknown
        | NotificationState::NeedsReview => 0,
        NotificationState::Accepted => 1,
        NotificationState::Delivered => 2,
        NotificationState::Rejected => 3,
        NotificationState::Bounced => 4,
        NotificationState::Complained => 5,
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    /// All orders of some events.
    fn orders(events: &[MailEventKind]) -> Vec<Vec<MailEventKind>> {
        if events.is_empty() {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for (at, first) in events.iter().enumerate() {
            let rest: Vec<_> = events.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, e)| *e).collect();
            all.extend(orders(&rest).into_iter().map(|mut order| {
                order.insert(0, *first);
                order
            }));
        }
        all
    }

    #[test]
    fn events_in_any_order_and_number_end_in_one_state_whatever_stood_before() {
        let apply = |state: NotificationState, events: &[MailEventKind]| {
            events.iter().fold(state, |state, event| told(state, *event).unwrap_or(state))
        };
        for start in NotificationState::ALL {
            for subset in 0..(1_u32 << MailEventKind::ALL.len()) {
                let events: Vec<_> =
                    (0_u32..).zip(MailEventKind::ALL).filter(|(n, _)| subset & (1 << n) != 0).map(|(_, e)| e).collect();
                let expected = apply(start, &events);
                for order in orders(&events) {
                    assert_eq!(apply(start, &order), expected, "{start:?} {order:?}");
                    let twice: Vec<_> = order.iter().chain(&order).copied().collect();
                    assert_eq!(apply(start, &twice), expected, "{start:?} {twice:?}");
                }
            }
        }
    }

    #[test]
    fn every_event_settles_every_doubt() {
        for state in [NotificationState::Unknown, NotificationState::NeedsReview, NotificationState::Sending] {
            for event in MailEventKind::ALL {
                assert!(told(state, event).is_some(), "{state:?} {event:?}");
            }
        }
        assert_eq!(told(NotificationState::Bounced, MailEventKind::Delivered), None);
        assert_eq!(told(NotificationState::Delivered, MailEventKind::Bounced), Some(NotificationState::Bounced));
    }

    #[test]
    fn a_provider_is_asked_several_times_and_not_for_ever() {
        let minute = Duration::from_secs(60);
        let both = [Guarantee::AtMostOnce, Guarantee::AtLeastOnce];
        for guarantee in both {
            for asked in 0..ASKS - 1 {
                let again = AfterAnswer::AskAgain { counts: true };
                assert_eq!(learn(Answer::NotFound, asked, minute, guarantee), again);
                assert_eq!(learn(Answer::Silence, asked, minute, guarantee), again);
            }
            assert_eq!(learn(Answer::NotFound, ASKS - 1, minute, guarantee), AfterAnswer::SendAgain);
            let unanswered = AfterAnswer::AskAgain { counts: false };
            assert_eq!(learn(Answer::NoAnswer, u32::MAX, minute, guarantee), unanswered);
            assert_eq!(learn(Answer::NoAnswer, 0, LONGEST_DOUBT, guarantee), AfterAnswer::Review);
            assert_eq!(learn(Answer::Found, 0, LONGEST_DOUBT, guarantee), AfterAnswer::Settle);
        }
        assert_eq!(learn(Answer::Silence, ASKS, minute, Guarantee::AtMostOnce), AfterAnswer::Review);
        assert_eq!(learn(Answer::Silence, ASKS, minute, Guarantee::AtLeastOnce), AfterAnswer::SendAgain);
        let waits: Vec<u64> = (0..5).map(|asked| ask_after(2 * minute, asked).as_secs()).collect();
        assert_eq!(waits, [120, 240, 480, 900, 900]);
    }

    #[test]
    fn an_item_says_what_a_worker_may_do() {
        let read = |state, lease, ask| standing(state, lease, ask, 100);
        let ms = Duration::from_millis;
        assert_eq!(read(NotificationState::Queued, None, None), Standing::Waits);
        assert_eq!(read(NotificationState::Sending, Some(150), None), Standing::Held(ms(51)));
        assert_eq!(read(NotificationState::Sending, Some(99), None), Standing::Abandoned);
        assert_eq!(read(NotificationState::Unknown, Some(0), Some(300)), Standing::Doubted(ms(200)));
        assert_eq!(read(NotificationState::Unknown, None, Some(3)), Standing::Doubted(ms(0)));
        for state in NotificationState::ALL.into_iter().filter(|state| rank(*state) > 0) {
            assert_eq!(read(state, Some(150), Some(300)), Standing::Settled);
        }
    }
}
