//! The rate limit of an API key, as its holder sees it.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::api::intake::Key;
use crate::e2e::harness::claims::{alone, using};
use crate::e2e::harness::stack::{Stack, run};
use crate::e2e::harness::time;

const REQUESTS: usize = 250;
const LIMIT: usize = 100;
/// The number of concurrent requests, and so of processes that handle them.
const AT_ONCE: usize = 4;
const MINUTE_MS: i64 = 60_000;
/// The part of a minute that may have passed when the requests begin: they need most of it where the clock is fast.
const EARLY_MS: i64 = 3_000;
/// A request without a result: the limit counts requests of a key, whatever they are for.
const PATH: &str = "/api/external/job-application/0190f5fe-7c00-7a00-8000-000000000001";

/// What one answer said.
#[derive(Debug)]
struct Seen {
    status: u16,
    policy: String,
    limit: String,
    older: [String; 3],
    retry_after: Option<u64>,
    body: Value,
}

async fn request(key: &Key<'_>) -> Seen {
    let response = key.request(Method::GET, PATH).send().await.expect("an answer");
    let text = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    Seen {
        status: response.status().as_u16(),
        policy: text("ratelimit-policy"),
        limit: text("ratelimit"),
        older: ["limit", "remaining", "reset"].map(|name| text(&format!("x-ratelimit-{name}"))),
        retry_after: text("retry-after").parse().ok(),
        body: response.json().await.expect("JSON"),
    }
}

fn into_minute() -> i64 {
    time::now().as_millisecond() % MINUTE_MS
}

/// `r` and `t` of the header `RateLimit`.
fn remaining_and_seconds(seen: &Seen) -> (u64, u64) {
    let rest = seen.limit.strip_prefix("\"external\";r=").unwrap_or_else(|| panic!("{seen:?}"));
    let (remaining, seconds) = rest.split_once(";t=").unwrap_or_else(|| panic!("{seen:?}"));
    (remaining.parse().expect("a number"), seconds.parse().expect("a number"))
}

async fn until_minute_is_young() {
    let begin = Instant::now();
    while into_minute() > EARLY_MS {
        assert!(begin.elapsed() < Duration::from_secs(70), "the minute does not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The responses to a minute of requests, and their cost.
struct Burst {
    key: String,
    seen: Vec<Seen>,
    /// Calls to count requests.
    counted: u64,
    /// Calls for requests that are known to be refused.
    known: u64,
}

/// Sends all requests with a fresh key within one minute of the clock. None where the machine was too busy for that.
fn burst() -> Option<Burst> {
    // Alone, because calls are counted.
    let _guard = alone();
    let mut done = None;
    run(async {
        let stack = Stack::open();
        let key = Key::fresh(&stack, "acme", json!({})).await;
        until_minute_is_young().await;
        let begun = time::now().as_millisecond();
        stack.forget_calls().await;
        let answers = stream::iter(0..REQUESTS).map(|_| request(&key)).buffer_unordered(AT_ONCE);
        let seen: Vec<Seen> = answers.collect().await;
        let counted = stack.calls_of("application-intake").await.starting_with("DynamoDB.UpdateItem");
        // A process that had no part in it reads the limit once; then none does.
        let mut known = 1;
        for _ in 0..4 {
            stack.forget_calls().await;
            for _ in 0..10 {
                request(&key).await;
            }
            known = stack.calls_of("application-intake").await.total();
            if known == 0 {
                break;
            }
        }
        let same = time::now().as_millisecond() / MINUTE_MS == begun / MINUTE_MS;
        done = same.then_some(Burst { key: key.text, seen, counted, known });
    });
    done
}

#[test]
fn exactly_100_of_250_requests_in_a_minute_are_admitted() {
    let done = (0..4).find_map(|_| burst());
    let Burst { key, seen, counted, known } = done.expect("a minute long enough for 250 requests");
    let mut left = Vec::new();
    for seen in &seen {
        let (remaining, seconds) = remaining_and_seconds(seen);
        assert_eq!(seen.policy, "\"external\";q=100;w=60", "{seen:?}");
        let older = [LIMIT.to_string(), remaining.to_string(), seconds.to_string()];
        assert_eq!(seen.older, older, "{seen:?}");
        match seen.status {
            // Admitted, and then nothing was found at this id.
            404 => {
                assert!(seconds <= 61, "{seen:?}");
                assert_eq!(seen.retry_after, None, "{seen:?}");
                left.push(remaining);
            }
            429 => {
                assert_eq!(remaining, 0, "{seen:?}");
                // The next request fits 600 ms into the next minute.
                assert!((1..=61).contains(&seconds), "{seen:?}");
                assert!(seen.retry_after.is_some_and(|wait| wait >= seconds), "{seen:?}");
                let kind = "https://iana.org/assignments/http-problem-types#quota-exceeded";
                assert_eq!(seen.body["type"], kind, "{seen:?}");
                assert_eq!(seen.body["violated-policies"], json!(["external"]), "{seen:?}");
                assert_eq!(seen.body["status"], 429, "{seen:?}");
            }
            _ => panic!("{seen:?}"),
        }
    }
    assert_eq!(left.len(), LIMIT, "admitted");
    assert_eq!(seen.len() - left.len(), REQUESTS - LIMIT, "refused");
    // Each admitted request is one write. What is more than that are refusals that a process did not know of yet, and looks at
    // a window that another process had begun.
    let more = counted - u64::try_from(LIMIT).expect("small");
    assert!(more * 100 < 5 * u64::try_from(REQUESTS - LIMIT).expect("small"), "refusals cost {more} calls");
    println!("measured: calls_denied={known}");
    assert_eq!(known, 0, "calls for ten requests that are known to be refused");
    left.sort_unstable();
    let each: Vec<u64> = (0..LIMIT).map(|at| u64::try_from(at).expect("small")).collect();
    assert_eq!(left, each, "every admitted request took one of the quota");

    run(async {
        let stack = Stack::open();
        let key = Key::of(&stack, key);
        let mut again = request(&key).await;
        // On a slow machine the next minute may have begun.
        if again.status == 429 {
            time::sleep(Duration::from_secs(again.retry_after.expect("Retry-After"))).await;
            again = request(&key).await;
        }
        assert_eq!(again.status, 404, "admitted when it was told: {again:?}");
    });
}

#[test]
fn each_key_has_a_limit_of_its_own() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let key = Key::fresh(&stack, "acme", json!({"limit_per_minute": 600})).await;
        let other = Key::fresh(&stack, "acme", json!({"limit_per_minute": 1})).await;
        let first = request(&key).await;
        assert_eq!((first.status, first.policy.as_str()), (404, "\"external\";q=600;w=60"), "{first:?}");
        assert!(remaining_and_seconds(&first).0 >= 598, "{first:?}");
        assert_eq!(request(&other).await.status, 404);
        let refused = request(&other).await;
        assert_eq!(refused.status, 429, "{refused:?}");
        // One a minute: never two within two windows.
        let (_, seconds) = remaining_and_seconds(&refused);
        assert!((60..=120).contains(&seconds), "{refused:?}");
        assert_eq!(request(&key).await.status, 404, "one key's limit is not another's");
    });
}
