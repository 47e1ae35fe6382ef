//! Applies what a webhook says: the object is read where that is possible, otherwise what the body says is written.

use aws::batch::Invocation;
use domain::ats::Observation;
use domain::connection::{ConnectionKey, EventOutcome};
use domain::id::ApplicationId;
use domain::sync::CountsByKind;
use jiff::{SignedDuration, Timestamp};
use providers::transport::webhook::{ChangedObjects, Event, Meaning};

use crate::connections::{Availability, Connections};
use crate::error::SyncError;
use crate::objects::ObjectReader;
use crate::plan::later;
use crate::writer::{Findings, RecordWriter, add};

/// Objects that were written before a deletion was received stay deleted even if our processes' clocks differ by this
/// time.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// The result of a webhook event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedEvent {
    /// The outcome that is recorded with the event.
    pub outcome: EventOutcome,
    /// The reason of the outcome, in a sentence.
    pub detail: String,
    /// An application that a candidate has just made: a suggestion is wanted for it.
    pub new_application: Option<ApplicationId>,
}

impl AppliedEvent {
    fn ignored(reason: &str) -> Self {
        Self { outcome: EventOutcome::Ignored, detail: reason.to_owned(), new_application: None }
    }
}

/// Applies verified webhook events.
#[derive(Debug, Clone)]
pub(crate) struct EventApplier {
    pub(crate) connections: Connections,
    pub(crate) objects: ObjectReader,
    pub(crate) writer: RecordWriter,
}

impl EventApplier {
    /// Applies a verified event.
    pub(crate) async fn apply(
        &self,
        key: &ConnectionKey,
        event: &Event,
        received_at: Timestamp,
        invocation: Invocation,
    ) -> Result<AppliedEvent, SyncError> {
        let changed = match &event.meaning {
            Meaning::Ping => {
                let detail = "the provider tried the connection".to_owned();
                return Ok(AppliedEvent { outcome: EventOutcome::Answered, detail, new_application: None });
            }
            Meaning::Ignored { reason } => return Ok(AppliedEvent::ignored(reason)),
            Meaning::Changed(changed) => changed,
        };
        let mut session = match self.connections.open_active(key).await? {
            Availability::Ready(session) => session,
            Availability::Inactive(reason) => return Ok(AppliedEvent::ignored(reason)),
        };
        let ChangedObjects { reported, gone, about, new_application } = changed;
        let (mut counts, requested) = if session.has_login() {
            self.objects.read(&mut session, about, invocation).await?
        } else {
            (CountsByKind::new(), Vec::new())
        };
        // An object that was read is known better than the body says.
        let observations: Vec<Observation> =
            reported.iter().filter(|observation| !requested.contains(&observation.record.kind())).cloned().collect();
        let repeated = invocation.receive_count > 1;
        let findings = Findings { observations: &observations, gone: &[], observed_ms: received_at.as_millisecond() };
        add(&mut counts, &self.writer.write(&session.origin, findings, repeated).await?);
        if !gone.is_empty() {
            let observed_ms = later(received_at, SKEW).as_millisecond();
            let findings = Findings { observations: &[], gone, observed_ms };
            add(&mut counts, &self.writer.write(&session.origin, findings, repeated).await?);
        }
        let new_application = new_application.as_ref().map(|provider_id| session.origin.application(provider_id));
        Ok(AppliedEvent { outcome: EventOutcome::Applied, detail: in_words(&counts), new_application })
    }
}

fn in_words(counts: &CountsByKind) -> String {
    let mut parts = Vec::new();
    for (kind, counts) in counts {
        for (number, what) in [(counts.created, "created"), (counts.updated, "updated"), (counts.deleted, "deleted")] {
            if number > 0 {
                parts.push(format!("{number} {} {what}", kind.as_str()));
            }
        }
    }
    if parts.is_empty() { "everything was up to date".to_owned() } else { parts.join(", ") }
}
