//! Actions: changes at an applicant tracking system that a person requested, and their outcome.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::failure::Failure;
use crate::id::{ActionId, ApplicationId, ConnectionId};
use crate::write_back::Change;

/// Code of the failure of an action of which it is unknown whether it was made. Stored: while an action waits with this code,
/// it is looked for before it is made again.
pub const UNKNOWN: &str = "unknown";

/// The state of the work. `Accepted` means durable and waiting, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionState {
    /// Recorded; a worker has not begun, or will retry later.
    Accepted,
    /// A worker holds it.
    Running,
    /// It is at the provider as it should be.
    Succeeded,
    /// It was not made and will not be retried; the failure has the reason.
    Failed,
    /// It is unknown whether the change was made, and it is not retried: a person has to look at the provider.
    NeedsReview,
}

impl ActionState {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::NeedsReview => "needs-review",
        }
    }
}

/// One change that is to be made at a provider, and the work that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The version of the stored format.
    pub v: u8,
    pub id: ActionId,
    /// The connection whose provider is changed.
    pub connection: ConnectionId,
    /// The application that is changed; none for one that is handed in.
    pub application: Option<ApplicationId>,
    /// The change; its ids are the provider's.
    pub change: Change,
    /// The state of the work.
    pub state: ActionState,
    /// The number of attempts; a wait for a limit of requests is none.
    pub attempts: u32,
    /// The reason of the failure, or of the last retry.
    pub failure: Option<Failure>,
    /// The time of the request.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl Action {
    /// An action that is recorded and waits for a worker.
    #[must_use]
    pub fn accepted(
        id: ActionId,
        connection: ConnectionId,
        application: Option<ApplicationId>,
        change: Change,
        now: Timestamp,
    ) -> Self {
        Self {
            v: FORMAT_VERSION,
            id,
            connection,
            application,
            change,
            state: ActionState::Accepted,
            attempts: 0,
            failure: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether it is unknown if an earlier attempt made it.
    #[must_use]
    pub fn may_be_made(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.code == UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_action_is_stored_by_the_words_of_its_state_and_change() {
        let id = ActionId::fresh(Uuid::from_u128(1));
        let change = Change::MoveStage { application: "7".into(), stage: "3".into() };
        let mut action =
            Action::accepted(id, "bamboo".parse().expect("slug"), None, change.clone(), Timestamp::UNIX_EPOCH);
        let states = [
            ActionState::Accepted,
            ActionState::Running,
            ActionState::Succeeded,
            ActionState::Failed,
            ActionState::NeedsReview,
        ];
        for state in states {
            action.state = state;
            let json = serde_json::to_value(&action).expect("JSON");
            assert_eq!(json["state"], state.as_str());
            assert_eq!(json["change"], serde_json::json!({"kind": "move-stage", "application": "7", "stage": "3"}));
            assert_eq!(serde_json::from_value::<Action>(json).expect("an action"), action);
        }
    }

    #[test]
    fn only_a_failure_that_says_so_leaves_it_unknown() {
        let id = ActionId::fresh(Uuid::from_u128(1));
        let change = Change::Hire { application: "7".into() };
        let mut action = Action::accepted(id, "bamboo".parse().expect("slug"), None, change, Timestamp::UNIX_EPOCH);
        assert!(!action.may_be_made());
        action.failure = Some(Failure::new("unavailable", "it does not answer"));
        assert!(!action.may_be_made());
        action.failure = Some(Failure::new(UNKNOWN, "the reply was lost"));
        assert!(action.may_be_made());
    }
}
