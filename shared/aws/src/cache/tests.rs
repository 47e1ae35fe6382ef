use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use jiff::SignedDuration;
use resilience::cache::{LOCAL_CAP, UNSETTLED_TTL};

use super::*;

fn org(id: &str) -> OrgId {
    id.parse().expect("an organisation")
}

fn list(id: &str, kind: Kind) -> Key {
    Key::new(&org(id), kind, "/api/list", &[("limit", "25")])
}

/// An origin that counts how often it was read; its answer is that count.
#[derive(Clone, Default)]
struct Origin(Arc<AtomicU64>);

impl Origin {
    async fn read(self) -> Result<String, String> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok((self.0.fetch_add(1, Ordering::SeqCst) + 1).to_string())
    }

    fn reads(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

async fn cached_answer(cache: &Cache, key: &Key, at: Timestamp, origin: &Origin) -> (String, Outcome) {
    let answer = cache.answer(key, ReadFrom::Cache, at, origin.clone().read()).await.expect("an answer");
    (answer.content.as_ref().to_owned(), answer.outcome)
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now + SignedDuration::try_from(time).expect("a duration")
}

#[tokio::test]
async fn fifty_concurrent_requests_cause_one_read() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Jobs);
    let answers = join_all((0..50).map(|_| cached_answer(&cache, &key, now, &origin))).await;
    assert!(answers.iter().all(|(content, _)| content == "1"), "{answers:?}");
    assert_eq!(origin.reads(), 1);
    assert_eq!(cached_answer(&cache, &key, now, &origin).await, ("1".to_owned(), Outcome::Hit));
    let wanted = Statistics { hits: 1, misses: 1, coalesced: 49, ..Statistics::default() };
    assert_eq!(cache.statistics(), wanted);
}

#[tokio::test]
async fn without_a_shared_tier_edited_data_is_cached_for_ten_seconds() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Jobs);
    cached_answer(&cache, &key, now, &origin).await;
    let last = after(now, LOCAL_CAP - Duration::from_millis(1));
    let answer = cache.answer(&key, ReadFrom::Cache, last, origin.clone().read()).await.expect("an answer");
    assert_eq!((answer.outcome, answer.fresh, answer.age), (Outcome::Hit, LOCAL_CAP, Duration::from_millis(9_999)));
    assert_eq!(cached_answer(&cache, &key, after(now, LOCAL_CAP), &origin).await, ("2".to_owned(), Outcome::Miss));
}

#[tokio::test]
async fn a_stale_answer_is_returned_at_once_and_refreshed_once() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Analytics);
    cached_answer(&cache, &key, now, &origin).await;
    let later = after(now, LOCAL_CAP);
    let answers = join_all((0..20).map(|_| cached_answer(&cache, &key, later, &origin))).await;
    assert!(answers.iter().all(|answer| *answer == ("1".to_owned(), Outcome::Stale)), "{answers:?}");
    let refreshed = async {
        while cached_answer(&cache, &key, later, &origin).await != ("2".to_owned(), Outcome::Hit) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refreshed).await.expect("refreshed");
    assert_eq!(origin.reads(), 2, "once");
}

#[tokio::test]
async fn a_write_invalidates_only_its_organisation_and_kind() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let keys = [list("acme", Kind::Jobs), list("acme", Kind::Applicants), list("globex", Kind::Jobs)];
    for key in &keys {
        cached_answer(&cache, key, now, &origin).await;
    }
    cache.invalidate(&org("acme"), &[Kind::Jobs]).await;
    let mut outcomes = Vec::new();
    for key in &keys {
        outcomes.push(cached_answer(&cache, key, now, &origin).await);
    }
    let hit = |content: &str| (content.to_owned(), Outcome::Hit);
    assert_eq!(outcomes, [("4".to_owned(), Outcome::Miss), hit("2"), hit("3")]);
    // A read right after the write may lack it, so its answer expires soon.
    let [jobs, ..] = &keys;
    assert_eq!(cached_answer(&cache, jobs, after(now, UNSETTLED_TTL), &origin).await, ("5".to_owned(), Outcome::Miss));
}

#[tokio::test]
async fn a_read_that_began_before_a_write_answers_no_later_request() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Jobs);
    let acme = org("acme");
    let ((before, _), ()) =
        tokio::join!(cached_answer(&cache, &key, now, &origin), cache.invalidate(&acme, &[Kind::Jobs]));
    assert_eq!(before, "1", "it was asked before the write");
    assert_eq!(cached_answer(&cache, &key, now, &origin).await, ("2".to_owned(), Outcome::Miss));
}

#[tokio::test]
async fn a_bypass_reads_the_origin_and_refreshes_the_cache() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Jobs);
    cached_answer(&cache, &key, now, &origin).await;
    let answer = cache.answer(&key, ReadFrom::Origin, now, origin.clone().read()).await.expect("an answer");
    assert_eq!((answer.content.as_ref(), answer.outcome), ("2", Outcome::Bypass));
    assert_eq!(cached_answer(&cache, &key, now, &origin).await, ("2".to_owned(), Outcome::Hit));
}

#[tokio::test]
async fn an_error_is_not_cached() {
    let (cache, origin, now) = (Cache::of_process(), Origin::default(), clock::now());
    let key = list("acme", Kind::Jobs);
    let failed = cache.answer(&key, ReadFrom::Cache, now, async { Err::<String, _>("down".to_owned()) }).await;
    assert_eq!(failed, Err(Arc::new("down".to_owned())));
    assert_eq!(cached_answer(&cache, &key, now, &origin).await, ("1".to_owned(), Outcome::Miss));
}

#[tokio::test]
async fn the_cache_is_bounded_and_large_answers_bypass_it() {
    let (cache, now) = (Cache::with(None, 100_000), clock::now());
    let mut largest = 0;
    for at in 0..100 {
        let key = Key::new(&org("acme"), Kind::Jobs, "/api/list", &[("cursor", &at.to_string())]);
        let load = async { Ok::<_, String>("x".repeat(10_000)) };
        assert_eq!(cache.answer(&key, ReadFrom::Cache, now, load).await.map(|answer| answer.content.len()), Ok(10_000));
        cache.inner.entries.run_pending_tasks().await;
        largest = largest.max(cache.inner.entries.weighted_size());
    }
    assert!((50_000..=100_000).contains(&largest), "{largest}");
    let load = async { Ok::<_, String>("x".repeat(200_000)) };
    let answer = cache.answer(&list("acme", Kind::Jobs), ReadFrom::Cache, now, load).await;
    assert_eq!(answer.map(|answer| answer.content.len()), Ok(200_000));
}

/// The answers while the tier is at this address.
async fn check_unreachable(url: &str) {
    let cache = Cache::of_fleet(url, "test").expect("an address");
    let (origin, now, key) = (Origin::default(), clock::now(), list("acme", Kind::Jobs));
    let begin = std::time::Instant::now();
    cache.preconnect().await;
    for n in ["1", "2", "3"] {
        cache.invalidate(&org("acme"), &[Kind::Jobs]).await;
        assert_eq!(cached_answer(&cache, &key, now, &origin).await, (n.to_owned(), Outcome::Bypass), "{url}");
    }
    let taken = begin.elapsed().as_secs();
    assert!(taken < 10, "{url}: {taken} s");
    let counts = cache.statistics();
    assert_eq!((counts.bypassed, counts.invalidations), (3, 3));
    // Readers and writers connect once each, and then back off for three seconds.
    assert!((1..=2 + 2 * (taken / 3)).contains(&counts.shared_errors), "{url}: {counts:?}");
}

#[tokio::test]
async fn an_unreachable_shared_tier_makes_the_origin_answer_soon() {
    // Nothing listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    // The server accepts connections and sends nothing: no greeting of Redis, no TLS.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mute = silent.local_addr().expect("an address");
    for (scheme, address) in [("redis", gone), ("redis", mute), ("rediss", mute)] {
        check_unreachable(&format!("{scheme}://{address}")).await;
    }
}

#[test]
fn another_kind_of_address_is_refused_without_printing_it() {
    for bad in ["", "http://cache:6379", "cache", "redis//"] {
        let error = Cache::of_fleet(bad, "test").expect_err("refused");
        assert!(error.to_string().contains("CACHE_URL"), "{error}");
    }
}
