//! Applies what a webhook says: the object is asked for where that is possible, else what the body tells is written.

use std::collections::BTreeMap;

use aws::batch::Invocation;
use domain::ats::{Kind, ObjectRef, Observation, Origin};
use domain::connection::{ConnectionKey, EventOutcome};
use domain::id::ApplicationId;
use domain::sync::CountsByKind;
use jiff::{SignedDuration, Timestamp};
use providers::transport::webhook::{Changed, Event, Meaning};

use crate::apply::add;
use crate::ask::further;
use crate::error::SyncError;
use crate::plan::later;
use crate::{ConnectionSession, Engine};

/// What was written before a deletion was told stays dead, also when the clocks of our processes differ by so much.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// Objects of one question.
const AT_ONCE: usize = 50;

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedEvent {
    /// What became of it.
    pub outcome: EventOutcome,
    /// Why, in a sentence.
    pub detail: String,
    /// An application that was made just now, so that staff want to be told.
    pub new_application: Option<ApplicationId>,
}

impl AppliedEvent {
    fn ignored(why: &str) -> Self {
        Self { outcome: EventOutcome::Ignored, detail: why.to_owned(), new_application: None }
    }
}

impl Engine {
    /// Applies a verified event.
    ///
    /// # Errors
    /// When it has to be applied again: the provider or AWS did not do its part.
    pub async fn apply_event(
        &self,
        connection: &ConnectionKey,
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
        let mut opened = match self.open_active(connection).await? {
            Ok(opened) => opened,
            Err(why) => return Ok(AppliedEvent::ignored(why)),
        };
        let Changed { told, gone, about, new_application } = changed;
        let mut counts = CountsByKind::new();
        let mut asked: Vec<Kind> = Vec::new();
        if opened.can_ask() {
            (counts, asked) = self.read_again(&mut opened, about, invocation).await?;
        }
        // What could be asked for is known better than the body tells it.
        let told: Vec<Observation> = told.iter().filter(|told| !asked.contains(&told.record.kind())).cloned().collect();
        let received_ms = received_at.as_millisecond();
        add(&mut counts, &self.apply(&opened, (&told, &[]), received_ms, invocation.receive_count > 1).await?);
        if !gone.is_empty() {
            let found_gone_ms = later(received_at, SKEW).as_millisecond();
            add(&mut counts, &self.apply(&opened, (&[], gone), found_gone_ms, invocation.receive_count > 1).await?);
        }
        let origin: &Origin = &opened.origin;
        let new_application = new_application.as_ref().map(|provider_id| origin.application(provider_id));
        Ok(AppliedEvent { outcome: EventOutcome::Applied, detail: said(&counts), new_application })
    }
}

impl Engine {
    /// Asks for objects by id and writes what they are. Gives what that did, and of which kinds objects could be asked for.
    pub(crate) async fn read_again(
        &self,
        opened: &mut ConnectionSession,
        objects: &[ObjectRef],
        invocation: Invocation,
    ) -> Result<(CountsByKind, Vec<Kind>), SyncError> {
        let (mut counts, mut asked) = (CountsByKind::new(), Vec::new());
        let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for ObjectRef { kind, provider_id } in objects {
            by_kind.entry(*kind).or_default().push(provider_id.clone());
        }
        let again = invocation.receive_count > 1;
        for (kind, ids) in by_kind {
            for ids in ids.chunks(AT_ONCE) {
                let Some(mut cursors) = opened.ats.lookup_cursors(kind, ids) else { continue };
                asked.push(kind);
                while let Some(cursor) = cursors.pop() {
                    let (page, observed_ms) = self.page(opened, &cursor, invocation).await?;
                    let what = (page.observations.as_slice(), page.gone.as_slice());
                    add(&mut counts, &self.apply(opened, what, observed_ms, again).await?);
                    cursors.extend(further(page));
                }
            }
        }
        Ok((counts, asked))
    }
}

fn said(counts: &CountsByKind) -> String {
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
