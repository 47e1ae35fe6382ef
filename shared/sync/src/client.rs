//! The client of a provider: it takes a request from the budget, signs in, sends, and repeats what may be repeated.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use aws::random;
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{self, AtsError, Context, Page};
use providers::transport::http::{HttpRequest, Reply, SendError};
use resilience::retry::{Next, Schedule};

use crate::error::SyncError;
use crate::requests::{Requests, no_reply, wait_within};
use crate::session::ConnectionSession;
use crate::tokens::Tokens;

/// After a 429 that does not state the wait.
const UNSTATED: Schedule = Schedule { base: Duration::from_secs(2), cap: Duration::from_secs(60), tries: 6 };
/// After no reply, or one that says that the provider failed.
const FAILED: Schedule = Schedule { base: Duration::from_secs(1), cap: Duration::from_secs(4), tries: 3 };

/// Makes requests to providers within their limits.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) requests: Requests,
    pub(crate) tokens: Tokens,
}

impl Client {
    /// Requests the page of a cursor. Returns it with its time in milliseconds since 1970 UTC: the time of the request,
    /// or an earlier one where the provider lists objects as of a time.
    pub(crate) async fn page(
        &self,
        session: &mut ConnectionSession,
        cursor: &str,
        invocation: Invocation,
    ) -> Result<(Page, i64), SyncError> {
        let ats = session.ats;
        let build = |context: &Context<'_>| ats.build_request(context, cursor);
        let parse = |context: &Context<'_>, reply: &Reply| ats.parse_page(context, cursor, reply);
        let (page, at) = self.request(session, invocation, build, parse).await?;
        if let Some(pause) = page.pause {
            session.pause_until = SignedDuration::try_from(pause).ok().and_then(|pause| at.checked_add(pause).ok());
        }
        let at = page.server_time.map_or(at, |stated| stated.min(at));
        Ok((page, at.as_millisecond()))
    }

    /// Sends a request that may be repeated, until a reply can be parsed. Returns the result with the time of its
    /// request.
    pub(crate) async fn request<T>(
        &self,
        session: &mut ConnectionSession,
        invocation: Invocation,
        build: impl Fn(&Context<'_>) -> Result<HttpRequest, AtsError>,
        parse: impl Fn(&Context<'_>, &Reply) -> Result<T, AtsError>,
    ) -> Result<(T, Timestamp), SyncError> {
        let (mut renewed, mut limited, mut failed) = (false, 0, 0);
        loop {
            self.prepare(session, invocation).await?;
            let now = clock::now();
            let request = build(&session.context(now))?;
            session.requests += 1;
            let parsed = match self.send(request).await {
                Ok(reply) => parse(&session.context(now), &reply),
                Err(error) => Err(no_reply(error)),
            };
            let error = match parsed {
                Ok(parsed) => return Ok((parsed, now)),
                Err(error) => error,
            };
            match error {
                AtsError::Unauthorised(_) if session.token.is_some() && !renewed => {
                    renewed = true;
                    self.discard_token(session).await;
                }
                AtsError::RateLimited { wait, stated } => {
                    limited += 1;
                    let wait = match UNSTATED.next(limited, random::chance(), None) {
                        Next::After(grown) if !stated => grown.max(wait),
                        Next::After(_) | Next::GiveUp => wait,
                    };
                    if limited >= UNSTATED.tries || !wait_within(wait, invocation).await {
                        return Err(SyncError::RateLimited { wait, ours: false });
                    }
                }
                AtsError::Unavailable(_) => {
                    failed += 1;
                    match FAILED.next(failed, random::chance(), None) {
                        Next::After(wait) if wait_within(wait, invocation).await => {}
                        Next::After(_) | Next::GiveUp => return Err(error.into()),
                    }
                }
                error => return Err(error.into()),
            }
        }
    }

    /// Takes one request from the budget, and makes sure that the session has a token where it needs one.
    pub(crate) async fn prepare(
        &self,
        session: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        self.requests.admit(session, invocation).await?;
        self.tokens.sign_in(session, invocation).await
    }

    /// Sends one request that was prepared, once.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<Reply, SendError> {
        self.requests.send(request).await
    }

    /// Discards a token that the provider refused; false when there was none.
    pub(crate) async fn discard_token(&self, session: &mut ConnectionSession) -> bool {
        let had = session.token.is_some();
        self.tokens.discard(session).await;
        had
    }
}

/// The further cursors of a lookup, whose result may have several pages.
pub(crate) fn further_cursors(page: Page) -> impl Iterator<Item = String> {
    let next = match page.next {
        port::Next::More(next) | port::Next::MoreWhileNew(next) => Some(next),
        port::Next::End => None,
    };
    next.into_iter().chain(page.follow)
}
