//! Suppressed addresses, and the data of an organisation that a worker needs to send its mail.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::FORMAT_VERSION;
use domain::id::OrgId;
use domain::mail_event::MailEventKind;
use domain::notification::Notification;
use domain::organisation::Organisation;
use domain::suppression::{Suppression, suppression_id};
use jiff::Timestamp;
use moka::future::Cache;

use crate::records::{Records, key_of};
use aws::clock;
use aws::error::AwsError;
use aws::table::{Query, Write, Written, text, to_item};

/// The lifetime of a cached organisation: a lifted or new suppression is in force after this time.
const CACHED_FOR: Duration = Duration::from_secs(30);
/// The most organisations in the cache of a process.
const ORGANISATIONS: u64 = 1_000;
/// The most suppressions that are read at once; for an organisation with more, each address is looked up.
const READ_AT_ONCE: u16 = 1_000;

/// The condition of a suppression: there is none, or it was lifted. Guards: the first reason stays.
const SUPPRESS: &str = "attribute_not_exists(pk) OR attribute_exists(#lifted_at)";
/// The condition of lifting a suppression. Guards: it is lifted once.
const LIFT: &str = "attribute_exists(pk) AND attribute_not_exists(#lifted_at)";

/// Suppresses the address of a notification. One write.
///
/// # Errors
/// When the table cannot be reached.
pub(crate) async fn suppress(
    records: &Records,
    org: &OrgId,
    notification: &Notification,
    reason: MailEventKind,
    since: Timestamp,
) -> Result<(), AwsError> {
    let id = suppression_id(&notification.to);
    let suppression = Suppression {
        v: FORMAT_VERSION,
        id: id.clone(),
        address: notification.to.to_lowercase(),
        reason,
        notification: notification.id,
        since,
        lifted_at: None,
    };
    let write = Write::when(SUPPRESS)
        .set_all(to_item(&suppression)?)
        .set("created_at", text(since.to_string()))
        .set("updated_at", text(since.to_string()))
        .set("listed_at", text(format!("{}#{id}", clock::sortable(since))))
        .remove("lifted_at");
    records.table().update(&key_of::<Suppression>(org, &id), write, false).await.map(|_| ())
}

/// Lifts a suppression. One write. False when there is none, or it was lifted before.
///
/// # Errors
/// When the table cannot be reached.
pub async fn lift(records: &Records, org: &OrgId, id: &str, now: Timestamp) -> Result<bool, AwsError> {
    let at = text(now.to_string());
    let write = Write::when(LIFT).set("lifted_at", at.clone()).set("updated_at", at);
    Ok(matches!(records.table().update(&key_of::<Suppression>(org, id), write, false).await?, Written::Applied(_)))
}

/// An organisation as the sender of its mail.
#[derive(Debug)]
pub struct MailSender {
    /// Its profile; none for an organisation without one.
    pub profile: Option<Organisation>,
    suppressed: HashSet<String>,
    whole: bool,
}

/// A short-lived cache of organisations as senders.
#[derive(Debug, Clone)]
pub struct MailSenders {
    records: Records,
    known: Cache<OrgId, Arc<MailSender>>,
}

impl MailSenders {
    /// An empty cache over these records.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self {
            records,
            known: Cache::builder().max_capacity(ORGANISATIONS).time_to_live(clock::on_machine(CACHED_FOR)).build(),
        }
    }

    /// The data of an organisation. At most two reads in [`CACHED_FOR`] for all callers of a process.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn of(&self, org: &OrgId) -> Result<Arc<MailSender>, Arc<AwsError>> {
        self.known.try_get_with_by_ref(org, self.read(org)).await
    }

    async fn read(&self, org: &OrgId) -> Result<Arc<MailSender>, AwsError> {
        let query = Query {
            index: None,
            partition: ("pk", key_of::<Suppression>(org, "").pk),
            up_to: None,
            ascending: true,
            limit: READ_AT_ONCE,
            after: None,
        };
        let (profile, page) = tokio::try_join!(
            self.records.get::<Organisation>(org, org.as_str()),
            self.records.table().query::<Suppression>(query),
        )?;
        let active = page.items.into_iter().filter(|suppression| suppression.lifted_at.is_none());
        let suppressed = active.map(|suppression| suppression.id).collect();
        Ok(Arc::new(MailSender { profile, suppressed, whole: page.next.is_none() }))
    }

    /// Whether an address is suppressed. No call, except for an organisation with very many suppressions: one read.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn is_suppressed(&self, org: &OrgId, sender: &MailSender, address: &str) -> Result<bool, AwsError> {
        let id = suppression_id(address);
        if sender.whole || sender.suppressed.contains(&id) {
            return Ok(sender.suppressed.contains(&id));
        }
        let found: Option<Suppression> = self.records.get(org, &id).await?;
        Ok(found.is_some_and(|suppression| suppression.lifted_at.is_none()))
    }
}
