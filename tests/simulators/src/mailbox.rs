//! What the mail providers have accepted, and the control routes that show it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    clock,
    control::lock,
    mail_events::{self, Event, Outcome},
};

/// Mails kept of one provider; older ones are dropped but stay counted.
pub const KEPT: usize = 10_000;
/// Control routes of each mail provider, for the index.
pub const INDEX: [&str; 4] =
    ["GET {base}/mails?to=&correlation=", "DELETE {base}/mails", "POST {base}/lag", "POST {base}/outcomes"];

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
struct Kept {
    count: u64,
    /// How long after its acceptance a mail can be found by who asks.
    lag: SignedDuration,
    mails: VecDeque<Mail>,
}

/// The accepted mails of one provider.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Kept>);

impl Mailbox {
    /// Keeps a mail, and answers the number that it has.
    pub fn accept(&self, mail: impl FnOnce(u64) -> Mail) -> Mail {
        let mut kept = lock(&self.0);
        kept.count += 1;
        let mut mail = mail(kept.count);
        mail.happened(Outcome::Accepted, mail.at);
        if kept.mails.len() == KEPT {
            kept.mails.pop_front();
        }
        kept.mails.push_back(mail.clone());
        mail
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *lock(&self.0) = Kept::default();
    }

    /// Forgets the mails.
    fn forget(&self) {
        let mut kept = lock(&self.0);
        *kept = Kept { lag: kept.lag, ..Kept::default() };
    }

    pub(crate) fn set_lag(&self, lag: SignedDuration) {
        lock(&self.0).lag = lag;
    }

    /// The mails that who asks can find, oldest first.
    pub fn visible(&self, wanted: impl Fn(&Mail) -> bool) -> Vec<Mail> {
        let now = clock::now();
        let kept = lock(&self.0);
        let seen = |mail: &&Mail| now.duration_since(mail.at) >= kept.lag && wanted(mail);
        kept.mails.iter().filter(seen).cloned().collect()
    }

    /// The newest mail with this correlation.
    pub fn newest(&self, correlation: &str) -> Option<Mail> {
        let kept = lock(&self.0);
        kept.mails.iter().rev().find(|mail| mail.is_of(correlation)).cloned()
    }

    /// Adds an event to the newest mail with this correlation.
    pub(crate) fn happened(&self, correlation: &str, event: Outcome, at: Timestamp) -> Option<Event> {
        let mut kept = lock(&self.0);
        let mail = kept.mails.iter_mut().rev().find(|mail| mail.is_of(correlation))?;
        Some(mail.happened(event, at))
    }
}

#[derive(Deserialize)]
struct Wanted {
    to: Option<String>,
    correlation: Option<String>,
}

/// The routes below `/_control/<provider>`: `{"count", "items"}`, oldest first; `count` is of all, `items` of those wanted;
/// and those that say what becomes of the mails.
pub fn routes(mailbox: Arc<Mailbox>) -> Router {
    Router::new().route("/mails", get(list).delete(clear)).merge(mail_events::routes()).with_state(mailbox)
}

async fn list(State(mailbox): State<Arc<Mailbox>>, Query(Wanted { to, correlation }): Query<Wanted>) -> Json<Value> {
    let kept = lock(&mailbox.0);
    let items: Vec<&Mail> = kept
        .mails
        .iter()
        .filter(|mail| to.as_ref().is_none_or(|to| mail.to.iter().any(|one| one.eq_ignore_ascii_case(to))))
        .filter(|mail| correlation.as_ref().is_none_or(|wanted| mail.is_of(wanted)))
        .collect();
    Json(json!({"count": kept.count, "items": items}))
}

async fn clear(State(mailbox): State<Arc<Mailbox>>) -> StatusCode {
    mailbox.forget();
    StatusCode::NO_CONTENT
}

/// Whether a mail provider would take it for an address.
#[must_use]
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
