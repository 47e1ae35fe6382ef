//! What the mail providers have accepted, and the control routes that show it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    clock,
    control::{Controls, Refused, lock, parse},
};

/// Mails kept of one provider; older ones are dropped but stay counted.
pub const MAILS_MAX: usize = 10_000;
const LAG_MAX_MS: i64 = 3_600_000;

/// What can happen to a mail, in the same words for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    Deferred,
    Delivered,
    Bounced,
    Refused,
    Complained,
}

/// Something that happened to a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The same whoever is told, and of no other event, not even of one before a reset.
    pub id: String,
    pub event: Outcome,
    pub at: Timestamp,
}

/// A mail that was accepted, in the same words for every provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mail {
    pub at: Timestamp,
    /// What the provider calls it, as it was answered.
    pub id: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The Message-ID that the sender asked for.
    pub message_id: Option<String>,
    /// What the sender gave along to find the mail again: custom argument, variable or tag.
    pub correlation: Option<String>,
    /// The correlation is the notification's id alone, because the provider takes nothing along: a whole reference,
    /// `<organisation>_<notification>`, names the mail, too, so that all providers can be asked alike.
    #[serde(skip)]
    pub by_notification: bool,
    /// Categories or tags, by which some providers can be asked.
    pub tags: Vec<String>,
    /// What became of it, in the order in which it became known; the first is that it was accepted.
    pub events: Vec<Event>,
}

impl Mail {
    /// Whether control means this mail by a correlation.
    fn is_of(&self, wanted: &str) -> bool {
        self.correlation.as_deref().is_some_and(|own| {
            let of_reference = wanted.rsplit_once('_').map(|(_, notification)| notification);
            wanted == own || (self.by_notification && of_reference == Some(own))
        })
    }

    fn happened(&mut self, event: Outcome, at: Timestamp) -> Event {
        let unique = format!("{} {} {:?} {}", self.id, self.at, self.correlation, self.events.len());
        let mut id = hex::encode(Sha256::digest(unique.as_bytes()));
        id.truncate(22);
        let event = Event { id, event, at };
        self.events.push(event.clone());
        event
    }
}

#[derive(Debug, Default)]
struct Stored {
    count: u64,
    /// How long after its acceptance a mail can be found by who asks.
    lag: SignedDuration,
    mails: VecDeque<Mail>,
    /// When the idempotency keys of requests came.
    keys: BTreeMap<String, Timestamp>,
    /// Whether who may send may not look for mails.
    write_only: bool,
}

impl Stored {
    fn accept(&mut self, mail: impl FnOnce(u64) -> Mail) -> Mail {
        self.count += 1;
        let mut mail = mail(self.count);
        mail.happened(Outcome::Accepted, mail.at);
        if self.mails.len() == MAILS_MAX {
            self.mails.pop_front();
        }
        self.mails.push_back(mail.clone());
        mail
    }
}

/// The accepted mails of one provider.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Stored>);

impl Mailbox {
    /// Keeps a mail, and answers the number that it has.
    pub fn accept(&self, mail: impl FnOnce(u64) -> Mail) -> Mail {
        lock(&self.0).accept(mail)
    }

    /// Keeps a mail whose key did not come within this time; of two requests at once one is the first.
    pub fn accept_once(
        &self,
        key: Option<&str>,
        within: SignedDuration,
        mail: impl FnOnce(u64) -> Mail,
    ) -> Option<Mail> {
        let (now, mut stored) = (clock::now(), lock(&self.0));
        stored.keys.retain(|_, at| now.duration_since(*at) < within);
        let new = key.is_none_or(|key| stored.keys.insert(key.to_owned(), now).is_none());
        new.then(|| stored.accept(mail))
    }

    pub fn write_only(&self) -> bool {
        lock(&self.0).write_only
    }

    pub fn set_write_only(&self, write_only: bool) {
        lock(&self.0).write_only = write_only;
    }

    pub fn clear(&self) {
        *lock(&self.0) = Stored::default();
    }

    fn forget(&self) {
        let mut stored = lock(&self.0);
        (stored.count, stored.mails) = (0, VecDeque::new());
    }

    /// The mails that who asks can find, oldest first.
    pub fn visible(&self, wanted: impl Fn(&Mail) -> bool) -> Vec<Mail> {
        let now = clock::now();
        let stored = lock(&self.0);
        let seen = |mail: &&Mail| now.duration_since(mail.at) >= stored.lag && wanted(mail);
        stored.mails.iter().filter(seen).cloned().collect()
    }

    /// The newest mail with this correlation.
    pub fn newest(&self, correlation: &str) -> Option<Mail> {
        let stored = lock(&self.0);
        stored.mails.iter().rev().find(|mail| mail.is_of(correlation)).cloned()
    }

    /// Adds an event to the newest mail with this correlation.
    fn happened(&self, correlation: &str, event: Outcome, at: Timestamp) -> Option<Event> {
        let mut stored = lock(&self.0);
        let mail = stored.mails.iter_mut().rev().find(|mail| mail.is_of(correlation))?;
        Some(mail.happened(event, at))
    }
}

#[derive(Deserialize)]
struct Wanted {
    to: Option<String>,
    correlation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happened {
    correlation: String,
    event: Outcome,
    #[serde(default)]
    at: Option<Timestamp>,
}

/// The control routes of every mail provider: its mails as `{"count", "items"}`, oldest first, where `count` is of all and
/// `items` are those wanted; and what becomes of them.
pub fn controls(mailbox: Arc<Mailbox>) -> Controls {
    Controls::default()
        .route("GET /mails?to=&correlation=", list)
        .done("DELETE /mails", |mailbox: &Arc<Mailbox>| mailbox.forget())
        .route("POST /lag", set_lag)
        .route("POST /outcomes", happen)
        .with(mailbox)
}

async fn set_lag(State(mailbox): State<Arc<Mailbox>>, body: Bytes) -> Result<StatusCode, Refused> {
    let Lag { ms } = parse(&body)?;
    if !(0..=LAG_MAX_MS).contains(&ms) {
        return Err(Refused(format!("ms: must be 0 to {LAG_MAX_MS}")));
    }
    lock(&mailbox.0).lag = SignedDuration::from_millis(ms);
    Ok(StatusCode::NO_CONTENT)
}

async fn happen(State(mailbox): State<Arc<Mailbox>>, body: Bytes) -> Result<(StatusCode, Json<Event>), Refused> {
    let Happened { correlation, event, at } = parse(&body)?;
    if event == Outcome::Accepted {
        return Err(Refused("event: that a mail was accepted is among its events from the start".to_owned()));
    }
    let event = mailbox.happened(&correlation, event, at.unwrap_or_else(clock::now));
    event.map(|event| (StatusCode::CREATED, Json(event))).ok_or_else(|| unknown(&correlation))
}

/// The refusal of a control request that names a mail that was not accepted.
pub fn unknown(correlation: &str) -> Refused {
    Refused(format!("correlation: no mail was accepted with `{correlation}`"))
}

async fn list(State(mailbox): State<Arc<Mailbox>>, Query(Wanted { to, correlation }): Query<Wanted>) -> Json<Value> {
    let stored = lock(&mailbox.0);
    let items: Vec<&Mail> = stored
        .mails
        .iter()
        .filter(|mail| to.as_ref().is_none_or(|to| mail.to.iter().any(|one| one.eq_ignore_ascii_case(to))))
        .filter(|mail| correlation.as_ref().is_none_or(|wanted| mail.is_of(wanted)))
        .collect();
    Json(json!({"count": stored.count, "items": items}))
}

/// Whether a mail provider would take it for an address.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || ",<>".contains(c));
        clean && !local.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
    })
}

/// Recipients at this domain are refused as invalid: an address that clients take for a good one.
pub const REFUSED_DOMAIN: &str = "@refused.example";
/// Senders at this domain are not verified with the provider.
pub const UNVERIFIED_DOMAIN: &str = "@unverified.example";
