//! Integrations: the systems that can be connected, their capabilities, and the input of a connection to them.

use std::collections::HashMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use domain::connection::{Connection, LoginMethod};
use domain::write_back::ChangeKind;
use jiff::SignedDuration;
use providers::ats::port::{Ats, AtsProvider, SyncMethod, WriteBack};
use providers::catalog::{self, Category, Entry};
use serde::Serialize;
use web::identity::Identity;
use web::page::List;
use web::problem::Problem;

use crate::api::Api;
use crate::response::unavailable;

/// The most connections that are counted; an organisation has few.
const MAX_COUNTED: u16 = 1_000;

/// A system that can be integrated, as the API shows it.
#[derive(Debug, Serialize)]
struct IntegrationResponse {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    /// The way in which records arrive: `webhook`, `polling`, or `manual` where none do.
    method: &'static str,
    interval_minutes: Option<IntervalResponse>,
    /// The way in which webhooks are created: `by-hand` (in the system's settings), `automatic`, or null without webhooks.
    webhooks: Option<&'static str>,
    two_way: bool,
    changes: &'static [ChangeKind],
    /// Whether all records of the system are read, and not only its events.
    bulk: bool,
    rate_limit: Option<RateLimitResponse>,
    logins: Vec<LoginResponse>,
    account_required: bool,
    settings: Vec<SettingResponse>,
    documentation: &'static str,
    /// The number of the organisation's connections to the system.
    connections: usize,
}

/// The longest times between two polls, in minutes.
#[derive(Debug, Serialize)]
struct IntervalResponse {
    contract: i64,
    /// The longest time while webhooks arrive.
    reconcile: Option<i64>,
}

/// The budget of requests of one connection.
#[derive(Debug, Serialize)]
struct RateLimitResponse {
    requests: u32,
    window_s: u64,
}

/// A way to sign in.
#[derive(Debug, Serialize)]
struct LoginResponse {
    method: LoginMethod,
    secrets: &'static [&'static str],
}

/// A setting of a connection.
#[derive(Debug, Serialize)]
struct SettingResponse {
    name: &'static str,
    required: bool,
    about: &'static str,
}

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/api/integrations", get(list))
}

async fn list(State(api): State<Api>, identity: Identity) -> Result<Json<List<IntegrationResponse>>, Problem> {
    let found = api.records.list::<Connection>(&identity.org, MAX_COUNTED, None).await;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for connection in found.map_err(|e| unavailable(&e))?.0 {
        *counts.entry(connection.value.provider).or_default() += 1;
    }
    let render = |entry: Entry| {
        let connections = counts.get(entry.info.id).copied().unwrap_or_default();
        integration_response(entry, connections)
    };
    Ok(Json(List { items: catalog::all().map(render).collect(), next_cursor: None }))
}

/// Renders a provider with the number of the organisation's connections to it.
fn integration_response(Entry { category, info }: Entry, connections: usize) -> IntegrationResponse {
    let category = match category {
        Category::Ats => "ats",
        Category::Model => "model",
        Category::Mail => "mail",
    };
    let ats = providers::ats::find(info.id);
    let minutes = |contract: SignedDuration, reconcile: Option<SignedDuration>| {
        Some(IntervalResponse {
            contract: contract.as_mins(),
            reconcile: reconcile.map(|reconcile| reconcile.as_mins()),
        })
    };
    let (method, interval_minutes) = match ats.map(|ats| ats.sync) {
        Some(SyncMethod::Webhook { reconcile, contract }) => ("webhook", minutes(contract, Some(reconcile))),
        Some(SyncMethod::Polled { contract }) => ("polling", minutes(contract, None)),
        None => ("manual", None),
    };
    let webhooks = match (ats.is_some_and(webhooks_by_us), ats.is_some_and(webhooks_by_hand)) {
        (true, _) => Some("automatic"),
        (false, true) => Some("by-hand"),
        (false, false) => None,
    };
    let api = ats.map(|ats| ats.api);
    let changes = api.and_then(Ats::write_back).map(WriteBack::changes).unwrap_or_default();
    let budget = api.map(Ats::budget);
    let logins = ats.map(logins).unwrap_or_default().into_iter();
    let settings = api.map(Ats::settings).unwrap_or_default().iter();
    IntegrationResponse {
        id: info.id,
        name: info.name,
        category,
        method,
        interval_minutes,
        webhooks,
        two_way: !changes.is_empty(),
        changes,
        bulk: ats.is_some(),
        rate_limit: budget.map(|b| RateLimitResponse { requests: b.requests, window_s: b.window.as_secs() }),
        logins: logins.map(|(method, secrets)| LoginResponse { method, secrets }).collect(),
        account_required: ats.is_some_and(needs_account),
        settings: settings.map(|s| SettingResponse { name: s.name, required: s.required, about: s.about }).collect(),
        documentation: info.reference,
        connections,
    }
}

/// The ways to sign in that a provider offers, with the names of their secrets.
pub(crate) fn logins(provider: &AtsProvider) -> Vec<(LoginMethod, &'static [&'static str])> {
    provider.api.logins().iter().map(|login| (login.method, login.secrets)).collect()
}

/// Whether a person creates the provider's webhooks, in the provider's settings.
pub(crate) fn webhooks_by_hand(provider: &AtsProvider) -> bool {
    provider.webhooks.is_some() && provider.api.webhook_subscriptions().is_none()
}

/// Whether we create the provider's webhooks.
pub(crate) fn webhooks_by_us(provider: &AtsProvider) -> bool {
    provider.webhooks.is_some() && !webhooks_by_hand(provider)
}

/// Whether requests name the account, in their host or in their path.
pub(crate) fn needs_account(provider: &AtsProvider) -> bool {
    provider.api.names_account()
        || provider.hosts.iter().any(|host| host.live.contains("{account}") || host.local.contains("{account}"))
}

/// The name of the secret that webhooks are signed with; none for a provider without webhooks.
pub(crate) fn webhook_secret(provider: &AtsProvider) -> Option<&'static str> {
    provider.webhooks.map(|webhooks| webhooks.secret())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rendered(id: &str) -> Value {
        let entry = catalog::all().find(|entry| entry.info.id == id).expect("a provider");
        serde_json::to_value(integration_response(entry, 2)).expect("JSON")
    }

    #[test]
    fn an_integration_lists_its_abilities_and_settings() {
        let greenhouse = rendered("greenhouse");
        assert_eq!((&greenhouse["method"], &greenhouse["webhooks"]), (&json!("webhook"), &json!("by-hand")));
        assert_eq!(greenhouse["interval_minutes"], json!({"contract": 30, "reconcile": 360}));
        assert_eq!((&greenhouse["two_way"], &greenhouse["bulk"]), (&json!(true), &json!(true)));
        assert_eq!(
            greenhouse["logins"][0],
            json!({"method": "client-credentials", "secrets": ["client_id", "client_secret"]})
        );
        assert_eq!(greenhouse["rate_limit"], json!({"requests": 140, "window_s": 30}));
        let lever = rendered("lever");
        assert_eq!(lever["webhooks"], "automatic");
        let workday = rendered("workday");
        assert_eq!((&workday["method"], &workday["webhooks"]), (&json!("polling"), &Value::Null));
        assert!(
            workday["settings"]
                .as_array()
                .is_some_and(|all| all.iter().any(|s| s["name"] == "host" && s["required"] == true))
        );
        let bamboohr = rendered("bamboohr");
        assert_eq!((&bamboohr["account_required"], &bamboohr["connections"]), (&json!(true), &json!(2)));
        let smtp = rendered("smtp");
        assert_eq!(
            (&smtp["category"], &smtp["method"], &smtp["bulk"]),
            (&json!("mail"), &json!("manual"), &json!(false))
        );
        assert_eq!((&smtp["logins"], &smtp["rate_limit"]), (&json!([]), &Value::Null));
        for entry in catalog::all() {
            assert!(rendered(entry.info.id)["documentation"].as_str().is_some_and(|link| link.starts_with("https://")));
        }
    }
}
