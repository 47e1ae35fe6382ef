//! Secrets from the parameter store: read once, kept for a minute, never printed.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use domain::id::{ConnectionId, OrgId};
use moka::future::Cache;
use secrecy::SecretString;

use crate::error::PlatformError;

/// How long a read secret is used; so a rotated one is in force after this time.
const KEPT: Duration = Duration::from_secs(60);
/// How many are kept, absent ones included: whoever tries names cannot fill the memory.
const AT_MOST: u64 = 2_000;

/// The parameters below one prefix.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    prefix: String,
    kept: Cache<String, Option<SecretString>>,
}

impl Secrets {
    pub(crate) fn new(client: Client, prefix: String) -> Self {
        let kept = Cache::builder().max_capacity(AT_MOST).time_to_live(KEPT).build();
        Self { client, prefix, kept }
    }

    /// A secret of one connection, for example `webhook_secret`. None when there is no such connection or secret.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn of_connection(
        &self,
        org: &OrgId,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Option<SecretString>, Arc<PlatformError>> {
        self.read(&format!("orgs/{org}/connections/{connection}/{name}")).await
    }

    /// A secret of the deployment, for example `gemini/api_key`. At most one call for all who ask at once.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub async fn read(&self, name: &str) -> Result<Option<SecretString>, Arc<PlatformError>> {
        let full = format!("{}/{name}", self.prefix);
        self.kept.try_get_with(full.clone(), self.fetch(full)).await
    }

    async fn fetch(&self, name: String) -> Result<Option<SecretString>, PlatformError> {
        match self.client.get_parameter().name(name).with_decryption(true).send().await {
            Ok(answer) => Ok(answer.parameter.and_then(|p| p.value).map(SecretString::from)),
            Err(SdkError::ServiceError(service)) if service.err().is_parameter_not_found() => Ok(None),
            Err(error) => Err(PlatformError::from_sdk("read a secret", &error)),
        }
    }
}
