//! The state machine of a delivery: one notification, one e-mail, neither sent twice nor forgotten.
//!
//! `queued -> sending -> accepted -> delivered | bounced | complained`. From `sending` also: `rejected` for good, back to `queued`
//! when certainly nothing was sent, and `unknown` when the outcome cannot be determined: a lost reply, or a worker that died
//! in the middle. From `unknown` nothing is sent before the mail was looked up at its provider, several times and not too
//! soon: the provider knows the mail, and the mail is accepted; it knows none, and the mail is sent again. Where the provider
//! has no lookup, the kind of the notification decides between sending again and a person's review (`needs_review`).
//!
//! Invariants, guarded by the conditions below and explored exhaustively in the tests:
//! - never two accepted mails of a notification that promises at most one, and with a provider that has a lookup never two of
//!   any;
//! - the item names the provider of an attempt before that provider is called, so that the lookup goes to the right one;
//! - the next provider of a list is called only after the one before it certainly sent nothing;
//! - providers' events are applied in any order and any number of times, and end in the same state;
//! - accepted work is done: sooner or later every notification is settled.
//!
//! Assumptions: a process is gone when its lease has passed (Lambda ends it), and a provider's lookup finds an accepted
//! mail within the time over which the lookups are spread. Cost of a success: two writes, no read.

use std::time::Duration;

use domain::mail_event::MailEventKind;
use domain::notification::{Guarantee, NotificationState};

/// The condition under which a notification whose worker died while it was sending goes to the state that [`after_unknown`]
/// decides. Guards: the lease of the worker that the reader saw has passed, and the item was not settled since.
pub const MARK_UNKNOWN: &str = "#state = :sending AND #owner = :owner AND #lease_until < :now";

/// The condition under which a lookup is recorded. Guards: the attempt is the one that was looked up (its worker's token
/// stays in the item), and no other lookup was recorded since.
pub const RECORD_LOOKUP: &str = "#state = :unknown AND #owner = :owner AND #asked = :asked";

/// The condition under which a provider's event is recorded. Guards: each event once, and on the state that the reader saw.
pub const RECORD_EVENT: &str =
    "#state = :state AND (attribute_not_exists(#event_ids) OR NOT contains(#event_ids, :event))";

/// The number of lookups that must find no such mail before the mail is sent again.
pub const LOOKUPS_BEFORE_RESEND: u32 = 3;

/// The time after which a mail whose lookups fail goes to a person's review.
pub const LONGEST_UNKNOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time between two lookups: the longest delay of a message in a queue.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// The way in which the outcome of a mail can be learned from its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryLookup {
    /// The provider has an API in which a mail can be looked up.
    Supported,
    /// The provider has no lookup, but reports accepted mails by events.
    EventsOnly,
    /// The provider has neither a lookup nor events.
    Unsupported,
}

/// The decision when it is unknown whether a mail was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterUnknown {
    /// `unknown`: the mail is looked up at the provider, or waits for the provider's events.
    LookUp,
    /// `queued`: it is sent again, with the same Message-ID.
    Resend,
    /// `needs_review`: a person decides.
    Review,
}

/// Decides what follows when it is unknown whether a mail was sent.
#[must_use]
pub const fn after_unknown(lookup: DeliveryLookup, guarantee: Guarantee) -> AfterUnknown {
    match (lookup, guarantee) {
        (DeliveryLookup::Supported | DeliveryLookup::EventsOnly, Guarantee::AtMostOnce | Guarantee::AtLeastOnce) => {
            AfterUnknown::LookUp
        }
        (DeliveryLookup::Unsupported, Guarantee::AtLeastOnce) => AfterUnknown::Resend,
        (DeliveryLookup::Unsupported, Guarantee::AtMostOnce) => AfterUnknown::Review,
    }
}

/// The result of looking up a mail at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookupResult {
    /// The provider knows the mail.
    Found,
    /// The provider knows no such mail.
    NotFound,
    /// The provider has no lookup, or none with these credentials, and no event of the mail came either.
    Unavailable,
    /// The lookup failed this time.
    Failed,
}

/// The decision after a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterLookup {
    /// The provider's record of the mail is the outcome.
    Resolve,
    /// The mail stays `unknown` and is looked up again.
    LookUpAgain {
        /// Whether this lookup is one of the [`LOOKUPS_BEFORE_RESEND`].
        counts: bool,
    },
    /// `queued`: it is sent again, with the same Message-ID.
    Resend,
    /// `needs_review`: a person decides.
    Review,
}

/// Decides what follows from the result of lookup number `number` (from 0) of a mail that has been unknown for `unknown_for`.
#[must_use]
pub fn after_lookup(result: LookupResult, number: u32, unknown_for: Duration, guarantee: Guarantee) -> AfterLookup {
    let last = number.saturating_add(1) >= LOOKUPS_BEFORE_RESEND;
    match (result, guarantee) {
        (LookupResult::Found, _) => AfterLookup::Resolve,
        (LookupResult::Failed, _) if unknown_for >= LONGEST_UNKNOWN => AfterLookup::Review,
        (LookupResult::Failed, _) => AfterLookup::LookUpAgain { counts: false },
        (LookupResult::NotFound | LookupResult::Unavailable, _) if !last => AfterLookup::LookUpAgain { counts: true },
        (LookupResult::NotFound, _) | (LookupResult::Unavailable, Guarantee::AtLeastOnce) => AfterLookup::Resend,
        (LookupResult::Unavailable, Guarantee::AtMostOnce) => AfterLookup::Review,
    }
}

/// The delay before lookup number `number` (from 0): the settling time, doubled each time.
#[must_use]
pub fn lookup_delay(settling: Duration, number: u32) -> Duration {
    settling.saturating_mul(1 << number.min(16)).min(LONGEST_WAIT)
}

/// The status of a delivery, as it matters to a worker that has a message about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// The notification waits for a worker.
    Queued,
    /// A worker holds the lease for at least this long.
    Leased(Duration),
    /// The worker's lease has passed.
    LeaseExpired,
    /// The outcome is unknown, and the mail is looked up after this time; zero for now.
    Unknown(Duration),
    /// The notification needs no worker.
    Settled,
}

/// Reads the status of an item. `lease_until_ms` and `lookup_at_ms` are milliseconds since the epoch.
#[must_use]
pub fn status(
    state: NotificationState,
    lease_until_ms: Option<i64>,
    lookup_at_ms: Option<i64>,
    now_ms: i64,
) -> DeliveryStatus {
    let left = |until: Option<i64>| u64::try_from(until.unwrap_or(now_ms).saturating_sub(now_ms)).ok();
    match state {
        NotificationState::Queued => DeliveryStatus::Queued,
        NotificationState::Sending => match left(lease_until_ms) {
            Some(left) => DeliveryStatus::Leased(Duration::from_millis(left.saturating_add(1))),
            None => DeliveryStatus::LeaseExpired,
        },
        NotificationState::Unknown => DeliveryStatus::Unknown(Duration::from_millis(left(lookup_at_ms).unwrap_or(0))),
        NotificationState::NeedsReview
        | NotificationState::Accepted
        | NotificationState::Rejected
        | NotificationState::Delivered
        | NotificationState::Bounced
        | NotificationState::Complained => DeliveryStatus::Settled,
    }
}

/// The state after a provider's event; none when the event changes none, because the state has at least its rank.
///
/// Each state and each event has a rank, and the highest wins: so the order of events, and the number of deliveries,
/// changes nothing. Every event proves that the provider accepted the mail, which settles an unknown outcome.
#[must_use]
pub fn after_event(state: NotificationState, event: MailEventKind) -> Option<NotificationState> {
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
    fn events_in_any_order_and_number_end_in_one_state() {
        let apply = |state: NotificationState, events: &[MailEventKind]| {
            events.iter().fold(state, |state, event| after_event(state, *event).unwrap_or(state))
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
    fn every_event_settles_an_unknown_outcome() {
        for state in [NotificationState::Unknown, NotificationState::NeedsReview, NotificationState::Sending] {
            for event in MailEventKind::ALL {
                assert!(after_event(state, event).is_some(), "{state:?} {event:?}");
            }
        }
        assert_eq!(after_event(NotificationState::Bounced, MailEventKind::Delivered), None);
        assert_eq!(after_event(NotificationState::Delivered, MailEventKind::Bounced), Some(NotificationState::Bounced));
    }

    #[test]
    fn a_mail_is_looked_up_several_times_and_not_for_ever() {
        let minute = Duration::from_secs(60);
        let both = [Guarantee::AtMostOnce, Guarantee::AtLeastOnce];
        for guarantee in both {
            for number in 0..LOOKUPS_BEFORE_RESEND - 1 {
                let again = AfterLookup::LookUpAgain { counts: true };
                assert_eq!(after_lookup(LookupResult::NotFound, number, minute, guarantee), again);
                assert_eq!(after_lookup(LookupResult::Unavailable, number, minute, guarantee), again);
            }
            assert_eq!(
                after_lookup(LookupResult::NotFound, LOOKUPS_BEFORE_RESEND - 1, minute, guarantee),
                AfterLookup::Resend
            );
            let unanswered = AfterLookup::LookUpAgain { counts: false };
            assert_eq!(after_lookup(LookupResult::Failed, u32::MAX, minute, guarantee), unanswered);
            assert_eq!(after_lookup(LookupResult::Failed, 0, LONGEST_UNKNOWN, guarantee), AfterLookup::Review);
            assert_eq!(after_lookup(LookupResult::Found, 0, LONGEST_UNKNOWN, guarantee), AfterLookup::Resolve);
        }
        assert_eq!(
            after_lookup(LookupResult::Unavailable, LOOKUPS_BEFORE_RESEND, minute, Guarantee::AtMostOnce),
            AfterLookup::Review
        );
        assert_eq!(
            after_lookup(LookupResult::Unavailable, LOOKUPS_BEFORE_RESEND, minute, Guarantee::AtLeastOnce),
            AfterLookup::Resend
        );
        let waits: Vec<u64> = (0..5).map(|number| lookup_delay(2 * minute, number).as_secs()).collect();
        assert_eq!(waits, [120, 240, 480, 900, 900]);
    }

    #[test]
    fn the_status_decides_what_a_worker_may_do() {
        let read = |state, lease, lookup| status(state, lease, lookup, 100);
        let ms = Duration::from_millis;
        assert_eq!(read(NotificationState::Queued, None, None), DeliveryStatus::Queued);
        assert_eq!(read(NotificationState::Sending, Some(150), None), DeliveryStatus::Leased(ms(51)));
        assert_eq!(read(NotificationState::Sending, Some(99), None), DeliveryStatus::LeaseExpired);
        assert_eq!(read(NotificationState::Unknown, Some(0), Some(300)), DeliveryStatus::Unknown(ms(200)));
        assert_eq!(read(NotificationState::Unknown, None, Some(3)), DeliveryStatus::Unknown(ms(0)));
        for state in NotificationState::ALL.into_iter().filter(|state| rank(*state) > 0) {
            assert_eq!(read(state, Some(150), Some(300)), DeliveryStatus::Settled);
        }
    }
}
