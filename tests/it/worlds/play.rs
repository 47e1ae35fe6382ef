//! One world played through: it changes while it is read, its webhooks come late, twice and in any order, the provider fails
//! and limits, and our workers die. Then it is quiet, and both sides are compared.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use aws::table::from_item;
use domain::message::SyncJob;
use domain::sync::Mode;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use simulators::faults::Spec;
use simulators::world::{Chance, Delivery};
use store::sync_states::SyncState;
use sync::Engine;

use super::compare::differences;
use super::house::{House, Provider, WEBHOOK_SECRET};

/// Objects of a world when it begins.
const OBJECTS: usize = 2_000;
/// The number of rounds with faults.
const ROUNDS: usize = 8;
/// Runs until everything must be quiet.
const QUIET_RUNS: usize = 400;
/// Time that passes with each step of a worker, so that things happen in time.
const STEP: Duration = Duration::from_millis(4);

/// What came of a world.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) differences: Vec<String>,
    pub(super) false_success: Vec<String>,
    pub(super) requests: u64,
    pub(super) crashes: u64,
}

pub(super) fn play(provider: Provider, seed: u64) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = runtime.block_on(async {
        let house = House::build(provider, seed).await;
        Play::new(house, seed).all().await
    });
    clock::simulated::follow(None);
    played
}

struct Play {
    house: House,
    chance: Chance,
    /// Webhooks that have not arrived yet, and some that arrive once more.
    on_the_way: Vec<Delivery>,
    killed: BTreeSet<String>,
    crashes: u64,
    log: Vec<String>,
}

impl Play {
    fn new(house: House, seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self { house, chance, on_the_way: vec![], killed: BTreeSet::new(), crashes: 0, log: vec![] }
    }

    async fn all(mut self) -> Played {
        self.house.account.grow(&mut self.chance, OBJECTS);
        // What made the world is before our connection, and so are its webhooks.
        let _before = self.house.account.deliveries(WEBHOOK_SECRET);
        for round in 0..ROUNDS {
            self.round(round).await;
        }
        self.calm().await;
        let truth = self.house.account.truth();
        let mut found = differences(self.house.stored(), &self.house.origin, &truth);
        if !found.is_empty() {
            found.push(format!("the last steps: {}", self.log[self.log.len().saturating_sub(5)..].join("; ")));
        }
        let (requests, false_success) = self.look_at_runs();
        Played { differences: found, false_success, requests, crashes: self.crashes }
    }

    async fn round(&mut self, round: usize) {
        for _ in 0..self.chance.below(30) {
            let said = self.house.account.step(&mut self.chance);
            self.log.push(said);
        }
        self.trouble();
        self.webhooks(60).await;
        let runs = 1 + self.chance.below(4);
        for _ in 0..runs {
            // Clocks of machines differ a little.
            clock::simulated::skew(i64::try_from(self.chance.below(4_000)).expect("small") - 2_000);
            let dies = self.chance.percent(35).then(|| 1 + self.chance.below(250));
            self.run(dies, 4).await;
            clock::simulated::skew(0);
            self.house.pass(Duration::from_secs(91));
            self.webhooks(30).await;
        }
        let hours = if round % 5 == 4 { 25 } else { 0 };
        let minutes = u64::try_from(5 + self.chance.below(90)).expect("small");
        self.house.pass(Duration::from_secs(hours * 3_600 + minutes * 60));
    }

    /// Something goes wrong at the provider.
    fn trouble(&mut self) {
        (self.house.knobs.limit)(self.chance.percent(60));
        if self.chance.percent(30) {
            (self.house.knobs.expire_tokens)();
        }
        let mut faults = self.house.control.faults();
        faults.clear();
        let after = u64::try_from(self.chance.below(12)).expect("small");
        let times = Some(1 + u64::try_from(self.chance.below(6)).expect("small"));
        let fault = |fault: Spec| Spec { after, times, ..fault };
        let waits = |seconds: &str| [("retry-after".to_owned(), seconds.to_owned())].into();
        let chosen = match self.chance.below(9) {
            0 => fault(Spec { status: Some(429), headers: waits("17"), ..Spec::default() }),
            1 => fault(Spec { status: Some(429), ..Spec::default() }),
            2 => fault(Spec { status: Some(500), ..Spec::default() }),
            3 => fault(Spec { status: Some(503), body: Some(json!("<html>maintenance</html>")), ..Spec::default() }),
            4 => fault(Spec { malformed: true, ..Spec::default() }),
            5 => fault(Spec { drop_after_bytes: Some(40), ..Spec::default() }),
            6 => fault(Spec { status: Some(200), body: Some(json!({"surprise": []})), ..Spec::default() }),
            7 => fault(Spec { status: Some(429), headers: waits("2"), every: Some(2), ..Spec::default() }),
            _ => return,
        };
        faults.add(chosen).expect("a fault");
    }

    /// One message of the queue of runs: a new process works on it, and dies on the way when it is to.
    async fn run(&mut self, dies: Option<usize>, changes_percent: usize) {
        if self.house.authorise_again().await {
            self.log.push("authorised again".to_owned());
        }
        let engine = self.house.engine();
        let (org, connection) = (self.house.origin.org.clone(), self.house.origin.connection.clone());
        let job = SyncJob { v: 1, org, connection };
        let invocation = self.invocation();
        let mut verdict = Verdict::NotTried;
        let work = Box::pin(engine.work(&job, invocation, &mut verdict));
        let (house, chance) = (&self.house, &mut self.chance);
        let mut log = Vec::new();
        let ended = Mortal { work, left: dies, house, chance, changes_percent, log: &mut log }.await;
        self.log.append(&mut log);
        match ended {
            None => {
                self.crashes += 1;
                if let Some(state) = self.state().await {
                    let running = [&state.full, &state.incremental].into_iter().flatten().filter(|p| p.running);
                    self.killed.extend(running.map(|progress| progress.run.id.clone()));
                }
            }
            Some(worked) => {
                worked.expect("the table in this process does not fail");
            }
        }
    }

    fn invocation(&self) -> Invocation {
        let deadline = clock::now().saturating_add(SignedDuration::from_secs(120)).expect("a time");
        Invocation { deadline, receive_count: 1 }
    }

    /// The world's webhooks arrive: so many of a hundred, in any order, some twice, some again after a long time.
    async fn webhooks(&mut self, percent: usize) {
        let fresh = self.house.account.deliveries(WEBHOOK_SECRET);
        self.on_the_way.extend(fresh);
        let waiting = std::mem::take(&mut self.on_the_way);
        let mut arriving = Vec::new();
        for delivery in waiting {
            if self.chance.percent(percent) {
                if self.chance.percent(15) {
                    // It comes once more, later.
                    self.on_the_way.push(delivery.clone());
                }
                arriving.push(delivery);
            } else {
                self.on_the_way.push(delivery);
            }
        }
        for at in (1..arriving.len()).rev() {
            let other = self.chance.below(at + 1);
            arriving.swap(at, other);
        }
        let engine = self.house.engine();
        for delivery in arriving {
            if !deliver(&self.house, &engine, &delivery, self.invocation()).await {
                self.on_the_way.push(delivery);
            }
        }
    }

    async fn state(&self) -> Option<SyncState> {
        let engine = self.house.engine();
        engine.syncs.state(&self.house.origin.connection_key()).await.expect("a state")
    }

    /// No more trouble and no more changes: what is on the way arrives, everything is read once more.
    async fn calm(&mut self) {
        self.house.control.faults().clear();
        (self.house.knobs.limit)(false);
        self.house.pass(Duration::from_secs(2 * 3_600));
        for _ in 0..20 {
            self.webhooks(100).await;
            self.house.pass(Duration::from_secs(30));
            if self.on_the_way.is_empty() {
                break;
            }
        }
        for mode in [Mode::Full, Mode::Incremental] {
            // Active runs are brought to their end first, and then everything is read from its beginning.
            for _ in 0..QUIET_RUNS {
                let state = self.state().await.expect("a state");
                if state.full.is_none() && state.incremental.is_none() && state.full_at.is_some() {
                    break;
                }
                self.run(None, 0).await;
                self.house.pass(Duration::from_secs(100));
            }
            self.house.request_sync(mode).await;
            for _ in 0..QUIET_RUNS {
                self.run(None, 0).await;
                self.house.pass(Duration::from_secs(100));
                let state = self.state().await.expect("a state");
                if state.full.is_none() && state.incremental.is_none() && state.requested.is_none() {
                    break;
                }
            }
        }
        let state = self.state().await.expect("a state");
        assert!(
            state.full.is_none() && state.incremental.is_none(),
            "it is not quiet after {QUIET_RUNS} runs: {state:?}"
        );
    }

    /// Requests in all, and runs that say what is not so.
    fn look_at_runs(&self) -> (u64, Vec<String>) {
        let (mut requests, mut lies) = (0, Vec::new());
        for item in self.house.states.all() {
            let run: Value = from_item(item).expect("an item");
            if !run["pk"].as_str().is_some_and(|pk| pk.contains("#run#")) {
                continue;
            }
            requests += run["requests"].as_u64().unwrap_or(0);
            let (id, outcome) = (run["id"].as_str().unwrap_or_default(), &run["outcome"]);
            if self.killed.contains(id) && outcome != "interrupted" {
                lies.push(format!("run {id} was killed and says {outcome}"));
            }
            if outcome == "succeeded" && run["problems"].as_array().is_some_and(|problems| !problems.is_empty()) {
                lies.push(format!("run {id} left something out and says that it succeeded"));
            }
        }
        (requests, lies)
    }
}

/// Verifies and applies a delivery as the functions do; false when it has to come again.
async fn deliver(house: &House, engine: &Engine, delivery: &Delivery, invocation: Invocation) -> bool {
    let provider = providers::ats::find(house.provider.id()).expect("an ATS");
    let Some(source) = provider.webhooks else { return true };
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        let name: HeaderName = name.parse().expect("a name");
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    let secret = SecretString::from(WEBHOOK_SECRET);
    let now = clock::now();
    // A delivery that is too old is refused, and polls find its changes.
    let Ok(_event_id) = source.verify(&headers, &delivery.body, &secret, now) else { return true };
    let event = source.interpret(&house.origin, &delivery.body, now).expect("a readable event");
    house.pass(STEP);
    engine.apply_event(&house.origin.connection_key(), &event, now, invocation).await.is_ok()
}

/// Work that may die at any of its steps, in a world that changes meanwhile.
struct Mortal<'a, F> {
    work: Pin<Box<F>>,
    left: Option<usize>,
    house: &'a House,
    chance: &'a mut Chance,
    changes_percent: usize,
    log: &'a mut Vec<String>,
}

impl<F: Future> Future for Mortal<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.left == Some(0) {
            return Poll::Ready(None);
        }
        this.left = this.left.map(|left| left - 1);
        this.house.pass(STEP);
        if this.chance.percent(this.changes_percent) {
            let said = this.house.account.step(this.chance);
            this.log.push(said);
        }
        this.work.as_mut().poll(context).map(Some)
    }
}
