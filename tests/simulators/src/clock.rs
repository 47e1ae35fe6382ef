//! The time of this process: every simulator reads the time and waits through this module.
//!
//! [`now`] and [`sleep`] are the time that a third party lives by: its timestamps, its rate limits, its latency, the validity of
//! its tokens and the pauses between its attempts. A stack may let it run faster than the machine's, as it does for the product
//! ([`run_at`]). [`wall_now`] and [`wall_sleep`] are the machine's, for what is bound to it, such as sockets. No other file may
//! read a clock or sleep.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

/// How this clock differs from the machine's.
#[derive(Debug, Clone, Copy)]
struct Scale {
    factor: u32,
    origin_ms: i64,
}

static SCALE: OnceLock<Scale> = OnceLock::new();

/// From here on `factor` seconds pass in one of the machine; at `origin_ms`, milliseconds since 1970 UTC, both clocks showed the
/// same. Only the first call counts, and a factor of 1 is the machine's clock.
pub fn run_at(factor: u32, origin_ms: i64) {
    if factor > 1 {
        // A second order would let time jump.
        let _ = SCALE.set(Scale { factor, origin_ms });
    }
}

impl Scale {
    fn at(self, machine: Timestamp) -> Timestamp {
        let passed = machine.as_millisecond().saturating_sub(self.origin_ms);
        let ms = self.origin_ms.saturating_add(passed.saturating_mul(i64::from(self.factor)));
        Timestamp::from_millisecond(ms).unwrap_or(machine)
    }
}

/// The time of the third parties.
pub fn now() -> Timestamp {
    let now = wall_now();
    SCALE.get().map_or(now, |scale| scale.at(now))
}

/// Waits for this long in the time of the third parties.
pub async fn sleep(duration: Duration) {
    wall_sleep(SCALE.get().map_or(duration, |scale| duration / scale.factor)).await;
}

pub fn wall_now() -> Timestamp {
    Timestamp::now()
}

/// Waits for this long in the machine's time.
pub async fn wall_sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_a_clock_five_times_as_fast_is_twelve_seconds() {
        let scale = Scale { factor: 5, origin_ms: 1_000_000 };
        let at = |ms| Timestamp::from_millisecond(ms).map(|machine| scale.at(machine).as_millisecond()).ok();
        assert_eq!((at(1_000_000), at(1_012_000)), (Some(1_000_000), Some(1_060_000)));
    }
}
