//! Tries a connection's credentials, and creates the webhooks that a provider lets us create.

use aws::batch::Invocation;
use aws::clock;
use aws::error::AwsError;
use domain::connection::{ConnectionStatus, WEBHOOK_URL};
use providers::ats::port::Context;
use providers::transport::http::Reply;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::SyncError;
use crate::{ConnectionSession, Engine};

impl Engine {
    /// Tries the credentials of a connection that is being checked. Gives it as it is then.
    pub(crate) async fn check(
        &self,
        opened: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<ConnectionStatus, SyncError> {
        if !opened.can_ask() {
            return Ok(self.becomes(opened, ConnectionStatus::Active, None).await?);
        }
        let cursor = opened.ats.check_cursor(&opened.connection.settings);
        match self.page(opened, &cursor, invocation).await {
            Ok(_) => {}
            Err(SyncError::Failed(detail) | SyncError::ReauthorizationRequired(detail)) => {
                return Ok(self.becomes(opened, ConnectionStatus::Refused, Some(&detail)).await?);
            }
            Err(error) => return Err(error),
        }
        self.subscribe(opened, invocation).await?;
        Ok(self.becomes(opened, ConnectionStatus::Active, None).await?)
    }

    /// Creates webhooks where we do that ourselves. Each secret is told once only, so it is stored before the next one is
    /// created; what was created before is known by its secret.
    async fn subscribe(&self, opened: &mut ConnectionSession, invocation: Invocation) -> Result<(), SyncError> {
        let url = opened.connection.settings.get(WEBHOOK_URL).cloned();
        let (Some(url), Some(source)) = (url, opened.provider.webhooks) else { return Ok(()) };
        let key = opened.origin.connection_key();
        let stored = self.secrets.fresh_of_connection(&key, source.secret()).await?;
        let mut secrets: Vec<String> =
            stored.iter().flat_map(|text| text.expose_secret().lines()).map(str::to_owned).collect();
        let Some(subscriptions) = opened.ats.webhook_subscriptions() else { return Ok(()) };
        for event in subscriptions.events().iter().skip(secrets.len()) {
            let call = |context: &Context<'_>| subscriptions.subscription_request(context, event, &url);
            let read = |context: &Context<'_>, reply: &Reply| subscriptions.parse_subscription(context, reply);
            let (secret, _) = self.ask(opened, invocation, call, read).await?;
            secrets.push(secret.expose_secret().to_owned());
            let text = SecretString::from(secrets.join("\n"));
            self.secrets.put_of_connection(&key, source.secret(), &text).await?;
        }
        Ok(())
    }

    /// Sets the status of a connection, unless somebody changed it meanwhile; gives the one that it has then.
    pub(crate) async fn becomes(
        &self,
        opened: &mut ConnectionSession,
        status: ConnectionStatus,
        detail: Option<&str>,
    ) -> Result<ConnectionStatus, AwsError> {
        let key = opened.origin.connection_key();
        let change = (opened.connection.status, status);
        if self.records.change_connection(&key, change, detail, clock::now()).await? {
            opened.connection.status = status;
            return Ok(status);
        }
        let now = self.load_connection(&key).await?;
        let status = now.map_or(ConnectionStatus::Deleted, |connection| connection.status);
        opened.connection.status = status;
        Ok(status)
    }
}
