//! Sync runs: what is read of a provider in one go, how it ended, and what it did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ats::Kind;

/// The counts of a run, for one kind of object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Objects that the provider sent.
    pub read: u64,
    /// Records that were not there before.
    pub created: u64,
    /// The number of records that changed.
    pub updated: u64,
    /// Records that were as they are.
    pub unchanged: u64,
    /// Records whose object is gone.
    pub deleted: u64,
}

/// The counts of a run, by kind of record.
pub type CountsByKind = BTreeMap<Kind, Counts>;

/// The mode of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everything that there is; what is not there any more is found, too. The first one brings a new connection's records.
    Full,
    /// Everything that changed since the last run.
    Incremental,
}

impl Mode {
    /// The mode that is not this one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Full => Self::Incremental,
            Self::Incremental => Self::Full,
        }
    }

    /// The mode as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// The trigger of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The schedule made it due.
    Schedule,
    /// A person requested it.
    Manual,
    /// It resumes a pass that an earlier run did not finish.
    Resume,
}

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Everything was read and applied.
    Succeeded,
    /// Something could not be read or applied; the problems have the reasons.
    Partial,
    /// The provider, or our own budget of requests, requires a wait; the next run resumes the pass.
    RateLimited,
    /// An error stopped it; the detail has the reason. The next run resumes the pass.
    Failed,
    /// Its worker stopped without recording an outcome; the next run resumes at the last checkpoint.
    Interrupted,
}

impl RunOutcome {
    /// The outcome as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::RateLimited => "rate-limited",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A run, stored in the history for 90 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The version of the stored format.
    pub v: u8,
    /// Its id; sorts by time.
    pub id: String,
    /// The mode of the run: everything, or changes only.
    pub mode: Mode,
    /// The trigger of the run.
    pub trigger: Trigger,
    /// The outcome; none while it is active.
    pub outcome: Option<RunOutcome>,
    /// The reason, as a sentence; none for a success.
    pub detail: Option<String>,
    /// Until when to wait, when it was rate limited.
    pub until: Option<Timestamp>,
    /// The position at which the next run resumes; none when the pass is complete.
    pub resume_point: Option<String>,
    /// The run that it went on from.
    pub resumes: Option<String>,
    /// The time at which the run began.
    pub started_at: Timestamp,
    /// The time of its last page.
    pub heartbeat_at: Timestamp,
    /// The time at which the run ended; none while it lasts.
    pub finished_at: Option<Timestamp>,
    /// Requests to the provider.
    pub requests: u64,
    /// The counts, together with those of the runs that it resumes.
    pub counts: CountsByKind,
    /// Objects and pages that could not be read or applied, a sentence each.
    pub problems: Vec<String>,
}

impl Run {
    /// Records that it brought, changed or tombstoned.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.counts.values().map(|counts| counts.created + counts.updated + counts.deleted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_stored_form() {
        for mode in [Mode::Full, Mode::Incremental] {
            assert_eq!(serde_json::to_value(mode).expect("JSON"), mode.as_str());
        }
        for outcome in [
            RunOutcome::Succeeded,
            RunOutcome::Partial,
            RunOutcome::RateLimited,
            RunOutcome::Failed,
            RunOutcome::Interrupted,
        ] {
            assert_eq!(serde_json::to_value(outcome).expect("JSON"), outcome.as_str());
        }
    }
}
