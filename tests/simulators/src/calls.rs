//! Counts the calls that functions make to AWS: stands between them and the emulator, and passes everything on as it came.
//!
//! The path and the `Host` header stay as they were signed, so that the emulator checks signatures and permissions as
//! without it. Which function calls is in the SDK's user agent: the emulator starts each with its own name as execution
//! environment (`xtask/platform/emulator.py`). Calls of Lambda itself, such as those of its pollers, do not pass here.
//!
//! | route | does |
//! |---|---|
//! | `GET /_calls` | `{"items": [{"function", "operation", "count", "refused"}]}` since the last clear; `operation` is for example `DynamoDB.UpdateItem`, `refused` counts the calls that were answered with an error, refused conditional writes among them; what is not a function is `other` |
//! | `DELETE /_calls` | forgets all of them |

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::control::{BODY_MAX, lock};

/// Shorter than the emulator keeps an idle connection, so that no call meets one that is just being closed.
const IDLE: Duration = Duration::from_secs(3);
/// What the emulator puts before a function's name in its execution environment.
const ENVIRONMENT: &str = "exec-env/AWS_Lambda_";

/// Calls and refused calls, by function and operation.
type Counts = BTreeMap<(String, String), (u64, u64)>;

#[derive(Clone)]
struct Proxy {
    gateway: String,
    client: reqwest::Client,
    counts: Arc<Mutex<Counts>>,
}

/// The proxy before the emulator at `gateway` (its base URL without a path), whose certificate `ca` (PEM) has signed.
///
/// # Errors
/// The certificate cannot be used.
pub fn app(gateway: &str, ca: &[u8]) -> anyhow::Result<Router> {
    let certificate = reqwest::Certificate::from_pem(ca).context("failed to read the CA's certificate")?;
    let client = reqwest::Client::builder()
        .tls_certs_only([certificate])
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let proxy = Proxy { gateway: gateway.to_owned(), client, counts: Arc::default() };
    Ok(Router::new().route("/_calls", get(list).delete(clear)).fallback(pass).with_state(proxy))
}

async fn list(State(proxy): State<Proxy>) -> Json<Value> {
    let counts = lock(&proxy.counts);
    let items = counts.iter().map(|((function, operation), (count, refused))| {
        json!({"function": function, "operation": operation, "count": count, "refused": refused})
    });
    Json(json!({"items": items.collect::<Vec<_>>()}))
}

async fn clear(State(proxy): State<Proxy>) -> StatusCode {
    lock(&proxy.counts).clear();
    StatusCode::NO_CONTENT
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = (function(&parts.headers), operation(&parts.headers));
    lock(&proxy.counts).entry(call.clone()).or_default().0 += 1;
    // A caller that dies does not take back what it sent: its call is carried out all the same, as by AWS.
    let forwarded = tokio::spawn(forward(proxy.clone(), parts, body)).await;
    let response = match forwarded {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => (StatusCode::BAD_GATEWAY, format!("the emulator did not answer: {error}")).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    };
    if !response.status().is_success() {
        lock(&proxy.counts).entry(call).or_default().1 += 1;
    }
    response
}

async fn forward(proxy: Proxy, parts: Parts, body: Bytes) -> reqwest::Result<Response> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let url = format!("{}{target}", proxy.gateway);
    let request = proxy.client.request(parts.method, url).headers(end_to_end(&parts.headers)).body(body);
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), end_to_end(answer.headers()));
    Ok((status, headers, Body::from(answer.bytes().await?)).into_response())
}

/// The headers that are not about one connection; lengths are counted anew.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE] {
        headers.remove(name);
    }
    headers
}

/// `email-worker`, as the user agent says it.
fn function(headers: &HeaderMap) -> String {
    let agents = ["x-amz-user-agent", "user-agent"].into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
    let mut words = agents.flat_map(str::split_whitespace);
    words.find_map(|word| word.strip_prefix(ENVIRONMENT)).unwrap_or("other").to_owned()
}

/// `DynamoDB.UpdateItem`, as the target says it without versions and `Amazon`.
fn operation(headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("unknown.unknown");
    let (service, action) = target.split_once('.').unwrap_or((target, ""));
    let service = service.split('_').next().unwrap_or(service);
    format!("{}.{action}", service.strip_prefix("Amazon").unwrap_or(service))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn function_and_operation_are_read_from_the_sdk_headers() {
        let mut headers = HeaderMap::new();
        assert_eq!((function(&headers), operation(&headers)), ("other".to_owned(), "unknown.unknown".to_owned()));
        headers.insert("user-agent", HeaderValue::from_static("aws-sdk-rust/1.3.9 os/linux lang/rust/1.94.1"));
        let agent = "aws-sdk-rust/1.3.9 ua/2.1 api/sqs/1.0 exec-env/AWS_Lambda_email-worker m/E,b";
        headers.insert("x-amz-user-agent", HeaderValue::from_static(agent));
        for (target, wanted) in [
            ("DynamoDB_20120810.UpdateItem", "DynamoDB.UpdateItem"),
            ("AmazonSQS.SendMessage", "SQS.SendMessage"),
            ("AmazonSSM.GetParameter", "SSM.GetParameter"),
        ] {
            headers.insert("x-amz-target", HeaderValue::from_static(target));
            assert_eq!((function(&headers).as_str(), operation(&headers).as_str()), ("email-worker", wanted));
        }
    }

    #[test]
    fn what_is_about_one_connection_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        for name in ["host", "connection", "transfer-encoding", "content-length", "authorization"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        let mut left: Vec<String> = end_to_end(&headers).keys().map(ToString::to_string).collect();
        left.sort();
        assert_eq!(left, ["authorization", "host"]);
    }
}
