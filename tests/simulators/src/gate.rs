//! The gate of an account: limits and tokens as data, whatever a vendor makes of a refusal.

use std::collections::BTreeMap;

/// A bucket of tokens that fills steadily.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_second: i64,
    /// Capacity and level, in thousandths of a token.
    most: i64,
    level: i64,
    at: i64,
}

impl Bucket {
    pub fn new((per_second, burst): (u32, u32), now_ms: i64) -> Self {
        let most = i64::from(burst) * 1_000;
        Self { per_second: per_second.into(), most, level: most, at: now_ms }
    }

    /// Whether there was a token to take.
    pub fn take(&mut self, now_ms: i64) -> bool {
        let passed = now_ms.saturating_sub(self.at).max(0);
        self.level = passed.saturating_mul(self.per_second).saturating_add(self.level).min(self.most);
        self.at = self.at.max(now_ms);
        let taken = self.level >= 1_000;
        if taken {
            self.level -= 1_000;
        }
        taken
    }
}

/// When a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At the full multiples of its length on the clock.
    Aligned,
    /// With the first request after the one before.
    FirstRequest,
}

/// So many requests in each window of a fixed length.
#[derive(Debug, Clone)]
pub struct Window {
    /// Null for no limit. What was used in the present window stays used when this changes.
    pub limit: Option<u64>,
    length_ms: i64,
    begin: Begin,
    began: i64,
    used: u64,
}

/// What a request found in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub limit: u64,
    pub remaining: u64,
    /// The length of the window, in milliseconds.
    pub length_ms: i64,
    /// Milliseconds until the window ends, when there is no room in it.
    pub wait_ms: Option<i64>,
}

impl Window {
    pub const fn new(begin: Begin, length_ms: i64, limit: Option<u64>) -> Self {
        Self { limit, length_ms, begin, began: i64::MIN, used: 0 }
    }

    /// Counts a request; none when there is no limit.
    pub fn count(&mut self, now_ms: i64) -> Option<Counted> {
        let limit = self.limit?;
        if now_ms >= self.began.saturating_add(self.length_ms) || now_ms < self.began {
            let aligned = now_ms.div_euclid(self.length_ms) * self.length_ms;
            self.began = if self.begin == Begin::Aligned { aligned } else { now_ms };
            self.used = 0;
        }
        let refused = self.used >= limit;
        if !refused {
            self.used += 1;
        }
        let wait_ms = refused.then(|| self.began + self.length_ms - now_ms);
        let (remaining, length_ms) = (limit.saturating_sub(self.used), self.length_ms);
        Some(Counted { limit, remaining, length_ms, wait_ms })
    }
}

impl Counted {
    /// Whether the request is one too many.
    pub const fn refused(self) -> bool {
        self.wait_ms.is_some()
    }

    /// Seconds until the window ends, rounded up: a client that waits so long is let in.
    pub fn wait_s(self) -> Option<i64> {
        self.wait_ms.map(seconds)
    }
}

/// Whole seconds, rounded up.
pub const fn seconds(ms: i64) -> i64 {
    (ms + 999).div_euclid(1_000)
}

/// The tokens of one account: access tokens that end, and refresh tokens that are good once.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Neither tokens nor credentials are good while this is set.
    pub revoked: bool,
    issued: u64,
    /// The end of each access token, and whether its user may read everything.
    access: BTreeMap<String, (i64, bool)>,
    /// The end of each refresh token.
    refresh: BTreeMap<String, i64>,
}

impl Tokens {
    /// The number of the next token that is issued.
    pub const fn number(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }

    /// Issues an access token, and forgets those that have ended.
    pub fn issue(&mut self, token: &str, (now_ms, until_ms): (i64, i64), admin: bool) {
        self.access.retain(|_, (until, _)| now_ms < *until);
        self.access.insert(token.to_owned(), (until_ms, admin));
    }

    /// Issues a refresh token.
    pub fn allow(&mut self, refresh: &str, until_ms: i64) {
        self.refresh.insert(refresh.to_owned(), until_ms);
    }

    /// Uses a refresh token up; false when it is not good.
    pub fn redeem(&mut self, refresh: &str, now_ms: i64) -> bool {
        !self.revoked && self.refresh.remove(refresh).is_some_and(|until| now_ms < until)
    }

    /// Whether the user of an access token may read everything; none when the token is not good.
    pub fn check(&self, token: &str, now_ms: i64) -> Option<bool> {
        self.access.get(token).filter(|(until, _)| now_ms < *until && !self.revoked).map(|(_, admin)| *admin)
    }

    /// Ends all access tokens.
    pub fn expire(&mut self) {
        self.access.clear();
    }

    /// Ends all refresh tokens.
    pub fn forget_refresh(&mut self) {
        self.refresh.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_time_brings() {
        let mut bucket = Bucket::new((10, 20), 0);
        let mut taken = |now, tries| (0..tries).filter(|_| bucket.take(now)).count();
        assert_eq!((taken(0, 30), taken(99, 5), taken(100, 5), taken(1_100, 50)), (20, 0, 1, 10));
        assert_eq!((taken(60_000, 50), taken(50_000, 5)), (20, 0));
    }

    #[test]
    fn an_aligned_window_ends_at_the_full_multiple_of_its_length() {
        let mut window = Window::new(Begin::Aligned, 30_000, Some(2));
        let at = |window: &mut Window, ms| window.count(ms).map(|counted| (counted.remaining, counted.wait_s()));
        assert_eq!(at(&mut window, 29_000), Some((1, None)));
        assert_eq!(at(&mut window, 29_500), Some((0, None)));
        assert_eq!(at(&mut window, 29_500), Some((0, Some(1))));
        assert_eq!(at(&mut window, 30_000), Some((1, None)));
        window.limit = None;
        assert_eq!(window.count(30_001), None);
    }

    #[test]
    fn a_second_holds_ten_requests_and_the_next_one_ten_more() {
        let mut window = Window::new(Begin::Aligned, 1_000, Some(10));
        let entered: Vec<_> =
            (0..11).filter_map(|_| window.count(5_999)).map(|counted| (counted.refused(), counted.remaining)).collect();
        assert_eq!(entered.first(), Some(&(false, 9)));
        assert_eq!(entered.get(9), Some(&(false, 0)));
        assert_eq!(entered.get(10), Some(&(true, 0)));
        assert!(window.count(6_000).is_some_and(|counted| !counted.refused()));
    }

    #[test]
    fn a_window_of_the_first_request_counts_each_minute_anew() {
        let mut window = Window::new(Begin::FirstRequest, 60_000, Some(2));
        let at = |second: i64| 1_764_000_000_000 + second * 1_000;
        let refused = [0, 30, 59, 60, 61, 62].map(|second| window.count(at(second)).is_some_and(Counted::refused));
        assert_eq!(refused, [false, false, true, false, false, true]);
        window.limit = None;
        assert_eq!(window.count(at(63)), None);
    }

    #[test]
    fn a_refresh_token_is_good_once_an_access_token_until_its_end() {
        let mut tokens = Tokens::default();
        tokens.allow("first", 10);
        assert!(tokens.redeem("first", 0) && !tokens.redeem("first", 0));
        tokens.issue("one", (0, 3_600), true);
        assert_eq!((tokens.check("one", 3_599), tokens.check("one", 3_600)), (Some(true), None));
        tokens.allow("late", 10);
        assert!(!tokens.redeem("late", 10));
        tokens.issue("two", (0, 3_600), false);
        tokens.allow("second", 10);
        tokens.revoked = true;
        assert_eq!((tokens.check("two", 0), tokens.redeem("second", 0)), (None, false));
        tokens.revoked = false;
        assert_eq!(tokens.check("two", 0), Some(false));
        tokens.expire();
        assert_eq!(tokens.check("two", 0), None);
    }
}
