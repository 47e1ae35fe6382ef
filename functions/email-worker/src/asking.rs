//! What became of a mail that may have been sent: the provider is asked, and what it says is recorded.

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use aws::error::AwsError;
use domain::failure::Failure;
use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use domain::notification::{Notification, NotificationState};
use providers::mail::port::{AskError, Asking, Sent};
use resilience::batch::Outcome;
use resilience::delivery::{self, AfterAnswer, AfterDoubt, Answer};
use store::delivery::{Stand, Told};

use resilience::retry::MAIL;

use crate::record::{count, entry, needs_review, since, step};
use crate::{TO_RECORD, Worker};

/// Longest wait for an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(15);
/// How often a provider is asked to confirm what its webhook said.
const MOST_CONFIRMATIONS: u32 = 8;

/// What a provider said, or why it said nothing.
enum Asked {
    Events(Vec<MailEvent>),
    /// It cannot be asked.
    Silence,
    /// It did not answer; it wants to be asked again after this time at least.
    Nothing(Duration),
}

/// Whether its tries are not used up: a mail that ends its worker each time has to be looked at.
fn may_be_sent_again(notification: &Notification) -> bool {
    notification.attempts < MAIL.tries
}

/// Whether these events say as much as the hint does: a provider's list may follow its webhooks late.
fn confirms(state: NotificationState, hint: MailEventKind, events: &[MailEvent]) -> bool {
    let after = events.iter().fold(state, |state, event| delivery::told(state, event.kind).unwrap_or(state));
    !events.is_empty() && delivery::told(after, hint).is_none()
}

impl Worker {
    /// A worker died while it was sending.
    pub(crate) async fn doubt(&self, reference: &MailReference, stand: &Stand) -> Result<Outcome, AwsError> {
        let notification = &stand.notification;
        let provider = notification.provider.as_deref();
        let detail = "the worker ended while it was sending";
        let failure = Failure::new("outcome-unknown", detail);
        let after = delivery::doubt(self.mailers.asking(provider), notification.kind.guarantee());
        let (state, ask_after) = match after {
            AfterDoubt::Ask => (NotificationState::Unknown, Some(delivery::ask_after(self.settling, 0))),
            AfterDoubt::SendAgain if may_be_sent_again(notification) => (NotificationState::Queued, None),
            AfterDoubt::SendAgain | AfterDoubt::Review => (NotificationState::NeedsReview, None),
        };
        let entry = entry(notification, state.as_str(), provider, Some(detail));
        let step = step(state, Some(failure), entry);
        if !self.deliveries.doubt(&reference.org, stand, step, ask_after, clock::now()).await? {
            return Ok(Outcome::retry(Duration::ZERO, "somebody else looked into it"));
        }
        count("MailInDoubt", provider.unwrap_or("none"));
        Ok(match ask_after {
            Some(after) => {
                Outcome::postpone(after, "its worker ended while it was sending; the provider is asked later")
            }
            None if state == NotificationState::NeedsReview => {
                needs_review(reference);
                Outcome::Done
            }
            None => Outcome::retry(Duration::ZERO, "its worker ended while it was sending; it is sent again"),
        })
    }

    /// Asks about a doubt.
    pub(crate) async fn ask(
        &self,
        reference: &MailReference,
        stand: &Stand,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        let notification = &stand.notification;
        let (answer, wait) = match self.inquire(reference, notification, invocation).await {
            Asked::Events(events) if !events.is_empty() => {
                count("MailReconciled", notification.provider.as_deref().unwrap_or("none"));
                // An event settles the doubt whatever it says; all are recorded, the strongest wins.
                if self.record(notification, &events).await? {
                    return Ok(Outcome::Done);
                }
                // It was known from an earlier attempt, which a person ordered to be repeated.
                (Answer::Found, Duration::ZERO)
            }
            Asked::Events(_) => (Answer::NotFound, Duration::ZERO),
            Asked::Silence => (Answer::Silence, Duration::ZERO),
            Asked::Nothing(wait) => (Answer::NoAnswer, wait),
        };
        let (asked, provider) = (notification.asked, notification.provider.as_deref());
        let after = delivery::learn(answer, asked, since(notification.tried_at), notification.kind.guarantee());
        let said = match answer {
            Answer::Found => "the provider knows it",
            Answer::NotFound => "the provider knows no such mail",
            Answer::Silence => "the provider cannot be asked and has not told of it",
            Answer::NoAnswer => "the provider did not answer",
        };
        let (state, again) = match after {
            AfterAnswer::Settle => (NotificationState::Accepted, None),
            AfterAnswer::AskAgain { counts } => {
                let next = delivery::ask_after(self.settling, asked.saturating_add(u32::from(counts))).max(wait);
                (NotificationState::Unknown, Some((next, counts)))
            }
            AfterAnswer::SendAgain if may_be_sent_again(notification) => (NotificationState::Queued, None),
            AfterAnswer::SendAgain | AfterAnswer::Review => (NotificationState::NeedsReview, None),
        };
        let what = if again.is_some() { "asked" } else { state.as_str() };
        let failure = (state != NotificationState::Accepted).then(|| Failure::new("outcome-unknown", said));
        let step = step(state, failure, entry(notification, what, provider, Some(said)));
        if !self.deliveries.learn(&reference.org, stand, step, again, clock::now()).await? {
            return Ok(Outcome::retry(Duration::ZERO, "somebody else looked into it"));
        }
        tracing::info!(notification.id = %notification.id, notification.state = state.as_str(), said, "a doubt was asked about");
        Ok(match (state, again) {
            (_, Some((after, _))) => Outcome::postpone(after, said),
            (NotificationState::Accepted, None) => Outcome::Done,
            (NotificationState::NeedsReview, None) => {
                needs_review(reference);
                Outcome::Done
            }
            (_, None) => {
                count("MailSentAgain", provider.unwrap_or("none"));
                Outcome::retry(Duration::ZERO, "the provider knows no such mail; it is sent again")
            }
        })
    }

    /// A provider told something by a webhook that does not prove what it says: it is asked, and its answer is recorded.
    pub(crate) async fn confirm(
        &self,
        reference: &MailReference,
        hint: MailEventKind,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        let _slot = self.calls.enter().await?;
        let id = reference.notification.to_string();
        let found = self.deliveries.records().get::<Notification>(&reference.org, &id).await?;
        let Some(notification) = found else { return Ok(Outcome::dead("there is no such notification")) };
        if notification.provider.is_none() {
            return Ok(Outcome::Done);
        }
        match self.inquire(reference, &notification, invocation).await {
            Asked::Events(events) if confirms(notification.state, hint, &events) => {
                self.record(&notification, &events).await?;
                Ok(Outcome::Done)
            }
            Asked::Nothing(_) | Asked::Events(_) if invocation.receive_count < MOST_CONFIRMATIONS => {
                let after = delivery::ask_after(self.settling, invocation.receive_count.saturating_sub(1));
                Ok(Outcome::retry(after, "the provider does not confirm yet what its webhook said"))
            }
            Asked::Nothing(_) | Asked::Events(_) | Asked::Silence => {
                tracing::warn!(notification.id = %notification.id, "what a webhook said was never confirmed; nothing recorded");
                count("MailEventUnconfirmed", notification.provider.as_deref().unwrap_or("none"));
                Ok(Outcome::Done)
            }
        }
    }

    /// Records what a provider said. Whether that changed where the notification stands.
    async fn record(&self, notification: &Notification, events: &[MailEvent]) -> Result<bool, AwsError> {
        let provider = notification.provider.as_deref().unwrap_or_default();
        let mut changed = false;
        for event in events {
            let told = self.deliveries.tell(event, provider, clock::now()).await?;
            changed |= matches!(told, Told::Recorded(Some(_)));
        }
        tracing::info!(notification.id = %notification.id, mail.provider = provider, changed, "a provider knows the mail");
        Ok(changed)
    }

    async fn inquire(&self, reference: &MailReference, notification: &Notification, invocation: Invocation) -> Asked {
        let provider = notification.provider.as_deref().and_then(|name| self.mailers.named(name));
        let Some(provider) = provider.filter(|provider| provider.mailer.asking() == Asking::Answers) else {
            return Asked::Silence;
        };
        let now = clock::now();
        let permit = match provider.breaker.permit(invocation.deadline, now).await {
            Ok(permit) => permit,
            Err(until) => {
                return Asked::Nothing(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO));
            }
        };
        let sent = Sent {
            reference: reference.clone(),
            message_id: self.mailers.message_id_of(notification, reference),
            to: notification.to.clone(),
            since: notification.created_at,
            provider_message_id: notification.provider_message_id.clone(),
        };
        let mut verdict = Verdict::NotTried;
        let asked = match (self.mailers.credentials(provider.spec).await, invocation.allows(TO_RECORD, LONGEST_ANSWER))
        {
            (Ok(credentials), Some(timeout)) => {
                let answer = provider.mailer.ask(&sent, &credentials, timeout, clock::now()).await;
                verdict = match &answer {
                    Ok(_) | Err(AskError::Later { .. } | AskError::NotAllowed(_)) => Verdict::Works,
                    Err(AskError::Unreachable(_)) => Verdict::Failed,
                };
                answer
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(AskError::Unreachable("there was no time left".to_owned())),
        };
        provider.breaker.settle(&permit, verdict, clock::now()).await;
        match asked {
            // What it says of other mails is none of this one.
            Ok(events) => Asked::Events(events.into_iter().filter(|event| event.reference == *reference).collect()),
            Err(error) => {
                tracing::warn!(notification.id = %notification.id, mail.provider = provider.spec.id, "a provider could not be asked");
                match error {
                    AskError::NotAllowed(_) => Asked::Silence,
                    AskError::Later { wait, .. } => Asked::Nothing(wait),
                    AskError::Unreachable(_) => Asked::Nothing(Duration::ZERO),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_confirmed_by_what_says_as_much_and_by_nothing_less() {
        let event = |kind| MailEvent {
            id: "e-1".to_owned(),
            reference: "acme_0190f5fe-7c00-7a00-8000-000000000001".parse().expect("a reference"),
            kind,
            at: jiff::Timestamp::UNIX_EPOCH,
            provider_message_id: None,
            detail: None,
        };
        let confirmed = |hint, events: &[MailEventKind]| {
            let events: Vec<MailEvent> = events.iter().map(|kind| event(*kind)).collect();
            confirms(NotificationState::Accepted, hint, &events)
        };
        let (taken, arrived, bounced) = (MailEventKind::Accepted, MailEventKind::Delivered, MailEventKind::Bounced);
        assert!(confirmed(arrived, &[taken, arrived]) && confirmed(arrived, &[bounced]));
        assert!(!confirmed(bounced, &[taken, arrived]), "its list does not know of the bounce yet");
        assert!(!confirmed(arrived, &[]) && confirmed(taken, &[taken]));
    }
}
