//! Who may ask, and how often.

/// Lifetime of an access token.
const ACCESS_MS: i64 = 3_600_000;
/// Requests a second and at once that Lever documents for one key.
pub const DOCUMENTED: (u32, u32) = (10, 20);
/// Applications a second that the public postings API takes of one site.
const INTAKE: (u32, u32) = (2, 2);

/// A bucket of tokens that fills steadily.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_second: i64,
    /// In thousandths of a token.
    most: i64,
    level: i64,
    at: i64,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new((per_second, burst): (u32, u32), now: i64) -> Self {
        let most = i64::from(burst) * 1_000;
        Self { per_second: per_second.into(), most, level: most, at: now }
    }

    /// Whether there was a token to take.
    pub fn take(&mut self, now: i64) -> bool {
        let passed = now.saturating_sub(self.at).max(0);
        self.level = passed.saturating_mul(self.per_second).saturating_add(self.level).min(self.most);
        self.at = self.at.max(now);
        let taken = self.level >= 1_000;
        if taken {
            self.level -= 1_000;
        }
        taken
    }
}

/// What a request showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Key,
    /// The number of the access token.
    Access(u64),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Maintenance,
    Unauthorised,
    Limited,
}

/// Limits and grants of one account.
#[derive(Debug)]
pub struct Gate {
    api: Option<Bucket>,
    pub intake: Bucket,
    pub maintenance: bool,
    pub revoked: bool,
    /// Number of the refresh token that is good now; 0 is the first one.
    refresh: u64,
    /// Numbers of access tokens and when they end.
    access: Vec<(u64, i64)>,
}

impl Gate {
    #[must_use]
    pub fn new(now: i64) -> Self {
        Self {
            api: Some(Bucket::new(DOCUMENTED, now)),
            intake: Bucket::new(INTAKE, now),
            maintenance: false,
            revoked: false,
            refresh: 0,
            access: Vec::new(),
        }
    }

    /// Another limit, or none.
    pub fn set_limit(&mut self, limit: Option<(u32, u32)>, now: i64) {
        self.api = limit.map(|limit| Bucket::new(limit, now));
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// Why it is not; what is refused for its credentials costs nothing of the limit.
    pub fn enter(&mut self, credential: &Credential, now: i64) -> Result<(), Closed> {
        if self.maintenance {
            return Err(Closed::Maintenance);
        }
        let good = match credential {
            Credential::Key => true,
            Credential::Access(number) => self.access.iter().any(|(known, end)| known == number && now < *end),
        };
        if !good || self.revoked {
            return Err(Closed::Unauthorised);
        }
        if self.api.as_mut().is_none_or(|bucket| bucket.take(now)) { Ok(()) } else { Err(Closed::Limited) }
    }

    /// Trades a refresh token for the number of the next tokens and the seconds that the access token lives.
    pub fn refresh(&mut self, number: u64, now: i64) -> Option<(u64, i64)> {
        if self.revoked || number != self.refresh {
            return None;
        }
        self.refresh += 1;
        self.access.retain(|(_, end)| now < *end);
        self.access.push((self.refresh, now.saturating_add(ACCESS_MS)));
        Some((self.refresh, ACCESS_MS / 1_000))
    }

    /// A person authorises again: the first refresh token is good.
    pub fn authorise(&mut self) {
        self.refresh = 0;
    }

    /// Ends all access tokens now.
    pub fn expire(&mut self) {
        self.access.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_time_brings() {
        let mut bucket = Bucket::new(DOCUMENTED, 0);
        let mut taken = |now, tries| (0..tries).filter(|_| bucket.take(now)).count();
        assert_eq!((taken(0, 30), taken(99, 5), taken(100, 5), taken(1_100, 50)), (20, 0, 1, 10));
        assert_eq!((taken(60_000, 50), taken(50_000, 5)), (20, 0));
    }

    #[test]
    fn a_refresh_token_is_good_once_and_an_access_token_for_an_hour() {
        let mut gate = Gate::new(0);
        let granted = gate.refresh(0, 0);
        assert_eq!((granted, gate.refresh(0, 0)), (Some((1, 3_600)), None));
        let access = Credential::Access(1);
        assert_eq!(
            (gate.enter(&access, 3_599_999), gate.enter(&access, 3_600_000)),
            (Ok(()), Err(Closed::Unauthorised))
        );
        assert_eq!(gate.refresh(1, 4_000_000), Some((2, 3_600)));
        gate.revoked = true;
        assert_eq!((gate.refresh(2, 4_000_000), gate.enter(&Credential::Key, 0)), (None, Err(Closed::Unauthorised)));
        gate.maintenance = true;
        assert_eq!(gate.enter(&Credential::Key, 0), Err(Closed::Maintenance));
    }
}
