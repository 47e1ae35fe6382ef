//! Which of the recorded shapes is answered.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{reply, request::GenerateRequest};
use crate::wire::{given, with};

/// Body of `POST /_control/gemini/scenario`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRequest {
    pub name: Scenario,
    /// Requests until it is `ok` again; none means until changed.
    #[serde(default)]
    pub times: Option<u64>,
    /// Seconds in the `RetryInfo` of the quota scenarios, so that a test does not wait 46.
    #[serde(default)]
    pub retry_delay_s: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    #[default]
    Ok,
    /// 200 without candidates, `promptFeedback.blockReason`.
    PromptBlocked,
    /// 200 with a started text and `finishReason` SAFETY.
    AnswerBlocked,
    /// 200 without text: thinking took the whole output budget.
    MaxTokensEmpty,
    /// 429, the quota of a minute.
    QuotaPerMinute,
    /// 429 with a short `retryDelay` although the quota is of a day.
    QuotaPerDay,
    /// The answer is a 503: the model is overloaded.
    Overloaded,
    /// 200 with a `finishReason` that no client knows yet.
    UnknownFinishReason,
}

const CATEGORIES: [&str; 4] = [
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
];

fn ratings(high: Option<&str>) -> Value {
    CATEGORIES
        .iter()
        .map(|category| {
            let probability = if high == Some(*category) { "HIGH" } else { "NEGLIGIBLE" };
            json!({"category": category, "probability": probability})
        })
        .collect()
}

/// About four characters are a token.
pub fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

fn usage(prompt: u64, candidates: Option<u64>, thoughts: u64) -> Value {
    let details = |count: u64| json!([{"modality": "TEXT", "tokenCount": count}]);
    let usage = json!({
        "promptTokenCount": prompt, "totalTokenCount": prompt + candidates.unwrap_or(0) + thoughts,
        "promptTokensDetails": details(prompt),
    });
    let usage = with(usage, given("candidatesTokenCount", candidates));
    let usage = with(usage, given("candidatesTokensDetails", candidates.map(details)));
    with(usage, given("thoughtsTokenCount", Some(thoughts).filter(|count| *count > 0)))
}

fn candidate(text: &str, finish: &str, high: Option<&str>) -> Value {
    json!({
        "content": {"parts": [{"text": text}], "role": "model"},
        "finishReason": finish,
        "index": 0,
        "safetyRatings": ratings(high),
    })
}

/// The body of a 200, without model version and response id. The quota and overload scenarios never come here.
pub fn answer(scenario: Scenario, request: &GenerateRequest) -> Value {
    let prompt = tokens(&request.text);
    let thoughts = if request.thinks { 20 + request.hash % 40 } else { 0 };
    match scenario {
        Scenario::PromptBlocked => json!({
            "promptFeedback": {"blockReason": "SAFETY", "safetyRatings": ratings(Some("HARM_CATEGORY_HATE_SPEECH"))},
            "usageMetadata": usage(prompt, None, 0),
        }),
        Scenario::AnswerBlocked => {
            let text = "The application shows";
            json!({
                "candidates": [candidate(text, "SAFETY", Some("HARM_CATEGORY_HARASSMENT"))],
                "usageMetadata": usage(prompt, Some(tokens(text)), thoughts),
            })
        }
        Scenario::MaxTokensEmpty => json!({
            "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
            "usageMetadata": usage(prompt, None, request.max_output_tokens.unwrap_or(1_024)),
        }),
        Scenario::UnknownFinishReason => {
            let text = reply::text(request);
            json!({
                "candidates": [candidate(&text, "REASON_OF_NEXT_YEAR", None)],
                "usageMetadata": usage(prompt, Some(tokens(&text)), thoughts),
            })
        }
        Scenario::Ok | Scenario::QuotaPerMinute | Scenario::QuotaPerDay | Scenario::Overloaded => {
            ordinary(request, prompt, thoughts)
        }
    }
}

/// The budget covers thoughts and text, as it does at Google: what does not fit is cut off and said so.
fn ordinary(request: &GenerateRequest, prompt: u64, thoughts: u64) -> Value {
    let text = reply::text(request);
    let budget = request.max_output_tokens.unwrap_or(u64::MAX);
    if thoughts + tokens(&text) <= budget {
        return json!({
            "candidates": [candidate(&text, "STOP", None)],
            "usageMetadata": usage(prompt, Some(tokens(&text)), thoughts),
        });
    }
    let thoughts = thoughts.min(budget);
    let room = usize::try_from((budget - thoughts) * 4).unwrap_or(usize::MAX);
    let start: String = text.chars().take(room).collect();
    if start.is_empty() {
        return json!({
            "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
            "usageMetadata": usage(prompt, None, thoughts),
        });
    }
    json!({
        "candidates": [candidate(&start, "MAX_TOKENS", None)],
        "usageMetadata": usage(prompt, Some(tokens(&start)), thoughts),
    })
}
