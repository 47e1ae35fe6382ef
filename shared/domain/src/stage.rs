//! The deployment stage, and what it alone decides: whether a live model may be called.

use std::str::FromStr;

/// The stage of this deployment, parsed from `STAGE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One machine, with an emulator and simulators.
    Local,
    /// A developer's own AWS account.
    Dev,
    /// The rehearsal of production.
    Staging,
    /// Production: the only stage that may reach the live model.
    Prod,
}

impl Stage {
    /// The stage's name, as in `STAGE` and in resource names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

/// `STAGE` holds something else. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read STAGE: `{0}` is not one of local, dev, staging, prod")]
pub struct UnknownStage(pub String);

impl FromStr for Stage {
    type Err = UnknownStage;
    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        match text {
            "local" => Ok(Self::Local),
            "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            other => Err(UnknownStage(other.to_owned())),
        }
    }
}
