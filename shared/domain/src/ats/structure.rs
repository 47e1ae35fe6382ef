//! The structure of a company: departments, offices, people, and the positions and posts of its jobs.

use serde::{Deserialize, Serialize};

use super::Source;
use crate::id::{DepartmentId, JobId, OfficeId, OpeningId, PostId, UserId};

/// Whether a position is to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpeningStatus {
    /// The opening can be filled.
    Open,
    /// It is not, or not any more.
    Closed,
    /// The provider said nothing, or a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A position to be filled by a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: OpeningId,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// Whether the opening is to be filled.
    pub status: OpeningStatus,
    /// The provider's own word for that.
    pub provider_status: Option<String>,
    /// The source of the record.
    pub source: Source,
}

/// A job as it is advertised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: PostId,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// The title of the advertisement.
    pub title: String,
    /// Whether the public sees it.
    pub live: bool,
    /// The source of the record.
    pub source: Source,
}

/// A department of the provider's structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: DepartmentId,
    pub name: String,
    /// The department that it is a part of.
    pub parent: Option<DepartmentId>,
    /// The source of the record.
    pub source: Source,
}

/// An office of the provider's structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Office {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: OfficeId,
    pub name: String,
    /// The office's location, in the provider's words.
    pub location: Option<String>,
    /// The office that it is a part of.
    pub parent: Option<OfficeId>,
    /// The source of the record.
    pub source: Source,
}

/// A member of the hiring team at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The version of the stored format.
    pub v: u8,
    /// Derived from the provider's id.
    pub id: UserId,
    pub name: String,
    /// The user's e-mail address.
    pub email: Option<String>,
    /// Whether the account is in use.
    pub active: bool,
    /// The source of the record.
    pub source: Source,
}
