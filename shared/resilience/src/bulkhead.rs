//! The bound on calls in flight to one dependency, so that a slow one cannot block everything.

use std::time::Duration;

/// Calls in flight for each dependency of a process when nothing else is configured.
pub const SIZE: usize = 10;

/// The largest size of a pool.
pub const LARGEST: usize = 100;

/// The time that a call waits for a slot before it is refused: long enough for a burst, short beside every function's timeout.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Reads a configured size. None when it is not a whole number from 1 to [`LARGEST`].
#[must_use]
pub fn size(configured: &str) -> Option<usize> {
    configured.parse().ok().filter(|size| (1..=LARGEST).contains(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_within_its_bounds() {
        assert_eq!([size("1"), size("100")], [Some(1), Some(100)]);
        for bad in ["0", "101", "-1", "ten", "", "1.5"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
