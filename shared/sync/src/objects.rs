//! Objects that are read by id, because an event or a change of ours touched them.

use std::collections::BTreeMap;

use aws::batch::Invocation;
use domain::ats::{Kind, ObjectRef};
use domain::sync::CountsByKind;

use crate::client::{Client, further_cursors};
use crate::error::SyncError;
use crate::session::ConnectionSession;
use crate::writer::{Findings, RecordWriter, add};

/// The most objects of one lookup.
const LOOKUP_SIZE: usize = 50;

/// Reads objects by id and writes them as they are.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReader {
    pub(crate) client: Client,
    pub(crate) writer: RecordWriter,
}

impl ObjectReader {
    /// Looks objects up by id and writes them. Returns the counts, and the kinds whose objects could be looked up.
    pub(crate) async fn read(
        &self,
        session: &mut ConnectionSession,
        objects: &[ObjectRef],
        invocation: Invocation,
    ) -> Result<(CountsByKind, Vec<Kind>), SyncError> {
        let (mut counts, mut requested) = (CountsByKind::new(), Vec::new());
        let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for ObjectRef { kind, provider_id } in objects {
            by_kind.entry(*kind).or_default().push(provider_id.clone());
        }
        let repeated = invocation.receive_count > 1;
        for (kind, ids) in by_kind {
            for ids in ids.chunks(LOOKUP_SIZE) {
                let Some(mut cursors) = session.ats.lookup_cursors(kind, ids) else { continue };
                requested.push(kind);
                while let Some(cursor) = cursors.pop() {
                    let (page, observed_ms) = self.client.page(session, &cursor, invocation).await?;
                    let findings = Findings { observations: &page.observations, gone: &page.gone, observed_ms };
                    add(&mut counts, &self.writer.write(&session.origin, findings, repeated).await?);
                    cursors.extend(further_cursors(page));
                }
            }
        }
        Ok((counts, requested))
    }
}
