//! A company at BambooHR that exists for one test, connected to an organisation and read once.

use std::cell::RefCell;
use std::collections::BTreeSet;

use domain::action::Action;
use domain::ats::Origin;
use domain::id::ActionId;
use domain::message::SyncJob;
use domain::write_back::Change;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use resilience::outbox::{shard_of, waiting_since};
use serde_json::{Value, json};
use store::sync_states::SyncState;
use uuid::Uuid;

use crate::e2e::harness::stack::{Answer, Org, Stack, fresh_number};
use crate::e2e::harness::time;

const PROVIDER: &str = "bamboohr";
pub(super) const SETTLED: [&str; 3] = ["succeeded", "failed", "needs-review"];
/// Statuses of the simulator's companies that are neither a rejection nor a hire: the first two of them.
const STATUSES: [u64; 2] = [1, 2];

/// A company and its connection.
pub(super) struct Company<'a> {
    stack: &'a Stack,
    pub(super) org: Org<'a>,
    pub(super) name: String,
    pub(super) connection: String,
    origin: Origin,
    used: RefCell<BTreeSet<u64>>,
}

/// An application as the simulator has it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) job: u64,
    pub(super) status: u64,
    pub(super) label: String,
    pub(super) comments: u64,
}

impl<'a> Company<'a> {
    /// Makes a company with some applications, connects it, and waits until they were read.
    pub(super) async fn found(stack: &'a Stack) -> Self {
        let org = stack.org("acme");
        let name = format!("co{:x}", fresh_number());
        let connection = format!("bamboo-{name}");
        let origin = Origin {
            org: org.id().parse().expect("org"),
            provider: PROVIDER.to_owned(),
            connection: connection.parse().expect("slug"),
        };
        let company = Self { stack, org, name, connection, origin, used: RefCell::default() };
        company.control(Method::POST, "/grow", json!({"seed": fresh_number(), "count": 40})).await;
        company.connect().await;
        let last = company.rows().await.pop().expect("applications");
        company.until(last.id, |_| true).await;
        company
    }

    async fn connect(&self) {
        let (org, id) = (self.org.id(), self.connection.as_str());
        let now = Timestamp::from_second(time::now().as_second()).expect("a time");
        let credentials = json!({"api_key": format!("local-bamboohr-key-{}", self.name)}).to_string();
        self.stack.put_secret(&format!("orgs/{org}/connections/{id}/{}", sync::CREDENTIALS), &credentials).await;
        self.stack
            .put_record(&json!({
                "pk": format!("ORG#{org}#connection"), "sk": id, "v": 1, "id": id, "provider": PROVIDER,
                "status": "active", "login": "api-key", "account": self.name, "settings": {}, "created_at": now,
                "updated_at": now, "listed_at": format!("{now}#{id}"),
            }))
            .await;
        let state = SyncState::new(self.origin.connection_key(), PROVIDER, now);
        self.stack.set_control((&format!("ORG#{org}#sync"), id), &json!(state)).await;
        let job = SyncJob { v: 1, org: self.origin.org.clone(), connection: self.origin.connection.clone() };
        self.stack.send_message("sync", &json!(job).to_string()).await;
    }

    pub(super) async fn control(&self, method: Method, path: &str, body: Value) -> Answer {
        let path = format!("/{}{path}", self.name);
        let body = (method != Method::GET).then_some(body);
        let answer = self.stack.control(PROVIDER, method, &path, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    }

    async fn raw_rows(&self) -> Vec<Value> {
        let answer = self.control(Method::GET, "/applications", Value::Null).await;
        answer.body["items"].as_array().cloned().expect("items")
    }

    async fn rows(&self) -> Vec<Row> {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let row = |row: Value| Row {
            id: number(&row["id"]).expect("id"),
            job: number(&row["job"]["id"]).expect("job"),
            status: number(&row["status"]["id"]).expect("status"),
            label: row["status"]["label"].as_str().expect("label").to_owned(),
            comments: number(&row["commentCount"]).unwrap_or(0),
        };
        self.raw_rows().await.into_iter().map(row).collect()
    }

    /// The applications of this address, as the simulator shows them.
    pub(super) async fn rows_of(&self, email: &str) -> Vec<Value> {
        let mut rows = self.raw_rows().await;
        rows.retain(|row| row["applicant"]["email"] == email);
        rows
    }

    pub(super) async fn row(&self, id: u64) -> Row {
        self.rows().await.into_iter().find(|row| row.id == id).expect("an application")
    }

    /// A pending application that no other test uses; it is on record here.
    pub(super) async fn free_row(&self) -> Row {
        let rows = self.rows().await;
        let is_pending = |row: &Row| STATUSES.contains(&row.status) && !self.used.borrow().contains(&row.id);
        let row = match rows.iter().find(|row| is_pending(row)) {
            Some(row) => row.clone(),
            None => {
                // So few are going on that one is made to.
                let used = self.used.borrow().clone();
                let id = rows.iter().map(|row| row.id).find(|id| !used.contains(id)).expect("an application");
                self.control(Method::POST, "/applications", json!({"id": id, "status": {"id": STATUSES[0]}})).await;
                self.row(id).await
            }
        };
        self.used.borrow_mut().insert(row.id);
        self.until(row.id, |_| true).await;
        row
    }

    /// A status that an application does not have.
    pub(super) fn another_status(&self, row: &Row) -> u64 {
        STATUSES.into_iter().find(|status| *status != row.status).expect("another one")
    }

    /// Our id of an application.
    pub(super) fn ours(&self, id: u64) -> String {
        self.origin.application(&id.to_string()).to_string()
    }

    /// Waits until our record of an application is as wanted.
    pub(super) async fn until(&self, id: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/applications/{}", self.ours(id));
        self.org.until(&path, |answer| answer.status == 200 && wanted(&answer.body)).await.body
    }

    pub(super) async fn until_stage(&self, id: u64, label: &str) {
        self.until(id, |application| application["stage"] == label).await;
    }

    /// Requests an action. Returns its id.
    pub(super) async fn act(&self, id: u64, body: &Value) -> String {
        let accepted = self.org.post(&format!("/api/applications/{}/actions", self.ours(id)), body).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.body["id"].as_str().expect("id").to_owned()
    }

    /// Records an action as the API does that accepted it; its message is not sent yet. Gives its id.
    pub(super) async fn record_behind(&self, application: u64, stage: &str) -> String {
        let change = Change::MoveStage { application: application.to_string(), stage: stage.to_owned() };
        self.record(|_| change).await
    }

    pub(super) async fn record(&self, change: impl FnOnce(ActionId) -> Change) -> String {
        let (id, now) = (ActionId::fresh(Uuid::now_v7()), time::now());
        let action = Action::accepted(id, self.origin.connection.clone(), None, change(id), now);
        let id = id.to_string();
        let mut item = json!(action);
        item["pk"] = json!(format!("ORG#{}#action", self.org.id()));
        item["sk"] = json!(id);
        item["request_hash"] = json!("none");
        item["listed_at"] = json!(format!("{now:.3}#{id}"));
        item["waiting_shard"] = json!(format!("waiting#{}", shard_of(&id)));
        item["waiting_since"] = json!(waiting_since(now, SignedDuration::ZERO).to_string());
        self.stack.put_record(&item).await;
        id
    }

    /// The message of an action.
    pub(super) fn job(&self, action: &str) -> String {
        super::job(self.org.id(), &self.connection, action)
    }

    /// Waits for the end of an action.
    pub(super) async fn ended(&self, action: &str) -> Value {
        self.org.until(&format!("/api/actions/{action}"), |answer| super::settled(&answer.body)).await.body
    }

    /// The number of requests for this change of an application that the provider made or may have made.
    pub(super) async fn posts(&self, application: u64, what: &str) -> usize {
        let end = format!("/{}/api/v1/applicant_tracking/applications/{application}/{what}", self.name);
        let requests = self.stack.control(PROVIDER, Method::GET, "/requests?limit=5000", None).await.body;
        let posts = |request: &&Value| {
            request["method"] == "POST" && request["path"].as_str().is_some_and(|path| path.ends_with(&end))
        };
        requests["items"].as_array().expect("requests").iter().filter(posts).count()
    }
}
