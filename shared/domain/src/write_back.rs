//! Changes that we make at a provider.

use serde::{Deserialize, Serialize};

use crate::id::ActionId;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// An application moves to another stage.
    MoveStage,
    /// A note is added to an application.
    Note,
    /// An application is turned down.
    Reject,
    /// An application ends with a hire.
    Hire,
    /// An application is handed in.
    Submit,
}

impl ChangeKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MoveStage => "move-stage",
            Self::Note => "note",
            Self::Reject => "reject",
            Self::Hire => "hire",
            Self::Submit => "submit",
        }
    }

    /// Whether a repetition of the change has a second effect. The others set a state.
    #[must_use]
    pub const fn adds(self) -> bool {
        match self {
            Self::Note | Self::Submit => true,
            Self::MoveStage | Self::Reject | Self::Hire => false,
        }
    }
}

/// A change to be made at a provider. All ids are the provider's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    /// An application moves to another stage.
    MoveStage {
        /// The id of the application at the provider.
        application: String,
        /// The provider's id of the stage.
        stage: String,
    },
    /// A note is added to an application.
    Note {
        /// The id of the application at the provider.
        application: String,
        /// The id of its candidate at the provider.
        candidate: String,
        /// The text of the note; a reference after it identifies it in a search.
        text: String,
        /// Ours, so that it is added once.
        reference: ActionId,
    },
    /// An application is turned down.
    Reject {
        /// The id of the application at the provider.
        application: String,
        /// The provider's id of the reason.
        reason: Option<String>,
    },
    /// An application ends with a hire.
    Hire {
        /// The id of the application at the provider.
        application: String,
    },
    /// An application is handed in.
    Submit {
        /// For which job (Greenhouse: job post; Lever: posting; Workday: requisition; BambooHR: job).
        job: String,
        /// The candidate's first name.
        first_name: String,
        /// The candidate's last name.
        last_name: String,
        /// The candidate's e-mail address.
        email: String,
        /// The candidate's phone number.
        phone: Option<String>,
    },
}

impl Change {
    #[must_use]
    pub const fn kind(&self) -> ChangeKind {
        match self {
            Self::MoveStage { .. } => ChangeKind::MoveStage,
            Self::Note { .. } => ChangeKind::Note,
            Self::Reject { .. } => ChangeKind::Reject,
            Self::Hire { .. } => ChangeKind::Hire,
            Self::Submit { .. } => ChangeKind::Submit,
        }
    }
}
