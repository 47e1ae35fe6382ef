//! A limit on requests: a sliding-window counter, shared by all processes through one stored item for each key.
//!
//! Time is cut into aligned windows. The item holds the requests admitted in its window and in the one before; the window
//! before counts by the part of it that is still within reach: after `elapsed` of the window at most
//! `limit - previous * (1 - elapsed / window)` requests are admitted in it, rounded down.
//!
//! Invariants, guarded by the conditions below and explored exhaustively in the tests:
//! - never more than `limit` requests are admitted in an aligned window, whatever the number of processes and the age
//!   of their memory;
//! - in any stretch of one window's length at most `2 * limit - 1` are. That is the error of this counter: it takes the
//!   requests of the window before as evenly spread. Were they, the stretch would hold at most `limit`. At worst all of them
//!   came at the very end of it: with 100 a minute, 100 in the last moment of one minute, and then one every 600 ms of the
//!   next, make 199 within 60 s. What cannot happen is the double burst of a fixed window: right after those 100 none is
//!   admitted for 600 ms, and after `elapsed` at most `100 * elapsed / 60 s` were;
//! - a window is never rolled back: a process whose clock is behind the stored window counts in that window, as if it had
//!   just begun. A clock that is ahead by some time begins windows early, and the bound above holds for stretches that are
//!   shorter by that time.
//!
//! The time of a request is the one at which it was made. A call that lasts longer than a window counts in the window
//! of that time.
//!
//! Cost: an admitted request is one write; a second one at its process's first request and where another process began the
//! window. A refused write returns the stored window, so it needs no read. A denial in a known window is no call at all: from
//! the item follows the exact time at which the next request fits, and no call is made until then. A write whose answer is lost
//! and that is sent again counts twice: that admits too few, never too many.

use serde::{Deserialize, Serialize};

/// The number of requests in a time. The windows of one stored item always have the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The most requests in a window; 0 counts as 1.
    pub limit: u32,
    /// Length of a window in milliseconds; less than 1 counts as 1.
    pub window_ms: i64,
}

/// The stored item: the requests admitted in the newest window, and in the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Begin of the window, in milliseconds since 1970 UTC; a multiple of its length.
    pub window: i64,
    /// Requests admitted in it.
    pub count: u32,
    /// Requests admitted in the window right before it.
    pub previous: u32,
}

/// The condition of one more request in the stored window. Guards: no request counts in a window that is over, and the count stays within
/// what the window allows.
pub const ADMIT: &str = "#window = :window AND #count < :allow";

/// The condition of the first request of the window after the stored one. Guards: one process begins a window, and it carries over the
/// count as it ended, which is why the count is part of the fence.
pub const ROLL: &str = "#window = :window AND #count = :count";

/// The condition of the first request after at least one empty window, or ever. Guards: no window is rolled back, and none that still counts
/// as the one before is forgotten.
pub const START: &str = "attribute_not_exists(pk) OR #window < :idle";

/// The condition of an operator's reset. Guards: only what is there is reset; the window stays, so that none is rolled back.
pub const RESET: &str = "attribute_exists(pk)";

/// The write that counts a request, or its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Refuse it without a call; the next one fits at this time (milliseconds since the epoch), not earlier.
    Deny {
        /// The time at which the next request fits.
        until_ms: i64,
    },
    /// Add one to the count under `ADMIT`.
    Admit {
        /// The begin of the window that must be stored.
        window: i64,
        /// The count must be below this number.
        allow: u32,
    },
    /// Write the next window under `ROLL`.
    Roll {
        /// The window that must be stored.
        seen: Window,
        /// The window that is written.
        next: Window,
    },
    /// Write a first window under `START`.
    Start {
        /// The stored window must have begun before this time, in milliseconds since the epoch.
        idle_ms: i64,
        /// The window that is written.
        next: Window,
    },
}

/// The decision about a request, and what its sender may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is admitted.
    pub allowed: bool,
    /// The number of further requests that would be admitted now.
    pub remaining: u32,
    /// Milliseconds until there is more: to the end of the window, or, when nothing remains, until the next request fits.
    pub reset_ms: i64,
}

impl Policy {
    /// A limit for each minute of the clock.
    #[must_use]
    pub const fn per_minute(limit: u32) -> Self {
        Self { limit, window_ms: 60_000 }
    }

    fn length(&self) -> i64 {
        self.window_ms.max(1)
    }

    fn most(&self) -> i64 {
        i64::from(self.limit.max(1))
    }

    /// Decides about a request at `now_ms` from what this process knows; what it knows may be old, but not invented.
    #[must_use]
    pub fn step(&self, known: Option<&Window>, now_ms: i64) -> Transition {
        let aligned = now_ms.saturating_sub(now_ms.rem_euclid(self.length()));
        let before = aligned.saturating_sub(self.length());
        let start = Transition::Start { idle_ms: before, next: Window { window: aligned, count: 1, previous: 0 } };
        let Some(known) = known else { return start };
        if known.window < before {
            return start;
        }
        let rolls = known.window < aligned;
        let current = if rolls { Window { window: aligned, count: 0, previous: known.count } } else { *known };
        let until_ms = self.opens_at(&current);
        if now_ms.max(current.window) < until_ms {
            return Transition::Deny { until_ms };
        }
        if rolls {
            return Transition::Roll { seen: *known, next: Window { count: 1, ..current } };
        }
        Transition::Admit { window: current.window, allow: self.allowance(&current, now_ms) }
    }

    /// The decision that the sender of a request gets; `stored` is the window after the write, or the one that denied it.
    #[must_use]
    pub fn decision(&self, stored: &Window, allowed: bool, now_ms: i64) -> Decision {
        let remaining = if allowed { self.allowance(stored, now_ms).saturating_sub(stored.count) } else { 0 };
        let end = stored.window.saturating_add(self.length());
        let more = if remaining > 0 { end } else { self.opens_at(stored) };
        Decision { allowed, remaining, reset_ms: more.saturating_sub(now_ms).max(0) }
    }

    /// The number of requests that may be admitted in the window up to now: never above the limit. A clock that is
    /// behind the window, or already beyond it, counts as at its begin, or at its end.
    #[must_use]
    pub fn allowance(&self, window: &Window, now_ms: i64) -> u32 {
        let elapsed = now_ms.saturating_sub(window.window).clamp(0, self.length());
        let weighted = i64::from(window.previous).saturating_mul(self.length().saturating_sub(elapsed));
        // Rounded up, so that the allowance is rounded down.
        let taken = weighted.saturating_add(self.length() - 1) / self.length();
        u32::try_from(self.most().saturating_sub(taken)).unwrap_or(0)
    }

    /// The time at which the next request fits if no other is admitted, in milliseconds since 1970 UTC; a past time
    /// when one fits now. Counts only grow within a window, so nothing fits earlier.
    #[must_use]
    pub fn opens_at(&self, window: &Window) -> i64 {
        let next = window.window.saturating_add(self.length());
        match (self.fits_from(window.count, window.previous), self.fits_from(0, window.count)) {
            (Some(elapsed), _) => window.window.saturating_add(elapsed),
            (None, Some(elapsed)) => next.saturating_add(elapsed),
            // In the window after the next both counts are zero.
            (None, None) => next.saturating_add(self.length()),
        }
    }

    /// After how much of a window one more request fits; none when it does not within the window.
    fn fits_from(&self, count: u32, previous: u32) -> Option<i64> {
        let left = self.most() - 1 - i64::from(count);
        if left < 0 {
            return None;
        }
        let elapsed = match left.saturating_mul(self.length()).checked_div(i64::from(previous)) {
            Some(reach) => self.length().saturating_sub(reach).max(0),
            None => 0,
        };
        (elapsed < self.length()).then_some(elapsed)
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const POLICY: Policy = Policy::per_minute(100);

    fn window(count: u32, previous: u32) -> Window {
        Window { window: MINUTE, count, previous }
    }

    #[test]
    fn the_previous_window_counts_by_the_part_within_reach() {
        let allowance = |previous, elapsed| POLICY.allowance(&window(0, previous), MINUTE + elapsed);
        assert_eq!([allowance(0, 0), allowance(100, 0), allowance(50, 0)], [100, 0, 50]);
        assert_eq!([allowance(100, 599), allowance(100, 600), allowance(100, 30_000)], [0, 1, 50]);
        assert_eq!([allowance(100, 59_999), allowance(100, 60_000), allowance(1, 1)], [99, 100, 99]);
        assert_eq!(allowance(60, -5_000), 40, "a clock behind the window sees its begin");
        assert_eq!(allowance(10_000, 0), 0, "a limit that was lowered meanwhile");
    }

    #[test]
    fn a_full_window_gives_the_exact_time_of_the_next_request() {
        for (count, previous, opens) in [
            (100, 0, MINUTE + 600),
            (99, 0, 0),
            (50, 100, 30_600),
            (0, 100, 600),
            (100, 100, MINUTE + 600),
            (200, 0, MINUTE + 30_300),
        ] {
            let stored = window(count, previous);
            let at = POLICY.opens_at(&stored);
            assert_eq!(at, MINUTE + opens, "{stored:?}");
            assert!(!matches!(POLICY.step(Some(&stored), at), Transition::Deny { .. }), "{stored:?} fits at {at}");
            if opens > 0 {
                assert_eq!(
                    POLICY.step(Some(&stored), at - 1),
                    Transition::Deny { until_ms: at },
                    "{stored:?} not before"
                );
            }
        }
        let one = Policy::per_minute(1);
        assert_eq!(one.opens_at(&window(1, 0)), 3 * MINUTE, "one a minute: never two within two windows");
    }

    #[test]
    fn a_window_begins_once_carries_over_and_is_never_rolled_back() {
        let next = |window, previous| Window { window, count: 1, previous };
        let known = window(7, 3);
        assert_eq!(
            POLICY.step(None, MINUTE + 5),
            Transition::Start { idle_ms: 0, next: next(MINUTE, 0) },
            "what it does not know may still be stored"
        );
        assert_eq!(POLICY.step(Some(&known), MINUTE + 5), Transition::Admit { window: MINUTE, allow: 97 });
        assert_eq!(
            POLICY.step(Some(&known), 2 * MINUTE + 5),
            Transition::Roll { seen: known, next: next(2 * MINUTE, 7) }
        );
        assert_eq!(
            POLICY.step(Some(&known), 3 * MINUTE),
            Transition::Start { idle_ms: 2 * MINUTE, next: next(3 * MINUTE, 0) }
        );
        assert_eq!(
            POLICY.step(Some(&known), 5),
            Transition::Admit { window: MINUTE, allow: 97 },
            "a clock that is behind"
        );
    }

    #[test]
    fn the_decision_says_what_remains_and_when_there_is_more() {
        let decided = |stored, allowed, now| {
            let Decision { allowed, remaining, reset_ms } = POLICY.decision(&stored, allowed, now);
            (allowed, remaining, reset_ms)
        };
        assert_eq!(decided(window(1, 0), true, MINUTE + 1_000), (true, 99, 59_000));
        assert_eq!(decided(window(100, 0), true, MINUTE + 1_000), (true, 0, 59_600));
        assert_eq!(decided(window(100, 0), false, MINUTE + 59_999), (false, 0, 601));
        assert_eq!(decided(window(50, 100), false, MINUTE + 30_000), (false, 0, 600));
    }

    #[test]
    fn nonsense_is_bounded() {
        let nothing = Policy { limit: 0, window_ms: 0 };
        assert!(matches!(nothing.step(None, i64::MAX), Transition::Start { .. }));
        let full = window(u32::MAX, u32::MAX);
        assert_eq!(POLICY.allowance(&full, i64::MIN), 0);
        assert!(matches!(POLICY.step(Some(&full), i64::MIN), Transition::Deny { until_ms } if until_ms > MINUTE));
        assert!(matches!(POLICY.step(Some(&full), i64::MAX), Transition::Start { .. }));
    }
}
