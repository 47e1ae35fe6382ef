//! Records that a provider is observed to have: the DynamoDB side of `resilience::observe`.

use std::collections::HashMap;

use domain::FORMAT_VERSION;
use domain::ats::{Extent, Kind, ObjectRef, Observation, Origin, Record};
use domain::id::OrgId;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use resilience::observe::{self, Decision, Seen, Snapshot};
use serde::Deserialize;

use crate::records::Records;
use aws::clock::sortable;
use aws::error::AwsError;
use aws::table::{Item, Key, Page, Query, Write, Written, flag, from_item, map, number, text, to_item};

/// The decisions on one observation while the record changes in between.
const TRIES: u32 = 5;
/// The number of records of a page that are written at once.
const AT_ONCE: usize = 10;
/// The attributes of a record that a decision needs.
const SNAPSHOT: [&str; 9] =
    ["pk", "sk", "revision", "content_hash", "source_version", "part", "gone_ms", "stage", "written_ms"];
/// The most records of one page of an inventory.
const INVENTORY_PAGE: u16 = 1_000;

/// The results of writing the records of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Were not there before, or are there again.
    pub created: u64,
    /// The number of records that changed.
    pub updated: u64,
    /// Were as they are, or later versions had arrived before.
    pub unchanged: u64,
    /// Of these, the ones that were written since the given time.
    pub recent: u64,
}

/// A stored record, with the time of its last write.
#[derive(Debug, Clone)]
struct Found {
    snapshot: Snapshot,
    written_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Stored {
    pk: String,
    sk: String,
    #[serde(default)]
    revision: i64,
    #[serde(default)]
    content_hash: String,
    #[serde(default)]
    source_version: i64,
    #[serde(default)]
    part: bool,
    gone_ms: Option<i64>,
    stage: Option<String>,
    written_ms: Option<i64>,
}

impl Stored {
    fn found(self) -> ((String, String), Found) {
        let Self { pk, sk, revision, content_hash, source_version, part, gone_ms, stage, written_ms } = self;
        let snapshot = Snapshot { revision, hash: content_hash, version_ms: source_version, part, gone_ms, stage };
        ((pk, sk), Found { snapshot, written_ms })
    }
}

/// An observation with its key and hash.
struct Wanted<'a> {
    observation: &'a Observation,
    key: Key,
    seen: Seen,
}

impl Records {
    /// Writes what was observed, unless it is there already. One read for each hundred records, and one write for each that
    /// differs. `observed_ms` is when the request was made; for a webhook, when it was received. What had been written since
    /// `recent_ms` is counted.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses; what was written before stays, and doing all of it again changes nothing.
    pub async fn observe(
        &self,
        origin: &Origin,
        observations: &[Observation],
        (observed_ms, recent_ms): (i64, i64),
        now: Timestamp,
    ) -> Result<HashMap<Kind, Applied>, AwsError> {
        // The last one of an object counts: a provider may list it twice on one page.
        let mut wanted: HashMap<(Kind, String), Wanted<'_>> = HashMap::new();
        for observation in observations {
            let Observation { record, version_ms, extent } = observation;
            let id = record.id();
            let key = key(&origin.org, record.kind(), &id);
            let seen = Seen {
                hash: record.content_hash(),
                version_ms: version_ms.unwrap_or(observed_ms),
                observed_ms,
                part: *extent == Extent::Part,
            };
            wanted.insert((record.kind(), id), Wanted { observation, key, seen });
        }
        let keys: Vec<Key> = wanted.values().map(|wanted| wanted.key.clone()).collect();
        let snapshot = self.snapshots(&keys).await?;
        let decisions: Vec<Result<(Kind, Decision, bool), AwsError>> = stream::iter(wanted.into_values())
            .map(|wanted| {
                let found = snapshot.get(&(wanted.key.pk.clone(), wanted.key.sk.clone())).cloned();
                let recent = found.as_ref().and_then(|found| found.written_ms).is_some_and(|at| at >= recent_ms);
                async move {
                    let decision = self.settle(origin, &wanted, found, now).await?;
                    Ok((wanted.observation.record.kind(), decision, recent))
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut applied: HashMap<Kind, Applied> = HashMap::new();
        for decision in decisions {
            let (kind, decision, recent) = decision?;
            let counts = applied.entry(kind).or_default();
            counts.recent += u64::from(recent && !decision.writes());
            match decision {
                Decision::Create | Decision::Revive => counts.created += 1,
                Decision::Update => counts.updated += 1,
                Decision::Unchanged | Decision::Older | Decision::Gone => counts.unchanged += 1,
            }
        }
        Ok(applied)
    }

    async fn settle(
        &self,
        origin: &Origin,
        wanted: &Wanted<'_>,
        mut found: Option<Found>,
        now: Timestamp,
    ) -> Result<Decision, AwsError> {
        for _ in 0..TRIES {
            let decision = observe::observe(found.as_ref().map(|found| &found.snapshot), &wanted.seen);
            if !decision.writes() {
                return Ok(decision);
            }
            let snapshot = found.as_ref().map(|found| &found.snapshot);
            match self.table().update(&wanted.key, write(origin, wanted, snapshot, now)?, false).await? {
                Written::Applied(_) => return Ok(decision),
                Written::Refused(item) => found = item.map(read).transpose()?,
            }
        }
        let detail = "a record changed each time it was to be written".to_owned();
        Err(AwsError::unavailable("write the table", detail))
    }

    /// Replaces objects that are gone by tombstones, which erases their content. One read for each hundred, one write
    /// for each that has no tombstone yet. Returns the number of new tombstones, by kind.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses.
    pub async fn tombstone(
        &self,
        origin: &Origin,
        gone: &[ObjectRef],
        found_gone_ms: i64,
        now: Timestamp,
    ) -> Result<HashMap<Kind, u64>, AwsError> {
        let keys: Vec<Key> = gone
            .iter()
            .map(|object| key(&origin.org, object.kind, &origin.id(object.kind, &object.provider_id)))
            .collect();
        let mut snapshot = self.snapshots(&keys).await?;
        let mut tombstoned: HashMap<Kind, u64> = HashMap::new();
        for (object, key) in gone.iter().zip(&keys) {
            let found = snapshot.remove(&(key.pk.clone(), key.sk.clone()));
            if self.tombstone_one(origin, object, key, found, (found_gone_ms, now)).await? {
                *tombstoned.entry(object.kind).or_default() += 1;
            }
        }
        Ok(tombstoned)
    }

    async fn tombstone_one(
        &self,
        origin: &Origin,
        object: &ObjectRef,
        key: &Key,
        mut found: Option<Found>,
        (found_gone_ms, now): (i64, Timestamp),
    ) -> Result<bool, AwsError> {
        for _ in 0..TRIES {
            let (snapshot, written) = (found.as_ref().map(|f| &f.snapshot), found.as_ref().and_then(|f| f.written_ms));
            if !observe::tombstone(snapshot, found_gone_ms, written) {
                return Ok(false);
            }
            let known = found.is_some();
            let revision = snapshot.map_or(0, |snapshot| snapshot.revision);
            let mut item = Item::from([
                ("pk".to_owned(), text(key.pk.clone())),
                ("sk".to_owned(), text(key.sk.clone())),
                ("v".to_owned(), number(i64::from(FORMAT_VERSION))),
                ("source".to_owned(), map(to_item(&origin.source(&object.provider_id))?)),
                ("deleted_at".to_owned(), text(now.to_string())),
                ("gone_ms".to_owned(), number(found_gone_ms)),
                ("revision".to_owned(), number(revision + 1)),
            ]);
            item.insert("source_version".to_owned(), number(snapshot.map_or(0, |snapshot| snapshot.version_ms)));
            let written = if known {
                self.table().put(item, observe::UNCHANGED, &[("seen_revision", number(revision))]).await?
            } else {
                self.table().put(item, observe::ABSENT, &[]).await?
            };
            match written {
                Written::Applied(_) => return Ok(known),
                Written::Refused(item) => found = item.map(read).transpose()?,
            }
        }
        let detail = "a record changed each time it was to be tombstoned".to_owned();
        Err(AwsError::unavailable("write the table", detail))
    }

    /// A page of the provider ids of what a connection has of a kind, without what is gone. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn inventory(
        &self,
        origin: &Origin,
        kind: Kind,
        after: Option<Item>,
    ) -> Result<(Vec<String>, Option<Item>), AwsError> {
        #[derive(Deserialize)]
        struct Entry {
            provider_id: String,
        }
        let query = Query {
            index: Some("by_source"),
            partition: ("source_key", source_key(origin, kind)),
            up_to: None,
            ascending: true,
            limit: INVENTORY_PAGE,
            after,
        };
        let Page { items, next } = self.table().query::<Entry>(query).await?;
        Ok((items.into_iter().map(|entry| entry.provider_id).collect(), next))
    }

    async fn snapshots(&self, keys: &[Key]) -> Result<HashMap<(String, String), Found>, AwsError> {
        let items = self.table().items(keys, &SNAPSHOT).await?;
        items.into_iter().map(|item| Ok(from_item::<Stored>(item)?.found())).collect()
    }
}

fn read(item: Item) -> Result<Found, AwsError> {
    Ok(from_item::<Stored>(item)?.found().1)
}

fn key(org: &OrgId, kind: Kind, id: &str) -> Key {
    Key { pk: format!("ORG#{org}#{}", kind.as_str()), sk: id.to_owned() }
}

/// The partition of the index `by_source`: what one connection has of a kind.
fn source_key(origin: &Origin, kind: Kind) -> String {
    let Origin { org, connection, .. } = origin;
    format!("ORG#{org}#{}#{connection}", kind.as_str())
}

fn write(origin: &Origin, wanted: &Wanted<'_>, snapshot: Option<&Snapshot>, now: Timestamp) -> Result<Write, AwsError> {
    let Wanted { observation: Observation { record, .. }, seen, .. } = wanted;
    let mut item = to_item(record)?;
    let write = match snapshot {
        None => Write::when(observe::ABSENT),
        Some(snapshot) => Write::when(observe::UNCHANGED).value("seen_revision", number(snapshot.revision)),
    };
    let (unsaid, said): (Item, Item) = if seen.part {
        item.into_iter().partition(|(_, value)| value.is_null() || value.as_l().is_ok_and(Vec::is_empty))
    } else {
        // For a provider without a history of stages, it is collected here.
        let has_history = item.get("history").is_some_and(|history| !history.is_null());
        if !has_history {
            item.remove("history");
        }
        (Item::new(), item)
    };
    let stage = match record {
        Record::Application(application) if application.history.is_none() => application.stage.clone(),
        _ => None,
    };
    let moved = stage.is_some() && snapshot.is_none_or(|snapshot| snapshot.stage != stage);
    let id = record.id();
    let listed = record.listed_by().unwrap_or(now);
    let listed_at = text(format!("{}#{id}", sortable(listed)));
    let mut write = write
        .set_all(said)
        .set_all_once(unsaid)
        .set("content_hash", text(seen.hash.clone()))
        .set("source_version", number(seen.version_ms))
        .set("part", flag(seen.part))
        .set("written_ms", number(seen.observed_ms))
        .set("updated_at", text(now.to_string()))
        .set("source_key", text(source_key(origin, record.kind())))
        .set("provider_id", text(record.provider_id().unwrap_or_default()))
        .set_once("created_at", text(now.to_string()))
        .set_once("listed_at", listed_at)
        .add("revision", 1)
        .remove("gone_ms")
        .remove("deleted_at");
    if moved && let Some(stage) = stage {
        // The provider's version is when it changed, as far as it says.
        let at = Timestamp::from_millisecond(seen.version_ms).unwrap_or(now);
        let entry = Item::from([("stage".to_owned(), text(stage)), ("at".to_owned(), text(at.to_string()))]);
        write = write.append("history", map(entry));
    }
    Ok(write)
}
