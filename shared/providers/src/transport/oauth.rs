//! Access tokens of Google's kind (RFC 6749, 7523): by a refresh token or by a service account's own signature.
//!
//! A token is fetched before anything is sent with it, so that no failure here leaves it open whether that went out. It is
//! kept until shortly before it expires, and while one task of this process fetches a new one the others wait for it. Where
//! the secrets are sent to is the deployment's to say: what a credentials file names must be the same address.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::cause::Cause;
use crate::transport::http::{FORM, HttpRequest, Outbound, Reply, SendError, excerpt};
use crate::transport::json::{self, InvalidJson};

/// Where Google gives out tokens.
pub(crate) const GOOGLE: &str = "https://oauth2.googleapis.com";
/// Path of it there and at its simulator.
const PATH: &str = "/token";
/// A token is not used in its last seconds: it could pass on the way.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A token that is refused within this time after it was given out says that the credentials are refused; later, that the
/// token was withdrawn. For as long after that, others may still be refused with the same one.
const SETTLED: SignedDuration = SignedDuration::from_secs(60);
/// For how long a service account's statement is good: an hour is the most that Google takes.
const STATEMENT: SignedDuration = SignedDuration::from_secs(3_595);

/// The tokens of one account of the deployment.
pub(crate) struct Tokens {
    endpoint: Url,
    scope: &'static str,
    http: Outbound,
    cached: Mutex<Option<CachedToken>>,
    /// When a token was refused that had been good before.
    withdrawn: Mutex<Option<Timestamp>>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<()>,
}

/// Why there is no access token. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The server wants to be asked later.
    #[error("fetch an access token")]
    Later {
        /// What to wait at least; zero when the server did not say it.
        wait: Duration,
        /// What the server says.
        #[source]
        cause: Cause,
    },
    /// The server did not answer, or not as documented; a later try may succeed.
    #[error("fetch an access token")]
    Unreachable(#[source] Cause),
    /// The credentials cannot be used or are not accepted: nothing helps before a person acts.
    #[error("fetch an access token: the credentials were refused")]
    Refused(#[source] Cause),
}

/// The credentials are something else than a file as Google issues it.
#[derive(Debug, thiserror::Error)]
#[error("the credentials are no credentials file of Google")]
struct NoCredentialsFile(#[source] InvalidJson);

struct CachedToken {
    /// Hash of the credentials that it was fetched with: when they are replaced, it is none of theirs.
    of: [u8; 32],
    token: SecretString,
    since: Timestamp,
    until: Timestamp,
}

/// A file of Google's credentials. Deliberately without `Debug`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Credentials {
    AuthorizedUser {
        client_id: String,
        client_secret: String,
        refresh_token: String,
        token_uri: Option<String>,
    },
    ServiceAccount {
        client_email: String,
        private_key: String,
        /// The account in whose name the token is used.
        subject: String,
        private_key_id: Option<String>,
        token_uri: Option<String>,
    },
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u32,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    /// Tokens from the server at `base`.
    ///
    /// # Errors
    /// When there is no HTTP client, or `base` is none.
    pub(crate) fn new(base: &Url, scope: &'static str) -> Result<Self, SendError> {
        let endpoint = Url::parse(&format!("{}{PATH}", base.as_str().trim_end_matches('/')));
        let endpoint = endpoint.map_err(|error| SendError::NotSent(error.into()))?;
        Ok(Self {
            endpoint,
            scope,
            http: Outbound::new()?,
            cached: Mutex::default(),
            withdrawn: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// A token that is good at `now`, within `timeout`.
    ///
    /// # Errors
    /// When the server gives none, or the credentials are refused.
    pub(crate) async fn token(
        &self,
        credentials: &SecretString,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<SecretString, TokenError> {
        let of = Sha256::digest(credentials.expose_secret()).into();
        if let Some(token) = self.cached(of, now) {
            return Ok(token);
        }
        let begin = Instant::now();
        let late = |_| TokenError::Unreachable("it did not come in time".into());
        let _held = tokio::time::timeout(timeout, self.fetching.lock()).await.map_err(late)?;
        // Somebody else may have fetched it meanwhile.
        if let Some(token) = self.cached(of, now) {
            return Ok(token);
        }
        let Granted { access_token, expires_in } =
            self.fetch(credentials, timeout.saturating_sub(begin.elapsed()), now).await?;
        let token = SecretString::from(access_token);
        let lifetime = SignedDuration::from_secs(i64::from(expires_in)).saturating_sub(MARGIN);
        let until = now.checked_add(lifetime).unwrap_or(now);
        *self.lock() = Some(CachedToken { of, token: token.clone(), since: now, until });
        Ok(token)
    }

    /// Drops the kept token because one was refused. Says whether a new one may be let in: the old one was withdrawn before
    /// its time. Otherwise the credentials themselves are refused.
    pub(crate) fn refused(&self, now: Timestamp) -> bool {
        // Either way: a clock that was set back must not make a moment last.
        let recent = |since: Timestamp| now.duration_since(since).abs() <= SETTLED;
        let old = self.lock().take().is_some_and(|cached| !recent(cached.since));
        let mut withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        if old {
            *withdrawn = Some(now);
        }
        withdrawn.is_some_and(recent)
    }

    fn cached(&self, of: [u8; 32], now: Timestamp) -> Option<SecretString> {
        let cached = self.lock();
        cached.as_ref().filter(|cached| cached.of == of && now < cached.until).map(|cached| cached.token.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CachedToken>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(
        &self,
        credentials: &SecretString,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Granted, TokenError> {
        let form = self.form(credentials, now).map_err(TokenError::Refused)?;
        let request = HttpRequest::new(Method::POST, self.endpoint.clone());
        let request = request.with_body(FORM, form.expose_secret().to_owned().into());
        let reply = self.http.send(request, timeout).await;
        read(&reply.map_err(|error| TokenError::Unreachable(error.into()))?, now)
    }

    /// The form that asks for a token.
    fn form(&self, credentials: &SecretString, now: Timestamp) -> Result<SecretString, Cause> {
        let credentials: Credentials = json::read(credentials.expose_secret().as_bytes()).map_err(NoCredentialsFile)?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        match credentials {
            Credentials::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
                self.same_endpoint(token_uri.as_deref())?;
                form.extend_pairs([
                    ("grant_type", "refresh_token"),
                    ("client_id", &client_id),
                    ("client_secret", &client_secret),
                    ("refresh_token", &refresh_token),
                ]);
            }
            Credentials::ServiceAccount { client_email, private_key, subject, private_key_id, token_uri } => {
                self.same_endpoint(token_uri.as_deref())?;
                let header = json!({"alg": "RS256", "typ": "JWT", "kid": private_key_id});
                let claims = json!({
                    "iss": client_email,
                    "sub": subject,
                    "scope": self.scope,
                    "aud": self.endpoint.as_str(),
                    "iat": now.as_second(),
                    "exp": now.as_second().saturating_add(STATEMENT.as_secs()),
                });
                let encoded = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
                let signed = format!("{}.{}", encoded(&header), encoded(&claims));
                let signature = BASE64_URL_SAFE_NO_PAD.encode(signature(&private_key, signed.as_bytes())?);
                form.extend_pairs([
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", &format!("{signed}.{signature}")),
                ]);
            }
        }
        Ok(SecretString::from(form.finish()))
    }

    /// Whoever can write the file must not be able to send its secrets elsewhere.
    fn same_endpoint(&self, named: Option<&str>) -> Result<(), String> {
        match named {
            Some(named) if named != self.endpoint.as_str() => {
                Err(format!("token_uri of the credentials must be {} or absent", self.endpoint))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// RS256 of a text.
fn signature(private_key: &str, text: &[u8]) -> Result<Vec<u8>, String> {
    let unusable = || "private_key of the credentials is no RSA key in PEM".to_owned();
    let key = match PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| unusable())? {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(unusable()),
    };
    let key = key.map_err(|_| unusable())?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).map_err(|_| unusable())?;
    Ok(signature)
}

/// Reads the reply of the token server.
fn read(reply: &Reply, now: Timestamp) -> Result<Granted, TokenError> {
    if reply.status == StatusCode::OK {
        return json::read(&reply.body).map_err(|error| TokenError::Unreachable(format!("200, and {error}").into()));
    }
    let Refused { error, error_description } = json::read(&reply.body).unwrap_or_default();
    let words = excerpt(&format!("{} {error}: {error_description}", reply.status.as_u16()));
    Err(match (reply.status, error.as_str()) {
        (_, "invalid_grant") => {
            TokenError::Refused(format!("consent must be given again, or the key was withdrawn: {words}").into())
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            TokenError::Later { wait: reply.retry_after(now).unwrap_or_default(), cause: words.into() }
        }
        (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            TokenError::Refused(words.into())
        }
        _ => TokenError::Unreachable(words.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn tokens() -> Tokens {
        Tokens::new(&Url::parse(GOOGLE).expect("url"), "scope-1 scope-2").expect("set up")
    }

    fn user(extra: &str) -> SecretString {
        let json = format!(
            r#"{{"type":"authorized_user","client_id":"c","client_secret":"s-1","refresh_token":"r-1","quota_project_id":"q"{extra}}}"#
        );
        SecretString::from(json)
    }

    #[test]
    fn a_refresh_token_goes_to_the_configured_server_only() {
        let form = |extra: &str| tokens().form(&user(extra), Timestamp::UNIX_EPOCH);
        let wanted = "grant_type=refresh_token&client_id=c&client_secret=s-1&refresh_token=r-1";
        for extra in ["", r#","token_uri":"https://oauth2.googleapis.com/token""#] {
            assert_eq!(form(extra).map(|form| form.expose_secret().to_owned()), Ok(wanted.to_owned()));
        }
        for other in ["https://evil.example/token", "http://oauth2.googleapis.com/token", ""] {
            let refused = form(&format!(r#","token_uri":"{other}""#)).map(|_| ()).expect_err("refused").to_string();
            assert!(refused.contains("token_uri") && !refused.contains("r-1"), "{refused}");
        }
    }

    #[test]
    fn bad_credentials_are_reported_without_their_values() {
        let service = r#"{"type":"service_account","client_email":"a","subject":"b","private_key":"verysecret"}"#;
        for text in [
            "verysecret",
            r#"{"type":"verysecret"}"#,
            r#"{"type":"authorized_user","client_id":"verysecret"}"#,
            service,
        ] {
            let refused = tokens().form(&text.into(), Timestamp::UNIX_EPOCH).map(|_| ()).expect_err("refused");
            assert!(!format!("{refused:?}").contains("verysecret"), "{refused:?}");
        }
    }

    #[test]
    fn a_cached_token_is_of_its_credentials_and_of_its_time() {
        let (tokens, now) = (tokens(), Timestamp::UNIX_EPOCH);
        let at = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).expect("time");
        let keep =
            |since| *tokens.lock() = Some(CachedToken { of: [1; 32], token: "t".into(), since, until: at(1_000) });
        keep(now);
        assert!(tokens.cached([2; 32], now).is_none());
        assert!(tokens.cached([1; 32], at(1_000)).is_none());
        assert!(tokens.cached([1; 32], at(999)).is_some());
        assert!(!tokens.refused(at(5)), "a new token that is refused blames the credentials");
        assert!(tokens.cached([1; 32], at(5)).is_none());
        keep(now);
        assert!(tokens.refused(at(500)), "an old one was withdrawn");
        assert!(tokens.refused(at(501)), "as others find that were sent with it");
        keep(at(502));
        assert!(tokens.refused(at(503)), "one of them may come late");
        keep(at(504));
        assert!(!tokens.refused(at(561)), "but not for ever");
    }

    #[test]
    fn a_refusal_says_whether_a_person_has_to_act() {
        let check = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("status");
            let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
            read(&reply, Timestamp::UNIX_EPOCH).map(|granted| granted.expires_in)
        };
        assert_eq!(check(200, r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#), Ok(3599));
        let withdrawn =
            check(400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#);
        assert!(
            matches!(&withdrawn, Err(TokenError::Refused(words)) if words.to_string().contains("consent")),
            "{withdrawn:?}"
        );
        assert!(matches!(check(401, r#"{"error":"invalid_client"}"#), Err(TokenError::Refused(_))));
        assert!(matches!(check(429, "{}"), Err(TokenError::Later { .. })));
        for (status, body) in [(200, "{"), (500, ""), (503, "<html>"), (404, "")] {
            assert!(matches!(check(status, body), Err(TokenError::Unreachable(_))), "{status}");
        }
    }
}
