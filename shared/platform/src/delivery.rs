//! The stored side of `resilience::delivery`: one notification, one e-mail. What must never be here: a mail provider.

use std::time::Duration;

use domain::id::{NotificationId, OrgId};
use domain::mail_event::MailEvent;
use domain::notification::{HistoryEntry, Notification, NotificationState};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use resilience::delivery::{self, DOUBT, LEARN, Standing, TELL};
use resilience::outbox::{self, WAITING_SHARD, WAITING_SINCE};
use resilience::work::{self, LEASE, OWNER, STATE};

use crate::error::PlatformError;
use crate::records::{Records, key_of};
use crate::suppression::suppress;
use crate::table::{Item, Key, Page, Query, Write, Written, from_item, map, null, number, text, to_item};
use crate::work::{Attempt, Ending, Hold, Terms, attempt, ending, number_in, waiting};

/// When a doubt is to be asked about next, in milliseconds since 1970 UTC.
const ASK_AT: &str = "ask_at_ms";
/// How often the provider of a doubt was asked.
const ASKED: &str = "asked";
/// The events that were recorded.
const EVENT_IDS: &str = "event_ids";
/// Most entries of a history: what comes after these is recorded only when it changes the state.
const LONGEST_HISTORY: usize = 100;
/// How often an event is tried again on an item that changes meanwhile.
const TELL_TRIES: u32 = 5;

/// A notification as it stood when it was looked at.
#[derive(Debug)]
pub struct Stand {
    /// The record.
    pub notification: Notification,
    /// What that means for a worker.
    pub standing: Standing,
    owner: Option<String>,
}

/// What became of taking a notification.
#[derive(Debug)]
pub enum Taken {
    /// It is ours, as it is now.
    Held(Hold, Box<Notification>),
    /// It is not; how it stands.
    Stands(Box<Stand>),
    /// There is no such notification.
    Missing,
}

/// What became of a provider's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was recorded; the state that it led to, if it changed the state.
    Recorded(Option<NotificationState>),
    /// It was recorded before, or says nothing new.
    Known,
    /// There is no such notification.
    Missing,
}

/// What a step of the protocol writes: the state it leads to, and what its history says.
#[derive(Debug)]
pub struct Step {
    /// The new state.
    pub state: NotificationState,
    /// Why, where there is something to say; its code is stable.
    pub failure: Option<domain::failure::Failure>,
    /// What the history says.
    pub entry: HistoryEntry,
    /// Attributes besides.
    pub set: Item,
}

impl Step {
    fn ending(self) -> Result<Ending, PlatformError> {
        let Self { state, failure, entry, set } = self;
        let mut all = ending(state.as_str(), failure.as_ref())?;
        all.extend(set);
        Ok(Ending { set: all, history: Some(to_item(&entry)?) })
    }
}

/// Deliveries in the table `Records`.
#[derive(Debug, Clone)]
pub struct Deliveries {
    records: Records,
}

impl Deliveries {
    /// Deliveries in these records.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self { records }
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Takes a notification that waits, to send it through this provider. Its first taker gives it its Message-ID, for good: a
    /// provider may have to be asked by it after the deployment's sender has changed. One write; it returns the whole item either way.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn take(
        &self,
        org: &OrgId,
        id: NotificationId,
        provider: &str,
        message_id: &str,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, PlatformError> {
        let once = Item::from([("message_id".to_owned(), text(message_id))]);
        let set = Item::from([
            ("provider".to_owned(), text(provider)),
            ("provider_message_id".to_owned(), null()),
            ("tried_at".to_owned(), text(now.to_string())),
            (ASKED.to_owned(), number(0)),
        ]);
        let (ready, held) = (Some(NotificationState::Queued.as_str()), NotificationState::Sending.as_str());
        let terms = Terms { condition: work::CLAIM_WAITING, ready, held, lease_until, set, once };
        let key = key_of::<Notification>(org, &id.to_string());
        match attempt(self.records.table(), key, terms, now).await? {
            Attempt::Held(hold, item) => Ok(Taken::Held(hold, Box::new(from_item(item)?))),
            Attempt::Refused(None) => Ok(Taken::Missing),
            Attempt::Refused(Some(item)) => Ok(Taken::Stands(Box::new(stand(item, now)?))),
        }
    }

    /// Reads how a notification stands. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn look(&self, org: &OrgId, id: NotificationId, now: Timestamp) -> Result<Option<Stand>, PlatformError> {
        let key = key_of::<Notification>(org, &id.to_string());
        self.records.table().item(&key).await?.map(|item| stand(item, now)).transpose()
    }

    /// Records which provider is called next under the same lease. One write, fenced. False when the lease had passed: then
    /// nobody may be called.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn switch(
        &self,
        hold: &Hold,
        provider: &str,
        entry: &HistoryEntry,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        let set = Item::from([("provider".to_owned(), text(provider))]);
        let step = Ending { set, history: Some(to_item(entry)?) };
        work_step(&self.records, hold, step, now).await
    }

    /// Records the end of an attempt. One write, fenced. False when the lease had passed: then nothing was recorded.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish(&self, hold: &Hold, mut step: Step, now: Timestamp) -> Result<bool, PlatformError> {
        step.set.extend(for_review(&step, &hold.key().pk, now));
        crate::work::finish(self.records.table(), hold, step.ending()?, now).await
    }

    /// Gives a notification back after an attempt that certainly sent nothing; its message comes again after the given time.
    /// One write, fenced. False when the lease had passed.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn give_back(
        &self,
        hold: &Hold,
        step: Step,
        after: Duration,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        crate::work::give_back(self.records.table(), hold, step.ending()?, after, now).await
    }

    /// Records that nobody knows whether an attempt sent a mail, and when to ask. One write, fenced. False when the lease had
    /// passed.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn finish_in_doubt(
        &self,
        hold: &Hold,
        id: NotificationId,
        mut step: Step,
        ask_after: Duration,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        step.set.extend(asking(id, 0, ask_after, now));
        self.finish(hold, step, now).await
    }

    /// Records what follows from the death of a worker that was sending. One write. False when it was not so any more.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn doubt(
        &self,
        org: &OrgId,
        stand: &Stand,
        mut step: Step,
        ask_after: Option<Duration>,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        let write = Write::when(DOUBT)
            .value("sending", text(NotificationState::Sending.as_str()))
            .value("now", number(now.as_millisecond()));
        let id = stand.notification.id;
        match ask_after {
            Some(after) => step.set.extend(asking(id, 0, after, now)),
            None => step.set.extend(waiting_again(&step, org, id, now)),
        }
        self.write(org, stand, write.remove(LEASE), step, now).await
    }

    /// Records what was learned by asking about a doubt. `ask_again` says when to ask next, and whether this time counts. One
    /// write. False when somebody was faster.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn learn(
        &self,
        org: &OrgId,
        stand: &Stand,
        mut step: Step,
        ask_again: Option<(Duration, bool)>,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        let Notification { id, asked, .. } = stand.notification;
        let mut write = Write::when(LEARN)
            .value("unknown", text(NotificationState::Unknown.as_str()))
            .value("asked", number(i64::from(asked)));
        match ask_again {
            Some((after, counts)) => {
                step.set.extend(asking(id, asked.saturating_add(u32::from(counts)), after, now));
            }
            None => {
                write = write.remove(ASK_AT);
                let again = waiting_again(&step, org, id, now);
                if again.is_empty() {
                    write = write.remove(WAITING_SHARD).remove(WAITING_SINCE);
                }
                step.set.extend(again);
            }
        }
        self.write(org, stand, write, step, now).await
    }

    async fn write(
        &self,
        org: &OrgId,
        stand: &Stand,
        write: Write,
        step: Step,
        now: Timestamp,
    ) -> Result<bool, PlatformError> {
        let Ending { set, history } = step.ending()?;
        let owner = stand.owner.clone().unwrap_or_default();
        let mut write = write.value("owner", text(owner)).set_all(set).set("updated_at", text(now.to_string()));
        if let Some(entry) = history {
            write = write.append("history", map(entry));
        }
        let key = key_of::<Notification>(org, &stand.notification.id.to_string());
        Ok(matches!(self.records.table().update(&key, write, false).await?, Written::Applied(_)))
    }

    /// A person decided about a notification in `needs_review`: it is sent again (`queued`, with all its tries before it) or was
    /// sent (`accepted`). One write. The notification as it is now; none when it was not in that state.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn decide(
        &self,
        key: &Key,
        state: NotificationState,
        detail: &str,
        now: Timestamp,
    ) -> Result<Option<Notification>, PlatformError> {
        let entry = HistoryEntry {
            at: now,
            what: state.as_str().to_owned(),
            attempt: 0,
            provider: None,
            provider_message_id: None,
            event_id: None,
            detail: Some(detail.to_owned()),
        };
        let (table, open, entry) = (self.records.table(), NotificationState::NeedsReview.as_str(), to_item(&entry)?);
        match state {
            NotificationState::Queued => crate::work::send_back(table, key, open, state.as_str(), entry, now).await,
            _ => crate::work::close(table, key, open, state.as_str(), entry, now).await,
        }
    }

    /// The notifications of an organisation that wait for a person, longest first, at most a hundred. One query, and one read
    /// for each.
    ///
    /// # Errors
    /// When the table cannot be reached or an item is not readable.
    pub async fn needing_review(&self, org: &OrgId) -> Result<Vec<Notification>, PlatformError> {
        #[derive(serde::Deserialize)]
        struct Found {
            sk: String,
        }
        let query = Query {
            index: Some("waiting"),
            partition: (WAITING_SHARD, review_shard(&key_of::<Notification>(org, "").pk)),
            up_to: None,
            ascending: true,
            limit: 100,
            after: None,
        };
        let page: Page<Found> = self.records.table().query(query).await?;
        let read = page.items.iter().map(|found| self.records.get::<Notification>(org, &found.sk));
        let found: Vec<Option<Notification>> = try_join_all(read).await?;
        // The index may lag behind a decision.
        let open = |notification: &Notification| notification.state == NotificationState::NeedsReview;
        Ok(found.into_iter().flatten().filter(open).collect())
    }

    /// Records a provider's event, once, whatever the notification's state is. An event that says that the address is not to be
    /// written to again suppresses it first: whoever dies in between does both again. One read and one write, and one more for
    /// a suppression.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn tell(&self, event: &MailEvent, provider: &str, now: Timestamp) -> Result<Told, PlatformError> {
        let MailEvent { id: event_id, reference, kind, at, provider_message_id, detail } = event;
        let key = key_of::<Notification>(&reference.org, &reference.notification.to_string());
        let mut item = self.records.table().item(&key).await?;
        for _ in 0..TELL_TRIES {
            let Some(found) = item else { return Ok(Told::Missing) };
            let known = found.get(EVENT_IDS).and_then(|ids| ids.as_ss().ok()).is_some_and(|ids| ids.contains(event_id));
            if known {
                return Ok(Told::Known);
            }
            let notification: Notification = from_item(found)?;
            let state = delivery::told(notification.state, *kind);
            if state.is_none() && notification.history.len() >= LONGEST_HISTORY {
                return Ok(Told::Known);
            }
            if delivery::suppresses(*kind) {
                suppress(&self.records, &reference.org, &notification, *kind, *at).await?;
            }
            let entry = HistoryEntry {
                at: *at,
                what: kind.as_str().to_owned(),
                attempt: notification.attempts,
                provider: Some(provider.to_owned()),
                provider_message_id: provider_message_id.clone(),
                event_id: Some(event_id.clone()),
                detail: detail.clone(),
            };
            let mut write = Write::when(TELL)
                .value("state", text(notification.state.as_str()))
                .value("event", text(event_id.clone()))
                .append("history", map(to_item(&entry)?))
                .add_text(EVENT_IDS, event_id.clone())
                .set("updated_at", text(now.to_string()));
            if let (None, Some(given)) = (&notification.provider_message_id, provider_message_id) {
                write = write.set("provider_message_id", text(given.clone()));
            }
            if let Some(state) = state {
                // Nobody works on it any more, whoever did.
                write = write
                    .set(STATE, text(state.as_str()))
                    .set("failure", failure_of(event)?)
                    .remove(LEASE)
                    .remove(ASK_AT)
                    .remove(WAITING_SHARD)
                    .remove(WAITING_SINCE);
            }
            match self.records.table().update(&key, write, false).await? {
                Written::Applied(_) => return Ok(Told::Recorded(state)),
                Written::Refused(changed) => item = changed,
            }
        }
        let detail = "the notification changes all the time".to_owned();
        Err(PlatformError::Unavailable { operation: "record an event", detail })
    }
}

async fn work_step(records: &Records, hold: &Hold, step: Ending, now: Timestamp) -> Result<bool, PlatformError> {
    crate::work::go_on(records.table(), hold, step, now).await
}

fn stand(item: Item, now: Timestamp) -> Result<Stand, PlatformError> {
    let owner = item.get(OWNER).and_then(|v| v.as_s().ok()).cloned();
    let (lease, ask_at) = (number_in(&item, LEASE), number_in(&item, ASK_AT));
    let notification: Notification = from_item(item)?;
    let standing = delivery::standing(notification.state, lease, ask_at, now.as_millisecond());
    Ok(Stand { notification, standing, owner })
}

/// A doubt waits in the index of what waits, until it is to be asked about.
fn asking(id: NotificationId, asked: u32, after: Duration, now: Timestamp) -> Item {
    let delay = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let at = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
    let mut item = waiting(&id.to_string(), now, delay);
    item.insert(ASK_AT.to_owned(), number(at.as_millisecond()));
    item.insert(ASKED.to_owned(), number(i64::from(asked)));
    item
}

/// What goes back to waiting is in the index of what waits, from now on.
fn waiting_again(step: &Step, org: &OrgId, id: NotificationId, now: Timestamp) -> Item {
    match step.state {
        NotificationState::Queued => waiting(&id.to_string(), now, SignedDuration::ZERO),
        _ => for_review(step, &key_of::<Notification>(org, "").pk, now),
    }
}

/// What waits for a person is in the index of what waits, too, in a partition of its organisation, which no worker asks for.
fn for_review(step: &Step, pk: &str, now: Timestamp) -> Item {
    match step.state {
        NotificationState::NeedsReview => Item::from([
            (WAITING_SHARD.to_owned(), text(review_shard(pk))),
            (WAITING_SINCE.to_owned(), text(outbox::waiting_since(now, SignedDuration::ZERO).to_string())),
        ]),
        _ => Item::new(),
    }
}

fn review_shard(pk: &str) -> String {
    format!("review#{pk}")
}

/// What a mail's end by an event says of it; nothing for one that arrived.
fn failure_of(event: &MailEvent) -> Result<aws_sdk_dynamodb::types::AttributeValue, PlatformError> {
    use domain::mail_event::MailEventKind;
    let code = match event.kind {
        MailEventKind::Accepted | MailEventKind::Deferred | MailEventKind::Delivered => return Ok(null()),
        MailEventKind::Refused => "refused",
        MailEventKind::Bounced => "bounced",
        MailEventKind::Complained => "complained",
    };
    let detail = event.detail.clone().unwrap_or_else(|| "the provider did not say why".to_owned());
    Ok(map(to_item(&domain::failure::Failure::new(code, detail))?))
}
