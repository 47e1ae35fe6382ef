//! Sends mails: one notification, one e-mail.
//!
//! `queued -> sending -> accepted | rejected | needs_review`, and back to `queued` when certainly nothing was sent. A worker
//! that died while it was sending leaves `sending` behind, and nobody knows whether the mail went out: then the kind of the
//! notification decides (`domain::notification::Guarantee`).

pub mod mailer;

use std::time::Duration;

use domain::failure::Failure;
use domain::id::OrgId;
use domain::mail_event::MailReference;
use domain::message::EmailJob;
use domain::notification::{Guarantee, Notification, NotificationState};
use mail_templates::{Rendered, Templates};
use platform::batch::Turn;
use platform::breaker::Verdict;
use platform::clock;
use platform::dependency::Dependency;
use platform::error::PlatformError;
use platform::records::{Records, key_of};
use platform::table::{self, Item, Key};
use platform::work::{Claim, Hold, Terms, claim, ending, finish, give_back, settle_abandoned};
use providers::mail::{Accepted, Mail, MailError};
use resilience::batch::Outcome;
use resilience::retry::{MAIL, Next};
use resilience::work::{self, Refusal};

use crate::mailer::Mailers;

const READY: &str = "queued";
const HELD: &str = "sending";
/// Longest dialogue with a mail provider.
const LONGEST_DIALOGUE: Duration = Duration::from_secs(20);
/// What is kept of the invocation's time to record the outcome.
const TO_RECORD: Duration = Duration::from_secs(4);

/// The worker and what it needs.
pub struct Worker {
    records: Records,
    mailers: Mailers,
    templates: Templates,
    guard: Dependency,
}

impl Worker {
    /// A worker on these records.
    #[must_use]
    pub fn new(records: Records, mailers: Mailers, templates: Templates, guard: Dependency) -> Self {
        Self { records, mailers, templates, guard }
    }

    /// Opens the connections and reads the credentials.
    pub async fn preconnect(&self) {
        let credentials = async {
            let _read_again_when_needed = self.mailers.credentials().await;
        };
        tokio::join!(self.records.table().preconnect(), self.mailers.mailer().preconnect(), credentials);
    }

    /// Works on one notification.
    pub async fn handle(&self, job: EmailJob, turn: Turn) -> Outcome {
        match self.work(&job, turn).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }

    async fn work(&self, job: &EmailJob, turn: Turn) -> Result<Outcome, PlatformError> {
        self.guard.guard(turn, async |verdict| self.claim_and_send(job, turn, verdict).await).await
    }

    async fn claim_and_send(
        &self,
        job: &EmailJob,
        turn: Turn,
        verdict: &mut Verdict,
    ) -> Result<Outcome, PlatformError> {
        let key = key_of::<Notification>(&job.org, &job.notification.to_string());
        let (hold, notification) = match self.claim(&key, work::CLAIM_WAITING, turn).await? {
            Claim::Held(hold, notification) => (hold, notification),
            Claim::Refused(Refusal::Finished) => return Ok(Outcome::Done),
            Claim::Refused(Refusal::Missing) => return Ok(Outcome::dead("there is no such notification")),
            Claim::Refused(Refusal::Busy(after)) => return Ok(Outcome::retry(after, "another worker has it")),
            Claim::Refused(Refusal::Abandoned) => match self.take_over(&job.org, &key, turn).await? {
                Some(taken) => taken,
                None => return Ok(Outcome::Done),
            },
        };
        let outcome = self.send(&job.org, &notification, turn, verdict).await;
        self.settle(&hold, &notification, outcome).await
    }

    async fn claim(
        &self,
        key: &Key,
        condition: &'static str,
        turn: Turn,
    ) -> Result<Claim<Notification>, PlatformError> {
        let terms = Terms { condition, ready: Some(READY), held: HELD, lease_until: turn.deadline, set: Item::new() };
        claim(self.records.table(), key.clone(), terms, clock::now()).await
    }

    /// A worker died while it was sending: the kind decides between sending again and a person's look.
    async fn take_over(
        &self,
        org: &OrgId,
        key: &Key,
        turn: Turn,
    ) -> Result<Option<(Hold, Notification)>, PlatformError> {
        let Some(notification) = self.records.get::<Notification>(org, &key.sk).await? else { return Ok(None) };
        match notification.kind.guarantee() {
            Guarantee::AtLeastOnce => match self.claim(key, work::CLAIM_RECORDED, turn).await? {
                Claim::Held(hold, notification) => Ok(Some((hold, notification))),
                Claim::Refused(_) => Ok(None),
            },
            Guarantee::AtMostOnce => {
                let failure =
                    Failure::new("outcome-unknown", "the worker ended while it was sending; see the provider's log");
                let set = ended(NotificationState::NeedsReview, Some(failure))?;
                if settle_abandoned(self.records.table(), key, HELD, set, clock::now()).await? {
                    tracing::error!(%org, notification.id = key.sk, "it is not known whether a mail was sent");
                }
                Ok(None)
            }
        }
    }

    async fn send(
        &self,
        org: &OrgId,
        notification: &Notification,
        turn: Turn,
        verdict: &mut Verdict,
    ) -> Result<(&'static str, Accepted), MailError> {
        let Rendered { subject, text, html, language: _, version: _ } = self
            .templates
            .render(notification.kind, notification.language.as_ref(), &notification.data)
            .map_err(|error| MailError::Rejected(format!("failed to {error}")))?;
        let credentials = self.mailers.credentials().await?;
        let mail = Mail {
            from: self.mailers.from().to_owned(),
            to: notification.to.clone(),
            subject,
            text,
            html,
            message_id: format!("<{}@{}>", notification.id, self.mailers.domain()),
            reference: MailReference { org: org.clone(), notification: notification.id },
            unsubscribe: None,
        };
        let Some(timeout) = turn.allows(TO_RECORD, LONGEST_DIALOGUE) else {
            return Err(MailError::NotSent("there was no time left for the dialogue".to_owned()));
        };
        let sent = self.mailers.mailer().send(&mail, &credentials, timeout, clock::now()).await;
        *verdict = match &sent {
            Err(MailError::Unreachable(_) | MailError::Stopped(_) | MailError::Unknown(_)) => Verdict::Failed,
            // Whatever it says of this message, the provider answered.
            Ok(_) | Err(MailError::NotSent(_) | MailError::Later { .. } | MailError::Rejected(_)) => Verdict::Works,
        };
        Ok((self.mailers.provider(), sent?))
    }

    async fn settle(
        &self,
        hold: &Hold,
        notification: &Notification,
        outcome: Result<(&'static str, Accepted), MailError>,
    ) -> Result<Outcome, PlatformError> {
        // The relay's words may name a recipient: they belong into the record and not into the log.
        let again = |asked| match MAIL.next(notification.attempts, clock::chance(), asked) {
            Next::After(after) => Some(Outcome::retry(after, "not sent yet; the notification says why")),
            Next::GiveUp => None,
        };
        let (set, outcome) = match outcome {
            Ok((provider, Accepted { provider_message_id })) => {
                let mut set = ended(NotificationState::Accepted, None)?;
                set.insert("provider".to_owned(), table::text(provider));
                set.insert("provider_message_id".to_owned(), table::text(provider_message_id));
                (set, Outcome::Done)
            }
            Err(MailError::Rejected(detail)) => {
                (ended(NotificationState::Rejected, Some(Failure::new("rejected", detail)))?, Outcome::Done)
            }
            Err(MailError::NotSent(detail) | MailError::Unreachable(detail) | MailError::Stopped(detail)) => {
                not_sent(again(None), detail)?
            }
            Err(MailError::Later { wait, detail }) => not_sent(again(Some(wait)), detail)?,
            Err(MailError::Unknown(detail)) => {
                let retry = match notification.kind.guarantee() {
                    Guarantee::AtLeastOnce => again(None),
                    Guarantee::AtMostOnce => None,
                };
                let failure = Failure::new("outcome-unknown", detail);
                match retry {
                    Some(retry) => (ended(NotificationState::Queued, Some(failure))?, retry),
                    None => (ended(NotificationState::NeedsReview, Some(failure))?, Outcome::Done),
                }
            }
        };
        let (table, now) = (self.records.table(), clock::now());
        let recorded = match &outcome {
            Outcome::Retry { after, .. } => give_back(table, hold, set, *after, now).await?,
            Outcome::Done | Outcome::Postpone { .. } | Outcome::Dead { .. } => finish(table, hold, set, now).await?,
        };
        tracing::info!(
            notification.id = %notification.id, notification.kind = notification.kind.as_str(),
            notification.attempts = notification.attempts, recorded, done = (outcome == Outcome::Done), "mail settled"
        );
        if !recorded {
            // Only a message that comes again can settle what this lease did not: it may be the last one.
            return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the outcome could be recorded"));
        }
        Ok(outcome)
    }
}

/// Certainly nothing was sent: it waits for the next try, or the tries are used up.
fn not_sent(retry: Option<Outcome>, detail: String) -> Result<(Item, Outcome), PlatformError> {
    Ok(match retry {
        Some(retry) => (ended(NotificationState::Queued, Some(Failure::new("not-sent", detail)))?, retry),
        None => (ended(NotificationState::Rejected, Some(Failure::new("undeliverable", detail)))?, Outcome::Done),
    })
}

fn ended(state: NotificationState, failure: Option<Failure>) -> Result<Item, PlatformError> {
    ending(state.as_str(), failure.as_ref())
}
