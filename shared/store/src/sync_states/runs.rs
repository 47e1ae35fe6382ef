//! The history of runs, and what a pass has seen.

use std::collections::HashSet;

use domain::ats::{Kind, ObjectRef};
use domain::connection::ConnectionKey;
use domain::sync::Run;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::SyncStates;
use crate::records::{Cursor, newest_by_id};
use aws::error::AwsError;
use aws::table::{Key, Query, Write, number, text, to_item};

/// The retention of runs in the history.
const RUN_RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The retention of the objects that a pass has seen: longer than a pass takes.
const SEEN_RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The write succeeds over an earlier one of the same objects.
const ALWAYS: &str = "attribute_not_exists(pk) OR attribute_exists(pk)";
/// Lists of seen objects of one read; each holds a page.
const SEEN_PAGE: u16 = 50;

impl SyncStates {
    /// Records a run that has ended. Twice is once. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn record_run(&self, connection: &ConnectionKey, run: &Run, now: Timestamp) -> Result<(), AwsError> {
        let mut item = to_item(run)?;
        item.insert("pk".to_owned(), text(runs_of(connection)));
        item.insert("sk".to_owned(), text(run.id.clone()));
        item.insert("expires_at".to_owned(), expiry(now, RUN_RETENTION));
        self.table.create(item).await.map(|_| ())
    }

    /// A page of a connection's ended runs, newest first. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn runs(
        &self,
        connection: &ConnectionKey,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<Run>, Option<Cursor>), AwsError> {
        let page = self.table.query(newest_by_id(runs_of(connection), limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        Ok((page.items, next))
    }

    /// Records the objects of a page of a pass. A repetition changes nothing. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn record_seen(
        &self,
        connection: &ConnectionKey,
        pass: &str,
        (stream, number_of_list): (&str, u32),
        seen: &[ObjectRef],
        now: Timestamp,
    ) -> Result<(), AwsError> {
        if seen.is_empty() {
            return Ok(());
        }
        let key = Key { pk: seen_of(connection, pass, stream), sk: format!("{number_of_list:08}") };
        let ids = seen.iter().map(|object| format!("{}:{}", object.kind.as_str(), object.provider_id));
        // A page that is read again may have other rows: what either had was there.
        let write = Write::when(ALWAYS).add_texts("ids", ids.collect()).set("expires_at", expiry(now, SEEN_RETENTION));
        self.table.update(&key, write, false).await.map(|_| ())
    }

    /// The objects of a kind that a pass has seen in a list. One call for each fifty pages.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn seen(
        &self,
        connection: &ConnectionKey,
        pass: &str,
        stream: &str,
        kind: Kind,
    ) -> Result<HashSet<String>, AwsError> {
        #[derive(Deserialize)]
        struct List {
            ids: Vec<String>,
        }
        let prefix = format!("{}:", kind.as_str());
        let mut seen = HashSet::new();
        let mut after = None;
        loop {
            let partition = ("pk", seen_of(connection, pass, stream));
            let query = Query { index: None, partition, up_to: None, ascending: true, limit: SEEN_PAGE, after };
            let page = self.table.query::<List>(query).await?;
            let ids = page.items.into_iter().flat_map(|list| list.ids);
            seen.extend(ids.filter_map(|id| id.strip_prefix(&prefix).map(str::to_owned)));
            after = page.next;
            if after.is_none() {
                return Ok(seen);
            }
        }
    }
}

fn expiry(now: Timestamp, retention: SignedDuration) -> aws::table::AttributeValue {
    number(now.saturating_add(retention).unwrap_or(Timestamp::MAX).as_second())
}

fn runs_of(connection: &ConnectionKey) -> String {
    let ConnectionKey { org, connection } = connection;
    format!("ORG#{org}#run#{connection}")
}

fn seen_of(connection: &ConnectionKey, pass: &str, stream: &str) -> String {
    let ConnectionKey { org, connection } = connection;
    format!("ORG#{org}#seen#{connection}#{pass}#{stream}")
}
