//! Answers that are kept so that the tables need not be asked again: in this process, and in a tier that all processes share
//! when `CACHE_URL` is set. What may be kept for how long decides `resilience::cache`.
//!
//! Invariants:
//! - An answer is used only in the generation (see `shared.rs`) in which its reading began. A write begins a new generation
//!   after it was written, so nobody gets an answer from before it, not even one whose reading was slow.
//! - While the shared tier cannot be asked, nobody can say which generation it is: the origin answers. The cache then makes
//!   requests slower, never wrong.
//! - Errors are not kept. What is kept is bounded in bytes.
//! - A refresh beside a request may be frozen with its process and go on much later: what it keeps then bears the time and
//!   the generation of its begin.

mod entry;
mod key;
mod shared;
mod statistics;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::OrgId;
use jiff::Timestamp;
use resilience::cache::{Kind, Lifetime, Outcome, Reach, Verdict};

use crate::clock;
use crate::environment::{self, EnvironmentError};

use self::entry::Entry;
pub use self::key::Key;
use self::key::Scope;
use self::shared::{Generation, Shared, Unreachable};
use self::statistics::Counts;
pub use self::statistics::Statistics;

/// Most bytes of the answers that one process keeps: a small part of the smallest function's memory (256 MB).
const BYTES: u64 = 16 * 1024 * 1024;
/// Of how many organisations and kinds the generation is remembered. Forgetting one costs a miss.
const SCOPES: usize = 10_000;
/// Longest time for a refresh beside a request.
const REFRESH: Duration = Duration::from_secs(5);

/// Why there is no cache. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// `CACHE_URL` is not an address of Redis.
    #[error("read CACHE_URL: redis://HOST:PORT or rediss://HOST:PORT is expected")]
    Address,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A kept answer is welcome.
    Kept,
    /// The origin must answer, and its answer is kept.
    Origin,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the origin said.
    pub content: Arc<str>,
    /// A strong validator in quotes: the same for the same content, whoever read it.
    pub etag: Arc<str>,
    /// How long ago the origin was read.
    pub age: Duration,
    /// Up to which age it is fresh.
    pub fresh: Duration,
    /// Where it came from.
    pub outcome: Outcome,
}

/// The cache. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kept: moka::future::Cache<String, Entry>,
    shared: Option<Shared>,
    /// The generations of this process; with a shared tier those that it last saw there.
    generations: Mutex<HashMap<Scope, Generation>>,
    refreshing: Mutex<HashSet<String>>,
    counts: Counts,
}

impl Cache {
    /// A cache of this process alone.
    #[must_use]
    pub fn of_process() -> Self {
        Self::with(None, BYTES)
    }

    /// A cache whose answers and generations all share that use this server and this prefix. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address is not one of Redis.
    pub fn of_fleet(url: &str, prefix: &str) -> Result<Self, CacheError> {
        let shared = Shared::new(url, prefix.to_owned()).map_err(|_| CacheError::Address)?;
        Ok(Self::with(Some(shared), BYTES))
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
        let kept = moka::future::Cache::builder()
            .max_capacity(bytes)
            .weigher(|key: &String, entry: &Entry| u32::try_from(key.len() + entry.bytes()).unwrap_or(u32::MAX))
            .time_to_live(longest_lifetime())
            .build();
        let (generations, refreshing, counts) = (Mutex::default(), Mutex::default(), Counts::default());
        Self { inner: Arc::new(Inner { kept, shared, generations, refreshing, counts }) }
    }

    /// Opens the connection to the shared tier, if there is one.
    pub async fn preconnect(&self) {
        if let Some(shared) = &self.inner.shared {
            shared.preconnect().await;
        }
    }

    /// What this cache did since its process began.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner.counts.read(self.inner.shared.as_ref().map_or(0, |shared| shared.errors.get()))
    }

    /// Says that records of these kinds were written, after they were. At most one call to the shared tier, for less than a
    /// second, and without consequence for the caller when it fails: what could not be told is told before the
    /// next question of this process, and until then other processes may use kept answers to their end.
    pub async fn wrote(&self, org: &OrgId, kinds: &[Kind]) {
        if kinds.is_empty() {
            return;
        }
        let now = clock::now();
        let scopes: Vec<Scope> = kinds.iter().map(|kind| Scope { org: org.clone(), kind: *kind }).collect();
        for scope in &scopes {
            self.inner.counts.invalidations.add();
            self.inner.remember(scope, Generation::written(now));
        }
        if let Some(shared) = &self.inner.shared {
            // It is logged and remembered there.
            let _ignored = shared.written(&scopes, now).await;
        }
    }

    /// Answers a request. `load` reads the origin and is polled only when it has to; all who wait for the same answer at once
    /// wait for one of them. `now` is the time of the request.
    ///
    /// # Errors
    /// Those of `load`, which are not kept.
    pub async fn answer<F, E>(&self, key: &Key, ask: Ask, now: Timestamp, load: F) -> Result<Answer, Arc<E>>
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let inner = &self.inner;
        let Ok((generation, found)) = inner.look_up(key, ask, now).await else {
            inner.counts.bypassed.add();
            let entry = Entry::new(load.await?, now, Lifetime::of(key.scope().kind, Reach::Process, None));
            return Ok(answer(&entry, now, Outcome::Bypass));
        };
        let place = place(key, &generation);
        if ask == Ask::Origin {
            inner.counts.bypassed.add();
            let entry = inner.read(key, &generation, now, load).await?;
            inner.keep(key, &generation, place, &entry).await;
            return Ok(answer(&entry, now, Outcome::Bypass));
        }
        match found.map(|entry| (entry.decide(now), entry)) {
            Some((Verdict::Fresh, entry)) => {
                inner.counts.hits.add();
                return Ok(answer(&entry, now, Outcome::Hit));
            }
            Some((Verdict::Stale, entry)) => {
                inner.counts.stale.add();
                self.refresh(key, &generation, place, now, load);
                return Ok(answer(&entry, now, Outcome::Stale));
            }
            Some((Verdict::Gone, _)) => inner.kept.invalidate(&place).await,
            None => {}
        }
        let mut asked = false;
        let reading = async {
            asked = true;
            inner.read(key, &generation, now, load).await
        };
        let entry = inner.kept.try_get_with(place, reading).await?;
        if asked {
            inner.counts.misses.add();
            inner.share(key, &generation, &entry).await;
        } else {
            inner.counts.coalesced.add();
        }
        Ok(answer(&entry, now, Outcome::Miss))
    }

    /// Makes an answer anew beside the request, once at a time.
    fn refresh<F, E>(&self, key: &Key, generation: &Generation, place: String, now: Timestamp, load: F)
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let Some(turn) = Turn::take(&self.inner, &place) else { return };
        let (key, generation) = (key.clone(), generation.clone());
        tokio::spawn(async move {
            let inner = &turn.inner;
            let refreshed = tokio::time::timeout(REFRESH, async {
                // An error is not kept, and its cause is logged where requests meet it: the next one tries again.
                if let Ok(entry) = inner.read(&key, &generation, now, load).await {
                    inner.keep(&key, &generation, place, &entry).await;
                }
            });
            if refreshed.await.is_err() {
                tracing::warn!("a refresh of the cache took too long");
            }
        });
    }
}

impl Inner {
    /// The generation, and what is kept in it: in this process, else in the shared tier.
    async fn look_up(&self, key: &Key, ask: Ask, now: Timestamp) -> Result<(Generation, Option<Entry>), Unreachable> {
        let scope = key.scope();
        let Some(shared) = &self.shared else {
            let generation = self.begun(scope);
            let entry = self.kept.get(&place(key, &generation)).await;
            return Ok((generation, entry));
        };
        let known = self.begun(scope);
        let own = self.trusted(shared, place(key, &known)).await;
        // With a fresh copy here, only the generation must be asked for.
        if ask == Ask::Origin || own.as_ref().is_some_and(|entry| entry.decide(now) == Verdict::Fresh) {
            let generation = self.remember(scope, shared.generation(scope).await?);
            if ask == Ask::Origin || generation == known {
                return Ok((generation, own));
            }
        }
        let (generation, entry) = shared.look_up(key).await?;
        let entry = entry.filter(|entry| shared.trusts(entry));
        let own = if generation == known { own } else { self.trusted(shared, place(key, &generation)).await };
        self.remember(scope, generation.clone());
        match (entry, own) {
            // What is kept here may be newer: it may be too large to be shared, or the tier could not take it.
            (Some(entry), own) if own.as_ref().is_none_or(|own| own.read_at < entry.read_at) => {
                self.counts.shared_hits.add();
                self.kept.insert(place(key, &generation), entry.clone()).await;
                Ok((generation, Some(entry)))
            }
            (_, own) => Ok((generation, own)),
        }
    }

    /// What is kept in this process and can be trusted; what cannot is forgotten.
    async fn trusted(&self, shared: &Shared, place: String) -> Option<Entry> {
        let entry = self.kept.get(&place).await?;
        if shared.trusts(&entry) {
            return Some(entry);
        }
        self.kept.invalidate(&place).await;
        None
    }

    /// Reads the origin.
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

    async fn keep(&self, key: &Key, generation: &Generation, place: String, entry: &Entry) {
        self.kept.insert(place, entry.clone()).await;
        self.share(key, generation, entry).await;
    }

    async fn share(&self, key: &Key, generation: &Generation, entry: &Entry) {
        if let Some(shared) = &self.shared {
            // It is logged there; the answer is right without it.
            let _ignored = shared.store(key, generation, entry).await;
        }
    }

    /// The generation of this process; a first one when it has none.
    fn begun(&self, scope: &Scope) -> Generation {
        self.generations().entry(scope.clone()).or_insert_with(Generation::unwritten).clone()
    }

    fn remember(&self, scope: &Scope, generation: Generation) -> Generation {
        self.generations().insert(scope.clone(), generation.clone());
        generation
    }

    /// The generations, never more than so many.
    fn generations(&self) -> MutexGuard<'_, HashMap<Scope, Generation>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.len() >= SCOPES {
            generations.clear();
        }
        generations
    }
}

/// The right to refresh one answer, until it is dropped.
struct Turn {
    inner: Arc<Inner>,
    place: String,
}

impl Turn {
    fn take(inner: &Arc<Inner>, place: &str) -> Option<Self> {
        let mut refreshing = inner.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        refreshing.insert(place.to_owned()).then(|| Self { inner: Arc::clone(inner), place: place.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.inner.refreshing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

/// Where an answer is kept in this process: the generation is a part of it.
fn place(key: &Key, generation: &Generation) -> String {
    format!("{} {}", generation.as_str(), key.text())
}

fn answer(entry: &Entry, now: Timestamp, outcome: Outcome) -> Answer {
    let Entry { content, etag, read_at: _, lifetime } = entry;
    let (content, etag) = (Arc::clone(content), Arc::clone(etag));
    Answer { content, etag, age: entry.age(now), fresh: lifetime.fresh(), outcome }
}

/// After this nothing is worth keeping.
fn longest_lifetime() -> Duration {
    let lifetimes = Kind::ALL.map(|kind| Lifetime::of(kind, Reach::Fleet, None).whole());
    lifetimes.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
