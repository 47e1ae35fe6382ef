//! What an account of Lever consists of.

/// A member of the hiring team.
#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub name: String,
    pub email: String,
    pub created: i64,
    pub deactivated: Option<i64>,
}

/// A job as it is advertised.
#[derive(Debug, Clone, Default)]
pub struct Posting {
    pub id: String,
    pub text: String,
    pub state: &'static str,
    pub owner: String,
    pub department: Option<&'static str>,
    pub team: &'static str,
    pub location: Option<&'static str>,
    pub commitment: &'static str,
    pub confidential: bool,
    pub created: i64,
    pub updated: i64,
    /// Applications that name it; one that is named is not deleted.
    pub applications: usize,
}

/// A person; all opportunities of the person show its fields.
#[derive(Debug, Clone, Default)]
pub struct Contact {
    pub id: String,
    pub name: String,
    pub headline: String,
    pub location: String,
    pub emails: Vec<String>,
    pub phones: Vec<(&'static str, String)>,
    pub opportunities: Vec<String>,
}

/// That a person was considered for a posting.
#[derive(Debug, Clone)]
pub struct Application {
    pub id: String,
    /// `posting` when the person applied, `user` when somebody added it, `referral`.
    pub kind: &'static str,
    pub posting: String,
    pub created: i64,
    pub comments: Option<String>,
    pub company: Option<String>,
}

/// A stage that was reached; the number is that of [`super::seed::STAGES`].
#[derive(Debug, Clone)]
pub struct StageChange {
    pub stage: usize,
    pub at: i64,
    /// Old changes have none.
    pub user: Option<String>,
}

/// An end; the number is that of [`super::seed::REASONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    pub reason: usize,
    pub at: i64,
}

#[derive(Debug, Clone, Default)]
pub struct Interview {
    pub id: String,
    pub panel: String,
    pub subject: String,
    pub interviewer: String,
    pub stage: usize,
    pub created: i64,
    pub date: i64,
    /// The length of the interview, in minutes.
    pub duration: i64,
    pub feedback: Vec<String>,
    pub canceled: Option<i64>,
}

/// An offer of employment.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    pub id: String,
    pub posting: Option<String>,
    pub created: i64,
    pub status: &'static str,
    pub creator: String,
    /// Midnight UTC of the first day.
    pub starts: Option<i64>,
    pub approved: Option<i64>,
    pub sent: Option<i64>,
}

/// A person's way through the pipeline.
#[derive(Debug, Clone, Default)]
pub struct Opportunity {
    pub id: String,
    pub contact: String,
    pub stage: usize,
    pub stage_changes: Vec<StageChange>,
    pub archived: Option<Archived>,
    pub confidential: bool,
    pub origin: &'static str,
    pub sources: Vec<String>,
    pub tags: Vec<String>,
    pub owner: String,
    pub applications: Vec<Application>,
    pub interviews: Vec<Interview>,
    pub offers: Vec<Offer>,
    pub created: i64,
    /// None on old ones that did not change since Lever keeps this.
    pub updated: Option<i64>,
    pub interacted: i64,
    pub advanced: i64,
    pub notes: Vec<serde_json::Value>,
}

/// Something that was deleted.
#[derive(Debug, Clone)]
pub struct Gone {
    pub id: String,
    pub at: i64,
    pub opportunity: Option<String>,
    pub posting: Option<String>,
}

/// Something that webhooks tell of.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub at: i64,
    /// Of the opportunity; webhooks may ask for some origins only.
    pub origin: Option<&'static str>,
    pub token: String,
    pub data: serde_json::Value,
}

/// A webhook that a client created.
#[derive(Debug, Clone)]
pub struct Hook {
    pub id: String,
    pub event: &'static str,
    pub url: String,
    pub origins: Option<Vec<String>>,
    pub signature_token: String,
    pub created: i64,
}
