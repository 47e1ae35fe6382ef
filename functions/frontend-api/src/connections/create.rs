//! Creates a connection: its record, its secrets, its sync state, and the job that checks it.
//!
//! Secrets go to the parameter store and nowhere else; the hash by which a repeated request is recognised cannot be used to
//! guess them.

use std::collections::BTreeMap;

use aws::{clock, random};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use domain::FORMAT_VERSION;
use domain::ats::content_hash;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus, LoginMethod, WEBHOOK_URL};
use domain::id::{ConnectionId, OrgId};
use http::HeaderMap;
use lambda_http::request::RequestContext;
use providers::ats::port::AtsProvider;
use store::records::Created;
use store::sync_states::SyncState;
use web::accept::{accepted, id_for};
use web::body::{Checked, idempotency_key};
use web::identity::{Identity, Role};
use web::problem::Problem;

use super::load::KIND;
use super::render::{connection_response, webhook_path};
use super::schedule::enqueue;
use super::secrets::{generate_webhook_secret, store_secrets};
use super::types::{ConnectionCreated, CreateConnectionRequest};
use super::validation::{self, ConnectionInput, ConnectionSecrets, Errors};
use crate::api::Api;
use crate::audit::{AuditedAction, Change, audited};
use crate::integrations::{webhooks_by_hand, webhooks_by_us};
use crate::response::unavailable;

/// Creates a connection; a worker then checks its credentials.
pub(super) async fn create(
    State(api): State<Api>,
    identity: Identity,
    context: Option<Extension<RequestContext>>,
    headers: HeaderMap,
    Checked(body): Checked<CreateConnectionRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let ats = validation::provider(&body.provider).map_err(|error| Problem::invalid(vec![error]))?;
    let org = identity.org.clone();
    let id = connection_id(&body, ats, &org, &headers)?;
    let hash = request_hash(&body, &headers)?;
    let path = webhook_path(ats.info.id, &org, &id);
    let CreateConnectionRequest { id: chosen_id, provider, login, account, mut settings, secrets, reason } = body;
    let input = ConnectionInput { login, account: account.as_deref(), settings: &settings };
    let mut errors = Errors::default();
    validation::settings(ats, &input, &path, &mut errors);
    let secrets = validation::secrets(ats, login, &secrets, &mut errors);
    errors.into_result()?;
    if webhooks_by_us(ats) && secrets.webhook.is_none() && login != LoginMethod::WebhookOnly {
        set_webhook_url(&mut settings, context, &path);
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
        // The record first: only the request that created it may write its secrets. Without a sync state no worker
        // claims it.
        let created = api.records.create(&org, &connection, &hash, now).await.map_err(|e| unavailable(&e))?;
        let result = match created {
            Created::New => complete(&api, &org, ats, connection, secrets).await?,
            Created::Same(existing) => repeat(&api, &org, ats, existing, secrets).await?,
            Created::Other if chosen_id.is_none() => return Err(Problem::key_reused()),
            Created::Other => return Err(Problem::conflict("this id is, or was, that of another connection")),
        };
        Ok(Change { before: "none".to_owned(), after: ConnectionStatus::Checking.as_str().to_owned(), result })
    };
    let (_, response) = audited(&api, identity, action, carry_out).await?;
    Ok(accepted(&format!("/api/connections/{id}"), &response))
}

/// The id of the new connection: the chosen one, else one that follows from the idempotency key, else a random one.
fn connection_id(
    body: &CreateConnectionRequest,
    ats: &AtsProvider,
    org: &OrgId,
    headers: &HeaderMap,
) -> Result<ConnectionId, Problem> {
    if let Some(id) = &body.id {
        return Ok(id.clone());
    }
    let fresh = || ConnectionId::fresh(ats.info.id, random::fresh_id());
    let derived = |org: &OrgId, parts: &[&str]| ConnectionId::derived(ats.info.id, org, parts);
    id_for(headers, org, fresh, derived)?.map_err(|_| Problem::internal())
}

/// The hash by which a repeated request is recognised. The idempotency key is a part of it: a reader of the table does not
/// know the key, and so cannot test guesses of the secrets against the hash.
fn request_hash(body: &CreateConnectionRequest, headers: &HeaderMap) -> Result<String, Problem> {
    Ok(match idempotency_key(headers)? {
        Some(key) => content_hash(&(key, body)),
        None => random::owner_token(),
    })
}

/// Sets the address for webhooks that we create, unless one was given: the worker that checks the credentials creates
/// them.
fn set_webhook_url(
    settings: &mut BTreeMap<String, String>,
    context: Option<Extension<RequestContext>>,
    webhook_path: &str,
) {
    if let Some(domain) = domain_name(context) {
        settings.entry(WEBHOOK_URL.to_owned()).or_insert_with(|| format!("https://{domain}{webhook_path}"));
    }
}

/// Completes the creation for a repeated request, in case the former one ended early.
async fn repeat(
    api: &Api,
    org: &OrgId,
    ats: &AtsProvider,
    connection: Connection,
    secrets: ConnectionSecrets,
) -> Result<ConnectionCreated, Problem> {
    let key = ConnectionKey::new(org, &connection.id);
    let state = api.syncs().state(&key).await.map_err(|e| unavailable(&e))?;
    if state.is_none() {
        return complete(api, org, ats, connection, secrets).await;
    }
    enqueue(api, &key).await;
    // A generated secret was in the response to the former request, and is returned only once.
    let connection = connection_response(org, connection, state, clock::now());
    Ok(ConnectionCreated { connection, webhook_secret: None })
}

/// Writes what follows on the record of a new connection: secrets, sync state, and the job for a worker.
async fn complete(
    api: &Api,
    org: &OrgId,
    ats: &AtsProvider,
    connection: Connection,
    mut secrets: ConnectionSecrets,
) -> Result<ConnectionCreated, Problem> {
    let (key, now) = (ConnectionKey::new(org, &connection.id), clock::now());
    let webhook_secret = if webhooks_by_hand(ats) { generate_webhook_secret(&mut secrets) } else { None };
    store_secrets(api, &key, ats, secrets).await?;
    let state = SyncState::new(key.clone(), &connection.provider, now);
    api.syncs().create(&state).await.map_err(|e| unavailable(&e))?;
    enqueue(api, &key).await;
    let connection = connection_response(org, connection, Some(state), now);
    Ok(ConnectionCreated { connection, webhook_secret })
}

/// The host to which this request was sent, as API Gateway reports it.
fn domain_name(context: Option<Extension<RequestContext>>) -> Option<String> {
    match context {
        Some(Extension(RequestContext::ApiGatewayV2(context))) => context.domain_name,
        Some(_) | None => None,
    }
}
