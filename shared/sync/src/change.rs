//! Makes a change at a provider, step by step: look whether it is there, make it, read again what it touched.

use domain::id::{ConnectionId, OrgId};
use domain::write_back::Change;
use platform::batch::Turn;
use platform::clock;
use providers::ats::{Acted, CallError};

use crate::Engine;
use crate::halt::Halt;

/// More steps than this are a loop.
const MOST_STEPS: u32 = 6;
/// Tries of a step that may be repeated: it only looks.
const LOOKS: u32 = 3;

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is as it should be.
    Made,
    /// The provider did not take it; asking again will not help.
    Refused(String),
    /// Nobody knows whether it was made: the reply was lost after the request had been sent. Making it again looks first.
    Unknown(String),
}

impl Engine {
    /// Makes a change. It may be made again after an error: the first step looks whether it is there.
    ///
    /// # Errors
    /// When it was certainly not made and may be made later.
    pub async fn make_change(
        &self,
        (org, connection): (&OrgId, &ConnectionId),
        change: &Change,
        turn: Turn,
    ) -> Result<Changed, Halt> {
        let mut opened = match self.open_active(org, connection).await? {
            Ok(opened) => opened,
            Err(why) => return Ok(Changed::Refused(why.to_owned())),
        };
        if !opened.ats.changes().contains(&change.kind()) {
            return Ok(Changed::Refused(format!("{} does not offer this change", opened.spec.name)));
        }
        let (mut step, mut failed) = (String::new(), 0);
        for _ in 0..MOST_STEPS {
            self.admitted(&mut opened, turn).await?;
            self.sign_in(&mut opened, turn).await?;
            let context = opened.context(clock::now());
            let call = match opened.ats.act(&context, change, &step) {
                Ok(call) => call,
                Err(error) => return Ok(Changed::Refused(format!("failed to {error}"))),
            };
            let looks = call.method.is_safe();
            let acted = match self.send(call).await {
                Ok(reply) => opened.ats.acted(&opened.context(clock::now()), change, &step, &reply),
                Err(error) => Err(error),
            };
            match acted {
                Ok(Acted::Next(next)) => step = next,
                Ok(Acted::Done(touched)) => {
                    self.read_again(&mut opened, &touched, turn).await?;
                    return Ok(Changed::Made);
                }
                Err(CallError::Unavailable(detail)) if !looks => return Ok(Changed::Unknown(detail)),
                Err(CallError::Malformed(detail)) if !looks => return Ok(Changed::Unknown(detail)),
                Err(CallError::Unavailable(detail)) => {
                    failed += 1;
                    if failed >= LOOKS {
                        return Err(Halt::Unavailable(detail));
                    }
                }
                Err(CallError::Unauthorised(_)) if self.forget_token(&mut opened).await && failed == 0 => failed = 1,
                Err(CallError::Refused(detail) | CallError::Unauthorised(detail)) => {
                    return Ok(Changed::Refused(detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Halt::Failed("the change takes more steps than it should".to_owned()))
    }
}
