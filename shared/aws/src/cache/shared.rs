//! The tier that all processes share: Redis or Valkey.
//!
//! For each organisation and kind it holds a generation, a token that every write replaces; an entry names the generation in
//! which it was read and is invalid in another one. Tokens are random, so a server that lost its memory cannot bring an old
//! one back. Every wait is bounded, and after a failure the tier is not called for a while.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline};
use uuid::Uuid;

use super::entry::{self, Entry};
use super::key::{Key, Scope};
use super::statistics::Count;

/// The longest waits of a reader: short, because the origin can answer instead.
const READER: Limits = Limits { connect: Duration::from_millis(150), answer: Duration::from_millis(100) };
/// The longest waits of a writer: longer, because a failed invalidation leaves other processes with an old answer for minutes.
const WRITER: Limits = Limits { connect: Duration::from_millis(300), answer: Duration::from_millis(500) };
/// The extra time for an answer after its limit: this process itself may have been slow, and the answer may have arrived.
const GRACE: Duration = Duration::from_millis(25);
/// The longest wait for a connection in INIT, where no request waits for it and the first TLS session costs the most.
const FIRST_CONNECT: Duration = Duration::from_secs(1);
/// The time without calls after a failure, so that an outage costs one wait in this time and not one a request.
const BACKOFF: Duration = Duration::from_secs(3);
/// The lifetime of a generation in seconds: much longer than that of any entry in it. A new one only costs a miss.
const GENERATION_TTL_SECONDS: u64 = 24 * 60 * 60;
/// The most bytes of a shared entry. A larger one would not arrive in time over a busy network.
const MAX_ENTRY_BYTES: usize = 512 * 1024;
/// The most invalidations that wait for the tier to be reachable again.
const MAX_PENDING: usize = 1_000;

/// The tier cannot be called now. The cause is in the log, once for each backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreachable;

/// A token that every write of an organisation and kind replaces. It begins with the time of that write in milliseconds
/// since 1970 UTC, or with 0 when no write is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation(Arc<str>);

impl Generation {
    /// The generation that a write at this time begins.
    pub(super) fn written(at: Timestamp) -> Self {
        Self(format!("{}-{}", at.as_millisecond(), Uuid::new_v4().simple()).into())
    }

    /// The first generation, without a known write.
    pub(super) fn unwritten() -> Self {
        Self::written(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The time from the write to `now`; none when no write is known.
    pub(super) fn since_write(&self, now: Timestamp) -> Option<Duration> {
        let at = self.0.split('-').next()?.parse().ok().filter(|ms| *ms > 0)?;
        let since = now.duration_since(Timestamp::from_millisecond(at).ok()?);
        Some(since.try_into().unwrap_or(Duration::ZERO))
    }
}

/// The longest waits of a call. A network round trip takes about one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    connect: Duration,
    answer: Duration,
}

/// The last failure, and the backoff that follows from it.
#[derive(Debug, Clone, Copy)]
struct Failed {
    at: Timestamp,
    readers_wait_until: Instant,
    /// Set by the failure of a writer only: a reader gives up earlier.
    writers_wait_until: Option<Instant>,
}

/// A client of the shared tier.
pub(super) struct Shared {
    client: redis::Client,
    prefix: String,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    failed: Mutex<Option<Failed>>,
    pending: Mutex<BTreeSet<Scope>>,
    pub(super) errors: Count,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's address may hold a password.
        f.debug_struct("Shared").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(url: &str, prefix: String) -> Result<Self, redis::RedisError> {
        Ok(Self {
            client: redis::Client::open(url)?,
            prefix,
            connection: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            pending: Mutex::default(),
            errors: Count::default(),
        })
    }

    /// Opens the connection to the server.
    pub(super) async fn preconnect(&self) {
        // A failure has no consequence: the first request connects again.
        let _ignored = self.connect(Limits { connect: FIRST_CONNECT, ..READER }).await;
    }

    /// The generation of an organisation and kind. One round trip.
    pub(super) async fn generation(&self, scope: &Scope) -> Result<Generation, Unreachable> {
        self.flush_pending().await?;
        let mut pipeline = Pipeline::new();
        pipeline.get(self.generation_key(scope));
        let (generation,): (Option<String>,) = self.call(&pipeline, READER).await?;
        match generation {
            Some(generation) => Ok(Generation(generation.into())),
            None => self.begin(scope).await,
        }
    }

    /// The generation and the entry. One round trip; two when there is no generation yet.
    pub(super) async fn look_up(&self, key: &Key) -> Result<(Generation, Option<Entry>), Unreachable> {
        self.flush_pending().await?;
        let mut pipeline = Pipeline::new();
        pipeline.mget([self.generation_key(key.scope()), self.value_key(key)].as_slice());
        let ((generation, value),): ((Option<String>, Option<Vec<u8>>),) = self.call(&pipeline, READER).await?;
        let Some(generation) = generation else { return Ok((self.begin(key.scope()).await?, None)) };
        let text = value.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let entry = text.and_then(|text| entry::read(text, key, &generation));
        Ok((Generation(generation.into()), entry))
    }

    /// Begins the first generation, or returns the one that another process has begun meanwhile.
    async fn begin(&self, scope: &Scope) -> Result<Generation, Unreachable> {
        let key = self.generation_key(scope);
        let mut pipeline = Pipeline::new();
        pipeline
            .cmd("SET")
            .arg(&key)
            .arg(Generation::unwritten().as_str())
            .arg("NX")
            .arg("EX")
            .arg(GENERATION_TTL_SECONDS);
        pipeline.ignore().get(&key);
        let (generation,): (String,) = self.call(&pipeline, READER).await?;
        Ok(Generation(generation.into()))
    }

    /// Stores an entry under the generation that was read before the origin was. One round trip.
    pub(super) async fn store(&self, key: &Key, generation: &Generation, entry: &Entry) -> Result<(), Unreachable> {
        let Some(text) = entry::write(entry, key, generation.as_str()).filter(|text| text.len() <= MAX_ENTRY_BYTES)
        else {
            return Ok(());
        };
        let ttl_ms = u64::try_from(entry.lifetime.total().as_millis()).unwrap_or(u64::MAX);
        let mut pipeline = Pipeline::new();
        pipeline.pset_ex(self.value_key(key), text, ttl_ms).ignore();
        self.call(&pipeline, READER).await
    }

    /// Begins new generations, also those whose invalidation failed before. One round trip. After a failure the invalidation
    /// is pending, and is repeated before the next read of this process.
    pub(super) async fn invalidate(&self, scopes: &[Scope], now: Timestamp) -> Result<(), Unreachable> {
        let due: Vec<Scope> = {
            let mut pending = self.pending();
            pending.extend(scopes.iter().cloned());
            pending.iter().cloned().collect()
        };
        let mut pipeline = Pipeline::new();
        for scope in &due {
            let token = Generation::written(now);
            pipeline.set_ex(self.generation_key(scope), token.as_str(), GENERATION_TTL_SECONDS).ignore();
        }
        let result: Result<(), Unreachable> = self.call(&pipeline, WRITER).await;
        let mut pending = self.pending();
        match result {
            Ok(()) => pending.retain(|scope| !due.contains(scope)),
            // Another task may have removed a scope meanwhile for an earlier write, and not for this one.
            Err(Unreachable) => {
                pending.extend(due);
                while pending.len() > MAX_PENDING {
                    pending.pop_first();
                }
            }
        }
        result
    }

    async fn flush_pending(&self) -> Result<(), Unreachable> {
        if self.pending().is_empty() {
            return Ok(());
        }
        self.invalidate(&[], crate::clock::now()).await
    }

    /// Sends commands and waits for their answers, for a bounded time.
    async fn call<T: FromRedisValue>(&self, pipeline: &Pipeline, limits: Limits) -> Result<T, Unreachable> {
        let (connection, reused) = self.connect(limits).await?;
        match send(connection, pipeline, limits).await {
            Ok(answer) => Ok(answer),
            // The server closes connections that are idle, and a frozen process does not notice: that is no outage.
            Err(Failure::Dropped(_)) if reused => {
                self.connection.lock().await.take();
                let (connection, _) = self.connect(limits).await?;
                match send(connection, pipeline, limits).await {
                    Ok(answer) => Ok(answer),
                    Err(failure) => Err(self.fail(&failure.to_string(), limits).await),
                }
            }
            Err(failure) => Err(self.fail(&failure.to_string(), limits).await),
        }
    }

    /// The connection, and whether it was open before. Concurrent callers wait for one connection.
    async fn connect(&self, limits: Limits) -> Result<(MultiplexedConnection, bool), Unreachable> {
        let mut place = self.connection.lock().await;
        if self.backs_off(limits) {
            return Err(Unreachable);
        }
        if let Some(connection) = place.as_ref() {
            return Ok((connection.clone(), true));
        }
        // The limits of the library's own would hide which wait was too long; `send` has the one for answers.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let opening = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(limits.connect, opening).await {
            Ok(Ok(connection)) => {
                *place = Some(connection.clone());
                Ok((connection, false))
            }
            Ok(Err(error)) => Err(self.back_off(&error.to_string(), limits)),
            Err(_) => Err(self.back_off("no connection in time", limits)),
        }
    }

    async fn fail(&self, reason: &str, limits: Limits) -> Unreachable {
        let unreachable = self.back_off(reason, limits);
        // A late answer on the old connection must not be taken for the answer to a later call.
        self.connection.lock().await.take();
        unreachable
    }

    fn back_off(&self, reason: &str, limits: Limits) -> Unreachable {
        self.errors.add();
        tracing::warn!(
            cache.error = reason,
            cache.backoff_s = BACKOFF.as_secs(),
            "the shared tier of the cache cannot be reached"
        );
        let now = Instant::now();
        let until = now.checked_add(crate::clock::on_machine(BACKOFF)).unwrap_or(now);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = failed.and_then(|failed| failed.writers_wait_until);
        let writers_wait_until = if limits == WRITER { Some(until) } else { before };
        *failed = Some(Failed { at: crate::clock::now(), readers_wait_until: until, writers_wait_until });
        Unreachable
    }

    fn backs_off(&self, limits: Limits) -> bool {
        let Some(failed) = *self.failed.lock().unwrap_or_else(PoisonError::into_inner) else { return false };
        let until = if limits == WRITER { failed.writers_wait_until } else { Some(failed.readers_wait_until) };
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether an entry was read after the last failure. While this process could not reach the tier, others may have been
    /// unable to invalidate: an entry from before that is not trusted any more.
    pub(super) fn trusts(&self, entry: &Entry) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|failed| entry.read_at > failed.at)
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, BTreeSet<Scope>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation_key(&self, Scope { org, kind }: &Scope) -> String {
        format!("{}:generation:{org}:{}", self.prefix, kind.as_str())
    }

    fn value_key(&self, key: &Key) -> String {
        format!("{}:answer:{}", self.prefix, key.digest())
    }
}

/// The reason why commands were not answered. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("answer in time")]
    Late,
    #[error("keep the connection: {0}")]
    Dropped(redis::RedisError),
    #[error("carry out the commands: {0}")]
    Refused(redis::RedisError),
}

async fn send<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    pipeline: &Pipeline,
    limits: Limits,
) -> Result<T, Failure> {
    let mut query = pin!(pipeline.query_async(&mut connection));
    let answer = match tokio::time::timeout(limits.answer, &mut query).await {
        Ok(answer) => answer,
        Err(_) => tokio::time::timeout(GRACE, query).await.map_err(|_| Failure::Late)?,
    };
    answer
        .map_err(|error| if error.is_connection_dropped() { Failure::Dropped(error) } else { Failure::Refused(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_has_the_age_of_its_write() -> Result<(), jiff::Error> {
        let at: Timestamp = "2026-11-22T10:00:00.500Z".parse()?;
        let generation = Generation::written(at);
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(generation.since_write(at + second), Some(Duration::from_secs(1)));
        assert_eq!(generation.since_write(at - second), Some(Duration::ZERO), "clocks differ");
        assert_eq!(Generation::unwritten().since_write(at), None);
        assert_eq!(Generation("foreign".into()).since_write(at), None);
        assert_ne!(generation, Generation::written(at), "a token comes once");
        Ok(())
    }

    #[test]
    fn the_address_of_the_server_is_not_printed() -> Result<(), redis::RedisError> {
        let shared = Shared::new("redis://user:geheim@127.0.0.1:1", "p".to_owned())?;
        assert!(!format!("{shared:?}").contains("geheim"));
        Ok(())
    }
}
