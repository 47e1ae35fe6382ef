//! The health of the product: tables readable, queues reachable, and the third parties that a breaker keeps from being called.
//!
//! A third party that does not respond does not make the product fail: its work waits. So a breaker is reported and
//! changes no status. The route is public, so it names failed checks and nothing more; causes and numbers are in the
//! log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws::breaker::{MODEL, of_deployment};
use aws::clients::Aws;
use aws::clock;
use aws::environment::{self, EnvironmentError};
use aws::error::AwsError;
use aws::function::{Function, StartError};
use aws::queue::Queue;
use aws::table::{Key, Table};
use aws::telemetry::chain;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use http::{StatusCode, header};
use resilience::breaker::Admission;
use serde_json::{Value, json};

/// The longest wait for one check.
const LONGEST: Duration = Duration::from_secs(2);
/// The queues, by their name and the variable that holds their URL.
const QUEUES: [(&str, &str); 8] = [
    ("webhook-queue", "WEBHOOK_QUEUE_URL"),
    ("suggestion-queue", "SUGGESTION_QUEUE_URL"),
    ("email-queue", "EMAIL_QUEUE_URL"),
    ("email-priority-queue", "EMAIL_PRIORITY_QUEUE_URL"),
    ("sync-queue", "SYNC_QUEUE_URL"),
    ("intake-queue", "INTAKE_QUEUE_URL"),
    ("intake-priority-queue", "INTAKE_PRIORITY_QUEUE_URL"),
    ("action-queue", "ACTION_QUEUE_URL"),
];

/// The health check and its dependencies.
#[derive(Debug, Clone)]
pub struct Health {
    stage: &'static str,
    aws: Aws,
    control: Table,
    tables: Vec<(&'static str, Table)>,
    queues: Vec<(&'static str, Queue)>,
}

impl Function for Health {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let control = aws.table("CONTROL_TABLE")?;
        let tables = vec![("records-table", aws.table("RECORDS_TABLE")?), ("control-table", control.clone())];
        let queues =
            QUEUES.iter().map(|(name, url)| Ok((*name, aws.queue(url)?))).collect::<Result<_, EnvironmentError>>()?;
        Ok(Self { stage: environment::stage()?.as_str(), aws: aws.clone(), control, tables, queues })
    }

    async fn warm_up(&self) {
        self.checks().await;
    }
}

impl Health {
    pub fn routes(self) -> Router {
        Router::new().route("/api/health", get(answer)).with_state(self)
    }

    /// The third parties that all organisations share, with the state of their breakers; empty when those cannot be read.
    async fn dependencies(&self) -> Vec<Value> {
        let stored = match tokio::time::timeout(LONGEST, of_deployment(&self.control)).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => {
                tracing::error!(error = %chain(&error), "the breakers could not be read");
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        let status = |name: &str| {
            let breaker = stored.iter().find(|(stored, _)| stored == name).map(|(_, breaker)| breaker);
            match breaker.map_or(Admission::Allow, |breaker| breaker.admit(clock::now().as_millisecond())) {
                Admission::Allow => "called",
                Admission::Probe => "about-to-be-probed",
                Admission::Refuse { .. } => "left-alone",
            }
        };
        // A breaker that never counted a failure is not stored, and closed.
        let names: BTreeSet<&str> = stored.iter().map(|(name, _)| name.as_str()).chain([MODEL]).collect();
        names.into_iter().map(|name| json!({"name": name, "status": status(name)})).collect()
    }

    async fn checks(&self) -> Vec<Value> {
        let key = Key { pk: "-".to_owned(), sk: "-".to_owned() };
        let tables = self.tables.iter().map(|(name, table)| {
            let key = key.clone();
            check(name, async move { table.get::<Value>(&key).await.map(|_| ()) }.boxed())
        });
        let queues = self
            .queues
            .iter()
            .map(|(name, queue)| check(name, async move { queue.waiting().await.map(|_| ()) }.boxed()));
        let tables = join_all(tables);
        let queues = join_all(queues);
        let (mut all, queues) = tokio::join!(tables, queues);
        all.extend(queues);
        all
    }
}

async fn check(name: &'static str, call: BoxFuture<'_, Result<(), AwsError>>) -> Value {
    let begin = Instant::now();
    let result = tokio::time::timeout(LONGEST, call).await;
    let duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = match result {
        Ok(Ok(())) => "ok",
        Ok(Err(error)) => {
            tracing::error!(check = name, error = %chain(&error), "a check failed");
            "failed"
        }
        Err(_) => "timed-out",
    };
    json!({"name": name, "status": status, "duration_ms": duration_ms})
}

async fn answer(State(health): State<Health>) -> Response {
    let (checks, dependencies) = tokio::join!(health.checks(), health.dependencies());
    let ok = checks.iter().all(|check| check.get("status").and_then(Value::as_str) == Some("ok"));
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if ok { "ok" } else { "degraded" },
        "stage": health.stage,
        "version": env!("CARGO_PKG_VERSION"),
        "checks": checks,
        "dependencies": dependencies,
        "pools": [health.aws.database()],
    });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
