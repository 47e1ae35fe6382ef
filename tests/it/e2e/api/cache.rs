//! Lists are cached: a write is seen at the next read, the headers are right, and an outage of Redis makes requests
//! slower and never wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws::cache::{Cache, Key, ReadFrom};
use aws::clock;
use reqwest::Method;
use reqwest::header::HeaderMap;
use resilience::cache::{Kind, Outcome};
use serde_json::{Value, json};

use crate::e2e::harness::claims::{REVIEW, Redis, alone, disturbing, using};
use crate::e2e::harness::stack::{Org, PATIENCE, Stack, fresh_number, run};
use crate::e2e::harness::time;

/// Longest time that an answer may take while Redis does not answer.
const BOUND: Duration = Duration::from_secs(2);

/// An answer with its headers.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
    took: Duration,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.header(name).rsplit('=').next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{self:?}"))
    }

    fn is(&self, outcome: &str) -> bool {
        self.header("x-cache") == outcome
    }
}

async fn get(org: &Org<'_>, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = org.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let begin = Instant::now();
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.expect("a body");
    Reply { status, headers, body, took: begin.elapsed() }
}

/// Repeats a request until the response is as wanted. The scheduled polling of the stack may write between any two
/// requests.
async fn until(org: &Org<'_>, path: &str, headers: &[(&str, &str)], wanted: impl Fn(&Reply) -> bool) -> Reply {
    let begin = Instant::now();
    loop {
        let reply = get(org, path, headers).await;
        if wanted(&reply) {
            return reply;
        }
        assert!(begin.elapsed() < PATIENCE, "{path} {headers:?} is not as wanted: {reply:?}");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn new_job(org: &Org<'_>) -> String {
    let title = format!("Kept {}", fresh_number());
    let begin = Instant::now();
    let made = org.post("/api/jobs", &json!({"title": title})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(begin.elapsed() < BOUND, "it took {:?}", begin.elapsed());
    title
}

/// Gives Redis a command behind the product's back; the lines of its answer.
fn command(stack: &Stack, command: &str) -> impl Iterator<Item = String> {
    let address = stack.text("/cache_url").trim_start_matches("redis://").to_owned();
    let mut connection = TcpStream::connect(address).expect("Redis");
    connection.set_read_timeout(Some(PATIENCE)).expect("a limit");
    connection.write_all(format!("{command}\r\n").as_bytes()).expect("asked");
    BufReader::new(connection).lines().map_while(Result::ok)
}

/// Redis held in the middle of what it does: it takes connections and answers nothing.
struct Held(String);

impl Held {
    fn new(stack: &Stack) -> Self {
        let mut lines = command(stack, "INFO server");
        let pid = lines.find_map(|line| line.strip_prefix("process_id:").map(str::to_owned)).expect("its process");
        signal("-STOP", &pid);
        Self(pid)
    }
}

impl Held {
    /// Resumes it, and waits until no process backs off any more: a function of the stack that failed does so for three
    /// seconds, and the next test must not meet that.
    async fn release(self) {
        drop(self);
        tokio::time::sleep(Duration::from_millis(3_500)).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().expect("kill").success());
}

#[test]
fn a_cached_list_has_age_validator_and_one_organisation() {
    let _guard = alone();
    run(async {
        let stack = Stack::open();
        let (acme, globex) = (stack.org("acme"), stack.org("globex"));
        let title = new_job(&globex).await;
        let first = get(&globex, "/api/jobs", &[]).await;
        assert!(first.status == 200 && first.body.contains(&title), "a write is seen by the next read: {first:?}");
        assert!(!first.is("hit") && first.header("vary").contains("Authorization"), "{first:?}");

        // Right after a write the answer expires soon; then it is cached for its whole lifetime.
        let cached = |reply: &Reply| reply.is("hit") && reply.header("cache-control") == "private, max-age=300";
        let young = until(&globex, "/api/jobs", &[], cached).await;
        let old = until(&globex, "/api/jobs", &[], |reply| cached(reply) && reply.number("age") >= 2).await;
        assert!(young.number("age") < 300 && old.number("age") < 300, "{young:?} {old:?}");

        // The default spelt out is the same list; what the client has is not sent again, unless it changed meanwhile.
        let begin = Instant::now();
        let tag = loop {
            let spelt = until(&globex, "/api/jobs?limit=25", &[], cached).await;
            let tag = spelt.header("etag").to_owned();
            assert!(tag.len() > 10 && tag.starts_with('"') && spelt.body.contains(&title), "{spelt:?}");
            let again = get(&globex, "/api/jobs", &[("if-none-match", &tag)]).await;
            if again.status == 304 {
                assert!(again.body.is_empty() && again.header("etag") == tag, "{again:?}");
                assert!(again.header("cache-control").starts_with("private, max-age="), "{again:?}");
                break tag;
            }
            assert!(again.header("etag") != tag && begin.elapsed() < PATIENCE, "{again:?}");
        };
        let fresh = get(&globex, "/api/jobs", &[("cache-control", "no-cache")]).await;
        assert!(fresh.is("bypass") && fresh.number("age") == 0 && fresh.body.contains(&title), "{fresh:?}");

        for path in ["/api/jobs", "/api/jobs?limit=25"] {
            let foreign = get(&acme, path, &[("if-none-match", &tag)]).await;
            assert!(foreign.status == 200 && !foreign.body.contains(&title), "{foreign:?}");
        }
        let refused = get(&globex, "/api/jobs?limit=0", &[]).await;
        assert_eq!((refused.status, refused.header("cache-control")), (400, "no-store"), "{refused:?}");
    });
}

#[test]
fn a_cached_list_shows_an_application_when_its_event_is_done() {
    let _guard = using(&REVIEW);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for _ in 0..3 {
            // A client reads the list all the time, so it is cached.
            get(&acme, "/api/applications?limit=100", &[]).await;
            let number = fresh_number();
            let mut event = simulators::greenhouse::new_candidate_application(number, fresh_number(), number);
            event["payload"]["application"]["applied_at"] = json!(time::now().to_string());
            let event_id = format!("kept-{number}");
            let delivered = acme.deliver(&simulators::greenhouse::escape(&event), &event_id).await;
            assert_eq!(delivered.status, 200, "{delivered:?}");
            let done = |answer: &crate::e2e::harness::stack::Answer| {
                let events = answer.body["items"].as_array().cloned().unwrap_or_default();
                events.iter().any(|event| event["event_id"] == event_id.as_str() && event["outcome"] == "applied")
            };
            acme.until("/api/connections/gh-acme/events?limit=100", done).await;
            let listed: Value = acme.get("/api/applications?limit=100").await.body;
            let number = number.to_string();
            let items = listed["items"].as_array().expect("items");
            assert!(items.iter().any(|item| item["source"]["provider_id"] == number.as_str()), "{number} is missing");
        }
    });
}

#[test]
fn an_outage_of_redis_delays_requests_only_briefly() {
    let _guard = disturbing(&[Redis], &[]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        until(&acme, "/api/jobs", &[], |reply| reply.is("hit")).await;
        let mut titles = Vec::new();
        let held = Held::new(&stack);
        for _ in 0..5 {
            titles.push(new_job(&acme).await);
            let list = get(&acme, "/api/jobs", &[]).await;
            assert!(list.is("bypass") && list.took < BOUND, "{list:?}");
            assert!(titles.iter().all(|title| list.body.contains(title)), "{list:?}");
        }
        held.release().await;
        // The invalidation is repeated before the next read of the process that wrote.
        let title = new_job(&acme).await;
        titles.push(title);
        let right = |reply: &Reply| {
            assert!(reply.status == 200 && titles.iter().all(|title| reply.body.contains(title)), "{reply:?}");
            reply.is("hit")
        };
        until(&acme, "/api/jobs", &[], right).await;
    });
}

/// An origin whose answer is a number that writes raise.
#[derive(Clone, Default)]
struct Origin {
    written: Arc<AtomicU64>,
    reads: Arc<AtomicU64>,
}

impl Origin {
    async fn write(&self, cache: &Cache, org: &str) {
        self.written.fetch_add(1, Ordering::SeqCst);
        cache.invalidate(&org.parse().expect("an organisation"), &[Kind::Jobs]).await;
    }

    /// What one of the processes answers, and how.
    async fn request(&self, cache: &Cache, org: &str) -> (u64, Outcome) {
        let key = Key::new(&org.parse().expect("an organisation"), Kind::Jobs, "/api/jobs", &[("limit", "25")]);
        let Self { written, reads } = self.clone();
        let load = async move {
            reads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(written.load(Ordering::SeqCst).to_string())
        };
        let answer = cache.answer(&key, ReadFrom::Cache, clock::now(), load).await.expect("an answer");
        (answer.content.parse().expect("a number"), answer.outcome)
    }

    /// Repeats a request until the shared tier is used again.
    async fn until_shared(&self, cache: &Cache, org: &str) -> (u64, Outcome) {
        let begin = Instant::now();
        loop {
            let answer = self.request(cache, org).await;
            if answer.1 != Outcome::Bypass {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "the shared tier is not asked again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Two processes that share a tier, apart from the deployed functions.
async fn two_processes(stack: &Stack) -> (Cache, Cache) {
    let prefix = format!("test-{}", fresh_number());
    let cache = || Cache::of_fleet(stack.text("/cache_url"), &prefix).expect("an address");
    let (one, two) = (cache(), cache());
    tokio::join!(one.preconnect(), two.preconnect());
    (one, two)
}

#[test]
fn processes_share_answers_and_see_each_others_writes() {
    let _guard = disturbing(&[Redis], &[]);
    run(async {
        let stack = Stack::open();
        let ((one, two), origin) = (two_processes(&stack).await, Origin::default());
        assert_eq!(origin.until_shared(&one, "acme").await, (0, Outcome::Miss));
        assert_eq!(origin.until_shared(&two, "acme").await, (0, Outcome::Hit));
        assert_eq!((origin.reads.load(Ordering::SeqCst), two.statistics().shared_hits), (1, 1));
        assert_eq!(origin.until_shared(&two, "globex").await, (0, Outcome::Miss), "organisations share nothing");
        for n in 1..=20 {
            let (writer, reader) = if n % 2 == 0 { (&one, &two) } else { (&two, &one) };
            origin.write(writer, "acme").await;
            if writer.statistics().shared_errors > 0 {
                // This machine is too busy for the limits: the invalidation is repeated with the next request.
                origin.until_shared(writer, "acme").await;
            }
            assert_eq!(origin.request(reader, "acme").await.0, n, "the other process");
            assert_eq!(origin.request(writer, "acme").await.0, n, "its own");
        }
    });
}

#[test]
fn an_invalidation_that_redis_missed_is_sent_after_the_outage() {
    let _guard = disturbing(&[Redis], &[]);
    run(async {
        let stack = Stack::open();
        let ((one, two), origin) = (two_processes(&stack).await, Origin::default());
        origin.until_shared(&one, "acme").await;
        origin.until_shared(&two, "acme").await;
        let held = Held::new(&stack);
        let begin = Instant::now();
        origin.write(&one, "acme").await;
        assert!(begin.elapsed() < BOUND, "the writer waited {:?}", begin.elapsed());
        assert_eq!(origin.request(&one, "acme").await, (1, Outcome::Bypass));
        held.release().await;
        // The second process noticed nothing of it. The invalidation reaches it before the first one's next response.
        assert_eq!(origin.until_shared(&one, "acme").await.0, 1);
        assert_eq!(origin.until_shared(&two, "acme").await.0, 1);
        assert!(one.statistics().shared_errors >= 1);
    });
}

#[test]
fn after_an_outage_a_process_trusts_no_earlier_answer() {
    let _guard = disturbing(&[Redis], &[]);
    run(async {
        let stack = Stack::open();
        let ((one, two), origin) = (two_processes(&stack).await, Origin::default());
        origin.until_shared(&one, "acme").await;
        let held = Held::new(&stack);
        // The writer ends before it can invalidate.
        origin.write(&one, "acme").await;
        drop(one);
        assert_eq!(origin.request(&two, "acme").await, (1, Outcome::Bypass));
        held.release().await;
        assert_eq!(origin.until_shared(&two, "acme").await, (1, Outcome::Miss));
    });
}

#[test]
fn closed_connections_and_an_empty_server_are_no_outage() {
    let _guard = disturbing(&[Redis], &[]);
    run(async {
        let stack = Stack::open();
        let ((one, two), origin) = (two_processes(&stack).await, Origin::default());
        origin.until_shared(&one, "acme").await;
        // As after an hour in the freezer: the next request finds the connection closed, and opens a new one. A machine
        // that is too busy for the limits gets another chance.
        let unnoticed = async || {
            origin.until_shared(&two, "acme").await;
            let errors = two.statistics().shared_errors;
            assert!(command(&stack, "CLIENT KILL TYPE normal").next().is_some_and(|killed| killed != ":0"));
            origin.request(&two, "acme").await == (0, Outcome::Hit) && two.statistics().shared_errors == errors
        };
        let mut seen = false;
        for _ in 0..5 {
            seen = seen || unnoticed().await;
        }
        assert!(seen, "a closed connection was taken for an outage");

        assert_eq!(command(&stack, "FLUSHALL").next().as_deref(), Some("+OK"));
        origin.write(&one, "acme").await;
        origin.until_shared(&one, "acme").await;
        assert_eq!(origin.until_shared(&two, "acme").await.0, 1);
        assert_eq!(command(&stack, "FLUSHALL").next().as_deref(), Some("+OK"));
        assert_eq!(
            origin.until_shared(&two, "acme").await,
            (1, Outcome::Miss),
            "what it had is of no known generation"
        );
    });
}
