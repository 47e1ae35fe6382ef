//! The times of retries: exponential with full jitter, so that a fleet that failed together does not return together.

use std::time::Duration;

/// The schedule of retries of one kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Upper bound of the first delay.
    pub base: Duration,
    /// Upper bound of every delay.
    pub cap: Duration,
    /// The attempts in all, the first included.
    pub tries: u32,
}

/// For calls of a worker: repeated within ten seconds, three attempts.
pub const WORKER: Schedule = Schedule { base: Duration::from_secs(1), cap: Duration::from_secs(10), tries: 3 };

/// For mail: a relay that is down for minutes must not cost a mail.
pub const MAIL: Schedule = Schedule { base: Duration::from_secs(2), cap: Duration::from_secs(900), tries: 8 };

/// For model calls: quotas are counted by the minute.
pub const MODEL: Schedule = Schedule { base: Duration::from_secs(2), cap: Duration::from_secs(120), tries: 5 };

/// For a change that a person requested and waits to see.
pub const ACTION: Schedule = Schedule { base: Duration::from_secs(5), cap: Duration::from_secs(300), tries: 6 };

/// For the polls of a connection: it is polled again within the hour, for as long as it exists.
pub const POLL: Schedule = Schedule { base: Duration::from_secs(30), cap: Duration::from_secs(3600), tries: u32::MAX };

/// The decision after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Retry after this time.
    After(Duration),
    /// The attempts are used up.
    GiveUp,
}

impl Schedule {
    /// Decides after the failed attempt number `tried` (the first is 1). `jitter` is a random number in 0..1;
    /// `requested` is the wait that the provider requires and always wins over a shorter delay.
    #[must_use]
    pub fn next(&self, tried: u32, jitter: f64, requested: Option<Duration>) -> Next {
        if tried >= self.tries {
            return Next::GiveUp;
        }
        let doublings = tried.saturating_sub(1).min(31);
        let bound = self.base.saturating_mul(1 << doublings).min(self.cap);
        let delay = bound.mul_f64(jitter.clamp(0.0, 1.0));
        Next::After(delay.max(requested.unwrap_or(Duration::ZERO)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_the_tries_end() {
        let bounds: Vec<_> = (1..=3).map(|tried| WORKER.next(tried, 1.0, None)).collect();
        assert_eq!(bounds, [Next::After(Duration::from_secs(1)), Next::After(Duration::from_secs(2)), Next::GiveUp]);
        assert_eq!(MAIL.next(7, 1.0, None), Next::After(Duration::from_secs(128)));
        assert_eq!(MAIL.next(u32::MAX, 1.0, None), Next::GiveUp);
    }

    #[test]
    fn the_wait_of_the_provider_wins_over_a_shorter_delay() {
        assert_eq!(MODEL.next(1, 0.0, Some(Duration::from_secs(46))), Next::After(Duration::from_secs(46)));
        assert_eq!(MODEL.next(1, 0.5, None), Next::After(Duration::from_secs(1)));
    }
}
