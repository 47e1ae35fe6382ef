//! How long an answer may be kept, and what it is worth at an age.
//!
//! An answer is fresh, then stale, then gone. A stale one is answered at once while it is made anew beside the request. How
//! long each lasts depends on the kind of data, on whether the cache hears of writes, and on how short before the answer
//! was read somebody wrote.
//!
//! Invariants: nobody gets an answer that is gone; a cache that does not hear of other processes' writes keeps nothing that
//! users edit for longer than [`LOCAL_CAP`]; an answer that was read within [`SETTLING`] after a write is not kept for
//! longer than [`UNSETTLED`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an answer is about. A write to a kind makes all answers of that kind and organisation worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Lists of jobs.
    Jobs,
    /// Lists of applications with their candidates.
    Applicants,
    /// Lists of interviews.
    Interviews,
    /// Figures over time.
    Analytics,
    /// The figures of the first screen.
    DashboardStats,
    /// Everything else.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Jobs, Self::Applicants, Self::Interviews, Self::Analytics, Self::DashboardStats, Self::Other];

    /// The kind's name in keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Applicants => "applicants",
            Self::Interviews => "interviews",
            Self::Analytics => "analytics",
            Self::DashboardStats => "dashboard-stats",
            Self::Other => "other",
        }
    }

    /// How long an answer is fresh, as long as nobody writes.
    #[must_use]
    pub const fn ttl(self) -> Duration {
        Duration::from_secs(match self {
            Self::Jobs | Self::DashboardStats => 5 * 60,
            Self::Applicants => 2 * 60,
            Self::Interviews => 60,
            Self::Analytics => 10 * 60,
            Self::Other => 30,
        })
    }

    /// Whether users change the data themselves and look for their change at once. Computed figures may lag behind.
    const fn edited(self) -> bool {
        match self {
            Self::Jobs | Self::Applicants | Self::Interviews | Self::Other => true,
            Self::Analytics | Self::DashboardStats => false,
        }
    }
}

/// Which writes a cache hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of all processes, through the shared tier.
    Fleet,
    /// Those of its own process only.
    Process,
}

/// The longest time for which a cache that hears of its own process's writes only keeps what users edit. Another process may
/// have written a moment after the answer was read; ten seconds is about what a person takes for a slow page and not for
/// a wrong one, and still saves most calls of a frontend that polls.
pub const LOCAL_CAP: Duration = Duration::from_secs(10);

/// For how long after a write an answer is not trusted. Lists are read from an index that follows its table within about a
/// second: an answer that was read sooner may lack the write that made the former answer worthless.
pub const SETTLING: Duration = Duration::from_secs(5);

/// For how long an answer that was read within [`SETTLING`] after a write is fresh.
pub const UNSETTLED: Duration = Duration::from_secs(1);

/// How long an answer is fresh, and how long after that it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    fresh_ms: u64,
    stale_ms: u64,
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer with it.
    Fresh,
    /// Answer with it, and make it anew beside the request.
    Stale,
    /// Make it anew first.
    Gone,
}

impl Lifetime {
    /// The lifetime of an answer that was read so long after the last known write; none when no write is known.
    #[must_use]
    pub fn of(kind: Kind, reach: Reach, since_write: Option<Duration>) -> Self {
        let ttl = kind.ttl();
        if since_write.is_some_and(|since| since < SETTLING) {
            return Self::new(ttl.min(UNSETTLED), Duration::ZERO);
        }
        match reach {
            Reach::Fleet => Self::new(ttl, ttl),
            Reach::Process if kind.edited() => Self::new(ttl.min(LOCAL_CAP), Duration::ZERO),
            Reach::Process => Self::new(ttl.min(LOCAL_CAP), ttl),
        }
    }

    fn new(fresh: Duration, stale: Duration) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { fresh_ms: ms(fresh), stale_ms: ms(stale) }
    }

    /// How long the answer is fresh.
    #[must_use]
    pub const fn fresh(&self) -> Duration {
        Duration::from_millis(self.fresh_ms)
    }

    /// How long the answer may be used at all.
    #[must_use]
    pub const fn whole(&self) -> Duration {
        Duration::from_millis(self.fresh_ms.saturating_add(self.stale_ms))
    }

    /// What the answer is worth at an age.
    #[must_use]
    pub fn decide(&self, age: Duration) -> Verdict {
        if age < self.fresh() {
            Verdict::Fresh
        } else if age < self.whole() {
            Verdict::Stale
        } else {
            Verdict::Gone
        }
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By a fresh answer that was kept.
    Hit,
    /// By a stale one, which is made anew.
    Stale,
    /// By the origin, and the answer is kept.
    Miss,
    /// By the origin, because the caller wanted that or because nobody could say whether the kept answer is still right.
    Bypass,
}

impl Outcome {
    /// The outcome in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const REACHES: [Reach; 2] = [Reach::Fleet, Reach::Process];

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn each_kind_is_fresh_as_long_as_promised_and_stale_as_long_again() {
        let promised = [(5 * 60), (2 * 60), 60, (10 * 60), (5 * 60), 30];
        for (kind, ttl) in Kind::ALL.into_iter().zip(promised) {
            let lifetime = Lifetime::of(kind, Reach::Fleet, None);
            let at = |age| lifetime.decide(age);
            let moment = Duration::from_millis(1);
            assert_eq!((at(Duration::ZERO), at(seconds(ttl) - moment)), (Verdict::Fresh, Verdict::Fresh), "{kind:?}");
            assert_eq!((at(seconds(ttl)), at(seconds(2 * ttl) - moment)), (Verdict::Stale, Verdict::Stale), "{kind:?}");
            assert_eq!((at(seconds(2 * ttl)), at(Duration::MAX)), (Verdict::Gone, Verdict::Gone), "{kind:?}");
        }
    }

    #[test]
    fn a_cache_that_hears_nothing_keeps_what_users_edit_for_ten_seconds_at_most() {
        for kind in Kind::ALL {
            let lifetime = Lifetime::of(kind, Reach::Process, None);
            assert!(lifetime.fresh() <= LOCAL_CAP, "{kind:?}");
            assert_eq!(lifetime.whole() > LOCAL_CAP, !kind.edited(), "{kind:?}");
        }
    }

    #[test]
    fn what_was_read_right_after_a_write_is_asked_for_again_soon() {
        for (kind, reach) in Kind::ALL.into_iter().flat_map(|kind| REACHES.map(|reach| (kind, reach))) {
            for since in [Duration::ZERO, SETTLING - Duration::from_millis(1)] {
                assert_eq!(Lifetime::of(kind, reach, Some(since)).whole(), UNSETTLED, "{kind:?} {reach:?}");
            }
            assert_eq!(
                Lifetime::of(kind, reach, Some(SETTLING)),
                Lifetime::of(kind, reach, None),
                "{kind:?} {reach:?}"
            );
        }
    }

    #[test]
    fn an_answer_never_becomes_better_with_age() {
        let rank = |verdict| match verdict {
            Verdict::Fresh => 0,
            Verdict::Stale => 1,
            Verdict::Gone => 2,
        };
        for (kind, reach) in Kind::ALL.into_iter().flat_map(|kind| REACHES.map(|reach| (kind, reach))) {
            for since in [None, Some(seconds(1)), Some(seconds(60))] {
                let lifetime = Lifetime::of(kind, reach, since);
                let ranks: Vec<u8> = (0..1_300).map(|age| rank(lifetime.decide(seconds(age)))).collect();
                assert!(ranks.is_sorted() && ranks.last() == Some(&2), "{kind:?} {reach:?} {since:?}");
            }
        }
    }

    #[test]
    fn names_of_kinds_are_their_own() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
