//! Rate limits: so many requests in each window, and the windows begin at full half minutes of the clock on the wall.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

/// A fixed window.
#[derive(Debug)]
pub struct Window {
    length_s: i64,
    limit: Option<u64>,
    number: i64,
    used: u64,
}

/// What a request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub limit: u64,
    pub remaining: u64,
    /// Seconds since 1970 UTC: always a whole window from now, though the window may end earlier.
    pub reset: i64,
    /// Seconds until the window ends, when there is no room in it.
    pub wait_s: Option<i64>,
}

impl Window {
    #[must_use]
    pub const fn new(length_s: i64, limit: u64) -> Self {
        Self { length_s, limit: Some(limit), number: 0, used: 0 }
    }

    /// Another limit from now on, or none; what was used in this window stays used.
    pub const fn set(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Counts a request; nothing when there is no limit.
    pub fn count(&mut self, now_ms: i64) -> Option<Counted> {
        let limit = self.limit?;
        let now = now_ms.div_euclid(1_000);
        let number = now.div_euclid(self.length_s);
        if number != self.number {
            self.number = number;
            self.used = 0;
        }
        let refused = self.used >= limit;
        if !refused {
            self.used += 1;
        }
        let end_ms = (number + 1) * self.length_s * 1_000;
        // Rounded up: who waits so long is let in.
        let wait_s = refused.then(|| (end_ms - now_ms + 999).div_euclid(1_000));
        Some(Counted { limit, remaining: limit.saturating_sub(self.used), reset: now + self.length_s, wait_s })
    }
}

impl Counted {
    /// Writes the headers that every answer has.
    pub fn write(self, response: &mut Response, retry_after: bool) {
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
        if let Some(wait) = self.wait_s.filter(|_| retry_after) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_and_the_reset_is_overstated() {
        let mut window = Window::new(30, 2);
        let at = |window: &mut Window, ms| {
            window.count(ms).map(|counted| (counted.remaining, counted.reset, counted.wait_s))
        };
        assert_eq!(at(&mut window, 29_000), Some((1, 59, None)));
        assert_eq!(at(&mut window, 29_500), Some((0, 59, None)));
        assert_eq!(at(&mut window, 29_500), Some((0, 59, Some(1))));
        assert_eq!(at(&mut window, 30_000), Some((1, 60, None)));
        window.set(None);
        assert_eq!(window.count(30_001), None);
    }
}
