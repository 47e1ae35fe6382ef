//! The secrets of a connection: stored, generated, replaced.
//!
//! Secrets go to the parameter store and nowhere else. What must never be here: a secret that is read back.

use aws::random;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::connection::{Connection, ConnectionKey, ConnectionStatus};
use providers::ats::port::AtsProvider;
use secrecy::SecretString;
use store::sync_states::SyncRequest;
use web::accept::accepted;
use web::body::Checked;
use web::identity::{Identity, Role};
use web::problem::Problem;

use super::load::{KIND, connection_key, load_connection, load_response};
use super::schedule::request_sync;
use super::status::change_status;
use super::types::{ConnectionCreated, RotateSecretsRequest};
use super::validation::{self, ConnectionSecrets, Errors};
use crate::api::Api;
use crate::audit::{AuditedAction, audited};
use crate::integrations::webhook_secret;
use crate::response::unavailable;

/// Name of the parameter with a connection's credentials: the JSON of an object of texts.
const CREDENTIALS: &str = "credentials";
/// The name of the parameter in which the sync stores access tokens.
const TOKENS: &str = "tokens";

/// Replaces the secrets of a connection; a worker then checks them.
pub(super) async fn rotate(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    Checked(RotateSecretsRequest { secrets, reason }): Checked<RotateSecretsRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    let connection = load_connection(&api, &key).await?;
    let ats = validation::provider(&connection.provider).map_err(|error| Problem::invalid(vec![error]))?;
    let mut errors = Errors::default();
    let mut secrets = validation::secrets(ats, connection.login, &secrets, &mut errors);
    errors.into_result()?;
    // Where there is nothing else to renew, it is the webhooks' secret; else that stays unless another one is given.
    let generated = if secrets.credentials.is_none() { generate_webhook_secret(&mut secrets) } else { None };
    let target = format!("{KIND}/{}", key.connection);
    let action = AuditedAction { action: "connection.rotate-secrets", target, reason };
    let carry_out = async {
        store_secrets(&api, &key, ats, secrets).await?;
        let change = change_status(&api, &key, checking).await?;
        let request = SyncRequest { mode: None, reason: "new secrets are tried", unpark: true };
        request_sync(&api, &key, &connection.provider, request).await?;
        Ok(change.with(load_response(&api, &key).await?))
    };
    let (_, response) = audited(&api, identity, action, carry_out).await?;
    let created = ConnectionCreated { connection: response, webhook_secret: generated };
    Ok(accepted(&format!("/api/connections/{}", key.connection), &created))
}

/// The status of a connection with new secrets.
fn checking(status: ConnectionStatus) -> Result<ConnectionStatus, Problem> {
    match status {
        ConnectionStatus::Deleted => Err(Problem::conflict("the connection is being removed")),
        ConnectionStatus::Active
        | ConnectionStatus::Checking
        | ConnectionStatus::Paused
        | ConnectionStatus::Refused
        | ConnectionStatus::NeedsReauthorisation
        | ConnectionStatus::Unknown => Ok(ConnectionStatus::Checking),
    }
}

/// Stores secrets over those that exist.
pub(super) async fn store_secrets(
    api: &Api,
    key: &ConnectionKey,
    ats: &AtsProvider,
    secrets: ConnectionSecrets,
) -> Result<(), Problem> {
    let ConnectionSecrets { credentials, webhook } = secrets;
    let put = async |name: &str, value: Option<SecretString>| match value {
        Some(value) => api.secrets.put_of_connection(key, name, &value).await,
        None => Ok(()),
    };
    let webhook_name = webhook_secret(ats).unwrap_or_default();
    tokio::try_join!(put(CREDENTIALS, credentials), put(webhook_name, webhook)).map_err(|e| unavailable(&e))?;
    Ok(())
}

/// Generates the webhooks' secret where none was given. The caller sees it once.
pub(super) fn generate_webhook_secret(secrets: &mut ConnectionSecrets) -> Option<String> {
    let generated = secrets.webhook.is_none().then(random::secret);
    if let Some(generated) = &generated {
        secrets.webhook = Some(SecretString::from(generated.clone()));
    }
    generated
}

/// The names of all secrets that a connection may have in the parameter store; those of the provider need its record.
pub(super) fn secret_names(connection: Option<&Connection>) -> Vec<&'static str> {
    let ats = connection.and_then(|connection| providers::ats::find(&connection.provider));
    [CREDENTIALS, TOKENS].into_iter().chain(ats.and_then(webhook_secret)).collect()
}
