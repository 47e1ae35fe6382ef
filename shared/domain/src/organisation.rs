//! The tenant's own profile.

use serde::{Deserialize, Serialize};

use crate::id::OrgId;
use crate::language::Language;

/// The profile of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// The version of the stored format.
    pub v: u8,
    /// The id of the tenant.
    pub id: OrgId,
    /// The name by which people know the organisation.
    pub name: String,
    /// The addresses that are informed of new applications.
    pub notify_email: String,
    /// The language of its mails; none for that of the deployment.
    #[serde(default)]
    pub language: Option<Language>,
    /// The organisation's mail providers, by id, in the order of preference; the next one is used when one before it
    /// has certainly not sent a mail. Empty for the choice of the deployment.
    #[serde(default)]
    pub mail_providers: Vec<String>,
}
