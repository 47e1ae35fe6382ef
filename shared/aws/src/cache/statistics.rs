//! Counts of a cache since its process began.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process began. Each request is one of `hits`, `stale`, `misses`, `coalesced` and `bypassed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Requests that a fresh entry answered.
    pub hits: u64,
    /// Requests that a stale entry answered.
    pub stale: u64,
    /// Requests that the origin answered.
    pub misses: u64,
    /// Requests that waited for another request's read of the origin.
    pub coalesced: u64,
    /// Requests that the origin answered without the cache.
    pub bypassed: u64,
    /// Entries that came from the shared tier.
    pub shared_hits: u64,
    /// Invalidations by this process.
    pub invalidations: u64,
    /// Failed calls to the shared tier.
    pub shared_errors: u64,
}

/// A count that many tasks raise.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts behind [`Statistics`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Count,
    pub(super) stale: Count,
    pub(super) misses: Count,
    pub(super) coalesced: Count,
    pub(super) bypassed: Count,
    pub(super) shared_hits: Count,
    pub(super) invalidations: Count,
}

impl Counts {
    pub(super) fn read(&self, shared_errors: u64) -> Statistics {
        let Self { hits, stale, misses, coalesced, bypassed, shared_hits, invalidations } = self;
        Statistics {
            hits: hits.get(),
            stale: stale.get(),
            misses: misses.get(),
            coalesced: coalesced.get(),
            bypassed: bypassed.get(),
            shared_hits: shared_hits.get(),
            invalidations: invalidations.get(),
            shared_errors,
        }
    }
}
