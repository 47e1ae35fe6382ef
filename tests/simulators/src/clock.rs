//! The time of this process: every simulator reads the time and waits through this module.
//!
//! [`now`] and [`sleep`] are the time that a third party lives by: its timestamps, its rate limits, its latency and the pauses
//! between its attempts. [`wall_now`] and [`wall_sleep`] are the machine's, for what is bound to it: the validity of a JWT, and
//! sockets. No other file may read a clock or sleep.

use std::time::Duration;

use jiff::Timestamp;

/// The time of the third parties.
#[must_use]
pub fn now() -> Timestamp {
    wall_now()
}

/// Waits for this long in the time of the third parties.
pub async fn sleep(duration: Duration) {
    wall_sleep(duration).await;
}

/// The machine's time.
#[must_use]
pub fn wall_now() -> Timestamp {
    Timestamp::now()
}

/// Waits for this long in the machine's time.
pub async fn wall_sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
