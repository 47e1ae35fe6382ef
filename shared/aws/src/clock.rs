//! Time: pure logic takes it as an argument.

use std::time::Duration;

use jiff::Timestamp;

#[cfg(debug_assertions)]
pub mod simulated;

/// Now, to the millisecond: finer digits would only make stored times longer.
#[must_use]
pub fn now() -> Timestamp {
    #[cfg(debug_assertions)]
    if let Some(now) = simulated::now() {
        return now;
    }
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Waits.
pub async fn sleep(duration: Duration) {
    #[cfg(debug_assertions)]
    if simulated::pass(duration) {
        return tokio::task::yield_now().await;
    }
    tokio::time::sleep(duration).await;
}

/// A time as text of fixed width, so that texts sort as times do.
#[must_use]
pub fn sortable(at: Timestamp) -> String {
    format!("{at:.3}")
}
