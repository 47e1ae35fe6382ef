//! Jobs and their status.

use serde_json::Value;

use super::detail;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the service's")]
pub enum JobStatus {
    Open,
    Draft,
    OnHold,
    Filled,
    Canceled,
    Deleted,
}

impl JobStatus {
    pub const ALL: [Self; 6] = [Self::Open, Self::Draft, Self::OnHold, Self::Filled, Self::Canceled, Self::Deleted];

    /// Its number, its name and the product's word. The numbers of canceled and deleted jobs were not seen on the wire.
    const fn terms(self) -> (u64, &'static str, &'static str) {
        match self {
            Self::Open => (1, "Open", "open"),
            Self::Draft => (2, "Draft", "draft"),
            Self::OnHold => (3, "On Hold", "on-hold"),
            Self::Filled => (4, "Filled", "closed"),
            Self::Canceled => (5, "Canceled", "closed"),
            Self::Deleted => (6, "Deleted", "closed"),
        }
    }

    pub const fn id(self) -> u64 {
        self.terms().0
    }

    /// Its name, which also selects it.
    pub const fn label(self) -> &'static str {
        self.terms().1
    }

    /// The word of the product.
    pub const fn word(self) -> &'static str {
        self.terms().2
    }

    /// The statuses that a comma-separated list of groups selects; none when one of them is not known.
    pub fn of_groups(list: &str) -> Option<Vec<Self>> {
        let mut found = Vec::new();
        for name in list.split(',').map(str::trim) {
            match name {
                "ALL" => found.extend(Self::ALL),
                "DRAFT_AND_OPEN" => found.extend([Self::Draft, Self::Open]),
                name => found.push(Self::ALL.into_iter().find(|status| status.label() == name)?),
            }
        }
        Some(found)
    }
}

#[derive(Debug, Clone)]
pub struct Job {
    /// Its row in the list, without the numbers of applicants.
    pub detail: Value,
    pub status: JobStatus,
}

impl Job {
    /// A text of it.
    pub fn text(&self, pointer: &str) -> &str {
        self.detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Gives it another title.
    pub fn retitle(&mut self, title: &str) {
        detail::set(&mut self.detail, "/title/label", title);
    }
}
