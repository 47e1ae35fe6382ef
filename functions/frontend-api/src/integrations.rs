//! Integrations: the systems that can be connected, their capabilities, and the input that a connection to them takes.

use std::collections::HashMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use domain::connection::{Connection, LoginMethod};
use domain::write_back::ChangeKind;
use jiff::SignedDuration;
use providers::ats::port::{Ats, WriteBack};
use providers::catalog::{Category, Spec, SyncMethod};
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
    let render = |spec: &&'static Spec| integration_response(spec, counts.get(spec.id).copied().unwrap_or_default());
    Ok(Json(List { items: providers::catalog::ALL.iter().map(render).collect(), next_cursor: None }))
}

/// Renders a provider with the number of the organisation's connections to it.
fn integration_response(spec: &'static Spec, connections: usize) -> IntegrationResponse {
    let category = match spec.category {
        Category::Ats => "ats",
        Category::Model => "model",
        Category::Mail => "mail",
    };
    let minutes = |contract: SignedDuration, reconcile: Option<SignedDuration>| {
        Some(IntervalResponse {
            contract: contract.as_mins(),
            reconcile: reconcile.map(|reconcile| reconcile.as_mins()),
        })
    };
    let (method, interval_minutes) = match spec.sync {
        SyncMethod::Webhook { reconcile, contract } => ("webhook", minutes(contract, Some(reconcile))),
        SyncMethod::Polled { contract } => ("polling", minutes(contract, None)),
        SyncMethod::None => ("manual", None),
    };
    let webhooks = match (webhooks_by_us(spec), webhooks_by_hand(spec)) {
        (true, _) => Some("automatic"),
        (false, true) => Some("by-hand"),
        (false, false) => None,
    };
    let changes = spec.ats.and_then(Ats::write_back).map(WriteBack::changes).unwrap_or_default();
    let budget = spec.ats.map(Ats::budget);
    let logins = logins(spec).into_iter().map(|(method, secrets)| LoginResponse { method, secrets });
    let settings = spec.ats.map(Ats::settings).unwrap_or_default().iter();
    IntegrationResponse {
        id: spec.id,
        name: spec.name,
        category,
        method,
        interval_minutes,
        webhooks,
        two_way: !changes.is_empty(),
        changes,
        bulk: spec.category == Category::Ats,
        rate_limit: budget.map(|b| RateLimitResponse { requests: b.requests, window_s: b.window.as_secs() }),
        logins: logins.collect(),
        account_required: needs_account(spec),
        settings: settings.map(|s| SettingResponse { name: s.name, required: s.required, about: s.about }).collect(),
        documentation: spec.reference,
        connections,
    }
}

/// The ways to sign in that a provider offers, with the names of their secrets.
pub(crate) fn logins(spec: &Spec) -> Vec<(LoginMethod, &'static [&'static str])> {
    match (spec.ats, spec.webhooks) {
        (Some(ats), _) => ats.logins().iter().map(|login| (login.method, login.secrets)).collect(),
        (None, Some(_)) => vec![(LoginMethod::WebhookOnly, &[])],
        (None, None) => vec![],
    }
}

/// Whether a person creates the provider's webhooks, in the provider's settings.
pub(crate) fn webhooks_by_hand(spec: &Spec) -> bool {
    spec.webhooks.is_some() && spec.ats.is_none_or(|ats| ats.webhook_subscriptions().is_none())
}

/// Whether we create the provider's webhooks.
pub(crate) fn webhooks_by_us(spec: &Spec) -> bool {
    spec.webhooks.is_some() && !webhooks_by_hand(spec)
}

/// Whether requests name the account, in their host or in their path.
pub(crate) fn needs_account(spec: &Spec) -> bool {
    spec.ats.is_some_and(|ats| ats.names_account())
        || spec.hosts.iter().any(|host| host.live.contains("{account}") || host.local.contains("{account}"))
}

/// The name of the secret that webhooks are signed with; none for a provider without webhooks.
pub(crate) fn webhook_secret(spec: &Spec) -> Option<&'static str> {
    spec.webhooks.map(|webhooks| webhooks.secret())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rendered(id: &str) -> Value {
        serde_json::to_value(integration_response(providers::catalog::find(id).expect("a provider"), 2)).expect("JSON")
    }

    #[test]
    fn an_integration_says_what_it_can_do_and_what_a_connection_takes() {
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
        for spec in providers::catalog::ALL {
            assert!(rendered(spec.id)["documentation"].as_str().is_some_and(|link| link.starts_with("https://")));
        }
    }
}
