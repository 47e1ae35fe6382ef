//! Asks a provider: the budget first, then the token, then the request; waits that are short are waited here.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use aws::random;
use jiff::Timestamp;
use providers::ats::port::{self, AtsError, Context, Page};
use providers::transport::http::{HttpRequest, Reply};
use resilience::limit::{Decision, Policy};
use resilience::retry::{Next, Schedule};

use crate::error::SyncError;
use crate::{ConnectionSession, Engine};

/// Longest wait for a reply.
pub(crate) const LONGEST_REPLY: Duration = Duration::from_secs(20);
/// Nothing is begun with less time than this left: it must be asked, read and applied before the invocation ends.
pub(crate) const FOR_A_PAGE: Duration = Duration::from_secs(30);
/// The longest wait that is waited in place; longer ones end the run.
const PATIENCE: Duration = Duration::from_secs(8);
/// After a 429 that does not say how long.
const UNTOLD: Schedule = Schedule { base: Duration::from_secs(2), cap: Duration::from_secs(60), tries: 6 };
/// After no reply, or one that says that the provider failed.
const FAILED: Schedule = Schedule { base: Duration::from_secs(1), cap: Duration::from_secs(4), tries: 3 };

impl Engine {
    /// Asks for the page of a cursor. Gives it with the time of which it tells, in milliseconds since 1970 UTC: that of the
    /// request, or an earlier one where the provider shows how things were then.
    pub(crate) async fn page(
        &self,
        opened: &mut ConnectionSession,
        cursor: &str,
        invocation: Invocation,
    ) -> Result<(Page, i64), SyncError> {
        let ats = opened.ats;
        let call = |context: &Context<'_>| ats.build_request(context, cursor);
        let read = |context: &Context<'_>, reply: &Reply| ats.parse_page(context, cursor, reply);
        let (page, at) = self.ask(opened, invocation, call, read).await?;
        if let Some(pause) = page.pause {
            opened.pause_until = jiff::SignedDuration::try_from(pause).ok().and_then(|d| at.checked_add(d).ok());
        }
        let at = page.server_time.map_or(at, |told| told.min(at));
        Ok((page, at.as_millisecond()))
    }

    /// Sends a request that may be repeated, until there is a reply that says something.
    pub(crate) async fn ask<T>(
        &self,
        opened: &mut ConnectionSession,
        invocation: Invocation,
        call: impl Fn(&Context<'_>) -> Result<HttpRequest, AtsError>,
        read: impl Fn(&Context<'_>, &Reply) -> Result<T, AtsError>,
    ) -> Result<(T, Timestamp), SyncError> {
        let (mut renewed, mut limited, mut failed) = (false, 0, 0);
        loop {
            self.admitted(opened, invocation).await?;
            self.sign_in(opened, invocation).await?;
            let now = clock::now();
            let context = opened.context(now);
            let call = call(&context)?;
            opened.requests += 1;
            let context = opened.context(now);
            let read = match self.send(call).await {
                Ok(reply) => read(&context, &reply),
                Err(error) => Err(error),
            };
            let error = match read {
                Ok(read) => return Ok((read, now)),
                Err(error) => error,
            };
            match error {
                AtsError::Unauthorised(_) if opened.token.is_some() && !renewed => {
                    renewed = true;
                    self.forget_token(opened).await;
                }
                AtsError::RateLimited { wait, stated } => {
                    limited += 1;
                    let wait = match UNTOLD.next(limited, random::chance(), None) {
                        Next::After(grown) if !stated => grown.max(wait),
                        Next::After(_) | Next::GiveUp => wait,
                    };
                    if limited >= UNTOLD.tries || !wait_here(wait, invocation).await {
                        return Err(SyncError::RateLimited { wait, ours: false });
                    }
                }
                AtsError::Unavailable(_) => {
                    failed += 1;
                    match FAILED.next(failed, random::chance(), None) {
                        Next::After(wait) if wait_here(wait, invocation).await => {}
                        Next::After(_) | Next::GiveUp => return Err(error.into()),
                    }
                }
                error => return Err(error.into()),
            }
        }
    }

    /// Sends one request.
    pub(crate) async fn send(&self, call: HttpRequest) -> Result<Reply, AtsError> {
        let HttpRequest { method, url, headers, body } = call;
        let request = self.http.client().request(method, url).headers(headers).body(body);
        self.http
            .send(request, clock::for_work(LONGEST_REPLY))
            .await
            .map_err(|error| AtsError::Unavailable(format!("there is no reply: {error}")))
    }

    /// Takes one request from the connection's budget; waits for it where that is soon.
    pub(crate) async fn admitted(
        &self,
        opened: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        if let Some(until) = opened.pause_until.take() {
            let wait = Duration::try_from(until.duration_since(clock::now())).unwrap_or(Duration::ZERO);
            if !wait_here(wait, invocation).await {
                return Err(SyncError::RateLimited { wait, ours: false });
            }
        }
        let budget = opened.ats.budget();
        let window_ms = i64::try_from(budget.window.as_millis()).unwrap_or(i64::MAX);
        let policy = Policy { limit: budget.requests, window_ms };
        loop {
            let (org, connection) = (&opened.origin.org, opened.origin.connection.as_str());
            match self.budget.admit(org, connection, policy, clock::now()).await {
                Some(Decision { allowed: false, reset_ms, .. }) => {
                    // One more, so that it does not come a moment too early.
                    let wait = Duration::from_millis(u64::try_from(reset_ms).unwrap_or(0).saturating_add(1));
                    if !wait_here(wait, invocation).await {
                        return Err(SyncError::RateLimited { wait, ours: true });
                    }
                }
                Some(Decision { allowed: true, .. }) | None => return Ok(()),
            }
        }
    }
}

/// Where the answer to a question about objects goes on: it may have several pages.
pub(crate) fn further(page: Page) -> impl Iterator<Item = String> {
    let next = match page.next {
        port::Next::More(next) | port::Next::MoreWhileNew(next) => Some(next),
        port::Next::End => None,
    };
    next.into_iter().chain(page.follow)
}

/// Waits when that is short and leaves time for a page; else says no.
async fn wait_here(wait: Duration, invocation: Invocation) -> bool {
    if wait > PATIENCE || invocation.left() < wait + FOR_A_PAGE {
        return false;
    }
    if !wait.is_zero() {
        clock::sleep(wait).await;
    }
    true
}
