//! The lookup of a mail of which it is unknown whether it was sent: its provider is queried, and the result is recorded.
//! What must never be here: a decision about what follows; `resilience::delivery` takes it.

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use aws::error::AwsError;
use domain::failure::Failure;
use domain::mail_event::{MailEvent, MailEventKind, MailReference};
use domain::notification::{Notification, NotificationState};
use providers::mail::port::{LookupError, Sent};
use resilience::batch::Outcome;
use resilience::delivery::{self, AfterLookup, AfterUnknown, LookupResult};
use store::delivery::{AppliedEvent, DeliverySnapshot};

use resilience::retry::MAIL;

use crate::record::{count, entry, needs_review, since, transition};
use crate::{EmailWorker, TO_RECORD};

/// The longest time that one lookup may take.
const LONGEST_LOOKUP: Duration = Duration::from_secs(15);
/// The number of lookups by which a provider may confirm an unproven webhook.
const MAX_CONFIRMATIONS: u32 = 8;

/// The result of one lookup at a provider.
enum Lookup {
    /// The provider's events of this mail; none when it knows no such mail.
    Events(Vec<MailEvent>),
    /// The provider has no lookup, or none with these credentials.
    Unavailable,
    /// The lookup failed, and may be repeated after this time at the earliest.
    Failed(Duration),
}

/// Whether attempts are left: a mail that ends its worker each time goes to a person's review.
fn may_be_resent(notification: &Notification) -> bool {
    notification.attempts < MAIL.tries
}

/// Whether these events have at least the rank of the hint: a provider's list may lag behind its webhooks.
fn confirms(state: NotificationState, hint: MailEventKind, events: &[MailEvent]) -> bool {
    let after = events.iter().fold(state, |state, event| delivery::after_event(state, event.kind).unwrap_or(state));
    !events.is_empty() && delivery::after_event(after, hint).is_none()
}

impl EmailWorker {
    /// Records what follows from the death of a worker that was sending.
    pub(crate) async fn mark_unknown(
        &self,
        reference: &MailReference,
        snapshot: &DeliverySnapshot,
    ) -> Result<Outcome, AwsError> {
        let notification = &snapshot.notification;
        let provider = notification.provider.as_deref();
        let detail = "the worker ended while it was sending";
        let failure = Failure::new("outcome-unknown", detail);
        let after = delivery::after_unknown(self.mailers.delivery_lookup(provider), notification.kind.guarantee());
        let (state, delay) = match after {
            AfterUnknown::LookUp => (NotificationState::Unknown, Some(delivery::lookup_delay(self.settling, 0))),
            AfterUnknown::Resend if may_be_resent(notification) => (NotificationState::Queued, None),
            AfterUnknown::Resend | AfterUnknown::Review => (NotificationState::NeedsReview, None),
        };
        let entry = entry(notification, state.as_str(), provider, Some(detail));
        let transition = transition(state, Some(failure), entry);
        if !self.deliveries.mark_unknown(&reference.org, snapshot, transition, delay, clock::now()).await? {
            return Ok(Outcome::retry(Duration::ZERO, "another worker recorded the outcome"));
        }
        count("MailInDoubt", provider.unwrap_or("none"));
        Ok(match delay {
            Some(after) => {
                Outcome::postpone(after, "its worker ended while it was sending; the mail is looked up later")
            }
            None if state == NotificationState::NeedsReview => {
                needs_review(reference);
                Outcome::Done
            }
            None => Outcome::retry(Duration::ZERO, "its worker ended while it was sending; it is sent again"),
        })
    }

    /// Looks an unknown mail up at its provider, and records the result.
    pub(crate) async fn look_up(
        &self,
        reference: &MailReference,
        snapshot: &DeliverySnapshot,
        invocation: Invocation,
    ) -> Result<Outcome, AwsError> {
        let notification = &snapshot.notification;
        let (result, wait) = match self.query_provider(reference, notification, invocation).await {
            Lookup::Events(events) if !events.is_empty() => {
                count("MailReconciled", notification.provider.as_deref().unwrap_or("none"));
                // Any event settles the outcome; all are recorded, and the one with the highest rank wins.
                if self.record(notification, &events).await? {
                    return Ok(Outcome::Done);
                }
                // The events are those of an earlier attempt, which a person decided to repeat.
                (LookupResult::Found, Duration::ZERO)
            }
            Lookup::Events(_) => (LookupResult::NotFound, Duration::ZERO),
            Lookup::Unavailable => (LookupResult::Unavailable, Duration::ZERO),
            Lookup::Failed(wait) => (LookupResult::Failed, wait),
        };
        let (number, provider) = (notification.lookups, notification.provider.as_deref());
        let after = delivery::after_lookup(result, number, since(notification.tried_at), notification.kind.guarantee());
        let detail = match result {
            LookupResult::Found => "the provider knows it",
            LookupResult::NotFound => "the provider knows no such mail",
            LookupResult::Unavailable => "the provider cannot be asked and has not told of it",
            LookupResult::Failed => "the provider did not answer",
        };
        let (state, next_lookup) = match after {
            AfterLookup::Resolve => (NotificationState::Accepted, None),
            AfterLookup::LookUpAgain { counts } => {
                let delay = delivery::lookup_delay(self.settling, number.saturating_add(u32::from(counts))).max(wait);
                (NotificationState::Unknown, Some((delay, counts)))
            }
            AfterLookup::Resend if may_be_resent(notification) => (NotificationState::Queued, None),
            AfterLookup::Resend | AfterLookup::Review => (NotificationState::NeedsReview, None),
        };
        let what = if next_lookup.is_some() { "asked" } else { state.as_str() };
        let failure = (state != NotificationState::Accepted).then(|| Failure::new("outcome-unknown", detail));
        let transition = transition(state, failure, entry(notification, what, provider, Some(detail)));
        if !self.deliveries.record_lookup(&reference.org, snapshot, transition, next_lookup, clock::now()).await? {
            return Ok(Outcome::retry(Duration::ZERO, "another worker recorded a lookup"));
        }
        tracing::info!(notification.id = %notification.id, notification.state = state.as_str(), lookup.result = detail, "an unknown mail was looked up");
        Ok(match (state, next_lookup) {
            (_, Some((after, _))) => Outcome::postpone(after, detail),
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

    /// Confirms a provider's webhook that does not prove its origin: the mail is looked up, and the result is recorded.
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
        match self.query_provider(reference, &notification, invocation).await {
            Lookup::Events(events) if confirms(notification.state, hint, &events) => {
                self.record(&notification, &events).await?;
                Ok(Outcome::Done)
            }
            Lookup::Failed(_) | Lookup::Events(_) if invocation.receive_count < MAX_CONFIRMATIONS => {
                let after = delivery::lookup_delay(self.settling, invocation.receive_count.saturating_sub(1));
                Ok(Outcome::retry(after, "the provider does not confirm its webhook yet"))
            }
            Lookup::Failed(_) | Lookup::Events(_) | Lookup::Unavailable => {
                tracing::warn!(notification.id = %notification.id, "an unproven webhook was never confirmed; nothing is recorded");
                count("MailEventUnconfirmed", notification.provider.as_deref().unwrap_or("none"));
                Ok(Outcome::Done)
            }
        }
    }

    /// Records a provider's events. True when they changed the notification's state.
    async fn record(&self, notification: &Notification, events: &[MailEvent]) -> Result<bool, AwsError> {
        let provider = notification.provider.as_deref().unwrap_or_default();
        let mut changed = false;
        for event in events {
            let applied = self.deliveries.record_event(event, provider, clock::now()).await?;
            changed |= matches!(applied, AppliedEvent::Recorded(Some(_)));
        }
        tracing::info!(notification.id = %notification.id, mail.provider = provider, changed, "a provider knows the mail");
        Ok(changed)
    }

    async fn query_provider(
        &self,
        reference: &MailReference,
        notification: &Notification,
        invocation: Invocation,
    ) -> Lookup {
        let provider = notification.provider.as_deref().and_then(|name| self.mailers.named(name));
        let Some(provider) = provider else { return Lookup::Unavailable };
        let Some(lookup) = provider.mailer.lookup() else { return Lookup::Unavailable };
        let now = clock::now();
        let permit = match provider.breaker.permit(invocation.deadline, now).await {
            Ok(permit) => permit,
            Err(until) => {
                return Lookup::Failed(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO));
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
        let found = match (self.mailers.credentials(provider.info).await, invocation.allows(TO_RECORD, LONGEST_LOOKUP))
        {
            (Ok(credentials), Some(timeout)) => {
                let found = lookup.look_up(&sent, &credentials, timeout, clock::now()).await;
                verdict = match &found {
                    Ok(_) | Err(LookupError::Later { .. } | LookupError::NotAllowed(_)) => Verdict::Works,
                    Err(LookupError::Unreachable(_)) => Verdict::Failed,
                };
                found
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(LookupError::Unreachable("there was no time left".into())),
        };
        provider.breaker.settle(&permit, verdict, clock::now()).await;
        match found {
            // Events of other mails are left out.
            Ok(events) => Lookup::Events(events.into_iter().filter(|event| event.reference == *reference).collect()),
            Err(error) => {
                // Its causes may be the words of the provider, which may name the recipient.
                tracing::warn!(notification.id = %notification.id, mail.provider = provider.info.id, %error, "a mail could not be looked up at its provider");
                match error {
                    LookupError::NotAllowed(_) => Lookup::Unavailable,
                    LookupError::Later { wait, .. } => Lookup::Failed(wait),
                    LookupError::Unreachable(_) => Lookup::Failed(Duration::ZERO),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_confirmed_by_an_event_of_at_least_its_rank() {
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
