//! The audit of actions, in the table `Control`: an entry is written before the action and completed after it.

use domain::audit::{AuditEntry, AuditState};
use domain::id::OrgId;
use jiff::{SignedDuration, Timestamp};

use crate::records::{Cursor, newest_by_id};
use aws::error::AwsError;
use aws::table::{Key, Table, Write, Written, number, text, to_item};
use aws::telemetry::chain;

/// The retention of entries.
const RETENTION: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Completing an entry. Guards: an entry is completed once.
const COMPLETE: &str = "#state = :requested";

/// An entry that waits for its completion.
#[derive(Debug)]
pub struct Pending(Key);

/// The audit entries of organisations. An actor belongs to one organisation, an operator of the deployment too.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

impl Audit {
    /// Entries in the table `Control`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Writes an entry before its action. One write.
    ///
    /// # Errors
    /// When the table did not take it: then the order must not be carried out.
    pub async fn begin(&self, org: &OrgId, entry: &AuditEntry) -> Result<Pending, AwsError> {
        let key = Key { pk: of(org), sk: entry.id.to_string() };
        let mut item = to_item(entry)?;
        let expires_at = entry.at.saturating_add(RETENTION).unwrap_or(Timestamp::MAX).as_second();
        item.insert("pk".to_owned(), text(key.pk.clone()));
        item.insert("sk".to_owned(), text(key.sk.clone()));
        item.insert("expires_at".to_owned(), number(expires_at));
        match self.table.create(item).await? {
            Written::Applied(_) => Ok(Pending(key)),
            Written::Refused(_) => {
                let detail = format!("there is an entry {} already", key.sk);
                Err(AwsError::refused("write the audit", detail))
            }
        }
    }

    /// Records the result of the action. One write. An entry that cannot be completed stays `requested`.
    pub async fn complete(&self, pending: &Pending, state: AuditState, change: Option<(String, String)>) {
        let Pending(key) = pending;
        let word = match state {
            AuditState::Requested => "requested",
            AuditState::Done => "done",
            AuditState::Failed => "failed",
        };
        let mut write = Write::when(COMPLETE).value("requested", text("requested")).set("state", text(word));
        if let Some((before, after)) = change {
            write = write.set("before", text(before)).set("after", text(after));
        }
        if let Err(error) = self.table.update(key, write, false).await {
            tracing::error!(audit.id = key.sk, error = %chain(&error), "an audit entry could not be completed");
        }
    }

    /// A page of an organisation's entries, newest first. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn list(
        &self,
        org: &OrgId,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<AuditEntry>, Option<Cursor>), AwsError> {
        let page = self.table.query(newest_by_id(of(org), limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        Ok((page.items, next))
    }
}

fn of(org: &OrgId) -> String {
    format!("ORG#{org}#audit")
}
