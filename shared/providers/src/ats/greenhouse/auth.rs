//! Access tokens.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Greenhouse, responses};
use crate::ats::port::{AtsError, Context, TokenGrant, TokenResponse};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The setting that names the user to act for.
pub(super) const USER: &str = "user_id";
/// The lifetime of a token where the reply does not state it.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Length of a window of the limit on tokens.
const WINDOW_S: i64 = 60;

/// A header of Basic authentication.
pub(super) fn basic(user: &SecretString, password: &str) -> Result<HeaderValue, AtsError> {
    let pair = BASE64_STANDARD.encode(format!("{}:{password}", user.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .map_err(|_| AtsError::Unauthorised("the credentials make no header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A URL at one of the hosts.
pub(super) fn url(context: &Context<'_>, host: &str, path: &str) -> Result<url::Url, AtsError> {
    Ok(context.hosts.url(host, path)?)
}

impl TokenGrant for Greenhouse {
    fn token_request(&self, context: &Context<'_>) -> Result<HttpRequest, AtsError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        match context.login {
            LoginMethod::ClientCredentials => {
                let user = context.settings.get(USER);
                let user =
                    user.ok_or_else(|| AtsError::Refused(format!("this connection has no setting `{USER}`").into()))?;
                form.append_pair("grant_type", "client_credentials").append_pair("sub", user);
            }
            LoginMethod::RefreshToken => {
                let token = context.credentials.get("refresh_token")?;
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose_secret());
            }
            LoginMethod::WebhookOnly | LoginMethod::ApiKey | LoginMethod::UserPassword => {
                return Err(AtsError::Refused("this provider is not signed in to in that way".into()));
            }
        }
        let secret = context.credentials.get("client_secret")?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, basic(context.credentials.get("client_id")?, secret.expose_secret())?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let url = url(context, "auth", "/token")?;
        Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(form.finish()) })
    }

    fn parse_token(&self, context: &Context<'_>, reply: &Reply) -> Result<TokenResponse, AtsError> {
        let now = context.now;
        if reply.status == StatusCode::OK {
            let token: Token = json::read(&reply.body)?;
            // The expiry is stated by the provider's clock; what counts is how long that is from now.
            let stated = token.expires_at.map(|at| at.duration_since(responses::server_time(reply).unwrap_or(now)));
            let counted = token.expires_in.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
            let lifetime = counted.or(stated).unwrap_or(LIFETIME);
            let expires_at = now.checked_add(lifetime).unwrap_or(now);
            let refresh_token = token.refresh_token.map(SecretString::from);
            return Ok(TokenResponse { access_token: token.access_token.into(), expires_at, refresh_token });
        }
        let Refusal { error } = json::read(&reply.body).unwrap_or_default();
        let said = reply.status.to_string();
        Err(match (reply.status, error.as_str(), context.login) {
            (StatusCode::TOO_MANY_REQUESTS, _, _) => responses::limited(reply, now, WINDOW_S),
            (_, "invalid_grant", LoginMethod::RefreshToken) => {
                AtsError::ReauthorizationRequired(format!("{said}: invalid_grant").into())
            }
            (_, "invalid_grant", _) => {
                AtsError::Unauthorised(format!("{said}: invalid_grant, is `{USER}` a site admin?").into())
            }
            // Messages may repeat the client's id: only the known words are repeated.
            (_, "invalid_client" | "unauthorized_client", _) => {
                AtsError::Unauthorised(format!("{said}: {error}").into())
            }
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _, _) => {
                AtsError::Unauthorised(said.into())
            }
            _ => responses::failure(reply, now),
        })
    }
}

/// Deliberately without `Debug`.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_at: Option<Timestamp>,
    expires_in: Option<u32>,
    refresh_token: Option<String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ats::greenhouse::fixture::{self, Parts};
    use crate::ats::port::Ats as _;

    fn granted_of(
        login: LoginMethod,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<TokenResponse, AtsError> {
        let parts = Parts::new(login);
        Greenhouse.parse_token(&parts.context(), &fixture::reply(status, headers, body))
    }

    #[test]
    fn the_secrets_go_to_the_token_server_only_and_are_marked() {
        let parts = Parts::new(LoginMethod::ClientCredentials);
        let call = Greenhouse.token_request(&parts.context()).expect("complete");
        assert_eq!(call.url.as_str(), "https://auth.greenhouse.io/token");
        assert_eq!(call.body, "grant_type=client_credentials&sub=1");
        let basic = call.headers.get(header::AUTHORIZATION).expect("a header");
        assert!(basic.is_sensitive() && basic == "Basic Yy0xOnMtMQ==", "c-1:s-1");
        let parts = Parts::new(LoginMethod::RefreshToken);
        let call = Greenhouse.token_request(&parts.context()).expect("complete");
        assert_eq!(call.body, "grant_type=refresh_token&refresh_token=r-1");
        assert!(Greenhouse.token_grant(LoginMethod::WebhookOnly).is_none());
        assert!(Greenhouse.token_request(&Parts::new(LoginMethod::ApiKey).context()).is_err());
    }

    #[test]
    fn a_token_passes_when_the_providers_clock_says_so() {
        // Our clock is two minutes late: 10:00 here is 10:02 there.
        let date = [("date", "Sun, 22 Nov 2026 10:02:00 GMT")];
        let body =
            r#"{"token_type":"Bearer","access_token":"t","expires_at":"2026-11-22T11:02:00Z","refresh_token":"r-2"}"#;
        let token =
            granted_of(LoginMethod::RefreshToken, 200, &date, body).map_err(|e| e.to_string()).expect("granted");
        assert_eq!(token.expires_at.to_string(), "2026-11-22T11:00:00Z");
        assert_eq!(token.refresh_token.map(|token| token.expose_secret().to_owned()).as_deref(), Some("r-2"));
        let body = r#"{"access_token":"t","expires_in":600}"#;
        let token =
            granted_of(LoginMethod::ClientCredentials, 200, &[], body).map_err(|e| e.to_string()).expect("granted");
        assert_eq!(
            (token.expires_at.to_string().as_str(), token.refresh_token.is_none()),
            ("2026-11-22T10:10:00Z", true)
        );
    }

    #[test]
    fn refusals_are_sorted_and_repeat_nothing() {
        let check = |login, status, body: &str| {
            let error = granted_of(login, status, &[], body).map(|_| ()).expect_err("refused");
            assert!(!error.to_string().contains("c-1"), "{error}");
            error
        };
        let (machine, person) = (LoginMethod::ClientCredentials, LoginMethod::RefreshToken);
        let grant = r#"{"error":"invalid_grant"}"#;
        assert!(matches!(check(person, 400, grant), AtsError::ReauthorizationRequired(_)));
        assert!(matches!(check(machine, 400, grant), AtsError::Unauthorised(_)));
        assert!(matches!(check(machine, 401, r#"{"error":"invalid_client"}"#), AtsError::Unauthorised(_)));
        let echo = r#"{"message":"client_id=c-1 does not contain a valid client ID suffix"}"#;
        assert!(matches!(check(machine, 400, echo), AtsError::Unauthorised(_)));
        assert!(matches!(check(machine, 429, ""), AtsError::RateLimited { stated: false, .. }));
        assert!(matches!(check(machine, 503, "<html>"), AtsError::Unavailable(_)));
        assert!(matches!(check(machine, 200, "<html>"), AtsError::InvalidResponse(_)));
    }
}
