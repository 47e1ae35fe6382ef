//! The clock of the stack, which may be faster than the machine's: what a test writes for the product to read, and what it waits
//! for because the product does, is of this clock. How long work may take is of the machine's.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;

use crate::e2e::harness::stack::description;

/// Seconds of the clock in a second of the machine, and when both showed the same (milliseconds since 1970 UTC).
static SCALE: LazyLock<(u32, i64)> = LazyLock::new(|| {
    let stack = description();
    let factor = stack["time_scale"].as_u64().and_then(|factor| factor.try_into().ok());
    (factor.unwrap_or(1), stack["time_origin_ms"].as_i64().unwrap_or(0))
});

/// The time that the functions and the simulators have.
pub(crate) fn now() -> Timestamp {
    let ((factor, origin_ms), machine) = (*SCALE, Timestamp::now().as_millisecond());
    let ms = if factor == 1 { machine } else { origin_ms + (machine - origin_ms) * i64::from(factor) };
    Timestamp::from_millisecond(ms).expect("a time")
}

/// What a duration of the clock takes on the machine.
pub(crate) fn on_machine(duration: Duration) -> Duration {
    duration / SCALE.0
}

/// What of the clock passes in a duration of the machine.
pub(crate) fn by_the_clock(machine: Duration) -> Duration {
    machine * SCALE.0
}

/// Waits by the clock.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(on_machine(duration)).await;
}

/// Whole seconds of the machine for a duration of the clock, rounded up, as AWS takes them.
pub(crate) fn seconds(duration: Duration) -> u64 {
    let machine = on_machine(duration);
    machine.as_secs() + u64::from(machine.subsec_nanos() > 0)
}
