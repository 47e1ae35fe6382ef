//! The steps and history entries that are recorded of a notification, and the metrics of operators.

use std::time::Duration;

use aws::clock;
use aws::metrics::{self, Unit};
use aws::table::Item;
use domain::failure::Failure;
use domain::mail_event::MailReference;
use domain::notification::{HistoryEntry, Notification, NotificationState};
use jiff::Timestamp;
use store::delivery::Transition;

/// A transition of the protocol that leads to a state.
pub(crate) fn transition(state: NotificationState, failure: Option<Failure>, entry: HistoryEntry) -> Transition {
    Transition { state, failure, entry, set: Item::new() }
}

/// An entry of a notification's history.
pub(crate) fn entry(
    notification: &Notification,
    what: &str,
    provider: Option<&str>,
    detail: Option<&str>,
) -> HistoryEntry {
    HistoryEntry {
        at: clock::now(),
        what: what.to_owned(),
        attempt: notification.attempts,
        provider: provider.map(str::to_owned),
        provider_message_id: None,
        event_id: None,
        detail: detail.map(str::to_owned),
    }
}

/// The time that has passed since a moment; zero when there is none.
pub(crate) fn since(at: Option<Timestamp>) -> Duration {
    at.and_then(|at| Duration::try_from(clock::now().duration_since(at)).ok()).unwrap_or(Duration::ZERO)
}

/// Counts an event of mails that operators watch.
pub(crate) fn count(metric: &'static str, provider: &str) {
    metrics::emit(Some(("provider", provider)), &[(metric, 1, Unit::Count)]);
}

/// Alarms operators that a person has to review a mail.
pub(crate) fn needs_review(reference: &MailReference) {
    metrics::emit(None, &[("MailNeedsReview", 1, Unit::Count)]);
    let MailReference { org, notification } = reference;
    tracing::error!(%org, notification.id = %notification, "it is unknown whether a mail was sent; a person has to review it");
}
