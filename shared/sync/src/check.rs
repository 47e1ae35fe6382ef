//! Tries a connection's credentials, and creates the webhooks that a provider lets us create.

use domain::connection::{Connection, ConnectionStatus};
use platform::batch::Turn;
use platform::clock;
use platform::error::PlatformError;
use platform::records::key_of;
use platform::table::{Write, null, text};
use providers::ats::Context;
use providers::http::Reply;
use secrecy::{ExposeSecret as _, SecretString};

use crate::halt::Halt;
use crate::{Engine, Opened};

/// Name of the secret that deliveries are signed with.
const WEBHOOK_SECRET: &str = "webhook_secret";
/// Name of the setting with the address at which webhooks are taken; set where a connection is made.
const WEBHOOK_URL: &str = "webhook_url";
/// Guards: nobody changed the connection's status meanwhile.
const STATUS_IS: &str = "#status = :seen";

impl Engine {
    /// Tries the credentials of a connection that is being checked. Gives it as it is then.
    pub(crate) async fn check(&self, opened: &mut Opened, turn: Turn) -> Result<ConnectionStatus, Halt> {
        if !opened.can_ask() {
            return Ok(self.becomes(opened, ConnectionStatus::Active, None).await?);
        }
        let cursor = opened.ats.check(&opened.connection.settings);
        match self.page(opened, &cursor, turn).await {
            Ok(_) => {}
            Err(Halt::Failed(detail) | Halt::Reauthorise(detail)) => {
                return Ok(self.becomes(opened, ConnectionStatus::Refused, Some(&detail)).await?);
            }
            Err(halt) => return Err(halt),
        }
        self.subscribe(opened, turn).await?;
        Ok(self.becomes(opened, ConnectionStatus::Active, None).await?)
    }

    /// Creates webhooks where we do that ourselves. Each secret is told once only, so it is stored before the next one is
    /// created; what was created before is known by its secret.
    async fn subscribe(&self, opened: &mut Opened, turn: Turn) -> Result<(), Halt> {
        let Some(url) = opened.connection.settings.get(WEBHOOK_URL).cloned() else { return Ok(()) };
        let (org, connection) = (opened.origin.org.clone(), opened.origin.connection.clone());
        let stored = self.secrets.fresh_of_connection(&org, &connection, WEBHOOK_SECRET).await?;
        let mut secrets: Vec<String> =
            stored.iter().flat_map(|text| text.expose_secret().lines()).map(str::to_owned).collect();
        let ats = opened.ats;
        for event in ats.subscriptions().iter().skip(secrets.len()) {
            let call = |context: &Context<'_>| ats.subscribe(context, event, &url);
            let read = |context: &Context<'_>, reply: &Reply| ats.subscribed(context, reply);
            let (secret, _) = self.ask(opened, turn, call, read).await?;
            secrets.push(secret.expose_secret().to_owned());
            let text = SecretString::from(secrets.join("\n"));
            self.secrets.put_of_connection(&org, &connection, WEBHOOK_SECRET, &text).await?;
        }
        Ok(())
    }

    /// Sets the status of a connection, unless somebody changed it meanwhile; gives the one that it has then.
    pub(crate) async fn becomes(
        &self,
        opened: &mut Opened,
        status: ConnectionStatus,
        detail: Option<&str>,
    ) -> Result<ConnectionStatus, PlatformError> {
        let Connection { id, status: seen, .. } = &opened.connection;
        let key = key_of::<Connection>(&opened.origin.org, id.as_str());
        let write = Write::when(STATUS_IS)
            .value("seen", text(word(*seen)))
            .set("status", text(word(status)))
            .set("detail", detail.map_or_else(null, text))
            .set("updated_at", text(clock::now().to_string()));
        let written = self.records.table().update(&key, write, false).await?;
        if matches!(written, platform::table::Written::Applied(_)) {
            opened.connection.status = status;
            return Ok(status);
        }
        let now = self.connection(&opened.origin.org, &opened.origin.connection).await?;
        let status = now.map_or(ConnectionStatus::Deleted, |connection| connection.status);
        opened.connection.status = status;
        Ok(status)
    }
}

const fn word(status: ConnectionStatus) -> &'static str {
    match status {
        ConnectionStatus::Checking => "checking",
        ConnectionStatus::Active => "active",
        ConnectionStatus::Paused => "paused",
        ConnectionStatus::Refused => "refused",
        ConnectionStatus::NeedsReauthorisation => "needs-reauthorisation",
        ConnectionStatus::Deleted => "deleted",
        ConnectionStatus::Unknown => "unknown",
    }
}
