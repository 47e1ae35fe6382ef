//! Requests of people for the sync of a connection, recorded in its sync state.

use domain::connection::ConnectionKey;
use jiff::Timestamp;

use super::state::{SyncRequest, whole_second};
use super::{SyncStates, due_shard, key, requested};
use aws::error::AwsError;
use aws::table::{Write, Written, text};

impl SyncStates {
    /// Makes a connection due now. Returns false when it has no sync state. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn request_sync(
        &self,
        connection: &ConnectionKey,
        request: SyncRequest,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let SyncRequest { mode, reason, unpark } = request;
        let mut write = Write::when("attribute_exists(pk)")
            .set("due_shard", text(due_shard(&connection.connection)))
            .set("next_at", text(whole_second(now).to_string()))
            .set("reason", text(reason));
        if let Some(mode) = mode {
            write = write.set("requested", requested(mode));
        }
        if unpark {
            write = write.remove("parked_until").remove("failures");
        }
        Ok(matches!(self.table.update(&key(connection), write, false).await?, Written::Applied(_)))
    }
}

#[cfg(test)]
mod tests {
    use domain::sync::Mode;
    use jiff::SignedDuration;

    use super::*;
    use crate::sync_states::{SyncClaim, SyncState};
    use aws::clock;
    use aws::table::Table;
    use resilience::poll;
    use resilience::work::Fenced;

    #[tokio::test]
    async fn a_request_makes_a_connection_due_and_may_end_its_wait() {
        let syncs = SyncStates::new(Table::in_memory());
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "one".parse().expect("slug") };
        let now = whole_second(clock::now());
        let request = SyncRequest { mode: Some(Mode::Full), reason: "asked for", unpark: false };
        assert!(!syncs.request_sync(&key, request, now).await.expect("written"), "there is none");
        syncs.create(&SyncState::new(key.clone(), "an-ats", now)).await.expect("written");
        let SyncClaim::Held(hold, mut state) = syncs.claim(&key, now).await.expect("claimed") else {
            panic!("it is free")
        };
        let later = now + SignedDuration::from_hours(1);
        (state.next_at, state.parked_until, state.failures) = (later, Some(later), 3);
        assert_eq!(syncs.release(&hold, &state).await.expect("written"), Fenced::Written);
        assert!(syncs.request_sync(&key, request, now).await.expect("written"));
        let state = syncs.state(&key).await.expect("read").expect("a state");
        let recorded = (state.next_at, state.requested, state.parked_until, state.failures);
        assert_eq!(recorded, (now, Some(Mode::Full), Some(later), 3));
        assert!(
            syncs.request_sync(&key, SyncRequest { mode: None, unpark: true, ..request }, now).await.expect("written")
        );
        let state = syncs.state(&key).await.expect("read").expect("a state");
        assert_eq!((state.parked_until, state.failures, state.requested), (None, 0, Some(Mode::Full)));
    }

    #[tokio::test]
    async fn an_activity_ends_with_the_lease_and_leaves_the_reason() {
        let syncs = SyncStates::new(Table::in_memory());
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "one".parse().expect("slug") };
        let now = whole_second(clock::now());
        let new = SyncState::new(key.clone(), "an-ats", now);
        syncs.create(&new).await.expect("written");
        let activity = async || {
            let state = syncs.state(&key).await.expect("read").expect("a state");
            assert_eq!(state.reason, "new connection");
            state.activity
        };
        assert!(syncs.push_due(&new, now).await.expect("written"));
        assert_eq!(activity().await.as_deref(), Some(poll::RUN_ENQUEUED));
        let claim = async || match syncs.claim(&key, clock::now()).await.expect("claimed") {
            SyncClaim::Held(lease, state) => (lease, state),
            SyncClaim::Busy(_) | SyncClaim::Missing => panic!("it is free"),
        };
        let (lease, state) = claim().await;
        assert_eq!(activity().await.as_deref(), Some(poll::RUN_ACTIVE));
        assert_eq!(syncs.checkpoint(&lease, &state, None, false).await.expect("written"), Fenced::Written);
        assert_eq!(activity().await.as_deref(), Some(poll::RUN_ACTIVE));
        assert_eq!(syncs.release(&lease, &state).await.expect("written"), Fenced::Written);
        assert_eq!(activity().await, None);
        let (lease, _) = claim().await;
        assert_eq!(syncs.release_unchanged(&lease).await.expect("written"), Fenced::Written);
        assert_eq!(activity().await, None);
    }
}
