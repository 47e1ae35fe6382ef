//! One world with its connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::ats::Origin;
use futures::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Map, Value, json};
use simulators::world::{Chance, Truth};

use super::ORG;
use crate::e2e::harness::stack::{Org, Stack, fresh_number};
use crate::e2e::harness::time;
use crate::worlds::compare;
use crate::worlds::house::Provider;

/// Objects of a world when it begins.
const OBJECTS: usize = 2_000;
/// In the short form those of Lever are fewer: a pass is a request for each two of them, and eight a second are sent.
const OBJECTS_OF_LEVER: usize = 400;
/// Deaths of workers of each world.
pub(super) const KILLS: usize = 3;
/// Changes between two deaths.
const CHANGES: usize = 15;
/// Points at which a worker dies; mostly around a page. The last two are passed only when a worker gives a connection back.
const POINTS: [&str; 7] =
    ["sync.applied", "sync.saved", "sync.applied", "sync.saved", "work.claimed", "work.finishing", "work.finished"];
const WITHIN: usize = 5;
/// The second one takes no time where little changed.
const MODES: [&str; 2] = ["full", "incremental"];
const SECRET: &str = "s3cret-of-the-world";
/// A world that does not come to an end.
const LONGEST: Duration = Duration::from_secs(600);
/// A worker that says nothing for so long is taken for dead: it was in the batch of one that was killed.
const SILENCE: Duration = Duration::from_secs(10);
const LOOKS: Duration = Duration::from_millis(500);

pub(super) struct World<'a> {
    stack: &'a Stack,
    org: Org<'a>,
    provider: Provider,
    seed: u64,
    account: String,
    connection: String,
    chance: Chance,
    /// Runs whose worker was killed.
    killed: BTreeSet<String>,
    deaths: usize,
    begun: Instant,
}

/// A world that is quiet.
pub(super) struct Ended {
    pub(super) provider: Provider,
    pub(super) seed: u64,
    pub(super) truth: Truth,
    pub(super) killed: usize,
    /// Runs that say what is not so.
    pub(super) lies: Vec<String>,
    connection: String,
}

impl Ended {
    pub(super) fn differences(&self, records: &[Value]) -> Vec<String> {
        let origin = Origin {
            org: ORG.parse().expect("slug"),
            provider: self.provider.id().to_owned(),
            connection: self.connection.parse().expect("slug"),
        };
        let found = compare::differences(records.iter().cloned(), &origin, &self.truth).into_iter();
        found.map(|found| format!("{} {}: {found}", self.provider.id(), self.seed)).collect()
    }
}

impl<'a> World<'a> {
    /// Makes a world and a connection to it, whose credentials are good.
    pub(super) async fn found(stack: &'a Stack, provider: Provider, seed: u64) -> Self {
        let account = format!("w{:x}", fresh_number());
        let connection = format!("{}-{account}", provider.id());
        let (org, chance, killed) = (stack.org(ORG), Chance::new(seed), BTreeSet::new());
        let begun = Instant::now();
        let world = Self { stack, org, provider, seed, account, connection, chance, killed, deaths: 0, begun };
        world.control("grow", json!({"seed": seed, "count": world.objects()})).await;
        world.connect().await;
        world
    }

    async fn connect(&self) {
        let (login, secrets) = self.provider.login(self.seed, &self.account);
        let mut secrets: Map<String, Value> = secrets.as_object().cloned().expect("credentials");
        if self.provider.has_webhooks() {
            secrets.insert("webhook_secret".to_owned(), SECRET.into());
            // Made before there was a connection to report to.
            let _before = self.deliveries().await;
        }
        let body = json!({"id": self.connection, "provider": self.provider.id(), "login": login, "account": self.account,
                          "settings": self.provider.settings(), "secrets": secrets, "reason": "a world"});
        let made = self.org.post("/api/connections", &body).await;
        assert_eq!(made.status, 202, "{made:?}");
        self.org.until(&self.path(""), |answer| answer.body["status"] == "active").await;
    }

    /// A pass through everything at Lever is a thousand requests, of which eight a second are sent.
    fn takes_minutes(&self) -> bool {
        self.provider == Provider::Lever
    }

    fn objects(&self) -> usize {
        let short = std::env::var_os("PROVE_LONG").is_none();
        if short && self.takes_minutes() { OBJECTS_OF_LEVER } else { OBJECTS }
    }

    fn path(&self, below: &str) -> String {
        format!("/api/connections/{}{below}", self.connection)
    }

    async fn control(&self, what: &str, body: Value) -> Value {
        let path = format!("/{}/{what}", self.account);
        let answer = self.stack.control(self.provider.id(), Method::POST, &path, Some(body)).await;
        assert!(answer.status.is_success(), "{what}: {answer:?}");
        answer.body
    }

    /// Kills its workers while it changes, lets it come to rest, and looks at what the runs say.
    pub(super) async fn play(mut self) -> Ended {
        for _ in 0..KILLS {
            self.change().await;
            self.kill().await;
        }
        self.change().await;
        self.rest().await;
        self.webhooks_are_applied().await;
        for mode in MODES {
            self.request_sync(mode).await;
            self.rest().await;
        }
        let path = format!("/{}/truth", self.account);
        let truth = self.stack.control(self.provider.id(), Method::GET, &path, None).await;
        let truth: BTreeMap<String, Map<String, Value>> = serde_json::from_value(truth.body).expect("a truth");
        let lies = self.lies().await;
        let removed = self.org.send(self.org.request(Method::DELETE, &self.path(""))).await;
        assert_eq!(removed.status, 204, "{removed:?}");
        let Self { provider, seed, connection, deaths, .. } = self;
        Ended { provider, seed, truth, killed: deaths, lies, connection }
    }

    /// The world is stepped, and its webhooks arrive in any order, some twice.
    async fn change(&mut self) {
        let seed = self.chance.draw();
        self.control("step", json!({"seed": seed, "count": CHANGES})).await;
        let mut arriving = self.deliveries().await;
        for at in (1..arriving.len()).rev() {
            let other = self.chance.below(at + 1);
            arriving.swap(at, other);
        }
        let twice: Vec<Value> = arriving.iter().filter(|_| self.chance.percent(15)).cloned().collect();
        arriving.extend(twice);
        let url =
            format!("{}/api/webhooks/{}/{ORG}/{}", self.stack.text("/api_url"), self.provider.id(), self.connection);
        let (stack, url) = (self.stack, &url);
        let answers = stream::iter(arriving).map(|delivery| async move {
            let mut request = stack.http.post(url).body(delivery["body"].as_str().expect("a body").to_owned());
            for (name, value) in delivery["headers"].as_object().expect("headers") {
                request = request.header(name, value.as_str().expect("a value"));
            }
            stack.send(request).await
        });
        let answers: Vec<_> = answers.buffer_unordered(4).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    }

    /// Webhooks that were not sent yet.
    async fn deliveries(&self) -> Vec<Value> {
        if !self.provider.has_webhooks() {
            return vec![];
        }
        self.control("deliveries", json!({"secret": SECRET})).await["items"].as_array().cloned().expect("items")
    }

    async fn request_sync(&self, mode: &str) {
        let accepted = self.org.post(&self.path("/sync"), &json!({"mode": mode})).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
    }

    /// The connection's sync as it is stored.
    async fn sync(&self) -> Value {
        let sync = self.stack.plain_item("control", &format!("ORG#{ORG}#sync"), &self.connection).await;
        assert!(sync["connection"].is_string(), "{} {}: no state", self.provider.id(), self.seed);
        assert!(self.begun.elapsed() < LONGEST, "{} {} does not end: {sync}", self.provider.id(), self.seed);
        sync
    }

    /// A worker of this connection dies.
    async fn kill(&mut self) {
        let points = if self.takes_minutes() { &POINTS[..WITHIN] } else { &POINTS };
        let point = *self.chance.of(points).expect("points");
        let file = Path::new(self.stack.text("/fault_points")).join(format!("{point}@{}", self.connection));
        fs::write(&file, "").expect("an order");
        // Some pages later, so that it is not always the first one.
        tokio::time::sleep(Duration::from_millis(u64::try_from(self.chance.below(3_000)).expect("small"))).await;
        let mut watch = Watch::default();
        while file.exists() {
            let sync = self.sync().await;
            if idle(&sync) {
                let modes = if self.takes_minutes() { &MODES[1..] } else { &MODES };
                let mode = *self.chance.of(modes).expect("a mode");
                self.request_sync(mode).await;
            }
            self.nudge(&mut watch, &sync).await;
            tokio::time::sleep(LOOKS).await;
        }
        self.deaths += 1;
        // The order is taken away before it is carried out.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let sync = self.sync().await;
        self.end_lease(&sync).await;
    }

    /// Ends a lease whose worker is dead, as its time would, unless it moved meanwhile; another worker resumes.
    async fn end_lease(&mut self, sync: &Value) {
        let lease = &sync["lease_until"];
        if lease.is_number() && self.stack.end_lease((ORG, &self.connection), lease).await {
            let open = [&sync["full"], &sync["incremental"]].into_iter().filter(|progress| progress["running"] == true);
            self.killed.extend(open.map(|progress| progress["run"]["id"].as_str().expect("an id").to_owned()));
        }
        self.wake().await;
    }

    async fn wake(&self) {
        let job = json!({"v": 1, "org": ORG, "connection": self.connection});
        self.stack.send_message("sync", &job.to_string()).await;
    }

    /// Waits until no run is active, requested or waiting.
    async fn rest(&mut self) {
        let mut watch = Watch::default();
        loop {
            let sync = self.sync().await;
            if idle(&sync) && sync["full_at"].is_string() {
                return;
            }
            self.nudge(&mut watch, &sync).await;
            tokio::time::sleep(LOOKS).await;
        }
    }

    /// Waits until each webhook has an outcome.
    async fn webhooks_are_applied(&self) {
        let mut path = self.path("/events?limit=100");
        loop {
            let page = self.org.get(&path).await.body;
            let items = page["items"].as_array().unwrap_or_else(|| panic!("events: {page}"));
            match (items.iter().any(|event| event["outcome"].is_null()), page["next_cursor"].as_str()) {
                (true, _) => {
                    let _in_time = self.sync().await;
                    tokio::time::sleep(LOOKS).await;
                }
                (false, Some(next)) => path = self.path(&format!("/events?limit=100&cursor={next}")),
                (false, None) => return,
            }
        }
    }

    /// Where nothing moves, the worker is dead, or waits for the provider.
    async fn nudge(&mut self, watch: &mut Watch, sync: &Value) {
        if watch.since.is_none() || watch.last != *sync {
            *watch = Watch { last: sync.clone(), since: Some(Instant::now()) };
        }
        let parked: Option<jiff::Timestamp> = sync["parked_until"].as_str().map(|text| text.parse().expect("a time"));
        let waits = parked.is_some_and(|until| until > time::now());
        if !waits && watch.since.is_some_and(|since| since.elapsed() > SILENCE) {
            self.end_lease(sync).await;
            watch.since = None;
        }
    }

    /// The statements of the runs that are not true.
    async fn lies(&self) -> Vec<String> {
        let runs = self.org.get(&self.path("/runs?limit=100")).await.body;
        let runs = runs["items"].as_array().cloned().expect("runs");
        let outcomes: BTreeMap<&str, &Value> =
            runs.iter().map(|run| (run["id"].as_str().expect("an id"), &run["outcome"])).collect();
        let mut lies = Vec::new();
        for id in &self.killed {
            match outcomes.get(id.as_str()) {
                Some(outcome) if *outcome == "interrupted" => {}
                outcome => lies.push(format!("{}: run {id} was killed and says {outcome:?}", self.connection)),
            }
        }
        for run in &runs {
            if run["outcome"] == "succeeded" && run["problems"].as_array().is_some_and(|problems| !problems.is_empty())
            {
                lies.push(format!("{}: a run left something out and says that it succeeded: {run}", self.connection));
            }
            if run["outcome"].is_null() {
                lies.push(format!("{}: a run has no end: {run}", self.connection));
            }
        }
        lies
    }
}

/// The sync state of a connection when it last moved.
#[derive(Default)]
struct Watch {
    last: Value,
    since: Option<Instant>,
}

/// Whether no worker is active and no run is active or requested.
fn idle(sync: &Value) -> bool {
    ["full", "incremental", "requested", "lease_until"].iter().all(|name| sync[*name].is_null())
}
