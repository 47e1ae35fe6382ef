//! The HTTP client of this crate as the HTTP client of the AWS SDK: the same connections, limits and errors for every provider.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sesv2::config::http::{HttpRequest as SdkRequest, HttpResponse as SdkResponse};
use aws_sdk_sesv2::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

use crate::transport::http::{HttpRequest, Outbound, Reply, SendError};

/// The longest wait for a reply where the SDK states none.
const LONGEST_REPLY: Duration = Duration::from_secs(20);

/// Our client, for the SDK.
#[derive(Debug, Clone)]
pub(super) struct SdkHttp {
    outbound: Outbound,
}

impl SdkHttp {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

impl HttpClient for SdkHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeout = settings.read_timeout().unwrap_or(LONGEST_REPLY);
        SharedHttpConnector::new(Connector { outbound: self.outbound.clone(), timeout })
    }
}

#[derive(Debug)]
struct Connector {
    outbound: Outbound,
    timeout: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: SdkRequest) -> HttpConnectorFuture {
        let (outbound, timeout) = (self.outbound.clone(), self.timeout);
        HttpConnectorFuture::new(async move {
            let failed = |error: SendError| ConnectorError::io(error.into());
            let reply = outbound.send(own(&request).map_err(failed)?, timeout).await.map_err(failed)?;
            response(reply).map_err(failed)
        })
    }
}

/// A request of the SDK as one of ours.
pub(super) fn own(request: &SdkRequest) -> Result<HttpRequest, SendError> {
    let wrong = |what: &str| SendError::NotSent(format!("the SDK's {what} cannot be sent").into());
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|_| wrong("method"))?;
    let url = Url::parse(request.uri()).map_err(|_| wrong("URL"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("header"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong("header"))?;
        value.set_sensitive(name == header::AUTHORIZATION || name == "x-amz-security-token");
        headers.append(name, value);
    }
    let body = request.body().bytes().ok_or_else(|| wrong("body"))?;
    Ok(HttpRequest { method, url, headers, body: Bytes::copy_from_slice(body) })
}

/// A reply of ours as a response for the SDK.
fn response(reply: Reply) -> Result<SdkResponse, SendError> {
    let unreadable = || SendError::NoReply("the status of the reply cannot be read".into());
    let mut response = SdkResponse::new(reply.status.as_u16().try_into().map_err(|_| unreadable())?, reply.body.into());
    for (name, value) in &reply.headers {
        // What is no text is of no use to the SDK.
        if let Ok(value) = value.to_str() {
            let _existed = response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

/// A response of the SDK as the reply that it was made of.
pub(super) fn reply(response: &SdkResponse) -> Reply {
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply { status, headers, body: Bytes::copy_from_slice(response.body().bytes().unwrap_or_default()) }
}

/// The error of our client among the causes of an error. None when our client was not called.
pub(super) fn send_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a SendError> {
    let mut cause: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref() {
            return Some(ours);
        }
        cause = error.source();
    }
    None
}
