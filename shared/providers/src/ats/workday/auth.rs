//! The logins of a connection, and its settings.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::form_urlencoded;

use super::{SUFFIXES, Workday, report, soap};
use crate::ats::port::{AtsError, Context, Login, Setting, TokenGrant, TokenResponse};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// Ways to sign in. The refresh token of an integration system user does not change and does not pass.
pub(super) static LOGINS: [Login; 2] = [
    Login { method: LoginMethod::RefreshToken, secrets: &["client_id", "client_secret", "refresh_token"] },
    Login { method: LoginMethod::UserPassword, secrets: &["username", "password"] },
];

/// The setting that names the step of the process that is the hire.
pub(super) const HIRE_STEP: &str = "hire_step";

/// The lifetime of a token when the response does not state it, in seconds.
const USUAL: i64 = 3_600;

/// Settings of a connection.
pub(super) static SETTINGS: [Setting; 7] = [
    Setting {
        name: "host",
        required: true,
        about: "Host of the tenant, such as wd2-impl-services1.workday.com",
        check: host,
    },
    Setting {
        name: "open_statuses",
        required: false,
        about: "Job_Requisition_Status_IDs, with commas, of requisitions whose candidates are read at each poll; Open if not set",
        check: anything,
    },
    Setting { name: "raas_owner", required: false, about: "Owner of the report, a user name", check: report::name },
    Setting { name: "raas_report", required: false, about: "Name of the report in its URL", check: report::name },
    Setting {
        name: "raas_mapping",
        required: false,
        about: "Which field of the report has the WID of the candidate: {\"candidate\": \"Candidate_WID\"}",
        check: report::mapping_check,
    },
    Setting {
        name: "raas_prompt",
        required: false,
        about: "The report's prompt for the time since when something changed; without it all rows are read",
        check: report::name,
    },
    Setting {
        name: HIRE_STEP,
        required: false,
        about: "WID or Workflow_Step_ID of the step of the process that is the hire; without it nobody can be hired from here",
        check: anything,
    },
];

fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

fn host(text: &str) -> Result<(), String> {
    let name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if name && SUFFIXES.iter().any(|suffix| text.ends_with(suffix) && text.len() > suffix.len()) {
        Ok(())
    } else {
        Err(format!("must be a host name that ends with {}", SUFFIXES.join(" or ")))
    }
}

impl TokenGrant for Workday {
    fn token_request(&self, context: &Context<'_>) -> Result<HttpRequest, AtsError> {
        let secret = |name: &str| context.credentials.get(name).map(SecretString::expose_secret);
        let client = format!("{}:{}", secret("client_id")?, secret("client_secret")?);
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        headers.insert(header::AUTHORIZATION, soap::sensitive(format!("Basic {}", BASE64_STANDARD.encode(client)))?);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", secret("refresh_token")?)
            .finish();
        let url = soap::url(context, &format!("/ccx/oauth2/{}/token", soap::tenant(context)?))?;
        Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(body) })
    }

    fn parse_token(&self, context: &Context<'_>, reply: &Reply) -> Result<TokenResponse, AtsError> {
        let denied = json::read::<Denied>(&reply.body).map(|denied| denied.error).unwrap_or_default();
        match (reply.status, denied.as_str()) {
            (StatusCode::OK, _) => {}
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, "invalid_grant") => {
                return Err(AtsError::ReauthorizationRequired("the refresh token is not accepted any more".into()));
            }
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, "invalid_client") => {
                return Err(AtsError::Unauthorised("the API client or its secret is not accepted".into()));
            }
            (status, _) => {
                let error = soap::by_status(reply, context.now);
                return Err(error.unwrap_or_else(|| AtsError::Unavailable(format!("it answered {status}").into())));
            }
        }
        let token: Token = json::read(&reply.body)?;
        let good_for = SignedDuration::from_secs(token.expires_in.unwrap_or(USUAL).clamp(0, 86_400));
        // The one that was sent stays good and comes back; another one replaces it.
        let sent = context.credentials.get("refresh_token")?.expose_secret();
        Ok(TokenResponse {
            access_token: token.access_token.into(),
            expires_at: context.now.saturating_add(good_for).unwrap_or(context.now),
            refresh_token: token.refresh_token.filter(|replaced| replaced != sent).map(SecretString::from),
        })
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<i64>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_workday_are_taken() {
        for (text, good) in [
            ("wd2-impl-services1.workday.com", true),
            ("wd5.myworkday.com", true),
            (".workday.com", false),
            ("workday.com.evil.example", false),
            ("evil.example/.workday.com", false),
            ("", false),
        ] {
            assert_eq!(host(text).is_ok(), good, "{text}");
        }
    }
}
