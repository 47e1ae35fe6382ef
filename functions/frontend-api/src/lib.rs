//! The frontend's API: everything it reads and asks for. What takes time is recorded, enqueued and answered with 202.
//!
//! Every handler takes the organisation from the verified token and from nowhere else, so another organisation's id is
//! simply not found. What must never be here: a call to a third party.

mod actions;
mod applications;
mod audit;
mod cached_list;
mod connections;
mod integrations;
mod jobs;
mod kinds;
mod notifications;
mod operations;
mod suggestions;
mod suppressions;

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use aws::breaker::{self, SharedBreaker};
use aws::cache::Cache;
use aws::clients::Aws;
use aws::error::AwsError;
use aws::function::{Function, StartError};
use aws::queue::Queue;
use aws::secrets::Secrets;
use aws::telemetry::chain;
use axum::extract::{Path, State};
use axum::{Json, Router};
use mail_templates::Templates;
use resilience::breaker::POLICY;
use serde::Deserialize;
use store::audit::Audit;
use store::control::Control;
use store::delivery::Deliveries;
use store::email_queues::EmailQueues;
use store::records::{Cursor, Recorded, Records, Stored};
use store::sync::Syncs;
use web::identity::Identity;
use web::page::{List, PageRequest, bad_cursor};
use web::problem::Problem;

/// The API and what it needs.
#[derive(Debug, Clone)]
pub struct Api {
    /// Whether the model can be asked.
    pub model_breaker: Arc<SharedBreaker>,
    /// The audit of the actions that need a role.
    pub audit: Audit,
    /// The cache of lists.
    pub cache: Cache,
    /// Business data.
    pub records: Records,
    /// Sync states and webhook events.
    pub control: Control,
    /// Credentials of connections: written here, and never read.
    pub secrets: Secrets,
    /// Where connections are put to be asked.
    pub sync_queue: Queue,
    /// Where webhook deliveries are put to be applied again.
    pub webhook_queue: Queue,
    /// Where suggestions are put to be made.
    pub suggestion_queue: Queue,
    /// Where notifications are put to be sent.
    pub email_queues: EmailQueues,
    /// Where changes are put to be made at a provider.
    pub action_queue: Queue,
    /// What mails say.
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

    pub(crate) fn syncs(&self) -> Syncs {
        Syncs::new(self.control.table().clone())
    }

    /// All routes.
    pub fn routes(self) -> Router {
        Router::new()
            .merge(actions::routes())
            .merge(applications::routes())
            .merge(audit::routes())
            .merge(connections::routes())
            .merge(integrations::routes())
            .merge(jobs::routes())
            .merge(kinds::routes())
            .merge(notifications::routes())
            .merge(operations::routes())
            .merge(suggestions::routes())
            .merge(suppressions::routes())
            .with_state(self)
    }
}

/// What a caller is told when AWS did not do its part. The cause goes into the log.
fn unavailable(error: &AwsError) -> Problem {
    tracing::error!(error = %chain(error), "a request failed");
    Problem::data_failed(error.retry())
}

/// Reads the cursor of a list.
fn cursor(page: &PageRequest) -> Result<Option<Cursor>, Problem> {
    page.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(bad_cursor)).transpose()
}

/// A page of a list, as the frontend sees it.
fn page_of<T, V: From<T>>((items, next): (Vec<T>, Option<Cursor>)) -> Json<List<V>> {
    Json(list_of(items.into_iter().map(V::from).collect(), next))
}

/// A page of a list whose items are views already.
fn list_of<V>(items: Vec<V>, next: Option<Cursor>) -> List<V> {
    List { items, next_cursor: next.map(|cursor| cursor.to_string()) }
}

/// Lists the caller's records of a kind, newest first.
async fn list<R: Stored, V: From<Recorded<R>>>(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
) -> Result<Json<List<V>>, Problem> {
    let after = cursor(&page)?;
    let found = api.records.list::<R>(&identity.org, page.limit, after.as_ref()).await;
    Ok(page_of(found.map_err(|e| unavailable(&e))?))
}

/// Reads one of the caller's records.
async fn read<R: Stored, V: From<Recorded<R>>, I: FromStr + Display>(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
) -> Result<Json<V>, Problem> {
    let id: I = id(&text, R::KIND)?;
    let found = api.records.get_recorded::<R>(&identity.org, &id.to_string()).await.map_err(|e| unavailable(&e))?;
    found.map(|recorded| Json(V::from(recorded))).ok_or_else(|| not_found(R::KIND))
}

/// Reads an id of the path: what is not an id names nothing.
fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| not_found(what))
}

/// A word of the path; one that is not known names nothing.
fn known<'a, T: Deserialize<'a>>(word: &'a str) -> Result<T, Problem> {
    T::deserialize(serde::de::value::BorrowedStrDeserializer::<serde::de::value::Error>::new(word))
        .map_err(|_| Problem::not_found("there is nothing at this path"))
}

/// 404 for something that is not there or is not the caller's.
fn not_found(what: &str) -> Problem {
    Problem::not_found(format!("your organisation has no such {what}"))
}
