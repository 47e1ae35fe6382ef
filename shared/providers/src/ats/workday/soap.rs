//! The SOAP service: the envelope around a request, the response in an envelope, and the meaning of its faults.

use std::time::Duration;

use bytes::Bytes;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::xml::{Node, escaped};
use crate::ats::port::{AtsError, Context};
use crate::transport::http::{HttpRequest, Reply};

/// The version whose shapes we know.
const VERSION: &str = "v31.2";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const BSVC: &str = "urn:com.workday/bsvc";
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const PASSWORD_TEXT: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

/// Texts of faults for which a repetition will not help.
const FINAL: [&str; 2] = ["not authorized", "invalid for the requested operation"];

/// The wait when the limit is reached and the response does not state one: its windows are said to be of a second.
const A_WHILE: Duration = Duration::from_secs(2);

/// An operation with what is in it.
pub(super) struct Request {
    /// Name of the element, such as `Get_Candidates_Request`.
    pub(super) name: &'static str,
    /// The content of the body.
    pub(super) inner: String,
}

/// The request for an operation of the Recruiting service.
///
/// # Errors
/// When a secret or a setting is missing.
pub(super) fn call(context: &Context<'_>, request: &Request) -> Result<HttpRequest, AtsError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    headers.insert("soapaction", HeaderValue::from_static("\"\""));
    let security = match context.login {
        LoginMethod::RefreshToken => {
            headers.insert(header::AUTHORIZATION, bearer(context)?);
            String::new()
        }
        LoginMethod::UserPassword => security(context)?,
        _ => return Err(AtsError::Refused("this way to sign in is not one of Workday's".into())),
    };
    let Request { name, inner } = request;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"{SOAP}\" xmlns:wd=\"{BSVC}\">\
         <env:Header>{security}</env:Header><env:Body><wd:{name} wd:version=\"{VERSION}\">{inner}</wd:{name}></env:Body>\
         </env:Envelope>"
    );
    let url = url(context, &format!("/ccx/service/{}/Recruiting/{VERSION}", tenant(context)?))?;
    Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(body) })
}

/// A URL at the tenant's host.
///
/// # Errors
/// When the host is none of Workday's.
pub(super) fn url(context: &Context<'_>, path: &str) -> Result<url::Url, AtsError> {
    Ok(context.hosts.url("api", path)?)
}

/// The tenant's name, which is a part of every path.
///
/// # Errors
/// When it could lead to another path.
pub(super) fn tenant<'a>(context: &Context<'a>) -> Result<&'a str, AtsError> {
    let name = context.account;
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if good && (1..=64).contains(&name.len()) {
        Ok(name)
    } else {
        Err(AtsError::Refused("the tenant's name has other signs than letters, digits, - and _".into()))
    }
}

/// The header that carries the token.
///
/// # Errors
/// When there is none.
pub(super) fn bearer(context: &Context<'_>) -> Result<HeaderValue, AtsError> {
    let token = context.token.ok_or_else(|| AtsError::Unauthorised("there is no token".into()))?;
    sensitive(format!("Bearer {}", token.expose_secret()))
}

/// A header value that is never printed.
///
/// # Errors
/// When the text is not valid in a header.
pub(super) fn sensitive(text: String) -> Result<HeaderValue, AtsError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| AtsError::Unauthorised("a secret has signs that no header may have".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn security(context: &Context<'_>) -> Result<String, AtsError> {
    let secret = |name: &str| context.credentials.get(name).map(SecretString::expose_secret);
    let (user, password) = (secret("username")?, secret("password")?);
    // In the envelope a user is named with the tenant; in a Basic header it may be named without.
    let user = if user.contains('@') { user.to_owned() } else { format!("{user}@{}", tenant(context)?) };
    Ok(format!(
        "<wsse:Security xmlns:wsse=\"{WSSE}\" env:mustUnderstand=\"1\"><wsse:UsernameToken><wsse:Username>{}</wsse:Username>\
         <wsse:Password Type=\"{PASSWORD_TEXT}\">{}</wsse:Password></wsse:UsernameToken></wsse:Security>",
        escaped(&user),
        escaped(password)
    ))
}

/// The element in the body of a response.
///
/// # Errors
/// When it is a fault or another error, or none of the expected name.
pub(super) fn answer((reply, now): (&Reply, Timestamp), name: &str) -> Result<Node, AtsError> {
    if let Some(error) = by_status(reply, now) {
        return Err(error);
    }
    let envelope = match Node::parse(&reply.body) {
        Ok(envelope) => envelope,
        // A gateway's page, not the service.
        Err(_) if reply.status.is_server_error() => return Err(unavailable(reply.status)),
        Err(error) => return Err(AtsError::InvalidResponse(error.into())),
    };
    if let Some(reported) = envelope.find("Body/Fault") {
        return Err(fault(reported));
    }
    if !reply.status.is_success() {
        return Err(unavailable(reply.status));
    }
    let body = envelope.children.into_iter().find(|child| child.name == "Body");
    let mut elements = body.into_iter().flat_map(|body| body.children);
    elements
        .find(|element| element.name == name)
        .ok_or_else(|| AtsError::InvalidResponse(format!("there is no {name}").into()))
}

/// The error of a status alone; none where the body has to be read.
pub(super) fn by_status(reply: &Reply, now: Timestamp) -> Option<AtsError> {
    match reply.status {
        StatusCode::TOO_MANY_REQUESTS => {
            let reported = reply.retry_after(now);
            Some(AtsError::RateLimited { wait: reported.unwrap_or(A_WHILE), stated: reported.is_some() })
        }
        StatusCode::UNAUTHORIZED => Some(AtsError::Unauthorised("the token or the password is not good".into())),
        StatusCode::REQUEST_TIMEOUT => Some(unavailable(reply.status)),
        StatusCode::INTERNAL_SERVER_ERROR => None,
        status if status.is_server_error() => Some(unavailable(status)),
        status if status.is_client_error() => Some(AtsError::Refused(format!("it answered {status}").into())),
        status if status.is_redirection() => Some(AtsError::Refused(format!("it answered {status}").into())),
        _ => None,
    }
}

fn unavailable(status: StatusCode) -> AtsError {
    AtsError::Unavailable(format!("it answered {status}").into())
}

/// The wait before the next request.
pub(super) fn pause(reply: &Reply) -> Option<Duration> {
    let left = reply.headers.get("x-ratelimit-remaining")?.to_str().ok()?;
    (left.trim() == "0").then_some(Duration::from_secs(1))
}

fn fault(reported: &Node) -> AtsError {
    let (code, said) =
        (reported.text("faultcode").unwrap_or_default(), reported.text("faultstring").unwrap_or_default());
    let (code, lower) = (code.to_ascii_lowercase(), said.to_ascii_lowercase());
    let said = without_values(said);
    let error = reported.find("detail/Validation_Fault/Validation_Error");
    let place = error.and_then(|error| error.text("Xpath")).unwrap_or_default();
    if code.ends_with("authenticationerror") || lower.contains("invalid username or password") {
        AtsError::Unauthorised(said.into())
    } else if place.contains("As_Of_Entry_DateTime") {
        AtsError::CursorExpired(said.into())
    } else if code.ends_with("validationerror") || error.is_some() || FINAL.iter().any(|words| lower.contains(words)) {
        AtsError::Refused(said.into())
    } else {
        AtsError::Unavailable(said.into())
    }
}

/// A sentence without its quotations: they repeat the request, and may be about a person.
fn without_values(text: &str) -> String {
    let parts = text.split('\'').enumerate();
    let parts_left: Vec<&str> = parts.map(|(at, part)| if at % 2 == 0 { part } else { "…" }).collect();
    parts_left.join("'").chars().take(300).collect()
}

/// Whether a refusal says that an id is not, or not any more, one of its type.
pub(super) fn is_unknown_id(error: &AtsError) -> bool {
    matches!(error, AtsError::Refused(said) if said.to_string().contains("is not a valid ID value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        let status = StatusCode::from_u16(status).expect("a status");
        Reply { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) }
    }

    fn faulted(code: &str, said: &str, detail: &str) -> AtsError {
        let body = format!(
            "<S:Envelope xmlns:S=\"{SOAP}\"><S:Body><S:Fault><faultcode>SOAP-ENV:{code}</faultcode><faultstring>{said}</faultstring>\
             <detail>{detail}</detail></S:Fault></S:Body></S:Envelope>"
        );
        answer((&reply(500, &body), Timestamp::UNIX_EPOCH), "X").err().expect("a fault")
    }

    #[test]
    fn faults_become_what_can_be_done_about_them() {
        let wrong =
            "Validation error occurred. Invalid ID value.  'jane@example.com' is not a valid ID value for type = 'WID'";
        let error = faulted("Client.validationError", wrong, "");
        assert!(is_unknown_id(&error) && !error.to_string().contains("jane"), "{error}");
        let auth = faulted("Client.authenticationError", "invalid username or password", "");
        assert!(matches!(auth, AtsError::Unauthorised(_)));
        let task = "Processing error occurred. The task submitted is not authorized.";
        assert!(matches!(faulted("Server.processingError", task, ""), AtsError::Refused(_)));
        assert!(matches!(
            faulted("Server.processingError", "Processing error occurred. Later", ""),
            AtsError::Unavailable(_)
        ));
        let place = "<Validation_Fault><Validation_Error><Xpath>/a/b:As_Of_Entry_DateTime[1]</Xpath></Validation_Error></Validation_Fault>";
        assert!(matches!(faulted("Client.validationError", "Too old", place), AtsError::CursorExpired(_)));
    }

    #[test]
    fn a_status_or_a_strange_body_says_what_is_the_matter() {
        type Kind = fn(&AtsError) -> bool;
        let table: [(u16, &str, Kind); 8] = [
            (429, "", |error| matches!(error, AtsError::RateLimited { stated: false, .. })),
            (401, "{}", |error| matches!(error, AtsError::Unauthorised(_))),
            (403, "", |error| matches!(error, AtsError::Refused(_))),
            (500, "<html>oops", |error| matches!(error, AtsError::Unavailable(_))),
            (503, "", |error| matches!(error, AtsError::Unavailable(_))),
            (302, "", |error| matches!(error, AtsError::Refused(_))),
            (200, "<html><body></body></html>", |error| matches!(error, AtsError::InvalidResponse(_))),
            (200, "<a><Body><X>", |error| matches!(error, AtsError::InvalidResponse(_))),
        ];
        for (status, body, kind) in table {
            let error = answer((&reply(status, body), Timestamp::UNIX_EPOCH), "X").err().expect("an error");
            assert!(kind(&error), "{status} {body}: {error}");
        }
        assert!(answer((&reply(200, "<a><Body><X/></Body></a>"), Timestamp::UNIX_EPOCH), "X").is_ok());
    }
}
