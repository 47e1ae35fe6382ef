//! Organisations whose mail goes through a provider of the test's choice, their notifications, and what the provider has of them.

use domain::mail_event::MailReference;
use domain::message::EmailJob;
use domain::notification::{Notification, NotificationKind};
use jiff::SignedDuration;
use reqwest::Method;
use resilience::outbox::{shard_of, waiting_since};
use serde_json::{Value, json};

use crate::e2e::harness::stack::{Stack, fresh_number};
use crate::e2e::harness::time;

/// A tenant that exists for one test.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: String,
}

/// A notification of a tenant, in its own words.
#[derive(Debug, Clone)]
pub(crate) struct NotificationRef {
    pub(crate) tenant: String,
    pub(crate) id: String,
}

/// Data of a kind that may be sent to any address.
fn data(kind: NotificationKind) -> Value {
    match kind {
        NotificationKind::FlagResolved => json!({"name": "Ada", "flag": "f", "resolution": "r"}),
        NotificationKind::PasswordReset => {
            json!({"name": "Ada", "reset_url": "https://a.example/r", "expires_in_minutes": 60})
        }
        other => panic!("{other:?} is not used here"),
    }
}

impl Stack {
    /// Makes a tenant whose mail goes through these providers, the first choice first.
    pub(crate) async fn tenant(&self, providers: &[&str]) -> Tenant {
        let id = format!("{}-{:x}", providers.first().expect("a provider"), fresh_number());
        let now = time::now().to_string();
        self.put_record(&json!({
            "pk": format!("ORG#{id}#organisation"), "sk": id, "v": 1, "id": id, "name": "Tenant",
            "notify_email": "staff@example.com", "mail_providers": providers, "created_at": now, "updated_at": now,
        }))
        .await;
        Tenant { id }
    }

    /// Records a notification of a tenant as a function does that accepted it; its message is not sent yet.
    pub(crate) async fn record_notification(
        &self,
        tenant: &Tenant,
        kind: NotificationKind,
        to: &str,
    ) -> NotificationRef {
        let uuid = uuid::Uuid::now_v7();
        let now = time::now();
        let id = uuid.to_string();
        let notification = Notification::queued(id.parse().expect("an id"), kind, to.to_owned(), data(kind), now);
        let mut item = json!(notification);
        item["pk"] = json!(format!("ORG#{}#notification", tenant.id));
        item["sk"] = json!(id);
        item["request_hash"] = json!("none");
        item["listed_at"] = json!(format!("{now:.3}#{id}"));
        item["waiting_shard"] = json!(format!("waiting#{}", shard_of(&id)));
        item["waiting_since"] = json!(waiting_since(now, SignedDuration::ZERO).to_string());
        self.put_record(&item).await;
        NotificationRef { tenant: tenant.id.clone(), id }
    }

    /// The accepted mails of a notification at a provider. The relay knows them by a header, the others by the reference.
    pub(crate) async fn mails_at(&self, provider: &str, notification: &NotificationRef) -> u64 {
        if provider == "smtp" {
            return u64::try_from(self.mails_of(&notification.id).await.len()).expect("a small number");
        }
        let path = format!("/mails?correlation={}", notification.reference());
        let answer = self.control(provider, Method::GET, &path, None).await;
        u64::try_from(answer.body["items"].as_array().expect("a list of mails").len()).expect("a small number")
    }
}

impl NotificationRef {
    /// The message that says: look at this notification.
    pub(crate) fn job(&self) -> String {
        let job = EmailJob::to_send(self.tenant.parse().expect("org"), self.id.parse().expect("id"));
        json!(job).to_string()
    }

    pub(crate) fn reference(&self) -> String {
        let (org, notification) = (self.tenant.parse().expect("org"), self.id.parse().expect("id"));
        MailReference { org, notification }.to_string()
    }

    /// The notification as it is recorded.
    pub(crate) async fn read(&self, stack: &Stack) -> Value {
        let item = stack.record(&format!("ORG#{}#notification", self.tenant), &self.id).await;
        plain(&json!({"M": item}))
    }
}

/// An attribute without its types.
fn plain(attribute: &Value) -> Value {
    let (kind, value) = attribute.as_object().and_then(|one| one.iter().next()).expect("an attribute");
    match kind.as_str() {
        "N" => value.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(Value::Null, Value::from),
        "M" => value.as_object().expect("a map").iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        "L" => value.as_array().expect("a list").iter().map(plain).collect(),
        "NULL" => Value::Null,
        _ => value.clone(),
    }
}
