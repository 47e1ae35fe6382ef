//! Makes a connection due, and enqueues the job for a worker.

use aws::clock;
use aws::error::AwsError;
use aws::telemetry::chain;
use domain::FORMAT_VERSION;
use domain::connection::ConnectionKey;
use domain::message::SyncJob;
use store::sync_states::{SyncRequest, SyncState};
use web::problem::Problem;

use crate::api::Api;
use crate::response::unavailable;

/// Makes a connection due now, also one without a sync state, and enqueues it.
pub(super) async fn request_sync(
    api: &Api,
    key: &ConnectionKey,
    provider: &str,
    request: SyncRequest,
) -> Result<(), Problem> {
    let (syncs, now) = (api.syncs(), clock::now());
    let make_due = async {
        if !syncs.request_sync(key, request, now).await? {
            syncs.create(&SyncState::new(key.clone(), provider, now)).await?;
            syncs.request_sync(key, request, now).await?;
        }
        Ok(())
    };
    make_due.await.map_err(|e: AwsError| unavailable(&e))?;
    enqueue(api, key).await;
    Ok(())
}

/// Enqueues a due connection. A failure is only logged, because the scheduler enqueues what is due within a minute.
pub(super) async fn enqueue(api: &Api, key: &ConnectionKey) {
    let ConnectionKey { org, connection } = key.clone();
    let job = SyncJob { v: FORMAT_VERSION, org, connection };
    if let Err(error) = api.sync_queue.send(&job).await {
        tracing::warn!(org = %key.org, connection = %key.connection, error = %chain(&error), "a due connection could not be enqueued");
    }
}
