//! One organisation's view of the public API, and how a step of the demo waits and fails.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    local::stack::{self, Organisation, Stack},
    processes, python, report,
    site::Site,
};

pub(super) struct Client {
    http: reqwest::Client,
    api_url: String,
    token: String,
    api_key: String,
    mailbox_url: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(stack: &Stack, org: &Organisation) -> Result<Self> {
        Ok(Self {
            http: stack::client(&stack.ca_cert)?,
            api_url: stack.api_url.clone(),
            token: org.token.clone(),
            api_key: org.api_key.clone(),
            mailbox_url: stack.mailbox_url.clone(),
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, None, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value, idempotency_key: &str) -> Result<Answer> {
        self.request(Method::POST, path, Some(body), Some(idempotency_key)).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Result<Answer> {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.api_url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        read(request).await.with_context(|| format!("{what} did not answer"))
    }

    /// Reads as another system does: with an API key.
    pub(super) async fn get_external(&self, path: &str) -> Result<Answer> {
        let request = self.http.get(format!("{}{path}", self.api_url)).header("X-API-Key", &self.api_key);
        read(request).await.with_context(|| format!("GET {path} did not answer"))
    }

    /// Sends as another system does: with an API key.
    pub(super) async fn send_external(&self, path: &str, body: &Value, idempotency_key: &str) -> Result<Answer> {
        let request = self.http.post(format!("{}{path}", self.api_url)).header("X-API-Key", &self.api_key);
        let request = request.header("Idempotency-Key", idempotency_key).json(body);
        read(request).await.with_context(|| format!("POST {path} did not answer"))
    }

    /// Delivers a webhook as the third party does: without a token, with the signature in a header.
    pub(super) async fn deliver(&self, url: &str, body: &str, signature: &str, event_id: &str) -> Result<Answer> {
        let request = self
            .http
            .post(url)
            .header("Content-Type", "application/json")
            .header("Signature", signature)
            .header("Greenhouse-Event-ID", event_id)
            .body(body.to_owned());
        read(request).await.context("the webhook did not answer")
    }

    /// All items of a list, page by page.
    pub(super) async fn all(&self, path: &str, limit: usize) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = None;
        // A list that never ends is a failure, not a reason to loop.
        for _ in 0..500 {
            let query = cursor.map_or_else(String::new, |cursor: String| format!("&cursor={cursor}"));
            let answer = self.get(&format!("{path}?limit={limit}{query}")).await?.expect(StatusCode::OK)?;
            let page = answer.body.get("items").and_then(Value::as_array).context("the answer has no items")?;
            if page.len() > limit {
                bail!("{path}?limit={limit} answered {} items", page.len());
            }
            items.extend(page.iter().cloned());
            match answer.body.get("next_cursor") {
                Some(Value::String(next)) => cursor = Some(encoded(next)),
                Some(Value::Null) => return Ok(items),
                other => bail!("next_cursor of {path} is neither a string nor null but {other:?}"),
            }
        }
        bail!("the list {path} does not end after 500 pages")
    }

    /// The e-mails that carry this notification's id.
    pub(super) async fn mails(&self, notification: &str) -> Result<Vec<Value>> {
        let answer = read(self.http.get(&self.mailbox_url)).await.context("the mailbox did not answer")?;
        let mails = answer.body.as_array().context("the mailbox did not answer with a list")?;
        let wanted =
            |mail: &&Value| mail.get("message_id").and_then(Value::as_str).is_some_and(|id| id.contains(notification));
        Ok(mails.iter().filter(wanted).cloned().collect())
    }

    /// Reads from a simulator's control API.
    pub(super) async fn look(&self, url: &str) -> Result<Answer> {
        read(self.http.get(url)).await.context("the simulator did not answer")
    }

    /// Deletes at a simulator's control API.
    pub(super) async fn take_back(&self, url: &str) -> Result<Answer> {
        read(self.http.delete(url)).await.context("the simulator did not answer")
    }

    /// Posts to a simulator's control API.
    pub(super) async fn control(&self, url: &str, body: &Value) -> Result<Answer> {
        read(self.http.post(url).json(body)).await.context("the simulator did not answer")
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, location, body })
}

impl Answer {
    /// The answer, if it has the status that the step is about.
    pub(super) fn expect(self, status: StatusCode) -> Result<Self> {
        if self.status != status {
            bail!("expected {}, got {} {}", status.as_u16(), self.status.as_u16(), self.body);
        }
        Ok(self)
    }

    pub(super) fn text(&self, pointer: &str) -> Result<String> {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).with_context(|| format!("expected a string at {pointer}, got {}", self.body))
    }
}

/// A cursor, encoded for a query: it is opaque, so nothing may be assumed about its characters.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Runs a step: prints its line, or names the step that failed and the logs (names with spaces between) that have the
/// cause.
pub(super) async fn step<T>(name: &str, logs: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
    let began = Instant::now();
    match work.await {
        Ok((value, detail)) => {
            report::tick(began, if detail.is_empty() { name.to_owned() } else { format!("{name}: {detail}") });
            Ok(value)
        }
        Err(error) => {
            let logs: Vec<String> = logs.split(' ').map(|name| format!("cargo xtask logs {name}")).collect();
            Err(error.context(format!("step failed: {name}; to look at: {}", logs.join(", "))))
        }
    }
}

/// Does at the AWS of the stack what no client of the API may do.
pub(super) async fn chore(site: &Site, arguments: &[&str]) -> Result<String> {
    let mut command = python::script(site, "stack.py")?;
    command.args(arguments);
    processes::capture("xtask/platform/stack.py", command, &site.log("finish")).await
}

/// Repeats a request until the response is as expected. The last response is part of the failure.
pub(super) async fn until<T, W>(expected: impl Display, seconds: u64, mut request: impl FnMut() -> W) -> Result<T>
where
    W: Future<Output = Result<Result<T, String>>>,
{
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let last = match request().await? {
            Ok(value) => return Ok(value),
            Err(last) => last,
        };
        if Instant::now() > deadline {
            bail!("expected {expected} within {seconds} s; what came last: {last}");
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Waits until a resource is in the state that is wanted; any other final state is a failure at once.
pub(super) async fn settled(client: &Client, path: &str, wanted: &str, seconds: u64) -> Result<Value> {
    until(format!("{path} in state {wanted}"), seconds, || async {
        let answer = client.get(path).await?.expect(StatusCode::OK)?;
        let state = answer.text("/state")?;
        if state == wanted {
            return Ok(Ok(answer.body));
        }
        if ["succeeded", "failed", "accepted", "rejected", "needs_review"].contains(&state.as_str())
            && !is_first(path, &state)
        {
            bail!("expected {path} in state {wanted}, it ended as {}", answer.body);
        }
        Ok(Err(answer.body.to_string()))
    })
    .await
}

/// `accepted` ends a notification, but begins a suggestion.
fn is_first(path: &str, state: &str) -> bool {
    state == "accepted" && path.starts_with("/api/suggestions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_query() {
        assert_eq!(encoded("aZ09-._~"), "aZ09-._~");
        assert_eq!(encoded("a+b=&ü"), "a%2Bb%3D%26%C3%BC");
    }
}
