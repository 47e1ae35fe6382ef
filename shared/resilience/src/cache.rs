//! The lifetime of a cached answer, and its freshness at an age.
//!
//! An answer is fresh, then stale, then expired. A stale one is returned at once and refreshed in the background. The lifetime
//! depends on the kind of data, on the processes whose writes invalidate the cache, and on the time from the last write to
//! the read of the answer.
//!
//! Invariants: an expired answer is never returned; a cache that other processes' writes do not invalidate holds nothing that
//! users edit for longer than [`LOCAL_CAP`]; an answer that was read within [`SETTLING`] after a write is not cached for
//! longer than [`UNSETTLED_TTL`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kind of data of an answer. A write to a kind invalidates all answers of that kind and organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The pages of the list of jobs.
    Jobs,
    /// Lists of applications with their candidates.
    Applicants,
    /// The pages of the list of interviews.
    Interviews,
    /// Figures of the dashboard over time.
    Analytics,
    /// The figures of the first screen.
    DashboardStats,
    /// Answers of all other kinds.
    Other,
}

impl Kind {
    /// All kinds, each once.
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

    /// The time for which an answer is fresh, unless a write invalidates it.
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

/// The processes whose writes invalidate a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All processes, through the shared tier.
    Fleet,
    /// The cache's own process only.
    Process,
}

/// The longest time for which a cache that only its own process's writes invalidate holds data that users edit. Another
/// process may have written a moment after the answer was read; ten seconds look like a slow page and not like a wrong
/// one, and they still save most calls of a frontend that polls.
pub const LOCAL_CAP: Duration = Duration::from_secs(10);

/// The time after a write during which an answer is not trusted. Lists are read from an index that follows its table within about a
/// second: an answer that was read sooner may lack the write that invalidated the former answer.
pub const SETTLING: Duration = Duration::from_secs(5);

/// The time for which an answer that was read within [`SETTLING`] after a write is fresh.
pub const UNSETTLED_TTL: Duration = Duration::from_secs(1);

/// The time for which an answer is fresh, and the time after that for which it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    fresh_ms: u64,
    stale_ms: u64,
}

/// The freshness of a cached answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The answer is returned.
    Fresh,
    /// The answer is returned, and refreshed in the background.
    Stale,
    /// The origin must answer.
    Expired,
}

impl Lifetime {
    /// The lifetime of an answer. `since_write` is the time from the last write to its read; none when no write is known.
    #[must_use]
    pub fn of(kind: Kind, reach: Reach, since_write: Option<Duration>) -> Self {
        let ttl = kind.ttl();
        if since_write.is_some_and(|since| since < SETTLING) {
            return Self::new(ttl.min(UNSETTLED_TTL), Duration::ZERO);
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

    /// The time for which the answer is fresh.
    #[must_use]
    pub const fn fresh(&self) -> Duration {
        Duration::from_millis(self.fresh_ms)
    }

    /// The time for which the answer may be used at all, fresh or stale.
    #[must_use]
    pub const fn total(&self) -> Duration {
        Duration::from_millis(self.fresh_ms.saturating_add(self.stale_ms))
    }

    /// The freshness of the answer at an age.
    #[must_use]
    pub fn freshness(&self, age: Duration) -> Freshness {
        if age < self.fresh() {
            Freshness::Fresh
        } else if age < self.total() {
            Freshness::Stale
        } else {
            Freshness::Expired
        }
    }
}

/// The way in which a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By a fresh entry of the cache.
    Hit,
    /// By a stale entry, which is being refreshed.
    Stale,
    /// By the origin; the answer is cached.
    Miss,
    /// By the origin, because the caller required it or because the generation is not known.
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
    fn each_kind_is_fresh_as_promised_and_stale_as_long_again() {
        let promised = [(5 * 60), (2 * 60), 60, (10 * 60), (5 * 60), 30];
        for (kind, ttl) in Kind::ALL.into_iter().zip(promised) {
            let lifetime = Lifetime::of(kind, Reach::Fleet, None);
            let at = |age| lifetime.freshness(age);
            let moment = Duration::from_millis(1);
            assert_eq!(
                (at(Duration::ZERO), at(seconds(ttl) - moment)),
                (Freshness::Fresh, Freshness::Fresh),
                "{kind:?}"
            );
            assert_eq!(
                (at(seconds(ttl)), at(seconds(2 * ttl) - moment)),
                (Freshness::Stale, Freshness::Stale),
                "{kind:?}"
            );
            assert_eq!((at(seconds(2 * ttl)), at(Duration::MAX)), (Freshness::Expired, Freshness::Expired), "{kind:?}");
        }
    }

    #[test]
    fn without_a_shared_tier_edited_data_is_cached_for_ten_seconds() {
        for kind in Kind::ALL {
            let lifetime = Lifetime::of(kind, Reach::Process, None);
            assert!(lifetime.fresh() <= LOCAL_CAP, "{kind:?}");
            assert_eq!(lifetime.total() > LOCAL_CAP, !kind.edited(), "{kind:?}");
        }
    }

    #[test]
    fn an_answer_that_was_read_right_after_a_write_expires_soon() {
        for (kind, reach) in Kind::ALL.into_iter().flat_map(|kind| REACHES.map(|reach| (kind, reach))) {
            for since in [Duration::ZERO, SETTLING - Duration::from_millis(1)] {
                assert_eq!(Lifetime::of(kind, reach, Some(since)).total(), UNSETTLED_TTL, "{kind:?} {reach:?}");
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
            Freshness::Fresh => 0,
            Freshness::Stale => 1,
            Freshness::Expired => 2,
        };
        for (kind, reach) in Kind::ALL.into_iter().flat_map(|kind| REACHES.map(|reach| (kind, reach))) {
            for since in [None, Some(seconds(1)), Some(seconds(60))] {
                let lifetime = Lifetime::of(kind, reach, since);
                let ranks: Vec<u8> = (0..1_300).map(|age| rank(lifetime.freshness(seconds(age)))).collect();
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
