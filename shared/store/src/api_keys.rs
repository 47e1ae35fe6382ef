//! API keys on record: one read a key and minute, whether it exists or not.

use std::sync::Arc;
use std::time::Duration;

use domain::api_key::{ApiKey, PresentedKey};
use jiff::Timestamp;
use moka::future::Cache;

use crate::records::Records;
use aws::clock;
use aws::error::AwsError;

/// How long a read key is cached: a revoked one is refused after this time at the latest.
const CACHED: Duration = Duration::from_secs(60);
/// The number of keys that are cached, unknown ones included, so that a caller who guesses keys cannot fill the memory.
const AT_MOST: u64 = 10_000;

/// The API keys of all organisations, by their hash.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    records: Records,
    cache: Cache<PresentedKey, Option<ApiKey>>,
}

impl ApiKeys {
    /// The keys among these records.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self { records, cache: Cache::builder().max_capacity(AT_MOST).time_to_live(clock::on_machine(CACHED)).build() }
    }

    /// The record of a key; none when it is unknown to the organisation that it names, or revoked. At most one call a
    /// minute for all concurrent callers.
    ///
    /// # Errors
    /// When the table cannot be reached or the record is not readable.
    pub async fn find(&self, key: &PresentedKey, now: Timestamp) -> Result<Option<ApiKey>, Arc<AwsError>> {
        let read = self.records.get::<ApiKey>(key.org(), key.hash());
        let found = self.cache.try_get_with_by_ref(key, read).await?;
        Ok(found.filter(|key| key.is_valid(now)))
    }
}
