//! The circuit breaker's stored item: the DynamoDB side of `resilience::breaker`.

use std::sync::Mutex;
use std::time::Duration;

use domain::connection::ConnectionKey;
use domain::id::OrgId;
use jiff::Timestamp;
use resilience::breaker::{self, Admission, Breaker, Command, Phase, Policy};
use serde::Deserialize as _;

use crate::error::AwsError;
use crate::metrics::{self, Unit};
use crate::random;
use crate::table::{Key, Query, Table, Write, Written, from_item, number, text};
use crate::telemetry::chain;

/// Name of the breaker of the model, whichever provider it is.
pub const MODEL: &str = "model";

/// The time that a closed breaker is remembered before it is read again.
const CLOSED_REMEMBERED: Duration = Duration::from_secs(5);
/// The same of an open one, or until its probe time if that is sooner: an operator may have closed it.
const OPEN_REMEMBERED: Duration = Duration::from_secs(30);
/// The attempts at a command while the breaker changes.
const COMMAND_ATTEMPTS: u32 = 4;

/// The partition of breakers whose API is called with the deployment's credentials.
const DEPLOYMENT: &str = "DEPLOYMENT#breaker";
/// An organisation has few connections, each with at most one breaker.
const MAX_LISTED: u16 = 1000;

/// The breaker of one external API.
#[derive(Debug)]
pub struct SharedBreaker {
    table: Table,
    key: Key,
    policy: Policy,
    seen: Mutex<Option<(Breaker, Timestamp)>>,
}

/// The right to make one call, and the duty to settle by its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// A call while the breaker is closed.
    Call {
        /// The epoch that the breaker was closed in.
        epoch: u64,
        /// Whether failures had been counted, so that a success has something to reset.
        after_failures: bool,
    },
    /// A call while an operator forces the breaker closed: nothing is counted.
    Forced,
    /// The one probe of a half-open breaker.
    Probe {
        /// The epoch of the probe.
        epoch: u64,
        /// The random token of the probe's owner.
        owner: String,
        /// The number of times that the breaker opened before.
        reopened: u32,
    },
}

/// The verdict of a call on its API. Blocked prompts, refused requests and rate limits count as responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The API responded to the call.
    Works,
    /// The API did not respond, and is to blame.
    Failed,
    /// The API responded that it accepts no call until a person acts: our credentials are refused, or our account is
    /// suspended or used up.
    Stopped,
    /// No call was made.
    NotTried,
}

impl SharedBreaker {
    /// The breaker of an API whose credentials belong to the deployment and not to an organisation.
    #[must_use]
    pub fn of_deployment(table: Table, api: &str, policy: Policy) -> Self {
        let key = Key { pk: DEPLOYMENT.to_owned(), sk: api.to_owned() };
        Self { table, key, policy, seen: Mutex::new(None) }
    }

    /// The breaker of an API that is called with the credentials of one connection.
    #[must_use]
    pub fn of_connection(table: Table, connection: &ConnectionKey, policy: Policy) -> Self {
        let key = Key { pk: of_organisation(&connection.org), sk: connection.connection.to_string() };
        Self { table, key, policy, seen: Mutex::new(None) }
    }

    /// The name of the API, or of the connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.sk
    }

    /// The stored state, freshly read. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn read(&self) -> Result<Breaker, AwsError> {
        Ok(self.table.get(&self.key).await?.unwrap_or_default())
    }

    /// Executes an operator's command, and returns the state before and after it. One read and one write, repeated when the
    /// breaker changed in between.
    ///
    /// # Errors
    /// When the table cannot be reached, or the breaker changes all the time.
    pub async fn execute(&self, command: Command, now: Timestamp) -> Result<(Breaker, Breaker), AwsError> {
        for _ in 0..COMMAND_ATTEMPTS {
            let before = self.read().await?;
            let write = self.fenced(breaker::COMMAND, before.epoch).add("epoch", 1);
            let write = match command {
                Command::Force(forced) => {
                    write.set("forced", text(forced.as_str())).set_once("phase", text(Phase::Closed.as_str()))
                }
                Command::Lift => write.remove("forced").set_once("phase", text(Phase::Closed.as_str())),
                Command::Reset => write
                    .set("phase", text(Phase::Closed.as_str()))
                    .set("failures", number(0))
                    .set("reopened", number(0))
                    .remove("forced")
                    .remove("probe_owner")
                    .remove("probe_until_ms"),
            };
            if let Written::Applied(item) = self.table.update(&self.key, write, true).await? {
                let after: Breaker = from_item(item)?;
                tracing::warn!(breaker = self.key.sk, command = command.as_str(), "an operator's command was executed");
                self.remember(after.clone(), now);
                return Ok((before, after));
            }
        }
        let detail = "it changed each time; try again".to_owned();
        Err(AwsError::unavailable("write the breaker", detail))
    }

    /// The time until which it is open; none when a call is possible now. At most one read in five seconds, none while open.
    pub async fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.view(now).await.admit(now.as_millisecond()) {
            Admission::Allow | Admission::Probe => None,
            Admission::Refuse { until_ms } => Timestamp::from_millisecond(until_ms).ok(),
        }
    }

    /// A permit for one call. `lease_until` is the time by which this process will have ended.
    ///
    /// # Errors
    /// The time before which no call may be made.
    pub async fn permit(&self, lease_until: Timestamp, now: Timestamp) -> Result<Permit, Timestamp> {
        let state = self.view(now).await;
        match state.admit(now.as_millisecond()) {
            Admission::Allow => Ok(to_call(&state)),
            Admission::Refuse { until_ms } => Err(Timestamp::from_millisecond(until_ms).unwrap_or(now)),
            Admission::Probe => self.claim_probe(&state, lease_until, now).await,
        }
    }

    /// Settles a permit by the verdict of its call. A success in the closed state without failures before it writes nothing.
    pub async fn settle(&self, permit: &Permit, verdict: Verdict, now: Timestamp) {
        let written = match (permit, verdict) {
            (Permit::Forced, _)
            | (Permit::Call { .. }, Verdict::NotTried)
            | (Permit::Call { after_failures: false, .. }, Verdict::Works) => return,
            (Permit::Call { epoch, .. }, Verdict::Works) => {
                let write =
                    self.fenced(breaker::RESET, *epoch).value("closed", text("closed")).set("failures", number(0));
                self.write(write, now).await.map(|_| ())
            }
            (Permit::Call { epoch, .. }, Verdict::Failed) => self.count(*epoch, now).await,
            (Permit::Call { epoch, .. }, Verdict::Stopped) => {
                self.emit("BreakerStopped");
                self.trip(breaker::STOP, *epoch, now).await
            }
            (Permit::Probe { epoch, owner, reopened }, verdict) => {
                let write = self
                    .fenced(breaker::SETTLE, *epoch)
                    .value("half_open", text("half_open"))
                    .value("owner", text(owner.clone()))
                    .remove("probe_owner")
                    .remove("probe_until_ms");
                self.write(self.after_probe(write, verdict, *reopened, now).add("epoch", 1), now).await.map(|_| ())
            }
        };
        if let Err(error) = written {
            // Fail open: the breaker protects the work, and must not stop it. A probe is free again after its lease.
            tracing::warn!(breaker = self.key.sk, error = %chain(&error), "the breaker could not be written");
            self.emit("BreakerStoreFailed");
        }
    }

    fn after_probe(&self, write: Write, verdict: Verdict, reopened: u32, now: Timestamp) -> Write {
        let open_for = |wait: Duration, reopened: u32| {
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            write
                .clone()
                .set("phase", text(Phase::Open.as_str()))
                .set("reopened", number(i64::from(reopened)))
                .set("next_probe_ms", number(now.as_millisecond().saturating_add(wait)))
        };
        match verdict {
            Verdict::Works => {
                tracing::info!(breaker = self.key.sk, "breaker closed");
                self.emit("BreakerClosed");
                let closed = write.set("phase", text(Phase::Closed.as_str()));
                closed.set("failures", number(0)).set("reopened", number(0))
            }
            Verdict::Failed | Verdict::Stopped => {
                if verdict == Verdict::Stopped {
                    self.emit("BreakerStopped");
                }
                let again = reopened.saturating_add(1);
                let wait = self.policy.wait_after(again, random::chance());
                tracing::warn!(breaker = self.key.sk, wait_ms = ms(wait), "breaker opened again");
                self.emit("BreakerOpened");
                open_for(wait, again)
            }
            Verdict::NotTried => open_for(Duration::ZERO, reopened),
        }
    }

    async fn count(&self, epoch: u64, now: Timestamp) -> Result<(), AwsError> {
        let write = self
            .fenced(breaker::COUNT, epoch)
            .value("closed", text("closed"))
            .set("phase", text(Phase::Closed.as_str()))
            .set_once("epoch", number(0))
            .add("failures", 1);
        let counted = self.write(write, now).await?;
        let ours = counted.phase == Phase::Closed && counted.epoch == epoch;
        if !ours || counted.failures < self.policy.threshold {
            return Ok(());
        }
        self.trip(breaker::TRIP, epoch, now).await
    }

    async fn trip(&self, condition: &'static str, epoch: u64, now: Timestamp) -> Result<(), AwsError> {
        let wait = self.policy.wait_after(0, 0.0);
        tracing::warn!(breaker = self.key.sk, wait_ms = ms(wait), "breaker opened");
        self.emit("BreakerOpened");
        let until = now.as_millisecond().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let write = self
            .fenced(condition, epoch)
            .value("closed", text("closed"))
            .set("phase", text(Phase::Open.as_str()))
            .set("reopened", number(0))
            .set("next_probe_ms", number(until))
            .add("epoch", 1);
        self.write(write, now).await.map(|_| ())
    }

    async fn claim_probe(&self, state: &Breaker, lease_until: Timestamp, now: Timestamp) -> Result<Permit, Timestamp> {
        let owner = random::owner_token();
        let write = Write::when(breaker::CLAIM_PROBE)
            .value("open", text("open"))
            .value("half_open", text("half_open"))
            .value("now", number(now.as_millisecond()))
            .set("phase", text(Phase::HalfOpen.as_str()))
            .set("probe_owner", text(owner.clone()))
            .set("probe_until_ms", number(lease_until.as_millisecond()))
            .add("epoch", 1);
        let Ok(state) = self.write(write, now).await else {
            // The table cannot be reached: fail open.
            return Ok(Permit::Call { epoch: state.epoch, after_failures: true });
        };
        if state.phase == Phase::HalfOpen && state.probe_owner.as_deref() == Some(owner.as_str()) {
            tracing::info!(breaker = self.key.sk, "breaker probes");
            return Ok(Permit::Probe { epoch: state.epoch, owner, reopened: state.reopened });
        }
        match state.admit(now.as_millisecond()) {
            Admission::Allow => Ok(to_call(&state)),
            Admission::Refuse { until_ms } => Err(Timestamp::from_millisecond(until_ms).unwrap_or(now)),
            // Another process probed and settled within this call; the next message is the next attempt.
            Admission::Probe => Err(now),
        }
    }

    fn fenced(&self, condition: &'static str, epoch: u64) -> Write {
        Write::when(condition).value("epoch", number(i64::try_from(epoch).unwrap_or(i64::MAX)))
    }

    /// Writes, and returns and remembers the stored state, whether the write was made or refused.
    async fn write(&self, write: Write, now: Timestamp) -> Result<Breaker, AwsError> {
        let state: Breaker = match self.table.update(&self.key, write, true).await? {
            Written::Applied(item) | Written::Refused(Some(item)) => from_item(item)?,
            Written::Refused(None) => Breaker::default(),
        };
        self.remember(state.clone(), now);
        Ok(state)
    }

    /// One metric. A connection is not named: their number has no bound.
    fn emit(&self, name: &'static str) {
        let api = if self.key.pk == DEPLOYMENT { self.key.sk.as_str() } else { "connection" };
        metrics::emit(Some(("dependency", api)), &[(name, 1, Unit::Count)]);
    }

    async fn view(&self, now: Timestamp) -> Breaker {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some((state, at)) = seen {
            let age = Duration::try_from(now.duration_since(at)).unwrap_or(Duration::ZERO);
            let refuses = matches!(state.admit(now.as_millisecond()), Admission::Refuse { .. });
            if age < if refuses { OPEN_REMEMBERED } else { CLOSED_REMEMBERED } {
                return state;
            }
        }
        let state = match self.table.get::<Breaker>(&self.key).await {
            Ok(state) => state.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(breaker = self.key.sk, error = %chain(&error), "the breaker could not be read; calls are made");
                self.emit("BreakerStoreFailed");
                Breaker::default()
            }
        };
        self.remember(state.clone(), now);
        state
    }

    fn remember(&self, state: Breaker, now: Timestamp) {
        *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((state, now));
    }
}

/// All breakers of the deployment's APIs that were ever written, by name. One call.
///
/// # Errors
/// When the table cannot be reached.
pub async fn of_deployment(table: &Table) -> Result<Vec<(String, Breaker)>, AwsError> {
    stored(table, DEPLOYMENT.to_owned()).await
}

/// All breakers of an organisation's connections that were ever written, by connection. One call.
///
/// # Errors
/// When the table cannot be reached.
pub async fn of_connections(table: &Table, org: &OrgId) -> Result<Vec<(String, Breaker)>, AwsError> {
    stored(table, of_organisation(org)).await
}

async fn stored(table: &Table, pk: String) -> Result<Vec<(String, Breaker)>, AwsError> {
    #[derive(serde::Deserialize)]
    struct Named {
        sk: String,
    }
    let query =
        Query { index: None, partition: ("pk", pk), up_to: None, ascending: true, limit: MAX_LISTED, after: None };
    let items = table.query::<serde_json::Value>(query).await?.items;
    let read = |item: serde_json::Value| {
        let named = Named::deserialize(&item)?;
        Ok((named.sk, Breaker::deserialize(item)?))
    };
    items
        .into_iter()
        .map(read)
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|e| AwsError::unreadable("read the breakers", e))
}

fn of_organisation(org: &OrgId) -> String {
    format!("ORG#{org}#breaker")
}

fn to_call(state: &Breaker) -> Permit {
    match state.forced {
        Some(_) => Permit::Forced,
        None => Permit::Call { epoch: state.epoch, after_failures: state.failures > 0 },
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
