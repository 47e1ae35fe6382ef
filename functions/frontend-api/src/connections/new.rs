//! New connections, and new secrets of connections that there are.
//!
//! Secrets go to the parameter store and nowhere else; what is recorded to know a repeated request by is no hash of them that
//! could be tried out.

use std::collections::BTreeMap;

use aws::clock;

use aws::random;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::FORMAT_VERSION;
use domain::ats::content_hash;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus, LoginMethod, WEBHOOK_URL};
use domain::id::{ConnectionId, OrgId};
use garde::Validate;
use http::HeaderMap;
use lambda_http::request::RequestContext;
use providers::catalog::Spec;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::records::Created;
use store::sync::{SyncRequest, SyncState};
use web::accept::{accepted, id_for};
use web::body::{Checked, idempotency_key};
use web::identity::{Identity, Role};
use web::problem::Problem;

use super::checked::{self, Entered, Errors, Given};
use super::view::{ConnectionResponse, webhook_path};
use super::{ConnectionCreated, KIND, request_sync, send, shown, stands};
use crate::audit::{AuditedAction, Change, Reason, audited};
use crate::integrations::{webhook_secret, webhooks_by_hand, webhooks_by_us};
use crate::{Api, id, unavailable};

/// Name of the parameter with a connection's credentials: the JSON of an object of texts.
pub(super) const CREDENTIALS: &str = "credentials";

/// The body of a request to create a connection. The provider decides what it must hold.
#[derive(Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateConnectionRequest {
    #[garde(skip)]
    #[serde(default)]
    id: Option<ConnectionId>,
    #[garde(skip)]
    provider: String,
    #[garde(skip)]
    login: LoginMethod,
    #[garde(skip)]
    #[serde(default)]
    account: Option<String>,
    #[garde(skip)]
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[garde(skip)]
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[garde(dive)]
    #[serde(default)]
    reason: Reason,
}

/// The body of a request to replace the secrets of a connection.
#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecretsRequest {
    #[garde(skip)]
    secrets: BTreeMap<String, String>,
    #[garde(dive)]
    #[serde(default)]
    reason: Reason,
}

/// Makes a connection; a worker tries its credentials.
pub(super) async fn create(
    State(api): State<Api>,
    identity: Identity,
    context: Option<axum::Extension<RequestContext>>,
    headers: HeaderMap,
    Checked(new): Checked<CreateConnectionRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let spec = checked::provider(&new.provider).map_err(|error| Problem::invalid(vec![error]))?;
    let org = identity.org.clone();
    let no_slug = |_| Problem::internal();
    let id = match &new.id {
        Some(id) => id.clone(),
        None => id_for(
            &headers,
            &org,
            || ConnectionId::fresh(spec.id, random::fresh_id()),
            |org, parts| ConnectionId::derived(spec.id, org, parts),
        )?
        .map_err(no_slug)?,
    };
    // With the key in it: whoever reads the table does not know that, and so cannot try secrets out.
    let request = match idempotency_key(&headers)? {
        Some(key) => content_hash(&(key, &new)),
        None => random::owner_token(),
    };
    let path = webhook_path(spec.id, &org, &id);
    let CreateConnectionRequest { id: given_id, provider, login, account, mut settings, secrets, reason } = new;
    let mut errors = Errors::default();
    checked::settings(spec, &Given { login, account: account.as_deref(), settings: &settings }, &path, &mut errors);
    let entered = checked::secrets(spec, login, &secrets, &mut errors);
    if !errors.0.is_empty() {
        return Err(Problem::invalid(errors.0));
    }
    if webhooks_by_us(spec) && entered.webhook.is_none() && login != LoginMethod::WebhookOnly {
        // The worker that tries the credentials creates the webhooks, when it knows where they are taken.
        let own = domain_name(context).map(|domain| format!("https://{domain}{path}"));
        if let Some(own) = own.filter(|_| !settings.contains_key(WEBHOOK_URL)) {
            settings.insert(WEBHOOK_URL.to_owned(), own);
        }
    }
    let now = clock::now();
    let connection = Connection {
        v: FORMAT_VERSION,
        id: id.clone(),
        provider,
        status: ConnectionStatus::Checking,
        detail: None,
        login,
        account,
        settings,
        created_at: now,
    };
    let action = AuditedAction { action: "connection.create", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        // The record first: only who made it may write its secrets. Without a sync state no worker looks at it yet.
        let created = api.records.create(&org, &connection, &request, now).await.map_err(|e| unavailable(&e))?;
        let told = match created {
            Created::New => finish(&api, &org, spec, connection, entered).await?,
            Created::Same(existing) => go_on(&api, &org, spec, existing, entered).await?,
            Created::Other if given_id.is_none() => return Err(Problem::key_reused()),
            Created::Other => return Err(Problem::conflict("this id is, or was, that of another connection")),
        };
        Ok(Change { before: "none".to_owned(), after: ConnectionStatus::Checking.as_str().to_owned(), result: told })
    };
    let (_, told) = audited(&api, identity, action, carry_out).await?;
    Ok(accepted(&format!("/api/connections/{id}"), &told))
}

/// A request that comes again: what the former one left undone is done.
async fn go_on(
    api: &Api,
    org: &OrgId,
    spec: &Spec,
    connection: Connection,
    entered: Entered,
) -> Result<ConnectionCreated, Problem> {
    let state = api.syncs().state(&ConnectionKey::new(org, &connection.id)).await.map_err(|e| unavailable(&e))?;
    if state.is_none() {
        return finish(api, org, spec, connection, entered).await;
    }
    send(api, org, &connection.id).await;
    // What was made then was told then.
    Ok(ConnectionCreated { view: ConnectionResponse::new(org, connection, state, clock::now()), webhook_secret: None })
}

/// What follows on the record of a new connection: secrets, sync state, a worker.
async fn finish(
    api: &Api,
    org: &OrgId,
    spec: &Spec,
    connection: Connection,
    mut entered: Entered,
) -> Result<ConnectionCreated, Problem> {
    let now = clock::now();
    let made = if webhooks_by_hand(spec) { made(&mut entered) } else { None };
    store(api, org, spec, &connection, entered).await?;
    let state = SyncState::new(ConnectionKey::new(org, &connection.id), &connection.provider, now);
    api.syncs().create(&state).await.map_err(|e| unavailable(&e))?;
    send(api, org, &connection.id).await;
    Ok(ConnectionCreated { view: ConnectionResponse::new(org, connection, Some(state), now), webhook_secret: made })
}

/// Stores secrets over those that there are.
async fn store(api: &Api, org: &OrgId, spec: &Spec, connection: &Connection, entered: Entered) -> Result<(), Problem> {
    let Entered { credentials, webhook } = entered;
    let key = ConnectionKey::new(org, &connection.id);
    let put = async |name: &str, value: Option<SecretString>| match value {
        Some(value) => api.secrets.put_of_connection(&key, name, &value).await,
        None => Ok(()),
    };
    let webhook_name = webhook_secret(spec).unwrap_or_default();
    tokio::try_join!(put(CREDENTIALS, credentials), put(webhook_name, webhook)).map_err(|e| unavailable(&e))?;
    Ok(())
}

/// Makes the webhooks' secret, where none was given. It is told once.
fn made(entered: &mut Entered) -> Option<String> {
    let made = entered.webhook.is_none().then(random::secret);
    if let Some(made) = &made {
        entered.webhook = Some(SecretString::from(made.clone()));
    }
    made
}

/// Puts new secrets in the place of the old ones; a worker tries them.
pub(super) async fn rotate(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    Checked(RotateSecretsRequest { secrets, reason }): Checked<RotateSecretsRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let id: ConnectionId = id(&text, KIND)?;
    let org = identity.org.clone();
    let (connection, _) = stands(&api, &org, &id).await?;
    let spec = checked::provider(&connection.provider).map_err(|error| Problem::invalid(vec![error]))?;
    let mut errors = Errors::default();
    let mut entered = checked::secrets(spec, connection.login, &secrets, &mut errors);
    if !errors.0.is_empty() {
        return Err(Problem::invalid(errors.0));
    }
    // Where there is nothing else to be renewed, it is the webhooks' secret; else that stays as long as none is given.
    let made = if entered.credentials.is_none() { made(&mut entered) } else { None };
    let action = AuditedAction { action: "connection.rotate-secrets", target: format!("{KIND}/{id}"), reason };
    let carry_out = async {
        store(&api, &org, spec, &connection, entered).await?;
        let (before, after) = super::commands::transition(&api, &org, &id, |seen| match seen {
            ConnectionStatus::Deleted => Err(Problem::conflict("the connection is being removed")),
            ConnectionStatus::Active
            | ConnectionStatus::Checking
            | ConnectionStatus::Paused
            | ConnectionStatus::Refused
            | ConnectionStatus::NeedsReauthorisation
            | ConnectionStatus::Unknown => Ok(ConnectionStatus::Checking),
        })
        .await?;
        let request = SyncRequest { mode: None, reason: "new secrets are tried", unpark: true };
        request_sync(&api, &org, &connection, request).await?;
        let (before, after) = (before.as_str().to_owned(), after.as_str().to_owned());
        Ok(Change { before, after, result: shown(&api, &org, &id).await? })
    };
    let (_, view) = audited(&api, identity, action, carry_out).await?;
    Ok(accepted(&format!("/api/connections/{id}"), &ConnectionCreated { view, webhook_secret: made }))
}

/// The host that this request came to, as API Gateway says it.
fn domain_name(context: Option<axum::Extension<RequestContext>>) -> Option<String> {
    match context {
        Some(axum::Extension(RequestContext::ApiGatewayV2(context))) => context.domain_name,
        Some(_) | None => None,
    }
}
