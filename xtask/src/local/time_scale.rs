//! The speed of a stack's clock against the machine's: leases, waits and schedules then pass in seconds.
//!
//! Everything of the stack gets the same two numbers: the functions by their environment (`aws::clock`), the simulators by
//! arguments, the tests by `stack.json`. What AWS itself waits for follows in the deployed template.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;

/// The clock of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeScale {
    /// Seconds of the clock in a second of the machine.
    pub(crate) factor: u32,
    /// The time at which both were equal, in milliseconds since 1970 UTC.
    pub(crate) origin_ms: u64,
}

impl Default for TimeScale {
    /// The machine's own clock.
    fn default() -> Self {
        Self { factor: 1, origin_ms: 0 }
    }
}

impl TimeScale {
    /// A clock that starts now.
    pub(crate) fn from_now(factor: u32) -> Result<Self> {
        if factor == 1 {
            return Ok(Self::default());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self { factor, origin_ms: u64::try_from(now.as_millis())? })
    }

    pub(crate) const fn is_the_machines(self) -> bool {
        self.factor == 1
    }

    /// The environment variables of the functions.
    pub(crate) fn environment(self) -> BTreeMap<String, String> {
        if self.is_the_machines() {
            return BTreeMap::new();
        }
        let number = |name: &str, value: String| (name.to_owned(), value);
        [number("TIME_SCALE", self.factor.to_string()), number("TIME_ORIGIN", self.origin_ms.to_string())].into()
    }

    /// Whole seconds of the machine for those of the clock: rounded up, and at least so many.
    pub(crate) fn seconds(self, seconds: u64, least: u64) -> u64 {
        if self.is_the_machines() { seconds } else { seconds.div_ceil(u64::from(self.factor)).max(least.min(seconds)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_and_at_least_as_many_as_work_needs() {
        let fast = TimeScale { factor: 5, origin_ms: 0 };
        assert_eq!([180, 181, 30, 3].map(|seconds| fast.seconds(seconds, 8)), [36, 37, 8, 3]);
        assert_eq!(TimeScale::default().seconds(30, 60), 30);
        assert!(TimeScale::default().environment().is_empty());
    }
}
