//! The outcome of one queue message.

use std::time::Duration;

/// The outcome of the work on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The message is no longer needed.
    Done,
    /// Not now: the message becomes visible again after this time.
    Retry {
        /// The delay, at most 12 hours.
        after: Duration,
        /// The reason, for the log.
        reason: String,
    },
    /// Not now, and through no fault of this message: a copy is sent that becomes visible after this time. Unlike a retry it
    /// burns no receives, however often it happens.
    Postpone {
        /// The delay of the next attempt.
        after: Duration,
        /// The reason, for the log.
        reason: String,
    },
    /// Never: the message goes to the dead-letter queue at once, with the reason, instead of burning its receives.
    Dead {
        /// The reason, for the log and the dead letter.
        reason: String,
    },
}

impl Outcome {
    /// Shorthand for a retry.
    #[must_use]
    pub fn retry(after: Duration, reason: impl Into<String>) -> Self {
        Self::Retry { after, reason: reason.into() }
    }

    /// Shorthand for a postponement.
    #[must_use]
    pub fn postpone(after: Duration, reason: impl Into<String>) -> Self {
        Self::Postpone { after, reason: reason.into() }
    }

    /// Shorthand for a dead letter.
    #[must_use]
    pub fn dead(reason: impl Into<String>) -> Self {
        Self::Dead { reason: reason.into() }
    }
}

/// The number of messages of a batch that are worked on concurrently.
pub const CONCURRENCY: usize = 10;

/// A message that would start with less than this left is put back unharmed.
pub const RESERVE: Duration = Duration::from_secs(3);

/// The part of an invocation's time that no handler may use: releasing a message is one call to its queue.
pub const RELEASE_RESERVE: Duration = Duration::from_millis(1_500);

/// The longest time for the handler of a message when so much of the invocation is left.
#[must_use]
pub fn handler_time(left: Duration) -> Duration {
    left.saturating_sub(RELEASE_RESERVE)
}

/// SQS lets a message be hidden for at most 12 hours from its receipt.
const LONGEST_DELAY: Duration = Duration::from_secs(12 * 60 * 60 - 60);

/// SQS delays a new message by at most a quarter of an hour.
const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(900);

/// The delay of a postponed message's copy, in whole seconds, rounded up and within the limit of SQS.
#[must_use]
pub fn delay_seconds(after: Duration) -> i32 {
    visibility_seconds(after.min(LONGEST_POSTPONEMENT))
}

/// The visibility timeout for a delay, in whole seconds, rounded up and within the limit of SQS.
#[must_use]
pub fn visibility_seconds(after: Duration) -> i32 {
    let capped = after.min(LONGEST_DELAY);
    let whole = capped.as_secs() + u64::from(capped.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_may_start_has_time_and_leaves_some() {
        assert_eq!(handler_time(RESERVE), RESERVE - RELEASE_RESERVE);
        assert!(handler_time(RESERVE) > Duration::ZERO);
        assert_eq!(handler_time(RELEASE_RESERVE / 2), Duration::ZERO);
    }

    #[test]
    fn delays_are_rounded_up_and_within_what_the_queue_takes() {
        assert_eq!(visibility_seconds(Duration::ZERO), 0);
        assert_eq!(visibility_seconds(Duration::from_millis(1)), 1);
        assert_eq!(visibility_seconds(Duration::from_secs(30)), 30);
        assert_eq!(visibility_seconds(Duration::from_secs(u64::MAX)), 43_140);
        assert_eq!(delay_seconds(Duration::from_millis(59_001)), 60);
        assert_eq!(delay_seconds(Duration::from_secs(u64::MAX)), 900);
    }
}
