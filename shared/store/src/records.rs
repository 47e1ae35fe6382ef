//! The table `Records`: business data, keyed by organisation and kind. No TTL, no scan.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::action::{Action, ActionState};
use domain::api_key::ApiKey;
use domain::ats::{
    Application, ApplicationInFull, Candidate, Department, Interview, Job, Offer, Office, Opening, Post, Scorecard,
    User,
};
use domain::connection::Connection;
use domain::id::OrgId;
use domain::intake::{Intake, IntakeState};
use domain::notification::{Notification, NotificationState};
use domain::organisation::Organisation;
use domain::suggestion::{Suggestion, SuggestionState};
use domain::suppression::Suppression;
use jiff::{SignedDuration, Timestamp};
use resilience::work::same_request;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use aws::clock::sortable;
use aws::error::AwsError;
use aws::fault;
use aws::table::{Item, Key, Page, Query, Table, Written, from_item, text, to_item};
use aws::work::waiting;

/// A kind of record.
pub trait Stored: Serialize + DeserializeOwned {
    /// The kind's name in the partition key.
    const KIND: &'static str;
    /// The record's id within its organisation.
    fn key(&self) -> String;
    /// The time that lists of this kind are ordered by; none when the record is new in the list as it is written.
    fn listed_by(&self) -> Option<Timestamp>;
    /// Whether the record waits for a worker: then it is in the index `waiting` until it is claimed.
    fn waits(&self) -> bool;
}

macro_rules! stored {
    ($($record:ty, $kind:literal, $listed:expr, $waits:expr;)+) => {
        $(impl Stored for $record {
            const KIND: &'static str = $kind;
            fn key(&self) -> String {
                self.id.to_string()
            }
            fn listed_by(&self) -> Option<Timestamp> {
                let listed: fn(&Self) -> Option<Timestamp> = $listed;
                listed(self)
            }
            fn waits(&self) -> bool {
                let waits: fn(&Self) -> bool = $waits;
                waits(self)
            }
        })+
    };
}

stored! {
    Organisation, "organisation", |_| None, |_| false;
    Connection, "connection", |r| Some(r.created_at), |_| false;
    Candidate, "candidate", |_| None, |_| false;
    Application, "application", |r| r.applied_at, |_| false;
    Job, "job", |_| None, |_| false;
    Opening, "opening", |_| None, |_| false;
    Post, "post", |_| None, |_| false;
    Interview, "interview", |_| None, |_| false;
    Offer, "offer", |_| None, |_| false;
    Scorecard, "scorecard", |_| None, |_| false;
    Department, "department", |_| None, |_| false;
    Office, "office", |_| None, |_| false;
    User, "user", |_| None, |_| false;
    Action, "action", |r| Some(r.created_at), |r| r.state == ActionState::Accepted;
    ApiKey, "api_key", |_| None, |_| false;
    Intake, "intake", |r| Some(r.created_at), |r| r.state == IntakeState::Accepted;
    Suggestion, "suggestion", |r| Some(r.created_at), |r| r.state == SuggestionState::Accepted;
    Suppression, "suppression", |r| Some(r.since), |_| false;
    Notification, "notification", |r| Some(r.created_at), |r| r.state == NotificationState::Queued;
}

/// The key of one record.
#[must_use]
pub fn key_of<T: Stored>(org: &OrgId, id: &str) -> Key {
    Key { pk: format!("ORG#{org}#{}", T::KIND), sk: id.to_owned() }
}

/// A record with the times that the table stores beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<T> {
    /// The record that was read.
    pub value: T,
    /// The time at which it was first recorded here.
    pub created_at: Timestamp,
    /// The time of its last change here.
    pub updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Times {
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

/// The result of creating a record.
#[derive(Debug)]
pub enum Created<T> {
    /// The record is new.
    New,
    /// The record was there, made by the same request.
    Same(T),
    /// The record was there, made by another request.
    Other,
}

/// The table `Records`, with the business data of all organisations.
#[derive(Debug, Clone)]
pub struct Records {
    table: Table,
}

impl Records {
    /// Records in the given table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table itself, for leases on records.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// One record. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or the record is not readable.
    pub async fn get<T: Stored>(&self, org: &OrgId, id: &str) -> Result<Option<T>, AwsError> {
        let item = self.table.item(&key_of::<T>(org, id)).await?;
        item.filter(|item| !is_gone(item)).map(from_item).transpose()
    }

    /// One record with its times. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or the record is not readable.
    pub async fn get_recorded<T: Stored>(&self, org: &OrgId, id: &str) -> Result<Option<Recorded<T>>, AwsError> {
        let item = self.table.item(&key_of::<T>(org, id)).await?;
        item.filter(|item| !is_gone(item)).map(|item| recorded(from_item(item)?)).transpose()
    }

    /// Writes a record that must not exist. `request` is a hash of the request for it: the same request finds its own record.
    /// A record that waits for a worker is in the index `waiting` by the same write. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses.
    pub async fn create<T: Stored>(
        &self,
        org: &OrgId,
        record: &T,
        request: &str,
        now: Timestamp,
    ) -> Result<Created<T>, AwsError> {
        let item = new_item(org, record, request, now)?;
        match self.table.create(item).await? {
            Written::Applied(_) => {
                fault::point(fault::CREATED, &record.key()).await;
                Ok(Created::New)
            }
            Written::Refused(Some(old)) => {
                let recorded = old.get("request_hash").and_then(|v| v.as_s().ok()).map(String::as_str);
                if same_request(recorded, request) { Ok(Created::Same(from_item(old)?)) } else { Ok(Created::Other) }
            }
            Written::Refused(None) => Ok(Created::Other),
        }
    }

    /// Records of one kind by id, in any order; missing ones are left out. One call for each hundred.
    ///
    /// # Errors
    /// When the table cannot be reached or a record is not readable.
    pub async fn many<T: Stored>(&self, org: &OrgId, ids: &[String]) -> Result<Vec<T>, AwsError> {
        let keys: Vec<Key> = ids.iter().map(|id| key_of::<T>(org, id)).collect();
        let items = self.table.items(&keys, &[]).await?;
        items.into_iter().filter(|item| !is_gone(item)).map(from_item).collect()
    }

    /// Applications with their candidates and jobs, in the same order. One call for each hundred of either, at once.
    ///
    /// # Errors
    /// When the table cannot be reached or a record is not readable.
    pub async fn in_full(
        &self,
        org: &OrgId,
        applications: Vec<Application>,
    ) -> Result<Vec<ApplicationInFull>, AwsError> {
        let candidates: BTreeSet<String> = applications.iter().map(|a| a.candidate.to_string()).collect();
        let jobs: BTreeSet<String> = applications.iter().filter_map(|a| a.job).map(|job| job.to_string()).collect();
        let (candidates, jobs): (Vec<_>, Vec<_>) = (candidates.into_iter().collect(), jobs.into_iter().collect());
        let (candidates, jobs) =
            tokio::try_join!(self.many::<Candidate>(org, &candidates), self.many::<Job>(org, &jobs))?;
        let candidates: HashMap<_, _> = candidates.iter().map(|candidate| (candidate.id, candidate)).collect();
        let jobs: HashMap<_, _> = jobs.iter().map(|job| (job.id, job)).collect();
        let in_full = |application: Application| {
            let candidate = candidates.get(&application.candidate).copied();
            let job = application.job.and_then(|job| jobs.get(&job).copied());
            ApplicationInFull::new(application, candidate, job)
        };
        Ok(applications.into_iter().map(in_full).collect())
    }

    /// A page of one kind, newest first. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or a record is not readable.
    pub async fn list<T: Stored>(
        &self,
        org: &OrgId,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<(Vec<Recorded<T>>, Option<Cursor>), AwsError> {
        let pk = key_of::<T>(org, "").pk;
        let page: Page<serde_json::Value> = self.table.query(newest_first(pk, limit, after)).await?;
        let next = page.next.as_ref().and_then(Cursor::from_key);
        let items = page.items.into_iter().map(recorded).collect::<Result<_, _>>()?;
        Ok((items, next))
    }
}

/// Whether only that it is gone is known of a record.
fn is_gone(item: &Item) -> bool {
    item.contains_key("deleted_at")
}

fn new_item<T: Stored>(org: &OrgId, record: &T, request: &str, now: Timestamp) -> Result<Item, AwsError> {
    let mut item = to_item(record)?;
    let key = key_of::<T>(org, &record.key());
    item.insert("listed_at".to_owned(), text(listed_at(record, now)));
    if record.waits() {
        item.extend(waiting(&key.sk, now, SignedDuration::ZERO));
    }
    item.insert("pk".to_owned(), text(key.pk));
    item.insert("sk".to_owned(), text(key.sk));
    item.insert("request_hash".to_owned(), text(request));
    item.entry("created_at".to_owned()).or_insert_with(|| text(now.to_string()));
    item.entry("updated_at".to_owned()).or_insert_with(|| text(now.to_string()));
    Ok(item)
}

pub(crate) fn newest_first(pk: String, limit: u16, after: Option<&Cursor>) -> Query {
    let after = after.map(|cursor| cursor.key(&pk));
    Query { index: Some("by_time"), partition: ("pk", pk), up_to: None, ascending: false, limit, after }
}

/// The same of a partition whose ids sort by time: no index is needed.
pub(crate) fn newest_by_id(pk: String, limit: u16, after: Option<&Cursor>) -> Query {
    let after = after.map(|cursor| {
        let mut key = cursor.key(&pk);
        key.remove("listed_at");
        key
    });
    Query { index: None, partition: ("pk", pk), up_to: None, ascending: false, limit, after }
}

fn listed_at<T: Stored>(record: &T, now: Timestamp) -> String {
    format!("{}#{}", sortable(record.listed_by().unwrap_or(now)), record.key())
}

fn recorded<T: Stored>(item: serde_json::Value) -> Result<Recorded<T>, AwsError> {
    let unreadable = |e: serde_json::Error| AwsError::unreadable("read the table", e);
    let Times { created_at, updated_at } = Times::deserialize(&item).map_err(unreadable)?;
    let value = serde_json::from_value(item).map_err(unreadable)?;
    Ok(Recorded { value, created_at, updated_at: updated_at.unwrap_or(created_at) })
}

/// The place at which a list continues. It names no organisation: that always comes from the caller's own identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    sk: String,
    listed_at: String,
}

impl Cursor {
    /// Reads a cursor that a client sent back; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn from_key(key: &Item) -> Option<Self> {
        let field = |name: &str| key.get(name).and_then(|v| v.as_s().ok()).cloned();
        let sk = field("sk")?;
        // A list from the table itself continues by its ids.
        let listed_at = field("listed_at").unwrap_or_else(|| sk.clone());
        Some(Self { sk, listed_at })
    }

    fn key(&self, pk: &str) -> Item {
        Item::from([
            ("pk".to_owned(), text(pk)),
            ("sk".to_owned(), text(self.sk.clone())),
            ("listed_at".to_owned(), text(self.listed_at.clone())),
        ])
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_vec(self).unwrap_or_default();
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{ApplicationId, NotificationId, SuggestionId};
    use domain::notification::NotificationKind;

    use super::*;

    #[test]
    fn only_waiting_work_is_in_the_index_from_its_first_write() -> Result<(), String> {
        let org: OrgId = "acme".parse().map_err(|e| format!("{e}"))?;
        let now: Timestamp = "2026-11-22T10:00:00.123Z".parse().map_err(|e| format!("{e}"))?;
        let application = ApplicationId::derived(&org, &["a"]);
        let mut suggestion = Suggestion::accepted(SuggestionId::derived(&org, &["s"]), application, false, now);
        let id = NotificationId::derived(&org, &["n"]);
        let data = serde_json::json!({});
        let notification = Notification::queued(id, NotificationKind::FlagResolved, "a@b.example".into(), data, now);
        let item = |item: Result<Item, AwsError>| item.map_err(|e| format!("{e}"));
        for item in [item(new_item(&org, &suggestion, "r", now))?, item(new_item(&org, &notification, "r", now))?] {
            assert_eq!(item.get("waiting_since"), Some(&text("2026-11-22T10:00:00Z")));
            assert!(item.contains_key("waiting_shard") && item.contains_key("listed_at"));
        }
        suggestion.state = SuggestionState::Succeeded;
        let done = item(new_item(&org, &suggestion, "r", now))?;
        assert!(!done.contains_key("waiting_since") && !done.contains_key("waiting_shard"));
        Ok(())
    }

    #[test]
    fn a_cursor_is_parsed_from_its_text_and_from_no_other() {
        let cursor = Cursor { sk: "id".into(), listed_at: "2026-11-22T10:00:00.000Z#id".into() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for bad in ["", "x", "e30", "!!!"] {
            assert_eq!(Cursor::parse(bad), None, "{bad} is not a cursor");
        }
    }
}
