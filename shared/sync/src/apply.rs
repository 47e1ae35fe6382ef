//! Applies what a provider says: records are written, tombstoned and counted, and the cache is told.

use std::collections::HashMap;

use aws::clock;
use aws::error::AwsError;
use domain::ats::{Kind, ObjectRef, Observation};
use domain::id::OrgId;
use domain::sync::CountsByKind;
use resilience::cache;

use crate::{ConnectionSession, Engine};

impl Engine {
    /// Writes what was observed and tombstones what is gone. `again` says that this may have been done before by somebody who ended
    /// before the cache was told. Gives what it did.
    pub(crate) async fn apply(
        &self,
        opened: &ConnectionSession,
        (observations, gone): (&[Observation], &[ObjectRef]),
        observed_ms: i64,
        again: bool,
    ) -> Result<CountsByKind, AwsError> {
        let (counts, _) = self.apply_asking(opened, (observations, gone), (observed_ms, i64::MAX), again).await?;
        Ok(counts)
    }

    /// The same, and how many records that were as they are had been written since `recent_ms`.
    pub(crate) async fn apply_asking(
        &self,
        opened: &ConnectionSession,
        (observations, gone): (&[Observation], &[ObjectRef]),
        (observed_ms, recent_ms): (i64, i64),
        again: bool,
    ) -> Result<(CountsByKind, u64), AwsError> {
        let now = clock::now();
        let (mut counts, mut recent) = (CountsByKind::new(), 0);
        for observation in observations {
            counts.entry(observation.record.kind()).or_default().read += 1;
        }
        if !observations.is_empty() {
            for (kind, applied) in
                self.records.observe(&opened.origin, observations, (observed_ms, recent_ms), now).await?
            {
                recent += applied.recent;
                let counts = counts.entry(kind).or_default();
                counts.created += applied.created;
                counts.updated += applied.updated;
                counts.unchanged += applied.unchanged;
            }
        }
        if !gone.is_empty() {
            let tombstoned: HashMap<Kind, u64> = self.records.tombstone(&opened.origin, gone, observed_ms, now).await?;
            for (kind, tombstoned) in tombstoned {
                counts.entry(kind).or_default().deleted += tombstoned;
            }
        }
        self.invalidate_lists(&opened.origin.org, &counts, again).await;
        Ok((counts, recent))
    }

    /// Invalidates the cached lists that show what changed.
    async fn invalidate_lists(&self, org: &OrgId, counts: &CountsByKind, again: bool) {
        let mut kinds: Vec<cache::Kind> = Vec::new();
        for (kind, counts) in counts {
            if again || counts.created + counts.updated + counts.deleted > 0 {
                kinds.extend(lists(*kind).iter().filter(|list| !kinds.contains(list)).copied().collect::<Vec<_>>());
            }
        }
        if !kinds.is_empty() {
            self.cache.invalidate(org, &kinds).await;
        }
    }
}

/// The lists that show something of a kind: applications show the names of candidates and jobs.
const fn lists(kind: Kind) -> &'static [cache::Kind] {
    match kind {
        Kind::Job => &[cache::Kind::Jobs, cache::Kind::Applicants],
        Kind::Candidate | Kind::Application => &[cache::Kind::Applicants],
        Kind::Interview => &[cache::Kind::Interviews],
        Kind::Opening | Kind::Post | Kind::Offer | Kind::Scorecard | Kind::Department | Kind::Office | Kind::User => {
            &[cache::Kind::Other]
        }
    }
}

/// Adds what a page did to what was done before.
pub(crate) fn add(total: &mut CountsByKind, more: &CountsByKind) {
    for (kind, more) in more {
        let counts = total.entry(*kind).or_default();
        counts.read += more.read;
        counts.created += more.created;
        counts.updated += more.updated;
        counts.unchanged += more.unchanged;
        counts.deleted += more.deleted;
    }
}
