//! The contract of every model provider: each file in `providers` against its simulator.
//!
//! The registry is the list: a model provider that is added and has no simulator fails these tests.

use std::time::Duration;

use http::StatusCode;
use providers::model::client::ModelClient;
use providers::model::port::{Generated, ModelError, ModelProvider, Prompt, RetryAdvice};
use providers::transport::access::ModelAccess;
use providers::transport::http::Outbound;
use secrecy::SecretString;
use serde_json::{Value, json};

const KEY: &str = "key-of-the-contract";
/// For what is answered; on a busy machine, too.
const PATIENT: Duration = Duration::from_secs(20);

/// A provider's client, and its simulator with no other user.
struct Bench {
    provider: &'static ModelProvider,
    client: ModelClient,
    control: String,
    http: reqwest::Client,
}

impl Bench {
    async fn of(provider: &'static ModelProvider) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app()).await });
        let id = provider.info.id;
        let access = ModelAccess::Simulator(format!("{base}/{id}").parse().expect("a URL"));
        Self {
            provider,
            client: ModelClient::new(provider.api, access, Outbound::new().expect("a client")),
            control: format!("{base}/_control/{id}"),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
        }
    }

    /// Lets the simulator do this from now on: a fault, or one of its scenarios.
    async fn order(&self, path: &str, order: &Value) {
        for path in ["reset", path] {
            let sent = self.http.post(format!("{}/{path}", self.control)).json(order).send().await;
            let status = sent.expect("an answer").status();
            assert!(status.is_success(), "{} has no contract case for {path} {order}: {status}", self.provider.info.id);
        }
    }

    async fn generate(&self, key: &str, timeout: Duration) -> Result<Generated, ModelError> {
        let prompt = prompt(self.provider);
        self.client.generate(&prompt, Some(&SecretString::from(key)), timeout, jiff::Timestamp::now()).await
    }
}

fn prompt(provider: &ModelProvider) -> Prompt {
    let model = match provider.info.id {
        "gemini" => "gemini-3.8-flash",
        new => panic!("{new} has no contract cases: name one of its models here"),
    };
    Prompt {
        model: model.to_owned(),
        system: "You review applications.".to_owned(),
        user: "Candidate name: Ada King".to_owned(),
        schema: json!({
            "type": "object",
            "required": ["summary", "strengths"],
            "properties": {
                "summary": {"type": "string"},
                "strengths": {"type": "array", "items": {"type": "string"}},
            },
        }),
        temperature: 0.2,
        max_output_tokens: 2_048,
    }
}

#[tokio::test]
async fn every_model_answers_in_the_schemas_shape() {
    for provider in providers::model::ALL {
        let bench = Bench::of(provider).await;
        let Generated { value, model, input_tokens, output_tokens } =
            bench.generate(KEY, PATIENT).await.expect("answered");
        assert!(value["summary"].is_string() && value["strengths"].is_array(), "{}: {value}", provider.info.id);
        assert!(!model.is_empty() && input_tokens > 0 && output_tokens > 0, "{}", provider.info.id);
    }
}

#[tokio::test]
async fn every_model_distinguishes_its_errors() {
    type Meant = fn(&ModelError) -> bool;
    let unavailable: Meant = |error| matches!(error, ModelError::Unavailable(_));
    let malformed: Meant = |error| matches!(error, ModelError::Malformed(_));
    let refused: Meant = |error| matches!(error, ModelError::Refused(_));
    let table: [(&str, Value, Meant); 13] = [
        (
            "faults",
            json!({"status": 429, "headers": {"retry-after": "17"}}),
            |error| matches!(error, ModelError::RateLimited { wait, .. } if wait.as_secs() == 17),
        ),
        ("faults", json!({"status": 400}), refused),
        ("faults", json!({"status": 401}), refused),
        ("faults", json!({"status": 500}), unavailable),
        ("faults", json!({"status": 502, "body": "<html>bad gateway</html>"}), unavailable),
        ("faults", json!({"status": 503}), unavailable),
        ("faults", json!({"drop_after_bytes": 10}), unavailable),
        ("faults", json!({"malformed": true}), malformed),
        ("faults", json!({"body": "<html>hello</html>"}), malformed),
        ("scenario", json!({"name": "prompt_blocked"}), |error| matches!(error, ModelError::PromptBlocked(_))),
        ("scenario", json!({"name": "answer_blocked"}), |error| matches!(error, ModelError::AnswerBlocked(_))),
        ("scenario", json!({"name": "max_tokens_empty"}), |error| matches!(error, ModelError::CutOff)),
        (
            "scenario",
            json!({"name": "quota_per_day"}),
            |error| matches!(error.retry_advice(), RetryAdvice::After(wait) if wait > Duration::from_secs(22)),
        ),
    ];
    for provider in providers::model::ALL {
        let bench = Bench::of(provider).await;
        for (path, order, meant) in &table {
            bench.order(path, order).await;
            let error = bench.generate(KEY, PATIENT).await.expect_err("no answer");
            assert!(meant(&error), "{} {order}: {error:?}", provider.info.id);
        }
        bench.order("faults", &json!({"latency_ms": 60_000})).await;
        let slow = bench.generate(KEY, Duration::from_secs(1)).await.expect_err("no answer");
        assert!(unavailable(&slow), "{}: {slow:?}", provider.info.id);
    }
}

#[tokio::test]
async fn a_wrong_model_key_is_refused_and_never_printed() {
    for provider in providers::model::ALL {
        let bench = Bench::of(provider).await;
        let wrong = bench.generate("invalid", PATIENT).await;
        assert!(matches!(wrong, Err(ModelError::Refused(_))), "{}: {wrong:?}", provider.info.id);
        let unsendable = bench.generate("a\nb", PATIENT).await;
        assert!(matches!(unsendable, Err(ModelError::Refused(_))), "{}: {unsendable:?}", provider.info.id);
        let base = "http://127.0.0.1:9".parse().expect("a URL");
        let request = provider.api.request(&base, &prompt(provider), &KEY.into(), PATIENT).expect("a request");
        assert!(!format!("{request:?}").contains(KEY), "{}", provider.info.id);
        bench.order("faults", &json!({"status": StatusCode::FORBIDDEN.as_u16()})).await;
        let refused = bench.generate(KEY, PATIENT).await.expect_err("refused");
        assert!(!format!("{refused:?}").contains(KEY), "{}", provider.info.id);
    }
}
