//! Makes a change at a provider, step by step: look it up, make it, and read the changed objects again.
//!
//! A change that was made counts as made even if the objects cannot be read again; the next poll reads them. If an earlier
//! attempt may have made the change, it is repeated only if that does no harm, or if it can be found at the provider.

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

/// The most steps of one change. More are a loop; most steps are pages of a list that is searched.
const MAX_STEPS: u32 = 20;
/// The attempts at a step that only reads.
const READ_ATTEMPTS: u32 = 3;
/// The time that the reading of the changed objects leaves its caller, to record that the change was made.
const TO_RECORD: Duration = Duration::from_secs(10);
/// The longest time for the reading of the changed objects.
const LONGEST_READING: Duration = Duration::from_secs(30);

/// The result of an attempt to make a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The provider has the change.
    Made,
    /// The provider refused the change; repeating it will not help.
    Refused(String),
    /// No request was made: the connection does not work, or the provider does not offer this change.
    NotPossible(String),
    /// It is unknown whether the change was made: the reply was lost after the request had been sent.
    Unknown(String),
    /// No request was made: an earlier attempt may have made the change, and the provider has no lookup for it.
    NotRepeatable(String),
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
    /// Whether an earlier attempt may have made it.
    maybe_made: bool,
    /// Whether a request that changes something succeeded: then all or a part of the change is made.
    wrote: bool,
}

impl ChangeMaker {
    /// Makes a change. `maybe_made` says that an earlier attempt may have made it.
    pub(crate) async fn make(
        &self,
        key: &ConnectionKey,
        change: &Change,
        maybe_made: bool,
        invocation: Invocation,
    ) -> Result<ChangeOutcome, SyncError> {
        let mut session = match self.connections.open_active(key).await? {
            Availability::Ready(session) => session,
            Availability::Inactive(reason) => return Ok(ChangeOutcome::NotPossible(reason.to_owned())),
        };
        let write_back = session.ats.write_back().filter(|write_back| write_back.changes().contains(&change.kind()));
        let Some(write_back) = write_back.filter(|_| session.has_login()) else {
            return Ok(ChangeOutcome::NotPossible(format!(
                "{} does not offer this change",
                session.provider.info.name
            )));
        };
        let mut attempt = Attempt { write_back, change, maybe_made, wrote: false };
        match self.steps(&mut session, &mut attempt, invocation).await {
            // A part of it is made; a repetition from the first step would add that part twice.
            Err(error) if attempt.wrote && change.kind().adds() => {
                let ConnectionKey { org, connection } = key;
                tracing::warn!(%org, %connection, error = %chain(&error), "a change was made in part");
                Ok(ChangeOutcome::Unknown("a part of it was made, and then the provider could not be asked".to_owned()))
            }
            made => made,
        }
    }

    async fn steps(
        &self,
        session: &mut ConnectionSession,
        attempt: &mut Attempt<'_>,
        invocation: Invocation,
    ) -> Result<ChangeOutcome, SyncError> {
        let Attempt { write_back, change, maybe_made, .. } = *attempt;
        let (mut step, mut failed) = (String::new(), 0);
        for _ in 0..MAX_STEPS {
            if invocation.left() < PAGE_RESERVE {
                return Err(SyncError::DeadlineReached);
            }
            self.client.prepare(session, invocation).await?;
            let request = match write_back.change_request(&session.context(clock::now()), change, &step) {
                Ok(request) => request,
                Err(error) => return Ok(ChangeOutcome::Refused(format!("failed to {}", chain(&error)))),
            };
            let looks = request.method.is_safe();
            if maybe_made && step.is_empty() && !may_be_repeated(change.kind(), looks) {
                return Ok(ChangeOutcome::NotRepeatable(
                    "an earlier try may have been made, and the provider cannot be asked whether it was".to_owned(),
                ));
            }
            let progress = match self.client.send(request).await {
                Ok(reply) => write_back.parse_change(&session.context(clock::now()), change, &step, &reply),
                // There was no connection, so nothing was made.
                Err(error @ SendError::NotSent(_)) => {
                    return Err(SyncError::Unavailable(Detail::of_provider(&error)));
                }
                Err(error) => Err(no_reply(error)),
            };
            attempt.wrote |= !looks && progress.is_ok();
            match progress {
                Ok(ChangeProgress::Next(next)) => step = next,
                Ok(ChangeProgress::Done(touched)) => {
                    self.read_again(session, &touched, invocation).await;
                    return Ok(ChangeOutcome::Made);
                }
                Err(AtsError::Unavailable(detail) | AtsError::InvalidResponse(detail)) if !looks => {
                    return Ok(ChangeOutcome::Unknown(chain(&*detail).to_string()));
                }
                Err(AtsError::Unavailable(detail)) => {
                    failed += 1;
                    if failed >= READ_ATTEMPTS {
                        return Err(SyncError::Unavailable(chain(&*detail).to_string().into()));
                    }
                }
                Err(AtsError::Unauthorised(_)) if self.client.discard_token(session).await && failed == 0 => {
                    failed = 1;
                }
                Err(AtsError::Refused(detail) | AtsError::Unauthorised(detail)) => {
                    return Ok(ChangeOutcome::Refused(chain(&*detail).to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SyncError::Failed("the change takes more steps than it should".into()))
    }

    /// Reads the objects of a change again, so that our records follow it.
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

/// Whether a change may be repeated that an earlier attempt may have made; `looks` says that its first step only reads.
const fn may_be_repeated(kind: ChangeKind, looks: bool) -> bool {
    match kind {
        ChangeKind::MoveStage | ChangeKind::Reject | ChangeKind::Hire => true,
        // It is found by its reference.
        ChangeKind::Note => looks,
        // It holds no reference of ours that would identify it.
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
