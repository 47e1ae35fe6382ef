//! Access tokens: fetched once for all who ask at once, kept until shortly before they pass.
//!
//! A refresh token that is replaced with each use is stored before the access token that came with it is used. One worker at a
//! time refreshes (a lease); the others find what it stored. Between the provider's answer and our store a crash would lose the new
//! refresh token: then the provider says `invalid_grant`, and somebody has to authorise the connection again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::batch::Invocation;
use aws::clock;
use aws::secrets::Secrets;
use aws::table::{Key, Table};
use aws::work::lease;
use domain::connection::{ConnectionKey, LoginMethod};
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::TokenResponse;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::SyncError;
use crate::{ConnectionSession, Engine};

/// Name of the parameter that holds the tokens of a connection.
const TOKENS: &str = "tokens";
/// A token is not used in its last seconds: it could pass on the way.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a refresh may take.
const LEASE: SignedDuration = SignedDuration::from_secs(45);
/// Pause before looking again whether the one that refreshes is done.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often.
const LOOKS: u32 = 100;

/// Tokens of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    control: Table,
    secrets: Secrets,
    kept: Arc<Mutex<HashMap<ConnectionKey, Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    of: String,
    token: SecretString,
    until: Timestamp,
}

/// What is stored. The refresh token is the newest one; none while the connection's own is.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    access_token: String,
    expires_at: Timestamp,
    refresh_token: Option<String>,
    /// Hash of the credentials that it came from: when they are replaced, it is none of theirs.
    #[serde(default)]
    of: String,
}

impl Tokens {
    pub(crate) fn new(control: Table, secrets: Secrets) -> Self {
        Self { control, secrets, kept: Arc::default() }
    }

    /// Sees to it that the connection has a token that is good, where it needs one.
    pub(crate) async fn sign_in(
        &self,
        engine: &Engine,
        opened: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        let now = clock::now();
        let place = opened.origin.connection_key();
        if let Some(kept) = self.kept(&place).filter(|kept| kept.until > now && kept.of == opened.fingerprint) {
            opened.token = Some(kept.token);
            return Ok(());
        }
        opened.token = None;
        match opened.connection.login {
            LoginMethod::RefreshToken => self.refresh(engine, opened, &place, invocation).await,
            LoginMethod::ClientCredentials => match self.fetch(engine, opened, invocation).await? {
                Some(granted) => {
                    self.keep(&place, opened, granted.access_token, granted.expires_at);
                    Ok(())
                }
                None => Ok(()),
            },
            LoginMethod::ApiKey | LoginMethod::UserPassword | LoginMethod::WebhookOnly => Ok(()),
        }
    }

    /// Forgets a token that the provider refused, so that the next request fetches another.
    pub(crate) async fn forget(&self, opened: &mut ConnectionSession) {
        let place = opened.origin.connection_key();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        let Some(token) = opened.token.take() else { return };
        if opened.connection.login != LoginMethod::RefreshToken {
            return;
        }
        // The stored one must not be found again. When this fails, it is refused once more, and then the run ends.
        if let Ok(Some(stored)) = self.stored(&place).await
            && stored.access_token == token.expose_secret()
        {
            let stored = Stored { expires_at: Timestamp::UNIX_EPOCH, ..stored };
            let _ignored = self.store(&place, &stored).await;
        }
    }

    async fn refresh(
        &self,
        engine: &Engine,
        opened: &mut ConnectionSession,
        place: &ConnectionKey,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        let of = opened.fingerprint.clone();
        let key = Key { pk: format!("ORG#{}#token", place.org), sk: place.connection.to_string() };
        for _ in 0..LOOKS {
            if self.found(place, opened, &of).await? {
                return Ok(());
            }
            let Some(lease) = lease::take(&self.control, &key, LEASE, clock::now()).await? else {
                clock::sleep(LOOK_AGAIN).await;
                continue;
            };
            let refreshed = self.refresh_held(engine, opened, (place, &of), invocation).await;
            let _ignored = lease::release(&self.control, &key, &lease).await;
            return refreshed;
        }
        Err(SyncError::Unavailable("another worker refreshes the access token for too long".to_owned()))
    }

    async fn refresh_held(
        &self,
        engine: &Engine,
        opened: &mut ConnectionSession,
        (place, of): (&ConnectionKey, &str),
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        // Somebody may have stored one between our look and our lease.
        if self.found(place, opened, of).await? {
            return Ok(());
        }
        let stored = self.stored(place).await?.filter(|stored| stored.of == of);
        if let Some(newest) = stored.and_then(|stored| stored.refresh_token) {
            opened.credentials = opened.credentials.with("refresh_token", SecretString::from(newest));
        }
        let Some(TokenResponse { access_token, expires_at, refresh_token }) =
            self.fetch(engine, opened, invocation).await?
        else {
            return Ok(());
        };
        if let Some(replaced) = &refresh_token {
            opened.credentials = opened.credentials.with("refresh_token", replaced.clone());
        }
        let newest = opened.credentials.get("refresh_token").ok().map(|token| token.expose_secret().to_owned());
        let stored = Stored {
            access_token: access_token.expose_secret().to_owned(),
            expires_at,
            refresh_token: newest,
            of: of.to_owned(),
        };
        self.store(place, &stored).await?;
        self.keep(place, opened, access_token, expires_at);
        Ok(())
    }

    /// Whether somebody stored a token that is good; it is taken.
    async fn found(&self, place: &ConnectionKey, opened: &mut ConnectionSession, of: &str) -> Result<bool, SyncError> {
        let Some(stored) = self.stored(place).await? else { return Ok(false) };
        if stored.of != of || stored.expires_at.checked_sub(MARGIN).unwrap_or(stored.expires_at) <= clock::now() {
            return Ok(false);
        }
        self.keep(place, opened, SecretString::from(stored.access_token), stored.expires_at);
        Ok(true)
    }

    async fn fetch(
        &self,
        engine: &Engine,
        opened: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<Option<TokenResponse>, SyncError> {
        engine.admitted(opened, invocation).await?;
        let Some(token_grant) = opened.ats.token_grant(opened.connection.login) else { return Ok(None) };
        let request = token_grant.token_request(&opened.context(clock::now()))?;
        // Sent once: a refresh token may be good for one use only.
        let reply = engine.send(request).await?;
        let token = token_grant.parse_token(&opened.context(clock::now()), &reply)?;
        opened.requests += 1;
        Ok(Some(token))
    }

    fn kept(&self, place: &ConnectionKey) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    fn keep(&self, place: &ConnectionKey, opened: &mut ConnectionSession, token: SecretString, expires_at: Timestamp) {
        let until = expires_at.checked_sub(MARGIN).unwrap_or(expires_at);
        let kept = Kept { of: opened.fingerprint.clone(), token: token.clone(), until };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), kept);
        opened.token = Some(token);
    }

    async fn stored(&self, place: &ConnectionKey) -> Result<Option<Stored>, SyncError> {
        let found = self.secrets.fresh_of_connection(place, TOKENS).await?;
        // What cannot be read is fetched anew.
        Ok(found.and_then(|text| serde_json::from_str(text.expose_secret()).ok()))
    }

    async fn store(&self, place: &ConnectionKey, stored: &Stored) -> Result<(), SyncError> {
        let text =
            serde_json::to_string(stored).map_err(|_| SyncError::Failed("the tokens cannot be written".to_owned()))?;
        Ok(self.secrets.put_of_connection(place, TOKENS, &SecretString::from(text)).await?)
    }
}

impl Engine {
    /// Sees to it that the connection has a token that is good, where it needs one.
    pub(crate) async fn sign_in(
        &self,
        opened: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        self.tokens.sign_in(self, opened, invocation).await
    }

    /// Forgets a token that the provider refused; false when there was none.
    pub(crate) async fn forget_token(&self, opened: &mut ConnectionSession) -> bool {
        let had = opened.token.is_some();
        self.tokens.forget(opened).await;
        had
    }
}
