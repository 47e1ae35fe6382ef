//! The cache of answers: in this process, and in a tier that all processes share when `CACHE_URL` is set. `resilience::cache`
//! decides how long an answer may be cached.
//!
//! Invariants:
//! - An answer is used only in the generation (see `shared.rs`) in which its read began. A write begins a new generation
//!   after it is stored, so no request gets an answer from before it, not even one whose read was slow.
//! - While the shared tier is unreachable, the generation is not known and the origin answers. The cache then makes
//!   requests slower, never wrong.
//! - Errors are not cached. The cache is bounded in bytes.
//! - A background refresh may be frozen with its process and continue much later: its entry then bears the time and the
//!   generation of its begin.

mod entry;
mod key;
mod shared;
mod statistics;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::OrgId;
use jiff::Timestamp;
use resilience::cache::{Freshness, Kind, Lifetime, Outcome, Reach};

use crate::clock;
use crate::environment::{self, EnvironmentError};

use self::entry::Entry;
pub use self::key::Key;
use self::key::Scope;
use self::shared::{Generation, Shared, Unreachable};
use self::statistics::Counts;
pub use self::statistics::Statistics;

/// The most bytes that one process caches: a small part of the smallest function's memory (256 MB).
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The most scopes whose generation a process remembers. Forgetting one costs a miss.
const MAX_SCOPES: usize = 10_000;
/// The longest time for a background refresh.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why a cache cannot be set up. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// `CACHE_URL` is not an address of Redis.
    #[error("read CACHE_URL: redis://HOST:PORT or rediss://HOST:PORT is expected")]
    Address,
}

/// The source from which a request accepts its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The cache, and the origin where that has no answer.
    Cache,
    /// The origin only; its answer is cached.
    Origin,
}

/// An answer, from the cache or from the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The content, as the origin returned it.
    pub content: Arc<str>,
    /// A strong validator in quotes: the same for the same content, whichever process read it.
    pub etag: Arc<str>,
    /// The time since the origin was read.
    pub age: Duration,
    /// The age up to which the answer is fresh.
    pub fresh: Duration,
    /// The source of the answer.
    pub outcome: Outcome,
}

/// The cache. Clones share its entries.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: moka::future::Cache<String, Entry>,
    shared: Option<Shared>,
    /// The generations of this process; with a shared tier those that it last read there.
    generations: Mutex<HashMap<Scope, Generation>>,
    refreshing: Mutex<HashSet<String>>,
    counts: Counts,
}

impl Cache {
    /// A cache of this process alone.
    #[must_use]
    pub fn of_process() -> Self {
        Self::with(None, MAX_BYTES)
    }

    /// A cache that shares its answers and generations with all processes of this server and prefix. It is not connected yet.
    ///
    /// # Errors
    /// When the address is not one of Redis.
    pub fn of_fleet(url: &str, prefix: &str) -> Result<Self, CacheError> {
        let shared = Shared::new(url, prefix.to_owned()).map_err(|_| CacheError::Address)?;
        Ok(Self::with(Some(shared), MAX_BYTES))
    }

    /// Shared when `CACHE_URL` is set, apart from other stages by `STAGE`.
    ///
    /// # Errors
    /// When `STAGE` is not a stage or `CACHE_URL` not an address.
    pub fn from_environment() -> Result<Self, CacheError> {
        let stage = environment::stage()?;
        match environment::optional("CACHE_URL") {
            Some(url) => Self::of_fleet(&url, &format!("hiring-integrations:{}", stage.as_str())),
            None => Ok(Self::of_process()),
        }
    }

    fn with(shared: Option<Shared>, bytes: u64) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(bytes)
            .weigher(|key: &String, entry: &Entry| u32::try_from(key.len() + entry.bytes()).unwrap_or(u32::MAX))
            .time_to_live(clock::on_machine(max_lifetime()))
            .build();
        let (generations, refreshing, counts) = (Mutex::default(), Mutex::default(), Counts::default());
        Self { inner: Arc::new(Inner { entries, shared, generations, refreshing, counts }) }
    }

    /// Opens the connection to the shared tier, if there is one.
    pub async fn preconnect(&self) {
        if let Some(shared) = &self.inner.shared {
            shared.preconnect().await;
        }
    }

    /// The counts since the process began.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner.counts.read(self.inner.shared.as_ref().map_or(0, |shared| shared.errors.get()))
    }

    /// Invalidates the answers of these kinds, after records of them were written. At most one call to the shared tier, for
    /// less than a second, and without consequence for the caller when it fails: the invalidation is repeated before the next
    /// read of this process, and until then other processes may use their cached answers to the end of their lifetime.
    pub async fn invalidate(&self, org: &OrgId, kinds: &[Kind]) {
        if kinds.is_empty() {
            return;
        }
        let now = clock::now();
        let scopes: Vec<Scope> = kinds.iter().map(|kind| Scope { org: org.clone(), kind: *kind }).collect();
        for scope in &scopes {
            self.inner.counts.invalidations.add();
            self.inner.set_generation(scope, Generation::written(now));
        }
        if let Some(shared) = &self.inner.shared {
            // A failure is logged and remembered there.
            let _ignored = shared.invalidate(&scopes, now).await;
        }
    }

    /// Answers a request. `load` reads the origin and is polled only when the cache has no answer; of concurrent requests for
    /// the same answer one reads and the others wait for it (single flight). `now` is the time of the request.
    ///
    /// # Errors
    /// Those of `load`, which are not cached.
    pub async fn answer<F, E>(&self, key: &Key, from: ReadFrom, now: Timestamp, load: F) -> Result<Answer, Arc<E>>
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let inner = &self.inner;
        let Ok((generation, found)) = inner.look_up(key, from, now).await else {
            inner.counts.bypassed.add();
            let entry = Entry::new(load.await?, now, Lifetime::of(key.scope().kind, Reach::Process, None));
            return Ok(answer(&entry, now, Outcome::Bypass));
        };
        let entry_key = entry_key(key, &generation);
        if from == ReadFrom::Origin {
            inner.counts.bypassed.add();
            let entry = inner.read(key, &generation, now, load).await?;
            inner.insert(key, &generation, entry_key, &entry).await;
            return Ok(answer(&entry, now, Outcome::Bypass));
        }
        match found.map(|entry| (entry.freshness(now), entry)) {
            Some((Freshness::Fresh, entry)) => {
                inner.counts.hits.add();
                return Ok(answer(&entry, now, Outcome::Hit));
            }
            Some((Freshness::Stale, entry)) => {
                inner.counts.stale.add();
                self.refresh(key, &generation, entry_key, now, load);
                return Ok(answer(&entry, now, Outcome::Stale));
            }
            Some((Freshness::Expired, _)) => inner.entries.invalidate(&entry_key).await,
            None => {}
        }
        let mut loaded = false;
        let read = async {
            loaded = true;
            inner.read(key, &generation, now, load).await
        };
        let entry = inner.entries.try_get_with(entry_key, read).await?;
        if loaded {
            inner.counts.misses.add();
            inner.store_shared(key, &generation, &entry).await;
        } else {
            inner.counts.coalesced.add();
        }
        Ok(answer(&entry, now, Outcome::Miss))
    }

    /// Refreshes an answer in the background, unless another task is refreshing it.
    fn refresh<F, E>(&self, key: &Key, generation: &Generation, entry_key: String, now: Timestamp, load: F)
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let Some(permit) = RefreshPermit::acquire(&self.inner, &entry_key) else { return };
        let (key, generation) = (key.clone(), generation.clone());
        tokio::spawn(async move {
            let inner = &permit.inner;
            let refreshed = tokio::time::timeout(REFRESH_TIMEOUT, async {
                // An error is not cached. Its cause is logged where a request meets it: the next one reads the origin.
                if let Ok(entry) = inner.read(&key, &generation, now, load).await {
                    inner.insert(&key, &generation, entry_key, &entry).await;
                }
            });
            if refreshed.await.is_err() {
                tracing::warn!("a refresh of the cache took too long");
            }
        });
    }
}

impl Inner {
    /// The generation, and its entry: of this process, else of the shared tier.
    async fn look_up(
        &self,
        key: &Key,
        from: ReadFrom,
        now: Timestamp,
    ) -> Result<(Generation, Option<Entry>), Unreachable> {
        let scope = key.scope();
        let Some(shared) = &self.shared else {
            let generation = self.local_generation(scope);
            let entry = self.entries.get(&entry_key(key, &generation)).await;
            return Ok((generation, entry));
        };
        let known = self.local_generation(scope);
        let own = self.trusted(shared, entry_key(key, &known)).await;
        // A fresh entry of this process only needs the generation to be checked.
        if from == ReadFrom::Origin || own.as_ref().is_some_and(|entry| entry.freshness(now) == Freshness::Fresh) {
            let generation = self.set_generation(scope, shared.generation(scope).await?);
            if from == ReadFrom::Origin || generation == known {
                return Ok((generation, own));
            }
        }
        let (generation, entry) = shared.look_up(key).await?;
        let entry = entry.filter(|entry| shared.trusts(entry));
        let own = if generation == known { own } else { self.trusted(shared, entry_key(key, &generation)).await };
        self.set_generation(scope, generation.clone());
        match (entry, own) {
            // The entry of this process may be newer: it may be too large to be shared, or the tier was unreachable.
            (Some(entry), own) if own.as_ref().is_none_or(|own| own.read_at < entry.read_at) => {
                self.counts.shared_hits.add();
                self.entries.insert(entry_key(key, &generation), entry.clone()).await;
                Ok((generation, Some(entry)))
            }
            (_, own) => Ok((generation, own)),
        }
    }

    /// The entry of this process, if it can be trusted; one that cannot is removed.
    async fn trusted(&self, shared: &Shared, entry_key: String) -> Option<Entry> {
        let entry = self.entries.get(&entry_key).await?;
        if shared.trusts(&entry) {
            return Some(entry);
        }
        self.entries.invalidate(&entry_key).await;
        None
    }

    /// Reads the origin, and sets the answer's lifetime, which follows from the last write.
    async fn read<E>(
        &self,
        key: &Key,
        generation: &Generation,
        now: Timestamp,
        load: impl Future<Output = Result<String, E>>,
    ) -> Result<Entry, E> {
        let reach = if self.shared.is_some() { Reach::Fleet } else { Reach::Process };
        let lifetime = Lifetime::of(key.scope().kind, reach, generation.since_write(now));
        Ok(Entry::new(load.await?, now, lifetime))
    }

    async fn insert(&self, key: &Key, generation: &Generation, entry_key: String, entry: &Entry) {
        self.entries.insert(entry_key, entry.clone()).await;
        self.store_shared(key, generation, entry).await;
    }

    async fn store_shared(&self, key: &Key, generation: &Generation, entry: &Entry) {
        if let Some(shared) = &self.shared {
            // A failure is logged there, and the answer is right without it.
            let _ignored = shared.store(key, generation, entry).await;
        }
    }

    /// The generation of this process; a first one when it has none.
    fn local_generation(&self, scope: &Scope) -> Generation {
        self.generations().entry(scope.clone()).or_insert_with(Generation::unwritten).clone()
    }

    fn set_generation(&self, scope: &Scope, generation: Generation) -> Generation {
        self.generations().insert(scope.clone(), generation.clone());
        generation
    }

    /// The generations, at most [`MAX_SCOPES`] of them.
    fn generations(&self) -> MutexGuard<'_, HashMap<Scope, Generation>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.len() >= MAX_SCOPES {
            generations.clear();
        }
        generations
    }
}

/// The permit to refresh one entry; it ends when it is dropped.
struct RefreshPermit {
    inner: Arc<Inner>,
    entry_key: String,
}

impl RefreshPermit {
    fn acquire(inner: &Arc<Inner>, entry_key: &str) -> Option<Self> {
        let mut refreshing = inner.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing
            .insert(entry_key.to_owned())
            .then(|| Self { inner: Arc::clone(inner), entry_key: entry_key.to_owned() })
    }
}

impl Drop for RefreshPermit {
    fn drop(&mut self) {
        self.inner.refreshing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry_key);
    }
}

/// The key of an entry in this process. The generation is a part of it.
fn entry_key(key: &Key, generation: &Generation) -> String {
    format!("{} {}", generation.as_str(), key.text())
}

fn answer(entry: &Entry, now: Timestamp, outcome: Outcome) -> Answer {
    let Entry { content, etag, read_at: _, lifetime } = entry;
    let (content, etag) = (Arc::clone(content), Arc::clone(etag));
    Answer { content, etag, age: entry.age(now), fresh: lifetime.fresh(), outcome }
}

/// The longest lifetime of any answer.
fn max_lifetime() -> Duration {
    let lifetimes = Kind::ALL.map(|kind| Lifetime::of(kind, Reach::Fleet, None).total());
    lifetimes.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
