//! The decision about a record after an observation: created, changed, left alone, tombstoned, restored.
//!
//! An observation is compared with the stored record, and written only if that did not change in between (`UNCHANGED`), so that
//! the decision fits the record. A record that did not change costs a read and no write. Versions are the provider's own where
//! it has them, never the order of arrival. A record that is gone comes back only when the whole object was seen after that: a
//! late webhook, or a page that was read before, does not bring it back.

/// Guards: the record was not written since it was read.
pub const UNCHANGED: &str = "#revision = :seen_revision";
/// Guards: the record was not created since the read that found none.
pub const ABSENT: &str = "attribute_not_exists(pk)";

/// The state of a stored record, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of writes.
    pub revision: i64,
    /// Hash of what it says.
    pub hash: String,
    /// The provider's version of it.
    pub version_ms: i64,
    /// Whether a part of it was written last: its version may be of another clock.
    pub part: bool,
    /// The time at which it was found gone; none while it exists.
    pub gone_ms: Option<i64>,
    /// The stage that it is in, of an application.
    pub stage: Option<String>,
}

/// The content of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Hash of what it says.
    pub hash: String,
    /// The provider's version of it, or the time of the observation where it has none.
    pub version_ms: i64,
    /// The time of the request that returned it; for a webhook, the time at which that was received.
    pub observed_ms: i64,
    /// Whether that is only a part of the object.
    pub part: bool,
}

/// The decision about an observed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write it: there is nothing.
    Create,
    /// Write it over what is there.
    Update,
    /// Write it: it was gone and is there again.
    Revive,
    /// Nothing: it is as it is.
    Unchanged,
    /// Nothing: a later version has arrived before.
    Older,
    /// Nothing: it is gone, and this was seen before that or is only a part.
    Gone,
}

impl Decision {
    /// Whether the decision needs a write.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Revive)
    }
}

/// Decides about an observed record.
#[must_use]
pub fn observe(snapshot: Option<&Snapshot>, seen: &Seen) -> Decision {
    let Some(snapshot) = snapshot else { return Decision::Create };
    match snapshot.gone_ms {
        Some(gone) if seen.part || seen.observed_ms <= gone => return Decision::Gone,
        Some(_) => return Decision::Revive,
        None => {}
    }
    if snapshot.hash == seen.hash {
        return Decision::Unchanged;
    }
    // A part's version may be of another clock than the whole's: the whole, which was read by a request, is right.
    let comparable = snapshot.part == seen.part || seen.part;
    if comparable && seen.version_ms < snapshot.version_ms { Decision::Older } else { Decision::Update }
}

/// Decides whether a record is tombstoned that was found to be gone at that time. It is not when it was written after that: then it
/// was seen after that.
#[must_use]
pub fn tombstone(snapshot: Option<&Snapshot>, found_gone_ms: i64, written_ms: Option<i64>) -> bool {
    match snapshot {
        // What was never seen is tombstoned, too: a webhook that is late does not make it.
        None => true,
        Some(Snapshot { gone_ms: Some(_), .. }) => false,
        Some(Snapshot { gone_ms: None, .. }) => written_ms.is_none_or(|written| written <= found_gone_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(hash: &str, version_ms: i64) -> Snapshot {
        Snapshot { revision: 1, hash: hash.into(), version_ms, part: false, gone_ms: None, stage: None }
    }

    fn seen(hash: &str, version_ms: i64, observed_ms: i64) -> Seen {
        Seen { hash: hash.into(), version_ms, observed_ms, part: false }
    }

    #[test]
    fn the_latest_version_wins_in_every_order() {
        assert_eq!(observe(None, &seen("a", 5, 9)), Decision::Create);
        assert_eq!(observe(Some(&snapshot("a", 5)), &seen("a", 7, 9)), Decision::Unchanged);
        assert_eq!(observe(Some(&snapshot("a", 5)), &seen("b", 5, 9)), Decision::Update);
        assert_eq!(observe(Some(&snapshot("a", 5)), &seen("b", 4, 9)), Decision::Older);
    }

    #[test]
    fn what_is_gone_comes_back_only_when_all_of_it_is_seen_later() {
        let gone = Snapshot { gone_ms: Some(10), ..snapshot("a", 5) };
        assert_eq!(observe(Some(&gone), &seen("a", 6, 10)), Decision::Gone);
        assert_eq!(observe(Some(&gone), &seen("a", 6, 11)), Decision::Revive);
        assert_eq!(observe(Some(&gone), &Seen { part: true, ..seen("b", 99, 99) }), Decision::Gone);
    }

    #[test]
    fn the_whole_corrects_a_part_whatever_their_clocks_say() {
        let part = Snapshot { part: true, ..snapshot("a", 100) };
        assert_eq!(observe(Some(&part), &seen("b", 5, 200)), Decision::Update);
        assert_eq!(observe(Some(&snapshot("a", 100)), &Seen { part: true, ..seen("b", 5, 200) }), Decision::Older);
    }

    #[test]
    fn what_was_seen_after_it_was_gone_gets_no_tombstone() {
        assert!(tombstone(None, 10, None));
        assert!(tombstone(Some(&snapshot("a", 5)), 10, Some(10)));
        assert!(!tombstone(Some(&snapshot("a", 5)), 10, Some(11)));
        assert!(!tombstone(Some(&Snapshot { gone_ms: Some(3), ..snapshot("a", 5) }), 10, None));
    }
}
