//! A clock that runs faster than this machine's, so that leases, breakers, limits and schedules of a deployed stack pass in
//! seconds. A release has none.
//!
//! `TIME_SCALE` is how many seconds of the clock pass in one of the machine, and `TIME_ORIGIN` (milliseconds since 1970 UTC) when
//! both showed the same. All processes of a stack have the same two.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;

use crate::environment;

/// The fastest clock: beyond this, a lease ends before any work is done.
const FASTEST: u32 = 100;

static SCALE: LazyLock<Option<Scale>> =
    LazyLock::new(|| Scale::parse(&environment::optional("TIME_SCALE")?, &environment::optional("TIME_ORIGIN")?));

/// The difference of a clock from the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scale {
    factor: u32,
    origin_ms: i64,
}

impl Scale {
    fn parse(factor: &str, origin_ms: &str) -> Option<Self> {
        let factor = factor.parse().ok().filter(|factor| (2..=FASTEST).contains(factor))?;
        Some(Self { factor, origin_ms: origin_ms.parse().ok()? })
    }

    fn at(self, machine: Timestamp) -> Timestamp {
        let passed = machine.as_millisecond().saturating_sub(self.origin_ms);
        let ms = self.origin_ms.saturating_add(passed.saturating_mul(i64::from(self.factor)));
        Timestamp::from_millisecond(ms).unwrap_or(machine)
    }
}

/// The clock's time at a time of the machine.
pub(super) fn at(machine: Timestamp) -> Timestamp {
    SCALE.map_or(machine, |scale| scale.at(machine))
}

/// The time on the machine of a duration of the clock.
pub(super) fn on_machine(duration: Duration) -> Duration {
    SCALE.map_or(duration, |scale| duration / scale.factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_a_clock_five_times_as_fast_takes_12_seconds() {
        let scale = Scale::parse("5", "1000000").expect("a scale");
        let at = |ms| scale.at(Timestamp::from_millisecond(ms).expect("a time")).as_millisecond();
        assert_eq!((at(1_000_000), at(1_012_000), at(999_000)), (1_000_000, 1_060_000, 995_000));
    }

    #[test]
    fn a_clock_of_the_same_or_of_no_known_speed_is_the_machines() {
        for (factor, origin) in [("1", "0"), ("0", "0"), ("101", "0"), ("x", "0"), ("5", ""), ("5", "now")] {
            assert_eq!(Scale::parse(factor, origin), None, "{factor} {origin}");
        }
    }
}
