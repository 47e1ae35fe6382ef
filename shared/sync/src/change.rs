//! Makes a change at a provider, step by step: look whether it is there, make it, read again what it touched.
//!
//! A change that was made is made, whatever happens after that: what could not be read again is read by the next poll. Where an
//! earlier try left open whether it was made, only what does no harm twice, or can be found at the provider, is made again.

use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use domain::ats::ObjectRef;
use domain::connection::ConnectionKey;
use domain::write_back::{Change, ChangeKind};
use providers::ats::port::{AtsError, ChangeProgress, WriteBack};
use providers::transport::http::{HttpRequest, Reply, SendError};

use crate::ask::{FOR_A_PAGE, LONGEST_REPLY};
use crate::error::SyncError;
use crate::{ConnectionSession, Engine};

/// More steps than this are a loop; most of them are pages of what is looked through.
const MOST_STEPS: u32 = 20;
/// Tries of a step that may be repeated: it only looks.
const LOOKS: u32 = 3;
/// Reading again must leave its caller the time to record that the change was made.
const TO_RECORD: Duration = Duration::from_secs(10);
/// Longest time that reading again takes.
const LONGEST_READING: Duration = Duration::from_secs(30);

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is as it should be.
    Made,
    /// The provider did not take it; asking again will not help.
    Refused(String),
    /// The provider was not asked: the connection does not work, or the provider does not offer this change.
    Barred(String),
    /// Nobody knows whether it was made: the reply was lost after the request had been sent.
    Unknown(String),
    /// The provider was not asked: an earlier try may have been made, and it cannot be told here whether it was.
    Doubtful(String),
}

/// How far a change is.
struct Progress {
    /// Whether a request that changes something was answered: then all or a part of it is made.
    wrote: bool,
}

impl Engine {
    /// Makes a change. `doubt` says that an earlier try may have made it. It may be made again after an error.
    ///
    /// # Errors
    /// When it was certainly not made and may be made later.
    pub async fn make_change(
        &self,
        connection: &ConnectionKey,
        change: &Change,
        doubt: bool,
        invocation: Invocation,
    ) -> Result<Changed, SyncError> {
        let mut opened = match self.open_active(connection).await? {
            Ok(opened) => opened,
            Err(why) => return Ok(Changed::Barred(why.to_owned())),
        };
        let write_back = opened.ats.write_back().filter(|write_back| write_back.changes().contains(&change.kind()));
        let Some(write_back) = write_back.filter(|_| opened.can_ask()) else {
            return Ok(Changed::Barred(format!("{} does not offer this change", opened.provider.info.name)));
        };
        let mut progress = Progress { wrote: false };
        match self.steps((&mut opened, write_back), (change, doubt), invocation, &mut progress).await {
            // A part of it is made, and making it from the beginning would add that once more.
            Err(error) if progress.wrote && change.kind().adds() => {
                let ConnectionKey { org, connection } = connection;
                tracing::warn!(%org, %connection, %error, "a change was left in the middle");
                Ok(Changed::Unknown("a part of it was made, and then the provider could not be asked".to_owned()))
            }
            made => made,
        }
    }

    async fn steps(
        &self,
        (opened, write_back): (&mut ConnectionSession, &dyn WriteBack),
        (change, doubt): (&Change, bool),
        invocation: Invocation,
        progress: &mut Progress,
    ) -> Result<Changed, SyncError> {
        let (mut step, mut failed) = (String::new(), 0);
        for _ in 0..MOST_STEPS {
            if invocation.left() < FOR_A_PAGE {
                return Err(SyncError::DeadlineReached);
            }
            self.admitted(opened, invocation).await?;
            self.sign_in(opened, invocation).await?;
            let call = match write_back.change_request(&opened.context(clock::now()), change, &step) {
                Ok(call) => call,
                Err(error) => return Ok(Changed::Refused(format!("failed to {error}"))),
            };
            let looks = call.method.is_safe();
            if doubt && step.is_empty() && !may_be_repeated(change.kind(), looks) {
                return Ok(Changed::Doubtful(
                    "an earlier try may have been made, and the provider cannot be asked whether it was".to_owned(),
                ));
            }
            let acted = match self.sent(call).await {
                Ok(reply) => write_back.parse_change(&opened.context(clock::now()), change, &step, &reply),
                // No connection: certainly nothing was made.
                Err(error @ SendError::NotSent(_)) => return Err(SyncError::Unavailable(format!("failed to {error}"))),
                Err(error) => Err(AtsError::Unavailable(format!("there is no reply: {error}"))),
            };
            progress.wrote |= !looks && acted.is_ok();
            match acted {
                Ok(ChangeProgress::Next(next)) => step = next,
                Ok(ChangeProgress::Done(touched)) => {
                    self.follow(opened, &touched, invocation).await;
                    return Ok(Changed::Made);
                }
                Err(AtsError::Unavailable(detail) | AtsError::InvalidResponse(detail)) if !looks => {
                    return Ok(Changed::Unknown(detail));
                }
                Err(AtsError::Unavailable(detail)) => {
                    failed += 1;
                    if failed >= LOOKS {
                        return Err(SyncError::Unavailable(detail));
                    }
                }
                Err(AtsError::Unauthorised(_)) if self.forget_token(opened).await && failed == 0 => failed = 1,
                Err(AtsError::Refused(detail) | AtsError::Unauthorised(detail)) => {
                    return Ok(Changed::Refused(detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SyncError::Failed("the change takes more steps than it should".to_owned()))
    }

    /// Sends one request, and tells whether one without a reply was sent at all.
    async fn sent(&self, call: HttpRequest) -> Result<Reply, SendError> {
        let HttpRequest { method, url, headers, body } = call;
        let request = self.http.client().request(method, url).headers(headers).body(body);
        self.http.send(request, clock::for_work(LONGEST_REPLY)).await
    }

    /// Reads again what a change touched, so that our records follow it.
    async fn follow(&self, opened: &mut ConnectionSession, touched: &[ObjectRef], invocation: Invocation) {
        let Some(allowed) = invocation.allows(TO_RECORD, LONGEST_READING) else { return };
        let (org, connection) = (opened.origin.org.clone(), opened.origin.connection.clone());
        let why = match tokio::time::timeout(allowed, self.read_again(opened, touched, invocation)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "there was no time left".to_owned(),
        };
        tracing::warn!(%org, %connection, why, "a change was made and could not be read again; the next poll does");
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
    fn in_doubt_only_what_does_no_harm_twice_or_can_be_found_is_made_again() {
        for kind in [ChangeKind::MoveStage, ChangeKind::Reject, ChangeKind::Hire] {
            assert!(may_be_repeated(kind, true) && may_be_repeated(kind, false) && !kind.adds());
        }
        assert!(may_be_repeated(ChangeKind::Note, true) && !may_be_repeated(ChangeKind::Note, false));
        assert!(!may_be_repeated(ChangeKind::Submit, true) && !may_be_repeated(ChangeKind::Submit, false));
        assert!(ChangeKind::Note.adds() && ChangeKind::Submit.adds());
    }
}
