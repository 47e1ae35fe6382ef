//! The API's dependencies, built once a process and cloned for each request.

use std::sync::Arc;

use aws::breaker::{self, SharedBreaker};
use aws::cache::Cache;
use aws::clients::Aws;
use aws::function::{Function, StartError};
use aws::queue::Queue;
use aws::secrets::Secrets;
use mail_templates::Templates;
use resilience::breaker::POLICY;
use store::audit::Audit;
use store::control::Control;
use store::delivery::Deliveries;
use store::email_queues::EmailQueues;
use store::records::Records;
use store::sync_states::SyncStates;

/// The dependencies of the API's handlers.
#[derive(Debug, Clone)]
pub struct Api {
    /// The breaker of the model: a suggestion is refused while it is open.
    pub model_breaker: Arc<SharedBreaker>,
    /// The audit of the actions that need a role.
    pub audit: Audit,
    /// The cache of lists.
    pub cache: Cache,
    pub records: Records,
    /// The sync states and the webhook events.
    pub control: Control,
    /// The credentials of connections: written here, and never read.
    pub secrets: Secrets,
    /// The queue of connections that are due.
    pub sync_queue: Queue,
    /// The queue of webhook deliveries, here for those that are applied again.
    pub webhook_queue: Queue,
    /// The queue of suggestions.
    pub suggestion_queue: Queue,
    /// The queues of notifications.
    pub email_queues: EmailQueues,
    /// The queue of changes at providers.
    pub action_queue: Queue,
    /// The templates of mails, for previews.
    pub templates: Arc<Templates>,
}

impl Function for Api {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let control = aws.table("CONTROL_TABLE")?;
        Ok(Self {
            model_breaker: Arc::new(SharedBreaker::of_deployment(control.clone(), breaker::MODEL, POLICY)),
            audit: Audit::new(control.clone()),
            cache: Cache::from_environment()?,
            records: Records::new(aws.table("RECORDS_TABLE")?),
            control: Control::new(control),
            secrets: aws.secrets()?,
            sync_queue: aws.queue("SYNC_QUEUE_URL")?,
            webhook_queue: aws.queue("WEBHOOK_QUEUE_URL")?,
            suggestion_queue: aws.queue("SUGGESTION_QUEUE_URL")?,
            email_queues: EmailQueues::from_environment(aws)?,
            action_queue: aws.queue("ACTION_QUEUE_URL")?,
            templates: Arc::new(Templates::built_in()?),
        })
    }

    async fn warm_up(&self) {
        let _ignored =
            tokio::join!(self.records.table().preconnect(), self.email_queues.preconnect(), self.cache.preconnect());
    }
}

impl Api {
    pub(crate) fn deliveries(&self) -> Deliveries {
        Deliveries::new(self.records.clone())
    }

    pub(crate) fn syncs(&self) -> SyncStates {
        SyncStates::new(self.control.table().clone())
    }
}
