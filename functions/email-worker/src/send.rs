//! One attempt to send a mail: through one provider after the other, as long as each certainly sent nothing.

use std::sync::Arc;
use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::{Permit, Verdict};
use aws::clock;
use aws::error::AwsError;
use aws::fault;
use aws::metrics::{self, Unit};
use aws::random;
use aws::table::{Item, text};
use aws::telemetry::chain;
use aws::work::HeldLease;
use domain::failure::Failure;
use domain::mail_event::MailReference;
use domain::notification::{HistoryEntry, Notification, NotificationState};
use jiff::Timestamp;
use mail_templates::{Rendered, TemplateError};
use providers::mail::port::{Accepted, Mail, MailError};
use resilience::batch::Outcome;
use resilience::delivery::{self, AfterUnknown};
use resilience::retry::{MAIL, Next};
use resilience::work::Fenced;
use store::delivery::Transition;
use store::suppression::MailSender;

use crate::mailer::Ready;
use crate::record::{count, entry, needs_review, transition};
use crate::{EmailWorker, TO_RECORD};

/// The longest time that a provider may take to accept a mail.
const LONGEST_DIALOGUE: Duration = Duration::from_secs(20);
/// The shortest delay of a message that waits for a breaker.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A provider that may be called now.
pub(crate) struct Chosen {
    /// Its index in the order of providers.
    pub(crate) at: usize,
    pub(crate) provider: Arc<Ready>,
    pub(crate) permit: Permit,
}

/// A notification that is being sent.
pub(crate) struct Attempt<'a> {
    pub(crate) reference: &'a MailReference,
    pub(crate) hold: HeldLease,
    pub(crate) notification: Notification,
    /// The providers for this mail, in this order.
    pub(crate) order: Vec<Arc<Ready>>,
    pub(crate) invocation: Invocation,
}

/// Chooses the first provider from an index on whose breaker allows a call.
///
/// # Errors
/// The time until the next permit when none of them does.
pub(crate) async fn choose(order: &[Arc<Ready>], from: usize, lease_until: Timestamp) -> Result<Chosen, Duration> {
    let now = clock::now();
    let mut soonest = Duration::MAX;
    for (at, provider) in order.iter().enumerate().skip(from) {
        match provider.breaker.permit(lease_until, now).await {
            Ok(permit) => return Ok(Chosen { at, provider: Arc::clone(provider), permit }),
            Err(until) => {
                soonest = soonest.min(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO));
            }
        }
    }
    Err(soonest.max(SHORTEST_WAIT))
}

/// The reason why no mail was composed.
enum NotComposed {
    /// The mail is not to be sent at all.
    Refused(Failure),
    /// The suppressions could not be read; a later attempt may succeed.
    Unavailable(AwsError),
}

impl EmailWorker {
    /// Sends the mail of a claimed notification, and records the outcome.
    pub(crate) async fn send(
        &self,
        attempt: Attempt<'_>,
        sender: &MailSender,
        mut chosen: Chosen,
    ) -> Result<Outcome, AwsError> {
        let mail = match self.compose(&attempt, sender).await {
            Ok(mail) => mail,
            Err(cause) => {
                chosen.provider.breaker.settle(&chosen.permit, Verdict::NotTried, clock::now()).await;
                return match cause {
                    NotComposed::Refused(failure) => self.refuse(&attempt, failure).await,
                    // No provider was called: the outcome is known, the mail was not sent.
                    NotComposed::Unavailable(error) => {
                        tracing::warn!(
                            notification.id = %attempt.notification.id, error = %chain(&error),
                            "a mail could not be composed; it is tried again"
                        );
                        let error = MailError::NotSent(format!("failed to {error}").into());
                        self.not_accepted(&attempt, &chosen.provider, error).await
                    }
                };
            }
        };
        loop {
            let sent = self.hand_over(&attempt, &mail, &chosen).await;
            let provider = Arc::clone(&chosen.provider);
            let error = match sent {
                Ok(accepted) => return self.accepted(&attempt, &provider, accepted).await,
                Err(error) => error,
            };
            let certain = match &error {
                MailError::Rejected(_) | MailError::Unknown(_) => false,
                MailError::NotSent(_) | MailError::Later { .. } | MailError::Unreachable(_) | MailError::Stopped(_) => {
                    true
                }
            };
            let time_left = attempt.invocation.allows(TO_RECORD, LONGEST_DIALOGUE).is_some();
            let next = match certain && time_left {
                true => choose(&attempt.order, chosen.at + 1, attempt.invocation.deadline).await.ok(),
                false => None,
            };
            let Some(next) = next else {
                return self.not_accepted(&attempt, &provider, error).await;
            };
            // The next provider is on record before it is called, so that a later lookup goes to the right one.
            let entry =
                entry(&attempt.notification, "not_sent", Some(provider.info.id), Some(&chain(&error).to_string()));
            let switched = self.deliveries.switch(&attempt.hold, next.provider.info.id, &entry, clock::now()).await;
            if !matches!(switched, Ok(Fenced::Written)) {
                next.provider.breaker.settle(&next.permit, Verdict::NotTried, clock::now()).await;
                return switched.map(|_lost| unrecorded());
            }
            tracing::warn!(
                notification.id = %attempt.notification.id, mail.provider = provider.info.id,
                mail.next = next.provider.info.id, "the mail was certainly not sent; the next provider is tried"
            );
            chosen = next;
        }
    }

    /// Composes the mail of a notification.
    ///
    /// # Errors
    /// When no mail is to be sent, or not now.
    async fn compose(&self, attempt: &Attempt<'_>, sender: &MailSender) -> Result<Mail, NotComposed> {
        let Attempt { reference, notification, .. } = attempt;
        if notification.send_before.is_some_and(|until| until <= clock::now()) {
            let detail = "what it says was not of use any more when it could be sent";
            return Err(NotComposed::Refused(Failure::new("expired", detail)));
        }
        let suppressed = self.senders.is_suppressed(&reference.org, sender, &notification.to).await;
        if suppressed.map_err(NotComposed::Unavailable)? {
            let detail = "this address bounced or complained before; lift its suppression to write to it again";
            return Err(NotComposed::Refused(Failure::new("suppressed", detail)));
        }
        let language = notification.language.as_ref();
        let language = language.or_else(|| sender.profile.as_ref()?.language.as_ref());
        let rendered = self.templates.render(notification.kind, language, &notification.data);
        let refused = |error: TemplateError| {
            NotComposed::Refused(Failure::new("rejected", format!("failed to {}", chain(&error))))
        };
        let Rendered { subject, text, html, .. } = rendered.map_err(refused)?;
        Ok(Mail {
            from: self.mailers.from().to_owned(),
            to: notification.to.clone(),
            subject,
            text,
            html,
            message_id: self.mailers.message_id_of(notification, reference),
            reference: (*reference).clone(),
            unsubscribe: self.mailers.unsubscribe(notification.kind),
        })
    }

    /// Hands the mail over to one provider, in one call.
    async fn hand_over(&self, attempt: &Attempt<'_>, mail: &Mail, chosen: &Chosen) -> Result<Accepted, MailError> {
        let Chosen { provider, permit, .. } = chosen;
        let mut called = false;
        let sent = async {
            let credentials = self.mailers.credentials(provider.info).await?;
            let Some(timeout) = attempt.invocation.allows(TO_RECORD, LONGEST_DIALOGUE) else {
                return Err(MailError::NotSent("there was no time left for the dialogue".into()));
            };
            called = true;
            let call = provider.mailer.send(mail, &credentials, timeout, clock::now());
            fault::during(fault::CALLING, &attempt.notification.id.to_string(), call).await
        }
        .await;
        let verdict = match &sent {
            Err(MailError::Unreachable(_) | MailError::Unknown(_)) => Verdict::Failed,
            Err(MailError::Stopped(_)) => Verdict::Stopped,
            Err(MailError::NotSent(_)) if !called => Verdict::NotTried,
            // The provider responded, even if it refused this message.
            Ok(_) | Err(MailError::NotSent(_) | MailError::Later { .. } | MailError::Rejected(_)) => Verdict::Works,
        };
        if verdict == Verdict::Stopped {
            // A person has to act: the alarm is on this metric.
            metrics::emit(None, &[("MailProviderStopped", 1, Unit::Count)]);
            tracing::error!(mail.provider = provider.info.id, "a mail provider accepts no mail until a person acts");
        }
        provider.breaker.settle(permit, verdict, clock::now()).await;
        sent
    }

    async fn refuse(&self, attempt: &Attempt<'_>, failure: Failure) -> Result<Outcome, AwsError> {
        let entry = entry(&attempt.notification, NotificationState::Rejected.as_str(), None, Some(&failure.detail));
        self.end(attempt, transition(NotificationState::Rejected, Some(failure), entry)).await
    }

    async fn accepted(
        &self,
        attempt: &Attempt<'_>,
        provider: &Ready,
        Accepted { provider_message_id }: Accepted,
    ) -> Result<Outcome, AwsError> {
        let state = NotificationState::Accepted;
        let entry = HistoryEntry {
            provider_message_id: Some(provider_message_id.clone()),
            ..entry(&attempt.notification, state.as_str(), Some(provider.info.id), None)
        };
        let mut transition = transition(state, None, entry);
        transition.set = Item::from([("provider_message_id".to_owned(), text(provider_message_id))]);
        self.end(attempt, transition).await
    }

    async fn not_accepted(
        &self,
        attempt: &Attempt<'_>,
        provider: &Ready,
        error: MailError,
    ) -> Result<Outcome, AwsError> {
        let Attempt { hold, notification, .. } = attempt;
        let entry = |what: &str, detail: &str| entry(notification, what, Some(provider.info.id), Some(detail));
        // The provider's words may name a recipient: they belong in the record and not in the log.
        let next_try = |wait| match MAIL.next(notification.attempts, random::chance(), wait) {
            Next::After(after) => Some(after),
            Next::GiveUp => None,
        };
        let (cause, wait) = match error {
            MailError::Rejected(cause) => {
                let detail = chain(&*cause).to_string();
                let entry = entry(NotificationState::Rejected.as_str(), &detail);
                let failure = Failure::new("rejected", detail);
                return self.end(attempt, transition(NotificationState::Rejected, Some(failure), entry)).await;
            }
            MailError::Unknown(cause) => return self.unknown(attempt, provider, chain(&*cause).to_string()).await,
            MailError::NotSent(cause) | MailError::Unreachable(cause) | MailError::Stopped(cause) => (cause, None),
            MailError::Later { wait, cause } => (cause, Some(wait)),
        };
        let detail = chain(&*cause).to_string();
        let entry = entry("not_sent", &detail);
        let Some(after) = next_try(wait) else {
            let failure = Failure::new("undeliverable", detail);
            return self.end(attempt, transition(NotificationState::Rejected, Some(failure), entry)).await;
        };
        let transition = transition(NotificationState::Queued, Some(Failure::new("not-sent", detail)), entry);
        Ok(match self.deliveries.release(hold, transition, after, clock::now()).await? {
            Fenced::Written => Outcome::retry(after, "not sent yet; the notification says why"),
            Fenced::LeaseLost => unrecorded(),
        })
    }

    /// Records that it is unknown whether the mail was sent, and what follows from that.
    async fn unknown(&self, attempt: &Attempt<'_>, provider: &Ready, detail: String) -> Result<Outcome, AwsError> {
        let Attempt { hold, notification, .. } = attempt;
        let guarantee = notification.kind.guarantee();
        let failure = Failure::new("outcome-unknown", detail.clone());
        let transition = |state: NotificationState| {
            let entry = entry(notification, state.as_str(), Some(provider.info.id), Some(&detail));
            transition(state, Some(failure.clone()), entry)
        };
        count("MailInDoubt", provider.info.id);
        match delivery::after_unknown(provider.delivery_lookup, guarantee) {
            AfterUnknown::LookUp => {
                let after = delivery::lookup_delay(self.settling, 0);
                let (transition, now) = (transition(NotificationState::Unknown), clock::now());
                Ok(match self.deliveries.finish_unknown(hold, notification.id, transition, after, now).await? {
                    Fenced::Written => {
                        Outcome::postpone(after, "it is unknown whether the mail was sent; it is looked up later")
                    }
                    Fenced::LeaseLost => unrecorded(),
                })
            }
            AfterUnknown::Resend => match MAIL.next(notification.attempts, random::chance(), None) {
                Next::After(after) => {
                    let transition = transition(NotificationState::Queued);
                    Ok(match self.deliveries.release(hold, transition, after, clock::now()).await? {
                        Fenced::Written => {
                            Outcome::retry(after, "it is unknown whether the mail was sent; it is sent again")
                        }
                        Fenced::LeaseLost => unrecorded(),
                    })
                }
                Next::GiveUp => self.review(attempt, transition(NotificationState::NeedsReview)).await,
            },
            AfterUnknown::Review => self.review(attempt, transition(NotificationState::NeedsReview)).await,
        }
    }

    async fn review(&self, attempt: &Attempt<'_>, transition: Transition) -> Result<Outcome, AwsError> {
        needs_review(attempt.reference);
        self.end(attempt, transition).await
    }

    async fn end(&self, attempt: &Attempt<'_>, transition: Transition) -> Result<Outcome, AwsError> {
        let Attempt { hold, notification, .. } = attempt;
        let state = transition.state;
        let recorded = self.deliveries.finish(hold, transition, clock::now()).await? == Fenced::Written;
        tracing::info!(
            notification.id = %notification.id, notification.kind = notification.kind.as_str(),
            notification.state = state.as_str(), notification.attempts = notification.attempts, recorded, "mail settled"
        );
        Ok(if recorded { Outcome::Done } else { unrecorded() })
    }
}

/// The outcome of an attempt that could not be recorded. Its message has to come again: it may be the last one.
fn unrecorded() -> Outcome {
    Outcome::retry(Duration::ZERO, "the outcome could not be recorded: the lease had passed, or an event was faster")
}
