//! The clock by which the product decides and waits; pure logic takes its time as an argument.
//!
//! In a development build it may be simulated (`simulated`), or run faster than the machine's (`scaled`): a wait, or a
//! duration for AWS, is then converted by [`on_machine`]. What others check by a clock of their own uses the machine's
//! time: signatures of AWS requests, tokens of a user pool, certificates.

use std::time::Duration;

use jiff::Timestamp;

#[cfg(debug_assertions)]
mod scaled;
#[cfg(debug_assertions)]
pub mod simulated;

/// The least time that work of its own, such as a call to a third party, gets from a faster clock.
#[cfg(debug_assertions)]
const LEAST_FOR_WORK: Duration = Duration::from_secs(2);

/// Now, to the millisecond: finer digits would only make stored times longer.
#[must_use]
pub fn now() -> Timestamp {
    #[cfg(debug_assertions)]
    if let Some(now) = simulated::now() {
        return now;
    }
    let now = Timestamp::now();
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    from_machine(now)
}

/// The time of this clock at a time of the machine's, such as the deadline from Lambda.
#[must_use]
pub fn from_machine(at: Timestamp) -> Timestamp {
    #[cfg(debug_assertions)]
    let at = scaled::at(at);
    at
}

/// The time on the machine of a duration of this clock: for timeouts, lifetimes in memory, and durations for AWS.
#[must_use]
pub fn on_machine(duration: Duration) -> Duration {
    #[cfg(debug_assertions)]
    let duration = if simulated::now().is_some() { duration } else { scaled::on_machine(duration) };
    duration
}

/// The time on the machine for work that has a duration of this clock. Work is not faster where the clock is, so it is
/// at least two seconds, or the whole duration if that is shorter.
#[must_use]
pub fn for_work(duration: Duration) -> Duration {
    #[cfg(debug_assertions)]
    let duration = on_machine(duration).max(duration.min(LEAST_FOR_WORK));
    duration
}

pub async fn sleep(duration: Duration) {
    #[cfg(debug_assertions)]
    if simulated::pass(duration) {
        return tokio::task::yield_now().await;
    }
    tokio::time::sleep(on_machine(duration)).await;
}

/// A time as text of fixed width, so that texts sort as times do.
#[must_use]
pub fn sortable(at: Timestamp) -> String {
    format!("{at:.3}")
}
