//! The running stack that the end-to-end tests work on, as `.local/stack.json` describes it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use domain::id::ApplicationId;
use reqwest::{Certificate, Method, StatusCode};
use serde_json::Value;

/// Longest wait for something that the stack does in the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The description of the stack that this test works on; a process runs one test.
static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// The descriptions of the stacks that run for the tests.
pub(crate) fn stacks() -> Vec<PathBuf> {
    let paths = std::env::var_os("STACK_JSON").unwrap_or_else(|| {
        panic!(
            "STACK_JSON is not set: run `cargo xtask test`, or `cargo xtask up` and STACK_JSON=$PWD/.local/stack.json"
        )
    });
    std::env::split_paths(&paths).collect()
}

/// Makes a stack the one that this test works on.
pub(crate) fn choose(stack: &Path) {
    let chosen = CHOSEN.get_or_init(|| stack.to_path_buf());
    assert_eq!(chosen, stack, "a test works on one stack");
}

fn stack_json() -> &'static Path {
    CHOSEN.get().expect("a test claims what it needs of a stack before it opens one")
}

/// The running stack, as `stack.json` describes it.
pub(crate) fn description() -> Value {
    let path = stack_json();
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("stack.json is JSON")
}

/// Runs an asynchronous test.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

pub(crate) struct Stack {
    json: Value,
    pub(crate) http: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) location: Option<String>,
    pub(crate) body: Value,
}

impl Stack {
    /// Opens the stack on which this test claimed what it needs.
    pub(crate) fn open() -> Self {
        let json = description();
        let pem = std::fs::read(json["ca_cert"].as_str().expect("ca_cert")).expect("the CA's certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([Certificate::from_pem(&pem).expect("a certificate")])
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self { json, http }
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("stack.json lacks {pointer}"))
    }

    pub(crate) fn org(&self, id: &str) -> Org<'_> {
        let orgs = self.json["orgs"].as_array().expect("orgs");
        let json = orgs.iter().find(|org| org["id"] == id).unwrap_or_else(|| panic!("no organisation {id}"));
        Org { stack: self, json }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (status, content_type, location) =
            (response.status(), header("content-type").unwrap_or_default(), header("location"));
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, content_type, location, body }
    }

    pub(crate) async fn mails(&self) -> Vec<Value> {
        let answer = self.send(self.http.get(self.text("/mailbox_url"))).await;
        answer.body.as_array().cloned().expect("a list of mails")
    }

    /// The mails of one notification.
    pub(crate) async fn mails_of(&self, notification: &str) -> Vec<Value> {
        let mut mails = self.mails().await;
        mails.retain(|mail| mail["headers"]["X-Notification-Id"] == notification);
        mails
    }

    /// Calls the control API of a simulator.
    pub(crate) async fn control(&self, provider: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.text(&format!("/simulators/{provider}/control_url")));
        let request = self.http.request(method, url);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

/// One organisation's access to the API.
pub(crate) struct Org<'a> {
    stack: &'a Stack,
    json: &'a Value,
}

impl Org<'_> {
    pub(crate) fn id(&self) -> &str {
        self.json["id"].as_str().expect("id")
    }

    /// The token of one of its administrators.
    pub(crate) fn token(&self) -> &str {
        self.json["token"].as_str().expect("token")
    }

    pub(crate) fn connection(&self, provider: &str) -> &Value {
        &self.json["connections"][provider]
    }

    /// Our id of an application that its Greenhouse connection tells of.
    pub(crate) fn application_id(&self, provider_id: &str) -> ApplicationId {
        let connection = self.connection("greenhouse")["id"].as_str().expect("id");
        ApplicationId::derived(&self.id().parse().expect("an organisation"), &["greenhouse", connection, provider_id])
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.stack.text("/api_url"));
        self.stack.http.request(method, url).bearer_auth(self.token())
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.stack.send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.stack.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.stack.send(self.request(Method::POST, path).json(body)).await
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let begin = Instant::now();
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "{path} is not as wanted after {PATIENCE:?}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// Sends a request until it is refused with 503: a process may believe for some seconds what it knew.
    pub(crate) async fn until_refused(&self, request: reqwest::RequestBuilder) -> Answer {
        let begin = Instant::now();
        loop {
            let answer = self.stack.send(request.try_clone().expect("a body in memory")).await;
            if answer.status == 503 {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "not refused after {PATIENCE:?}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Asks until the resource is in a state.
    pub(crate) async fn until_state(&self, path: &str, states: &[&str]) -> Value {
        self.until(path, |answer| answer.body["state"].as_str().is_some_and(|state| states.contains(&state))).await.body
    }

    /// Delivers a signed Greenhouse webhook.
    pub(crate) async fn deliver(&self, body: &str, event_id: &str) -> Answer {
        let connection = self.connection("greenhouse");
        let secret = connection["webhook_secret"].as_str().expect("secret");
        self.deliver_signed(body, event_id, &simulators::greenhouse::sign(secret, body.as_bytes())).await
    }

    pub(crate) async fn deliver_signed(&self, body: &str, event_id: &str, signature: &str) -> Answer {
        let url = self.connection("greenhouse")["webhook_url"].as_str().expect("url").to_owned();
        let request = self.stack.http.post(url).header("content-type", "application/json");
        let request = request.header("signature", signature).header("greenhouse-event-id", event_id);
        self.stack.send(request.body(body.to_owned())).await
    }
}

/// A number that no other test and no former run has used.
pub(crate) fn fresh_number() -> u64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    // Providers' ids are small numbers; 50 bits are enough to be alone.
    high >> 14
}

/// A Greenhouse body for a new application, and its ids at the provider. The candidate's name holds the id, so that what the
/// model was asked can be told from what it was asked about others.
pub(crate) fn new_application() -> (String, u64) {
    let (application, candidate) = (fresh_number(), fresh_number());
    let mut event = simulators::greenhouse::new_candidate_application(application, candidate, application);
    let name = &mut event["payload"]["application"]["candidate"]["last_name"];
    *name = format!("{} {application}", name.as_str().expect("a name")).into();
    (simulators::greenhouse::escape(&event), application)
}

impl Answer {
    /// Asserts a problem+json that blames a field.
    #[track_caller]
    pub(crate) fn blames(&self, status: u16, field: &str, rule: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let error = &self.body["errors"][0];
        assert_eq!((error["field"].as_str(), error["rule"].as_str()), (Some(field), Some(rule)), "{self:?}");
    }

    /// Asserts a problem+json of a kind.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["type"], format!("urn:hiring-integrations:problem:{kind}"), "{self:?}");
    }
}
