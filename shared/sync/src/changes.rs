//! Makes a change at a provider, step by step: look whether it is there, make it, read again what it touched.
//!
//! A change that was made is made, whatever happens after that: what could not be read again is read by the next poll. Where an
//! earlier try left open whether it was made, only a change that does no harm twice, or can be found at the provider, is made
//! again.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use aws::telemetry::chain;
use domain::ats::ObjectRef;
use domain::connection::ConnectionKey;
use domain::write_back::{Change, ChangeKind};
use providers::ats::port::{AtsError, ChangeProgress, WriteBack};
use providers::transport::http::SendError;

use crate::client::Client;
use crate::connections::{Availability, Connections};
use crate::error::{Detail, SyncError};
use crate::objects::ObjectReader;
use crate::requests::{PAGE_RESERVE, no_reply};
use crate::session::ConnectionSession;

/// More steps than this are a loop; most of them are pages of a list that is searched.
const MOST_STEPS: u32 = 20;
/// Tries of a step that may be repeated, because it only looks.
const LOOKS: u32 = 3;
/// Reading again must leave its caller the time to record that the change was made.
const TO_RECORD: Duration = Duration::from_secs(10);
/// Longest time that reading again takes.
const LONGEST_READING: Duration = Duration::from_secs(30);

/// The result of a try to make a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The provider has the change.
    Made,
    /// The provider did not take the change; asking again will not help.
    Refused(String),
    /// The provider was not asked: the connection does not work, or the provider does not offer this change.
    Barred(String),
    /// Whether the change was made is unknown: the reply was lost after the request had been sent.
    Unknown(String),
    /// The provider was not asked: an earlier try may have made the change, and there is no way to find out.
    Doubtful(String),
}

/// Makes changes at providers.
#[derive(Debug, Clone)]
pub(crate) struct ChangeMaker {
    pub(crate) connections: Connections,
    pub(crate) client: Client,
    pub(crate) objects: ObjectReader,
}

/// A change that is being made.
struct Attempt<'a> {
    write_back: &'a dyn WriteBack,
    change: &'a Change,
    /// Whether an earlier try may have made it.
    maybe_made: bool,
    /// Whether a request that changes something was answered: then all or a part of it is made.
    wrote: bool,
}

impl ChangeMaker {
    /// Makes a change. `maybe_made` says that an earlier try may have made it.
    pub(crate) async fn make(
        &self,
        key: &ConnectionKey,
        change: &Change,
        maybe_made: bool,
        invocation: Invocation,
    ) -> Result<Changed, SyncError> {
        let mut session = match self.connections.open_active(key).await? {
            Availability::Ready(session) => session,
            Availability::Inactive(reason) => return Ok(Changed::Barred(reason.to_owned())),
        };
        let write_back = session.ats.write_back().filter(|write_back| write_back.changes().contains(&change.kind()));
        let Some(write_back) = write_back.filter(|_| session.can_ask()) else {
            return Ok(Changed::Barred(format!("{} does not offer this change", session.provider.info.name)));
        };
        let mut attempt = Attempt { write_back, change, maybe_made, wrote: false };
        match self.steps(&mut session, &mut attempt, invocation).await {
            // A part of it is made, and making it from the beginning would add that once more.
            Err(error) if attempt.wrote && change.kind().adds() => {
                let ConnectionKey { org, connection } = key;
                tracing::warn!(%org, %connection, error = %chain(&error), "a change was left in the middle");
                Ok(Changed::Unknown("a part of it was made, and then the provider could not be asked".to_owned()))
            }
            made => made,
        }
    }

    async fn steps(
        &self,
        session: &mut ConnectionSession,
        attempt: &mut Attempt<'_>,
        invocation: Invocation,
    ) -> Result<Changed, SyncError> {
        let Attempt { write_back, change, maybe_made, .. } = *attempt;
        let (mut step, mut failed) = (String::new(), 0);
        for _ in 0..MOST_STEPS {
            if invocation.left() < PAGE_RESERVE {
                return Err(SyncError::DeadlineReached);
            }
            self.client.prepare(session, invocation).await?;
            let request = match write_back.change_request(&session.context(clock::now()), change, &step) {
                Ok(request) => request,
                Err(error) => return Ok(Changed::Refused(format!("failed to {error}"))),
            };
            let looks = request.method.is_safe();
            if maybe_made && step.is_empty() && !may_be_repeated(change.kind(), looks) {
                return Ok(Changed::Doubtful(
                    "an earlier try may have been made, and the provider cannot be asked whether it was".to_owned(),
                ));
            }
            let progress = match self.client.send(request).await {
                Ok(reply) => write_back.parse_change(&session.context(clock::now()), change, &step, &reply),
                // No connection: certainly nothing was made.
                Err(error @ SendError::NotSent(_)) => {
                    return Err(SyncError::Unavailable(Detail::failed_to(error)));
                }
                Err(error) => Err(no_reply(&error)),
            };
            attempt.wrote |= !looks && progress.is_ok();
            match progress {
                Ok(ChangeProgress::Next(next)) => step = next,
                Ok(ChangeProgress::Done(touched)) => {
                    self.read_again(session, &touched, invocation).await;
                    return Ok(Changed::Made);
                }
                Err(AtsError::Unavailable(detail) | AtsError::InvalidResponse(detail)) if !looks => {
                    return Ok(Changed::Unknown(detail));
                }
                Err(AtsError::Unavailable(detail)) => {
                    failed += 1;
                    if failed >= LOOKS {
                        return Err(SyncError::Unavailable(detail.into()));
                    }
                }
                Err(AtsError::Unauthorised(_)) if self.client.discard_token(session).await && failed == 0 => {
                    failed = 1;
                }
                Err(AtsError::Refused(detail) | AtsError::Unauthorised(detail)) => {
                    return Ok(Changed::Refused(detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SyncError::Failed("the change takes more steps than it should".into()))
    }

    /// Reads again what a change touched, so that our records follow it.
    async fn read_again(&self, session: &mut ConnectionSession, touched: &[ObjectRef], invocation: Invocation) {
        let Some(allowed) = invocation.allows(TO_RECORD, LONGEST_READING) else { return };
        let ConnectionKey { org, connection } = session.key();
        let reason = match tokio::time::timeout(allowed, self.objects.read(session, touched, invocation)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => chain(&error).to_string(),
            Err(_) => "there was no time left".to_owned(),
        };
        tracing::warn!(%org, %connection, reason, "a change was made and could not be read again; the next poll does");
    }
}

/// Whether a change may be made once more when an earlier try may have made it; `looks` says that its first step looks whether
/// it is there.
const fn may_be_repeated(kind: ChangeKind, looks: bool) -> bool {
    match kind {
        ChangeKind::MoveStage | ChangeKind::Reject | ChangeKind::Hire => true,
        // It is found by its reference.
        ChangeKind::Note => looks,
        // Nothing of ours is in it by which it could be told from another one.
        ChangeKind::Submit => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_may_be_made_is_repeated_only_if_harmless() {
        for kind in [ChangeKind::MoveStage, ChangeKind::Reject, ChangeKind::Hire] {
            assert!(may_be_repeated(kind, true) && may_be_repeated(kind, false) && !kind.adds());
        }
        assert!(may_be_repeated(ChangeKind::Note, true) && !may_be_repeated(ChangeKind::Note, false));
        assert!(!may_be_repeated(ChangeKind::Submit, true) && !may_be_repeated(ChangeKind::Submit, false));
        assert!(ChangeKind::Note.adds() && ChangeKind::Submit.adds());
    }
}
