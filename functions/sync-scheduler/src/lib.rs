//! Every minute: which connections are due, and one message for each.
//!
//! The message is sent before the due time is pushed. A tick that dies between the two leaves a second message behind,
//! which finds nothing that is due; the other order could lose a run until the grace time has passed.

use aws::clients::Aws;
use aws::clock;
use aws::error::AwsError;
use aws::function::{Function, Scheduled, StartError};
use aws::queue::Queue;
use domain::FORMAT_VERSION;
use domain::message::SyncJob;
use futures::stream::{self, StreamExt as _};
use resilience::poll::{DUE_SHARDS, is_due};
use serde_json::{Value, json};
use store::sync_states::{SyncState, SyncStates};

/// The most runs that one tick enqueues for each shard; the others are due again in a minute, oldest first.
const MAX_RUNS: usize = 500;
/// The number of runs that are enqueued concurrently.
const AT_ONCE: usize = 10;

/// The scheduler and what it needs.
#[derive(Debug, Clone)]
pub struct Scheduler {
    syncs: SyncStates,
    runs: Queue,
}

impl Function for Scheduler {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        Ok(Self { syncs: SyncStates::new(aws.table("CONTROL_TABLE")?), runs: aws.queue("SYNC_QUEUE_URL")? })
    }

    async fn warm_up(&self) {
        let _ignored = tokio::join!(self.syncs.table().preconnect(), self.runs.waiting());
    }
}

impl Scheduled for Scheduler {
    /// Enqueues what is due and says how many. A failure ends the tick; what it did not reach is due again in a minute.
    async fn tick(&self) -> Result<Value, AwsError> {
        let mut enqueued = 0_usize;
        for shard in 0..DUE_SHARDS {
            enqueued += self.shard(shard).await?;
        }
        tracing::info!(enqueued, "scheduler tick");
        Ok(json!({"enqueued": enqueued}))
    }
}

impl Scheduler {
    async fn shard(&self, shard: u8) -> Result<usize, AwsError> {
        let now = clock::now();
        let mut after = None;
        let mut enqueued = 0;
        loop {
            let page = self.syncs.due(shard, now, after).await?;
            let due: Vec<SyncState> = page.items.into_iter().filter(|state| is_due(state.next_at, now)).collect();
            let results: Vec<Result<(), AwsError>> = stream::iter(&due)
                .map(|state| async move {
                    let SyncState { org, connection, next_at, .. } = state;
                    let job = SyncJob { v: FORMAT_VERSION, org: org.clone(), connection: connection.clone() };
                    self.runs.send(&job).await?;
                    self.syncs.push_due(state, now).await?;
                    tracing::info!(%org, %connection, due_at = %next_at, "sync run enqueued");
                    Ok(())
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for result in results {
                result?;
                enqueued += 1;
            }
            after = page.next;
            if after.is_none() || enqueued >= MAX_RUNS {
                return Ok(enqueued);
            }
        }
    }
}
