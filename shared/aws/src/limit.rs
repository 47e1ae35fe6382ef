//! Rate limits shared by all processes: the DynamoDB side of `resilience::limit`.

use std::time::Duration;

use domain::FORMAT_VERSION;
use domain::id::OrgId;
use jiff::Timestamp;
use moka::future::Cache;
use resilience::limit::{self, Decision, Policy, Transition, Window};
use serde::Deserialize;

use crate::clock;
use crate::error::AwsError;
use crate::metrics::{self, Unit};
use crate::table::{Item, Key, Query, Table, Write, Written, from_item, number};
use crate::telemetry::chain;

/// The number of subjects that are remembered. One that is forgotten costs one more write.
const AT_MOST: u64 = 10_000;
/// The number of writes that a request may cost. The second succeeds unless another process writes between the two; after so many in
/// a row the request is refused, because letting it through could exceed the limit.
const MAX_WRITES: usize = 6;
/// The time after which a request that lost against all these others may come again, in milliseconds.
const AFTER_CONTENTION_MS: i64 = 1_000;

/// An organisation has few API keys and connections.
const MAX_LISTED: u16 = 1000;

/// The subject of a limit, with the limit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    /// The subject: the hash of an API key, or a connection.
    pub subject: String,
}

/// One named limit, for each subject of each organisation.
#[derive(Debug, Clone)]
pub struct SharedLimiter {
    table: Table,
    name: &'static str,
    known: Cache<Key, Window>,
    /// Whether a request that is not admitted is refused, rather than made later.
    refuses: bool,
}

impl SharedLimiter {
    /// The limit of a name in the table `Control`. One name has one length of window.
    #[must_use]
    pub fn new(table: Table, name: &'static str, window: Duration) -> Self {
        // A remembered window is of use for two windows.
        let idle = clock::on_machine(window.saturating_mul(2));
        let known = Cache::builder().max_capacity(AT_MOST).time_to_idle(idle).build();
        Self { table, name, known, refuses: true }
    }

    /// The same limit for requests that are made later when they are not admitted: then a refusal is nothing to count.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { refuses: false, ..self }
    }

    /// Opens the connection to the table.
    pub async fn preconnect(&self) {
        self.table.preconnect().await;
    }

    /// Decides about a request of a subject. One write when it is admitted, a second one at its first request here and where
    /// another process began the window; none when it is known to be refused.
    ///
    /// None when the table cannot be reached: the limit protects the work and must not stop it, so the request is let through.
    pub async fn admit(&self, org: &OrgId, subject: &str, policy: Policy, now: Timestamp) -> Option<Decision> {
        let key = Key { pk: of(org), sk: format!("{}#{subject}", self.name) };
        let mut request = AdmissionRequest::new(policy, self.known.get(&key).await, now.as_millisecond());
        let decision = loop {
            let step = match request.next() {
                NextStep::Decided(decision) => break decision,
                NextStep::Write(step) => step,
            };
            match self.write(&key, policy, step).await {
                Ok(result) => request.record(result),
                Err(error) => {
                    tracing::error!(%org, limit = self.name, error = %chain(&error), "the limit could not be checked; the request is let through");
                    self.emit("LimitStoreFailed");
                    return None;
                }
            }
        };
        if let Some(known) = request.known {
            self.known.insert(key, known).await;
        }
        if !decision.allowed && self.refuses {
            self.emit("RequestsRefusedByLimit");
        }
        Some(decision)
    }

    /// All subjects of an organisation with requests in the last minutes, under every name. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn of_organisation(table: &Table, org: &OrgId) -> Result<Vec<(Subject, Window)>, AwsError> {
        let partition = ("pk", of(org));
        let query = Query { index: None, partition, up_to: None, ascending: true, limit: MAX_LISTED, after: None };
        let read = |item: serde_json::Value| {
            let Stored { sk } = Stored::deserialize(&item)?;
            let (name, subject) = sk.split_once('#').unwrap_or((sk.as_str(), ""));
            let subject = Subject { name: name.to_owned(), subject: subject.to_owned() };
            Ok((subject, Window::deserialize(item)?))
        };
        let items = table.query(query).await?.items.into_iter().map(read).collect::<Result<_, serde_json::Error>>();
        items.map_err(|e| AwsError::unreadable("read the limits", e))
    }

    /// Resets the count of a subject. Returns the window before that; none when the subject made no request. A process
    /// that remembers a refusal applies it until its time, at most two windows. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn reset(table: &Table, org: &OrgId, subject: &Subject) -> Result<Option<Window>, AwsError> {
        let Subject { name, subject } = subject;
        let key = Key { pk: of(org), sk: format!("{name}#{subject}") };
        let write = Write::when(limit::RESET).set("count", number(0)).set("previous", number(0));
        match table.update(&key, write, false).await? {
            Written::Applied(before) => Ok(Some(from_item(before)?)),
            Written::Refused(_) => Ok(None),
        }
    }

    fn emit(&self, metric: &'static str) {
        metrics::emit(Some(("limit", self.name)), &[(metric, 1, Unit::Count)]);
    }

    async fn write(&self, key: &Key, policy: Policy, step: Transition) -> Result<WriteResult, AwsError> {
        let begin = |write: Write, next: Window| {
            let Window { window, count, previous } = next;
            // Two windows after its begin it does not count any more.
            let expires_at = window.saturating_add(policy.window_ms.saturating_mul(3)) / 1_000;
            write.set_all(Item::from([
                ("v".to_owned(), number(i64::from(FORMAT_VERSION))),
                ("window".to_owned(), number(window)),
                ("count".to_owned(), number(i64::from(count))),
                ("previous".to_owned(), number(i64::from(previous))),
                ("expires_at".to_owned(), number(expires_at)),
            ]))
        };
        let write = match step {
            Transition::Deny { .. } => return Ok(WriteResult::Refused(None)),
            Transition::Admit { window, allow } => Write::when(limit::ADMIT)
                .value("window", number(window))
                .value("allow", number(i64::from(allow)))
                .add("count", 1),
            Transition::Roll { seen, next } => {
                let write = Write::when(limit::ROLL)
                    .value("window", number(seen.window))
                    .value("count", number(i64::from(seen.count)));
                begin(write, next)
            }
            Transition::Start { idle_ms, next } => {
                begin(Write::when(limit::START).value("idle", number(idle_ms)), next)
            }
        };
        match self.table.update(key, write, true).await? {
            Written::Applied(item) => Ok(WriteResult::Applied(from_item(item)?)),
            Written::Refused(item) => Ok(WriteResult::Refused(item.map(from_item).transpose()?)),
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    sk: String,
}

fn of(org: &OrgId) -> String {
    format!("ORG#{org}#limit")
}

/// The result of one write, with the stored window.
#[derive(Debug)]
enum WriteResult {
    /// The write was made; the window as it is now.
    Applied(Window),
    /// The condition did not hold; the window as it was found, if there is one.
    Refused(Option<Window>),
}

/// The next step of a request.
#[derive(Debug)]
enum NextStep {
    /// The request is decided.
    Decided(Decision),
    /// A write has to be made before the decision.
    Write(Transition),
}

/// One request on its way to a decision, apart from the calls.
#[derive(Debug)]
struct AdmissionRequest {
    policy: Policy,
    now_ms: i64,
    /// The window as this process saw it last.
    known: Option<Window>,
    writes: usize,
    admitted: bool,
}

impl AdmissionRequest {
    fn new(policy: Policy, known: Option<Window>, now_ms: i64) -> Self {
        Self { policy, now_ms, known, writes: 0, admitted: false }
    }

    fn next(&mut self) -> NextStep {
        if let Some(window) = self.known.filter(|_| self.admitted) {
            return NextStep::Decided(self.policy.decision(&window, true, self.now_ms));
        }
        let denied = |reset_ms| NextStep::Decided(Decision { allowed: false, remaining: 0, reset_ms });
        match self.policy.step(self.known.as_ref(), self.now_ms) {
            Transition::Deny { until_ms } => denied(until_ms.saturating_sub(self.now_ms)),
            _ if self.writes >= MAX_WRITES => denied(AFTER_CONTENTION_MS),
            step @ (Transition::Admit { .. } | Transition::Roll { .. } | Transition::Start { .. }) => {
                self.writes += 1;
                NextStep::Write(step)
            }
        }
    }

    fn record(&mut self, result: WriteResult) {
        (self.known, self.admitted) = match result {
            WriteResult::Applied(window) => (Some(window), true),
            WriteResult::Refused(window) => (window, false),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulkhead::Bulkhead;

    const POLICY: Policy = Policy::per_minute(100);
    const MINUTE: i64 = 60_000;

    /// The table with the conditions of `resilience::limit`.
    fn write(item: &mut Option<Window>, step: Transition) -> WriteResult {
        let next = match (step, *item) {
            (Transition::Admit { window, allow }, Some(item)) if item.window == window && item.count < allow => {
                Some(Window { count: item.count + 1, ..item })
            }
            (Transition::Roll { seen, next }, Some(item)) if item.window == seen.window && item.count == seen.count => {
                Some(next)
            }
            (Transition::Start { idle_ms, next }, item) if item.is_none_or(|item| item.window < idle_ms) => Some(next),
            _ => None,
        };
        match next {
            Some(next) => {
                *item = Some(next);
                WriteResult::Applied(next)
            }
            None => WriteResult::Refused(*item),
        }
    }

    /// Sends a number of requests of some processes in turn, all within one moment; returns admitted, denied, and the
    /// writes of each.
    fn burst(item: &mut Option<Window>, memories: &mut [Option<Window>], requests: usize, now: i64) -> [usize; 4] {
        let mut seen = [0; 4];
        let processes = memories.len();
        for at in 0..requests {
            let mut request = AdmissionRequest::new(POLICY, memories[at % processes], now);
            let decision = loop {
                match request.next() {
                    NextStep::Decided(decision) => break decision,
                    NextStep::Write(step) => request.record(write(item, step)),
                }
            };
            memories[at % processes] = request.known;
            let (number, spent) = if decision.allowed { (0, 2) } else { (1, 3) };
            seen[number] += 1;
            seen[spent] += request.writes;
            assert!(decision.allowed || decision.reset_ms > 0, "{decision:?}");
        }
        seen
    }

    #[test]
    fn an_admitted_request_is_one_write_and_a_denied_one_none() {
        let [admitted, denied, writes, wasted] = burst(&mut None, &mut [None], 250, MINUTE);
        assert_eq!([admitted, denied, writes, wasted], [100, 150, 100, 0]);
    }

    #[test]
    fn each_of_several_processes_learns_once_what_the_others_did() {
        let [admitted, denied, writes, wasted] = burst(&mut None, &mut [None; 4], 250, MINUTE);
        assert_eq!([admitted, denied], [100, 150]);
        assert_eq!(writes, 103, "each of the others paid one write more for its first request");
        assert!(wasted * 100 < denied * 5, "{wasted} writes for {denied} denials");
    }

    #[test]
    fn a_new_window_carries_over_at_one_write_a_process() {
        let (mut item, mut memories) = (None, [None; 3]);
        burst(&mut item, &mut memories, 90, MINUTE);
        let [admitted, denied, writes, _] = burst(&mut item, &mut memories, 60, 2 * MINUTE + MINUTE / 2);
        assert_eq!([admitted, denied], [55, 5], "100 less half of 90");
        assert!(writes <= 55 + 2 * 3, "{writes}");
        assert_eq!(item, Some(Window { window: 2 * MINUTE, count: 55, previous: 90 }));
    }

    #[test]
    fn a_request_that_always_loses_is_refused_and_not_let_through() {
        let mut request = AdmissionRequest::new(POLICY, None, MINUTE);
        let decision = loop {
            match request.next() {
                NextStep::Decided(decision) => break decision,
                NextStep::Write(_) => {
                    request.record(WriteResult::Refused(Some(Window { window: MINUTE, count: 1, previous: 0 })));
                }
            }
        };
        assert_eq!((decision.allowed, decision.reset_ms), (false, AFTER_CONTENTION_MS));
        assert_eq!(request.writes, MAX_WRITES);
    }

    #[tokio::test]
    async fn a_table_that_does_not_answer_lets_the_request_through() -> Result<(), domain::id::IdError> {
        // Without a region and credentials no call leaves the process.
        let config = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let calls = Bulkhead::new("database", 10, Duration::from_secs(1));
        let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config), "control".to_owned(), calls);
        let limiter = SharedLimiter::new(table, "external", Duration::from_secs(60));
        let admitted = limiter.admit(&"acme".parse()?, "subject", POLICY, Timestamp::UNIX_EPOCH).await;
        assert_eq!(admitted, None);
        Ok(())
    }
}
