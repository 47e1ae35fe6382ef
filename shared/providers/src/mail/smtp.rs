//! An SMTP relay (RFC 5321), over STARTTLS or implicit TLS (RFC 8314), with AUTH PLAIN, LOGIN or XOAUTH2.
//!
//! The relay's reply to the final dot decides: if it is lost, it is unknown whether the relay will deliver (RFC 1047).
//! So an error before the message itself is sent is "not sent", a reply of the relay is final, and a lost connection or
//! a timeout after that is "unknown".
//!
//! With XOAUTH2 the second secret is not a password but a credentials file of an OAuth client, by which an access token is
//! fetched before anything else.

use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailCommand, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::events::MailEventSource;
use crate::mail::mime::compose;
use crate::mail::port::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, excerpt};
use crate::transport::access::mail_base;
use crate::transport::oauth::{GOOGLE, Tokens};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "smtp",
    name: "SMTP relay",
    reference: "https://www.rfc-editor.org/rfc/rfc5321",
    secrets: &CREDENTIALS,
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider = MailProvider { info: INFO, base_url: None, set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = None;

/// Names of the secrets: user, then password or, with XOAUTH2, credentials of an OAuth client.
const CREDENTIALS: [&str; 2] = ["mail/smtp_username", "mail/smtp_password"];

/// The scope of a token: Google's name for all of a mailbox, the only one that its SMTP server accepts.
const SCOPE: &str = "https://mail.google.com/";

/// Port of SMTP with TLS from the first byte (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

/// Reads `SMTP_HOST`, `SMTP_PORT`, `SMTP_TLS`, `SMTP_AUTH`, `SMTP_TOKEN_BASE` and the trusted roots. The relay is the
/// deployment's own choice in every stage: there is no public host that a stage could reach by mistake.
fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    let wrong = |name, rule| MailSetupError::Setting { name, rule };
    let host = (setup.setting)("SMTP_HOST").ok_or_else(|| wrong("SMTP_HOST", "the name of the relay is expected"))?;
    let port = (setup.setting)("SMTP_PORT").and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| wrong("SMTP_PORT", "a port number is expected"))?;
    let implicit = match (setup.setting)("SMTP_TLS").as_deref() {
        None => port == IMPLICIT_TLS_PORT,
        Some("implicit") => true,
        Some("starttls") => false,
        Some(_) => return Err(wrong("SMTP_TLS", "starttls or implicit is expected")),
    };
    let tokens = match (setup.setting)("SMTP_AUTH").as_deref() {
        None | Some("password") => None,
        Some("xoauth2") => Some(Tokens::new(&token_base(setup)?, SCOPE)?),
        Some(_) => return Err(wrong("SMTP_AUTH", "password or xoauth2 is expected")),
    };
    let tls = TlsParameters::builder(host.clone()).build().map_err(|e| MailSetupError::Relay(describe(&e).into()))?;
    let hello = ClientId::Domain("hiring-integrations.invalid".to_owned());
    Ok(Box::new(Relay { host, port, implicit, tls, hello, tokens }))
}

/// The source of access tokens: the simulator where there is one, else `SMTP_TOKEN_BASE`, else Google. It is a setting
/// and not a part of the secret, so that write access to the secret does not suffice to send it elsewhere.
fn token_base(setup: &MailSetup<'_>) -> Result<Url, MailSetupError> {
    if setup.replacement.is_some() {
        // Production has none, and says so.
        return Ok(mail_base(setup.stage, GOOGLE, setup.replacement, "google")?);
    }
    let base = (setup.setting)("SMTP_TOKEN_BASE").unwrap_or_else(|| GOOGLE.to_owned());
    let rule = "the https URL of a token server, without its path /token, is expected";
    let wrong = MailSetupError::Setting { name: "SMTP_TOKEN_BASE", rule };
    match Url::parse(&base) {
        Ok(url) if url.scheme() == "https" && url.query().is_none() && url.fragment().is_none() => Ok(url),
        Ok(_) | Err(_) => Err(wrong),
    }
}

struct Relay {
    host: String,
    port: u16,
    /// Whether the first byte is TLS already.
    implicit: bool,
    tls: TlsParameters,
    hello: ClientId,
    /// The source of access tokens; none for a password.
    tokens: Option<Tokens>,
}

impl Relay {
    /// Connects, secures the connection and signs in. Whatever fails here, no message was sent.
    async fn open(
        &self,
        credentials: Credentials,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<AsyncSmtpConnection, MailError> {
        let unreachable = |error: SmtpError| MailError::Unreachable(describe(&error).into());
        let tls = self.implicit.then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(timeout), &self.hello, tls, None);
        let mut connection = connecting.await.map_err(unreachable)?;
        if !self.implicit {
            // Without STARTTLS this fails: neither credentials nor mail ever go over an open line.
            connection.starttls(self.tls.clone(), &self.hello).await.map_err(unreachable)?;
        }
        let mechanisms: &[Mechanism] =
            if self.tokens.is_some() { &[Mechanism::Xoauth2] } else { &[Mechanism::Plain, Mechanism::Login] };
        match connection.auth(mechanisms, &credentials).await {
            Ok(_) => Ok(connection),
            // Refused, or none of our login methods is offered; the challenge after a refused token has no response.
            Err(error) if error.is_permanent() || error.is_client() => {
                let words = describe(&error);
                // A cached token may have been revoked before its time: the next attempt has a new one.
                let withdrawn = self.tokens.as_ref().is_some_and(|tokens| tokens.refused(now));
                Err(if withdrawn { MailError::NotSent(words.into()) } else { MailError::Stopped(words.into()) })
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    async fn credentials(
        &self,
        secrets: &[SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Credentials, MailError> {
        let [username, password] = secrets else {
            return Err(MailError::NotSent("there are no credentials for the relay".into()));
        };
        let secret = match &self.tokens {
            None => password.clone(),
            Some(tokens) => tokens.token(password, timeout, now).await?,
        };
        Ok(Credentials::new(username.expose_secret().to_owned(), secret.expose_secret().to_owned()))
    }

    async fn deliver(
        &self,
        mail: &Mail,
        secrets: &[SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Accepted, MailError> {
        let begin = Instant::now();
        let (envelope, message) = compose(mail, now)?;
        // One half at most for getting in, so that what is left is enough for the message.
        let getting_in = async {
            let credentials = self.credentials(secrets, timeout / 2, now).await?;
            self.open(credentials, timeout / 2, now).await
        };
        let late = |_| MailError::Unreachable("the relay did not let us in in time".into());
        let mut connection = tokio::time::timeout(timeout / 2, getting_in).await.map_err(late)??;
        let result = hand_over(&mut connection, &envelope, &message, timeout.saturating_sub(begin.elapsed())).await;
        // The message's fate is known; a failed farewell changes nothing.
        let _ignored = tokio::time::timeout(Duration::from_millis(500), connection.quit()).await;
        result
    }
}

/// Sends the envelope, and then the message: only after the second can the outcome be unknown.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
    timeout: Duration,
) -> Result<Accepted, MailError> {
    let begin = Instant::now();
    let announcing = async {
        connection.command(MailCommand::new(envelope.from().cloned(), vec![])).await?;
        for to in envelope.to() {
            connection.command(Rcpt::new(to.clone(), vec![])).await?;
        }
        connection.command(Data).await
    };
    match tokio::time::timeout(timeout, announcing).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return Err(answered(&error).unwrap_or_else(|| MailError::Unreachable(describe(&error).into())));
        }
        Err(_) => return Err(MailError::Unreachable("the relay did not take the envelope in time".into())),
    }
    let handing_over = connection.message(message);
    match tokio::time::timeout(timeout.saturating_sub(begin.elapsed()), handing_over).await {
        Ok(Ok(reply)) => Ok(Accepted { provider_message_id: last_line(&reply) }),
        Ok(Err(error)) => Err(answered(&error).unwrap_or_else(|| MailError::Unknown(describe(&error).into()))),
        Err(_) => Err(MailError::Unknown("the relay did not answer the message in time".into())),
    }
}

/// The relay's own id of the message is in its last line, in words of its own.
fn last_line(reply: &Response) -> String {
    excerpt(reply.message().last().unwrap_or_default()).chars().take(200).collect()
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

/// The error of the relay's reply to the message. None when there was none.
fn answered(error: &SmtpError) -> Option<MailError> {
    // A client error occurs before anything is sent, for example for an address that this relay cannot accept.
    if error.is_permanent() || error.is_client() {
        Some(MailError::Rejected(describe(error).into()))
    } else if error.is_transient() {
        Some(MailError::NotSent(describe(error).into()))
    } else {
        None
    }
}

fn describe(error: &SmtpError) -> String {
    let mut text = error.to_string();
    if let Some(status) = error.status() {
        text = format!("{status}: {text}");
    }
    excerpt(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::stage::Stage;

    fn set_up(stage: Stage, replacement: Option<&str>, settings: &[(&str, &str)]) -> Result<(), MailSetupError> {
        let setting = |name: &'static str| {
            let found = settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            found.or_else(|| match name {
                "SMTP_HOST" => Some("relay.example".to_owned()),
                "SMTP_PORT" => Some("587".to_owned()),
                _ => None,
            })
        };
        super::set_up(&MailSetup { stage, domain: "example.com", replacement, setting: &setting }).map(|_| ())
    }

    #[test]
    fn settings_are_read_strictly() {
        for good in [
            ("SMTP_TLS", "implicit"),
            ("SMTP_TLS", "starttls"),
            ("SMTP_AUTH", "password"),
            ("SMTP_AUTH", "xoauth2"),
            ("SMTP_PORT", "465"),
        ] {
            assert!(set_up(Stage::Prod, None, &[good]).is_ok(), "{good:?}");
        }
        for bad in [("SMTP_TLS", "none"), ("SMTP_AUTH", "XOAUTH2"), ("SMTP_PORT", "0x1"), ("SMTP_PORT", "70000")] {
            assert!(set_up(Stage::Prod, None, &[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tokens_come_over_tls_or_from_the_simulator() {
        let with = |stage, replacement, base: &str| {
            set_up(stage, replacement, &[("SMTP_AUTH", "xoauth2"), ("SMTP_TOKEN_BASE", base)]).is_ok()
        };
        assert!(with(Stage::Prod, None, "https://login.example.com/tenant/oauth2/v2.0"));
        assert!(!with(Stage::Prod, None, "http://login.example.com"));
        assert!(!with(Stage::Prod, None, "https://login.example.com?x"));
        assert!(!with(Stage::Prod, Some("http://127.0.0.1:9"), "https://login.example.com"));
        assert!(with(Stage::Local, Some("http://127.0.0.1:9"), "https://login.example.com"));
        assert!(!with(Stage::Local, Some("http://evil.example"), "https://login.example.com"));
    }
}
