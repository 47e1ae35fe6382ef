//! The time of a call inside an invocation that ends at a known time.

use std::time::Duration;

/// The time for a call: the remaining time less the caller's own need afterwards, and at most `longest`. None when
/// nothing is left: then the call must not begin, because its outcome could not be recorded.
#[must_use]
pub fn allowance(left: Duration, reserve: Duration, longest: Duration) -> Option<Duration> {
    let allowed = left.saturating_sub(reserve).min(longest);
    (!allowed.is_zero()).then_some(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_never_takes_what_its_caller_needs_afterwards() {
        for left in 0..40 {
            for reserve in 0..10 {
                for longest in 1..25 {
                    let [left, reserve, longest] = [left, reserve, longest].map(Duration::from_secs);
                    match allowance(left, reserve, longest) {
                        Some(allowed) => assert!(allowed <= longest && allowed + reserve <= left && !allowed.is_zero()),
                        None => assert!(left <= reserve),
                    }
                }
            }
        }
    }
}
