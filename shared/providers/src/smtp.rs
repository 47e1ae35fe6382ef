//! An SMTP relay (RFC 5321), over STARTTLS or implicit TLS (port 465), with AUTH PLAIN or LOGIN.
//!
//! The relay's answer to the final dot decides: after a lost one nobody knows whether it will deliver (RFC 1047). So whatever
//! fails until the relay has let us in is "not sent", an answer of the relay means what it says, and a connection that is lost
//! after that is "unknown".

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::mail::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, said};
use crate::mime::compose;
use crate::spec::{Category, Spec, SyncMethod};

/// This provider.
pub static SPEC: Spec = Spec {
    id: "smtp",
    name: "SMTP relay",
    category: Category::Mail,
    reference: "https://www.rfc-editor.org/rfc/rfc5321",
    base_url: None,
    sync: SyncMethod::None,
    secrets: &CREDENTIALS,
    webhooks: None,
    polling: None,
    model: None,
    mail: Some(&Smtp),
    mail_events: None,
};

/// Names of the secrets: user, then password.
const CREDENTIALS: [&str; 2] = ["mail/smtp_username", "mail/smtp_password"];

/// Port of SMTP with TLS from the first byte (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

struct Smtp;

impl MailProvider for Smtp {
    /// Reads `SMTP_HOST`, `SMTP_PORT` and the trusted roots. The relay is the deployment's own choice in every stage: there is
    /// no public host that a stage could reach by mistake.
    fn set_up(&self, setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
        let wrong = |name, rule| MailSetupError::Setting { name, rule };
        let host = (setup.setting)("SMTP_HOST").ok_or_else(|| wrong("SMTP_HOST", "the name of the relay is expected"))?;
        let port = (setup.setting)("SMTP_PORT").and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| wrong("SMTP_PORT", "a port number is expected"))?;
        let tls = TlsParameters::builder(host.clone()).build().map_err(|e| MailSetupError::Relay(describe(&e)))?;
        Ok(Box::new(Relay { host, port, tls, hello: ClientId::Domain("hiring-integrations.invalid".to_owned()) }))
    }
}

/// A relay.
struct Relay {
    host: String,
    port: u16,
    tls: TlsParameters,
    hello: ClientId,
}

impl Relay {
    /// Connects, secures the connection and signs in. Whatever fails here, no message was sent.
    async fn open(&self, credentials: &Credentials, timeout: Duration) -> Result<AsyncSmtpConnection, SmtpError> {
        let implicit = self.port == IMPLICIT_TLS_PORT;
        let tls = implicit.then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(timeout), &self.hello, tls, None).await?;
        if !implicit {
            // Without STARTTLS this fails: neither credentials nor mail ever go over an open line.
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        Ok(connection)
    }

    async fn deliver(
        &self,
        mail: &Mail,
        secrets: &[SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Accepted, MailError> {
        let [username, password] = secrets else {
            return Err(MailError::NotSent("there are no credentials for the relay".to_owned()));
        };
        let credentials = Credentials::new(username.expose_secret().to_owned(), password.expose_secret().to_owned());
        let (envelope, message) = compose(mail, now)?;
        // One half for getting in, the other for the message.
        let timeout = timeout / 2;
        let opening = self.open(&credentials, timeout);
        let mut connection = match tokio::time::timeout(timeout, opening).await {
            Ok(Ok(connection)) => connection,
            // Even a permanent refusal here blames our settings, not the message: it waits until they are mended.
            Ok(Err(error)) => return Err(MailError::Unreachable(describe(&error))),
            Err(_) => return Err(MailError::Unreachable("the relay did not answer in time".to_owned())),
        };
        let result = match tokio::time::timeout(timeout, connection.send(&envelope, &message)).await {
            Ok(Ok(reply)) => {
                let text = reply.message().collect::<Vec<_>>().join(" ");
                Ok(Accepted { provider_message_id: text.chars().take(200).collect() })
            }
            Ok(Err(error)) => Err(sort(&error)),
            Err(_) => Err(MailError::Unknown("the relay did not answer in time".to_owned())),
        };
        // The message's fate is known; a failed farewell changes nothing.
        let _ignored = tokio::time::timeout(Duration::from_millis(500), connection.quit()).await;
        result
    }
}

impl Mailer for Relay {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
        secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Accepted, MailError>> {
        self.deliver(mail, secrets, timeout, now).boxed()
    }
}

/// What an error during the dialogue means for the message.
fn sort(error: &SmtpError) -> MailError {
    // A client error is found before anything is sent, for example an address that this relay cannot take.
    if error.is_permanent() || error.is_client() {
        MailError::Rejected(describe(error))
    } else if error.is_transient() {
        MailError::NotSent(describe(error))
    } else {
        MailError::Unknown(describe(error))
    }
}

fn describe(error: &SmtpError) -> String {
    let mut text = error.to_string();
    if let Some(status) = error.status() {
        text = format!("{status}: {text}");
    }
    said(&text)
}
