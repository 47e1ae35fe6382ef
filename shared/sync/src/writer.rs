//! Writes what a provider says: records are written, tombstoned and counted, and cached lists that show them are invalidated.

use std::collections::HashMap;

use aws::cache::Cache;
use aws::clock;
use aws::error::AwsError;
use domain::ats::{Kind, ObjectRef, Observation, Origin};
use domain::id::OrgId;
use domain::sync::CountsByKind;
use resilience::cache;
use store::records::Records;

/// Writes records as they were observed.
#[derive(Debug, Clone)]
pub(crate) struct RecordWriter {
    pub(crate) records: Records,
    pub(crate) cache: Cache,
}

/// The objects of a response or an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Findings<'a> {
    /// Objects as they are.
    pub(crate) observations: &'a [Observation],
    /// Objects that are gone.
    pub(crate) gone: &'a [ObjectRef],
    /// The time of the observations, in milliseconds since 1970 UTC.
    pub(crate) observed_ms: i64,
}

impl RecordWriter {
    /// Writes observations as records, and tombstones for objects that are gone. `repeated` says that an earlier
    /// attempt may have written the same and ended before the cached lists were invalidated.
    pub(crate) async fn write(
        &self,
        origin: &Origin,
        findings: Findings<'_>,
        repeated: bool,
    ) -> Result<CountsByKind, AwsError> {
        let (counts, _) = self.write_counting_recent(origin, findings, i64::MAX, repeated).await?;
        Ok(counts)
    }

    /// The same, and the number of unchanged records that had been written since `recent_ms`.
    pub(crate) async fn write_counting_recent(
        &self,
        origin: &Origin,
        Findings { observations, gone, observed_ms }: Findings<'_>,
        recent_ms: i64,
        repeated: bool,
    ) -> Result<(CountsByKind, u64), AwsError> {
        let now = clock::now();
        let (mut counts, mut recent) = (CountsByKind::new(), 0);
        for observation in observations {
            counts.entry(observation.record.kind()).or_default().read += 1;
        }
        if !observations.is_empty() {
            for (kind, applied) in self.records.observe(origin, observations, (observed_ms, recent_ms), now).await? {
                recent += applied.recent;
                let counts = counts.entry(kind).or_default();
                counts.created += applied.created;
                counts.updated += applied.updated;
                counts.unchanged += applied.unchanged;
            }
        }
        if !gone.is_empty() {
            let tombstoned: HashMap<Kind, u64> = self.records.tombstone(origin, gone, observed_ms, now).await?;
            for (kind, tombstoned) in tombstoned {
                counts.entry(kind).or_default().deleted += tombstoned;
            }
        }
        self.invalidate_lists(&origin.org, &counts, repeated).await;
        Ok((counts, recent))
    }

    /// Invalidates the cached lists that show what changed.
    async fn invalidate_lists(&self, org: &OrgId, counts: &CountsByKind, repeated: bool) {
        let mut kinds: Vec<cache::Kind> = Vec::new();
        for (kind, counts) in counts {
            if repeated || counts.created + counts.updated + counts.deleted > 0 {
                kinds.extend(lists(*kind).iter().filter(|list| !kinds.contains(list)).copied().collect::<Vec<_>>());
            }
        }
        if !kinds.is_empty() {
            self.cache.invalidate(org, &kinds).await;
        }
    }
}

/// The cached lists that depend on a kind: applications contain the names of candidates and jobs.
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

/// Adds the counts of a page to those before it.
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
