//! The tenant's own profile.

use serde::{Deserialize, Serialize};

use crate::id::OrgId;

/// What the product knows of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Format version.
    pub v: u8,
    /// The tenant.
    pub id: OrgId,
    /// Name for people.
    pub name: String,
    /// Who is told of new applications.
    pub notify_email: String,
}
