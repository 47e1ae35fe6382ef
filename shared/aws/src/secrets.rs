//! Secrets from the parameter store: read once, cached for a minute, never printed.

#[cfg(debug_assertions)]
use std::collections::HashMap;
use std::sync::Arc;
#[cfg(debug_assertions)]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::types::ParameterType;
use domain::connection::ConnectionKey;
use moka::future::Cache;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;
use crate::error::AwsError;

/// The time that a secret is cached; a rotated one is in force after it.
const CACHED: Duration = Duration::from_secs(60);
/// The number of secrets that are cached, absent ones included, so that a caller who guesses names cannot fill the
/// memory.
const AT_MOST: u64 = 2_000;

/// The parameters below one prefix.
#[derive(Debug, Clone)]
pub struct Secrets {
    store: Store,
    prefix: String,
    cache: Cache<String, Option<SecretString>>,
}

/// The store of the secrets.
#[derive(Debug, Clone)]
enum Store {
    /// The parameter store of AWS.
    Service(Client),
    /// In this process, for proofs. A release has none.
    #[cfg(debug_assertions)]
    Memory(Arc<Mutex<HashMap<String, SecretString>>>),
}

impl Secrets {
    pub(crate) fn new(client: Client, prefix: String) -> Self {
        let cache = Cache::builder().max_capacity(AT_MOST).time_to_live(clock::on_machine(CACHED)).build();
        Self { store: Store::Service(client), prefix, cache }
    }

    /// Secrets that are in this process only.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn in_memory() -> Self {
        // Nothing is cached beside them: a proof's time passes faster than the cache's.
        let cache = Cache::builder().max_capacity(0).build();
        Self { store: Store::Memory(Arc::default()), prefix: String::new(), cache }
    }

    /// A secret of one connection, for example `webhook_secret`. None when there is no such connection or secret.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn of_connection(
        &self,
        connection: &ConnectionKey,
        name: &str,
    ) -> Result<Option<SecretString>, Arc<AwsError>> {
        self.read(&of_connection(connection, name)).await
    }

    /// A secret of the deployment, for example `gemini/api_key`. At most one call for all concurrent callers.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn read(&self, name: &str) -> Result<Option<SecretString>, Arc<AwsError>> {
        let full = format!("{}/{name}", self.prefix);
        self.cache.try_get_with(full.clone(), self.fetch(full)).await
    }

    /// A secret of one connection as it is now, also when another process has just changed it. One call.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn fresh_of_connection(
        &self,
        connection: &ConnectionKey,
        name: &str,
    ) -> Result<Option<SecretString>, AwsError> {
        self.fetch(self.full(connection, name)).await
    }

    /// Puts a secret of one connection in the place of what is there. Other processes use the old one for up to a minute. One
    /// call.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn put_of_connection(
        &self,
        connection: &ConnectionKey,
        name: &str,
        value: &SecretString,
    ) -> Result<(), AwsError> {
        let full = self.full(connection, name);
        self.cache.invalidate(&full).await;
        match &self.store {
            Store::Service(client) => {
                let put = client.put_parameter().name(full).value(value.expose_secret());
                let put = put.r#type(ParameterType::SecureString).overwrite(true);
                put.send().await.map(|_| ()).map_err(|error| AwsError::from_sdk("write a secret", error))
            }
            #[cfg(debug_assertions)]
            Store::Memory(secrets) => {
                secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(full, value.clone());
                Ok(())
            }
        }
    }

    /// Removes secrets of one connection; those that are not there are no error. One call each: the permission is for single
    /// names.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn remove_of_connection(&self, connection: &ConnectionKey, names: &[&str]) -> Result<(), AwsError> {
        for name in names {
            let full = self.full(connection, name);
            self.cache.invalidate(&full).await;
            match &self.store {
                Store::Service(client) => match client.delete_parameter().name(full).send().await {
                    Ok(_) => {}
                    Err(SdkError::ServiceError(service)) if service.err().is_parameter_not_found() => {}
                    Err(error) => return Err(AwsError::from_sdk("remove a secret", error)),
                },
                #[cfg(debug_assertions)]
                Store::Memory(secrets) => {
                    secrets.lock().unwrap_or_else(PoisonError::into_inner).remove(&full);
                }
            }
        }
        Ok(())
    }

    fn full(&self, connection: &ConnectionKey, name: &str) -> String {
        format!("{}/{}", self.prefix, of_connection(connection, name))
    }

    async fn fetch(&self, name: String) -> Result<Option<SecretString>, AwsError> {
        let client = match &self.store {
            Store::Service(client) => client,
            #[cfg(debug_assertions)]
            Store::Memory(secrets) => {
                return Ok(secrets.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned());
            }
        };
        match client.get_parameter().name(name).with_decryption(true).send().await {
            Ok(answer) => Ok(answer.parameter.and_then(|p| p.value).map(SecretString::from)),
            Err(SdkError::ServiceError(service)) if service.err().is_parameter_not_found() => Ok(None),
            Err(error) => Err(AwsError::from_sdk("read a secret", error)),
        }
    }
}

/// The name of a connection's secret below the deployment's prefix.
fn of_connection(key: &ConnectionKey, name: &str) -> String {
    let ConnectionKey { org, connection } = key;
    format!("orgs/{org}/connections/{connection}/{name}")
}
