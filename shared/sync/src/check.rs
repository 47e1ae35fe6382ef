//! Checks a connection's credentials, and creates the webhooks that the provider lets us create.

use aws::batch::Invocation;
use domain::connection::{ConnectionStatus, WEBHOOK_URL};
use providers::ats::port::Context;
use providers::transport::http::Reply;
use secrecy::{ExposeSecret as _, SecretString};

use crate::client::Client;
use crate::connections::Connections;
use crate::error::SyncError;
use crate::session::ConnectionSession;

/// Checks connections that are new or have new credentials.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionChecker {
    pub(crate) connections: Connections,
    pub(crate) client: Client,
}

impl ConnectionChecker {
    /// Checks the credentials of a connection in the status `checking`. Returns its new status.
    pub(crate) async fn check(
        &self,
        session: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<ConnectionStatus, SyncError> {
        if session.has_login() {
            let cursor = session.ats.check_cursor(&session.connection.settings);
            match self.client.page(session, &cursor, invocation).await {
                Ok(_) => {}
                Err(SyncError::Failed(detail) | SyncError::ReauthorizationRequired(detail)) => {
                    let (status, detail) = (ConnectionStatus::Refused, detail.to_string());
                    return Ok(self.connections.set_status(session, status, Some(&detail)).await?);
                }
                Err(error) => return Err(error),
            }
            self.subscribe(session, invocation).await?;
        }
        Ok(self.connections.set_status(session, ConnectionStatus::Active, None).await?)
    }

    /// Creates webhooks where we do that ourselves. A provider returns each secret only once, so it is stored before
    /// the next webhook is created; a webhook that was created before is recognised by its secret.
    async fn subscribe(&self, session: &mut ConnectionSession, invocation: Invocation) -> Result<(), SyncError> {
        let url = session.connection.settings.get(WEBHOOK_URL).cloned();
        let (Some(url), Some(source)) = (url, session.provider.webhooks) else { return Ok(()) };
        let (key, parameters) = (session.key(), &self.connections.secrets);
        let stored = parameters.fresh_of_connection(&key, source.secret()).await?;
        let mut secrets: Vec<String> =
            stored.iter().flat_map(|text| text.expose_secret().lines()).map(str::to_owned).collect();
        let Some(subscriptions) = session.ats.webhook_subscriptions() else { return Ok(()) };
        for event in subscriptions.events().iter().skip(secrets.len()) {
            let build = |context: &Context<'_>| subscriptions.subscription_request(context, event, &url);
            let parse = |context: &Context<'_>, reply: &Reply| subscriptions.parse_subscription(context, reply);
            let (secret, _) = self.client.request(session, invocation, build, parse).await?;
            secrets.push(secret.expose_secret().to_owned());
            let text = SecretString::from(secrets.join("\n"));
            parameters.put_of_connection(&key, source.secret(), &text).await?;
        }
        Ok(())
    }
}
