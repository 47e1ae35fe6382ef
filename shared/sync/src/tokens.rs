//! Access tokens: fetched once for all workers that need one at the same time, and cached until shortly before they expire.
//!
//! A refresh token that is replaced with each use is stored before the access token that came with it is used. One worker at a
//! time refreshes (a lease); the others find what it stored. Between the provider's reply and our store a crash would lose the
//! new refresh token: then the provider says `invalid_grant`, and a person has to authorise the connection again.

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
use crate::requests::{Requests, no_reply};
use crate::session::ConnectionSession;

/// Name of the parameter that holds the tokens of a connection.
const TOKENS: &str = "tokens";
/// A token is not used in its last seconds: it could expire on the way.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// The longest duration of a refresh.
const LEASE: SignedDuration = SignedDuration::from_secs(45);
/// The pause between two looks for the token that another worker refreshes.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// The number of looks for it.
const MAX_CHECKS: u32 = 100;

/// The tokens of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    requests: Requests,
    control: Table,
    secrets: Secrets,
    cached: Arc<Mutex<HashMap<ConnectionKey, CachedToken>>>,
}

#[derive(Debug, Clone)]
struct CachedToken {
    /// Hash of the credentials that the token came from.
    of: String,
    token: SecretString,
    until: Timestamp,
}

/// The stored tokens of a connection. The refresh token is the newest one; none while the connection's own is.
#[derive(Default, Serialize, Deserialize)]
struct StoredTokens {
    access_token: String,
    expires_at: Timestamp,
    refresh_token: Option<String>,
    /// Hash of the credentials that they came from: tokens of replaced credentials are not used.
    #[serde(default)]
    of: String,
}

impl Tokens {
    /// Tokens that are fetched by these requests; the leases of refreshes are in the table `Control`.
    pub(crate) fn new(requests: Requests, control: Table, secrets: Secrets) -> Self {
        Self { requests, control, secrets, cached: Arc::default() }
    }

    /// Makes sure that the session has a valid token, where it needs one.
    pub(crate) async fn sign_in(
        &self,
        session: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        let (now, key) = (clock::now(), session.key());
        let cached = self.cached(&key).filter(|cached| cached.until > now && cached.of == session.fingerprint);
        if let Some(cached) = cached {
            session.token = Some(cached.token);
            return Ok(());
        }
        session.token = None;
        match session.connection.login {
            LoginMethod::RefreshToken => self.refresh(session, &key, invocation).await,
            LoginMethod::ClientCredentials => {
                if let Some(fetched) = self.fetch(session, invocation).await? {
                    self.cache(&key, session, fetched.access_token, fetched.expires_at);
                }
                Ok(())
            }
            LoginMethod::ApiKey | LoginMethod::UserPassword | LoginMethod::WebhookOnly => Ok(()),
        }
    }

    /// Discards a token that the provider refused, so that the next request fetches another.
    pub(crate) async fn discard(&self, session: &mut ConnectionSession) {
        let key = session.key();
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let Some(token) = session.token.take() else { return };
        if session.connection.login != LoginMethod::RefreshToken {
            return;
        }
        // The stored one must not be found again. When this fails, it is refused once more, and then the run ends.
        if let Ok(Some(stored)) = self.stored(&key).await
            && stored.access_token == token.expose_secret()
        {
            let stored = StoredTokens { expires_at: Timestamp::UNIX_EPOCH, ..stored };
            let _ignored = self.store(&key, &stored).await;
        }
    }

    async fn refresh(
        &self,
        session: &mut ConnectionSession,
        key: &ConnectionKey,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        let lease_key = Key { pk: format!("ORG#{}#token", key.org), sk: key.connection.to_string() };
        for _ in 0..MAX_CHECKS {
            if self.take_stored(key, session).await? {
                return Ok(());
            }
            let Some(lease) = lease::take(&self.control, &lease_key, LEASE, clock::now()).await? else {
                clock::sleep(CHECK_INTERVAL).await;
                continue;
            };
            let refreshed = self.refresh_leased(session, key, invocation).await;
            let _ignored = lease::release(&self.control, &lease_key, &lease).await;
            return refreshed;
        }
        Err(SyncError::Unavailable("another worker refreshes the access token for too long".into()))
    }

    async fn refresh_leased(
        &self,
        session: &mut ConnectionSession,
        key: &ConnectionKey,
        invocation: Invocation,
    ) -> Result<(), SyncError> {
        // Another worker may have stored one between our look and our lease.
        if self.take_stored(key, session).await? {
            return Ok(());
        }
        let stored = self.stored(key).await?.filter(|stored| stored.of == session.fingerprint);
        if let Some(newest) = stored.and_then(|stored| stored.refresh_token) {
            session.credentials = session.credentials.with("refresh_token", SecretString::from(newest));
        }
        let Some(TokenResponse { access_token, expires_at, refresh_token }) = self.fetch(session, invocation).await?
        else {
            return Ok(());
        };
        if let Some(replaced) = &refresh_token {
            session.credentials = session.credentials.with("refresh_token", replaced.clone());
        }
        let newest = session.credentials.get("refresh_token").ok().map(|token| token.expose_secret().to_owned());
        let stored = StoredTokens {
            access_token: access_token.expose_secret().to_owned(),
            expires_at,
            refresh_token: newest,
            of: session.fingerprint.clone(),
        };
        self.store(key, &stored).await?;
        self.cache(key, session, access_token, expires_at);
        Ok(())
    }

    /// Takes the stored token into the session, when it is valid; false when it is not, or there is none.
    async fn take_stored(&self, key: &ConnectionKey, session: &mut ConnectionSession) -> Result<bool, SyncError> {
        let Some(stored) = self.stored(key).await? else { return Ok(false) };
        let until = stored.expires_at.checked_sub(MARGIN).unwrap_or(stored.expires_at);
        if stored.of != session.fingerprint || until <= clock::now() {
            return Ok(false);
        }
        self.cache(key, session, SecretString::from(stored.access_token), stored.expires_at);
        Ok(true)
    }

    async fn fetch(
        &self,
        session: &mut ConnectionSession,
        invocation: Invocation,
    ) -> Result<Option<TokenResponse>, SyncError> {
        self.requests.admit(session, invocation).await?;
        let Some(token_grant) = session.ats.token_grant(session.connection.login) else { return Ok(None) };
        let request = token_grant.token_request(&session.context(clock::now()))?;
        // Sent once: a refresh token may be valid for one use only.
        let reply = self.requests.send(request).await.map_err(no_reply)?;
        let token = token_grant.parse_token(&session.context(clock::now()), &reply)?;
        session.requests += 1;
        Ok(Some(token))
    }

    fn cached(&self, key: &ConnectionKey) -> Option<CachedToken> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn cache(&self, key: &ConnectionKey, session: &mut ConnectionSession, token: SecretString, expires_at: Timestamp) {
        let until = expires_at.checked_sub(MARGIN).unwrap_or(expires_at);
        let cached = CachedToken { of: session.fingerprint.clone(), token: token.clone(), until };
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), cached);
        session.token = Some(token);
    }

    async fn stored(&self, key: &ConnectionKey) -> Result<Option<StoredTokens>, SyncError> {
        let found = self.secrets.fresh_of_connection(key, TOKENS).await?;
        // Tokens that cannot be read are fetched anew.
        Ok(found.and_then(|text| serde_json::from_str(text.expose_secret()).ok()))
    }

    async fn store(&self, key: &ConnectionKey, stored: &StoredTokens) -> Result<(), SyncError> {
        let text =
            serde_json::to_string(stored).map_err(|_| SyncError::Failed("the tokens cannot be written".into()))?;
        Ok(self.secrets.put_of_connection(key, TOKENS, &SecretString::from(text)).await?)
    }
}
