//! The client of a model, by the access that the stage allows: live, a simulator on this machine, or the mock.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::model::mock;
use crate::model::port::{Generated, ModelApi, ModelError, Prompt};
use crate::transport::access::ModelAccess;
use crate::transport::http::{Outbound, SendError};

/// The model, as this stage may use it.
#[derive(Clone)]
pub struct ModelClient {
    api: &'static dyn ModelApi,
    access: ModelAccess,
    http: Outbound,
}

impl ModelClient {
    /// A client of a provider, for the given access.
    #[must_use]
    pub fn new(api: &'static dyn ModelApi, access: ModelAccess, http: Outbound) -> Self {
        Self { api, access, http }
    }

    /// True except for the live model.
    #[must_use]
    pub const fn is_mock(&self) -> bool {
        !matches!(self.access, ModelAccess::Live(_))
    }

    /// Name of the secret that is needed; none for the mock.
    #[must_use]
    pub fn secret(&self) -> Option<&'static str> {
        match self.access {
            ModelAccess::Live(_) | ModelAccess::Simulator(_) => Some(self.api.secret()),
            ModelAccess::Mock => None,
        }
    }

    /// Opens the connection, in INIT.
    pub async fn preconnect(&self) {
        match &self.access {
            ModelAccess::Live(base) | ModelAccess::Simulator(base) => self.http.preconnect(base).await,
            ModelAccess::Mock => {}
        }
    }

    /// Makes one request, within `timeout`.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn generate(
        &self,
        prompt: &Prompt,
        key: Option<&SecretString>,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Generated, ModelError> {
        match &self.access {
            ModelAccess::Mock => Ok(mock::answer(prompt)),
            ModelAccess::Live(base) | ModelAccess::Simulator(base) => {
                let key = key.ok_or_else(|| ModelError::Refused("there is no API key".into()))?;
                self.generate_over_http(base, prompt, key, timeout, now).await
            }
        }
    }

    async fn generate_over_http(
        &self,
        base: &Url,
        prompt: &Prompt,
        key: &SecretString,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Generated, ModelError> {
        let request = self.api.request(base, prompt, key, timeout)?;
        match self.http.send(request, timeout).await {
            Ok(reply) => self.api.read(&reply, now),
            Err(SendError::NotSent(cause) | SendError::NoReply(cause)) => Err(ModelError::Unavailable(cause)),
        }
    }
}
