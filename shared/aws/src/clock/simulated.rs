//! A clock for proofs that pass days in seconds: one for each thread, shared with the simulators that it holds. A release
//! has none.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

thread_local! {
    static CLOCK: RefCell<Option<Arc<AtomicI64>>> = const { RefCell::new(None) };
    static SKEW_MS: Cell<i64> = const { Cell::new(0) };
}

/// From here on this thread's time is that of the clock, in milliseconds since 1970 UTC; none for this machine's.
pub fn follow(clock: Option<Arc<AtomicI64>>) {
    CLOCK.with_borrow_mut(|current| *current = clock);
    SKEW_MS.set(0);
}

/// From here on this thread's time is so much ahead of the clock.
pub fn skew(ms: i64) {
    SKEW_MS.set(ms);
}

pub(super) fn now() -> Option<Timestamp> {
    let ms = CLOCK.with_borrow(|clock| clock.as_ref().map(|clock| clock.load(Ordering::SeqCst)))?;
    Timestamp::from_millisecond(ms.saturating_add(SKEW_MS.get())).ok()
}

/// Lets the time of a simulated clock pass; false when there is none.
pub(super) fn pass(duration: Duration) -> bool {
    let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    CLOCK.with_borrow(|clock| {
        if let Some(clock) = clock {
            clock.fetch_add(ms, Ordering::SeqCst);
        }
        clock.is_some()
    })
}
