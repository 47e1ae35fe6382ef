//! Requests to providers, each of which counts against the budget of its connection. Waits that are short are waited here.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use aws::limit::SharedLimiter;
use aws::table::Table;
use providers::ats::port::AtsError;
use providers::transport::http::{HttpRequest, Outbound, Reply, SendError};
use resilience::limit::{Decision, Policy};

use crate::error::SyncError;
use crate::session::ConnectionSession;

/// Name of the budget of requests to a provider, in the table.
pub const BUDGET_NAME: &str = "outbound";
/// The longest window of a budget: how long a process remembers what was admitted.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);
/// The longest wait for a reply.
const LONGEST_REPLY: Duration = Duration::from_secs(20);
/// Nothing is begun with less time than this left: a page must be requested, parsed and applied before the invocation ends.
pub(crate) const PAGE_RESERVE: Duration = Duration::from_secs(30);
/// The longest wait within an invocation; longer ones end the run.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Sends requests within the budgets of connections.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    http: Outbound,
    budget: SharedLimiter,
}

impl Requests {
    /// Requests over this HTTP client; the budgets are in the table `Control`.
    pub(crate) fn new(http: Outbound, control: Table) -> Self {
        Self { http, budget: SharedLimiter::new(control, BUDGET_NAME, LONGEST_WINDOW).waiting() }
    }

    /// Takes one request from the connection's budget; waits for it where that is soon.
    pub(crate) async fn admit(&self, session: &mut ConnectionSession, invocation: Invocation) -> Result<(), SyncError> {
        if let Some(until) = session.pause_until.take() {
            let wait = Duration::try_from(until.duration_since(clock::now())).unwrap_or(Duration::ZERO);
            if !wait_within(wait, invocation).await {
                return Err(SyncError::RateLimited { wait, ours: false });
            }
        }
        let budget = session.ats.budget();
        let window_ms = i64::try_from(budget.window.as_millis()).unwrap_or(i64::MAX);
        let policy = Policy { limit: budget.requests, window_ms };
        loop {
            let (org, connection) = (&session.origin.org, session.origin.connection.as_str());
            match self.budget.admit(org, connection, policy, clock::now()).await {
                Some(Decision { allowed: false, reset_ms, .. }) => {
                    // One more, so that it does not come a moment too early.
                    let wait = Duration::from_millis(u64::try_from(reset_ms).unwrap_or(0).saturating_add(1));
                    if !wait_within(wait, invocation).await {
                        return Err(SyncError::RateLimited { wait, ours: true });
                    }
                }
                Some(Decision { allowed: true, .. }) | None => return Ok(()),
            }
        }
    }

    /// Sends one request, once.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<Reply, SendError> {
        self.http.send(request, LONGEST_REPLY).await
    }
}

/// Waits if the wait is short and leaves time for a page; otherwise returns false at once.
pub(crate) async fn wait_within(wait: Duration, invocation: Invocation) -> bool {
    if wait > LONGEST_WAIT || invocation.left() < wait + PAGE_RESERVE {
        return false;
    }
    if !wait.is_zero() {
        clock::sleep(wait).await;
    }
    true
}

/// A request without a reply.
#[derive(Debug, thiserror::Error)]
#[error("there is no reply")]
struct NoReply(#[source] SendError);

/// The error of a request without a reply.
pub(crate) fn no_reply(error: SendError) -> AtsError {
    AtsError::Unavailable(NoReply(error).into())
}
