//! Gemini: `generateContent` of the Developer API (v1beta).
//!
//! Facts: <https://ai.google.dev/api/generate-content>. The key goes into `x-goog-api-key`. JSON output is requested
//! with `responseMimeType` and `responseJsonSchema`; `maxItems` on arrays of objects is refused there. The text of an
//! answer is all `parts[].text` of the first candidate that are not marked `thought`. A blocked prompt is a 200 without
//! candidates. A 429 may name a delay of seconds and still be a daily quota: `quotaId` shows it. `modelVersion` names
//! the model that answered. Google calls this API legacy beside its Interactions API; that is why all of the wire
//! format is in this one file.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::info::ProviderInfo;
use crate::model::port::{Generated, ModelApi, ModelError, ModelProvider, Prompt};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json::{self, InvalidJson};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "gemini",
    name: "Gemini",
    reference: "https://ai.google.dev/api/generate-content",
    secrets: &[KEY],
};

/// The provider as the registry lists it.
pub static PROVIDER: ModelProvider =
    ModelProvider { info: INFO, base_url: "https://generativelanguage.googleapis.com", api: &Gemini };

/// Name of the secret.
const KEY: &str = "gemini/api_key";

/// The hour (UTC) at which daily quotas have surely begun anew: midnight Pacific standard time; one hour late in summer.
const DAILY_QUOTA_RESET_HOUR: i8 = 8;

struct Gemini;

impl ModelApi for Gemini {
    fn secret(&self) -> &'static str {
        KEY
    }

    fn request(
        &self,
        base: &Url,
        prompt: &Prompt,
        key: &SecretString,
        timeout: Duration,
    ) -> Result<HttpRequest, ModelError> {
        let path = format!("/v1beta/models/{}:generateContent", prompt.model);
        let request = HttpRequest::json(base, &path, &body(prompt));
        let request = request.and_then(|request| request.with_secret("x-goog-api-key", key.expose_secret()));
        let mut request = request.map_err(|error| ModelError::Refused(error.into()))?;
        request.headers.insert("x-server-timeout", HeaderValue::from(timeout.as_secs().max(1)));
        Ok(request)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Generated, ModelError> {
        if reply.status == StatusCode::OK { read_answer(&reply.body) } else { Err(read_error(reply, now)) }
    }
}

fn body(prompt: &Prompt) -> Value {
    serde_json::json!({
        "systemInstruction": {"parts": [{"text": prompt.system}]},
        "contents": [{"role": "user", "parts": [{"text": prompt.user}]}],
        "generationConfig": {
            "temperature": prompt.temperature,
            "maxOutputTokens": prompt.max_output_tokens,
            "responseMimeType": "application/json",
            "responseJsonSchema": prompt.schema,
        },
    })
}

fn read_answer(body: &[u8]) -> Result<Generated, ModelError> {
    let Answer { candidates, prompt_feedback, usage_metadata, model_version } =
        json::read(body).map_err(|error| ModelError::Malformed(error.into()))?;
    let Some(candidate) = candidates.into_iter().next() else {
        let reason = prompt_feedback.and_then(|f| f.block_reason).unwrap_or_else(|| "no reason given".to_owned());
        return Err(ModelError::PromptBlocked(reason));
    };
    let finish = candidate.finish_reason.unwrap_or_default();
    match finish.as_str() {
        "STOP" | "" => {}
        "MAX_TOKENS" => return Err(ModelError::CutOff),
        "MALFORMED_RESPONSE" | "OTHER" => {
            return Err(ModelError::Malformed(format!("the answer ended with {finish}").into()));
        }
        // SAFETY, RECITATION, PROHIBITED_CONTENT and whatever joins them: the model will not say it.
        _ => return Err(ModelError::AnswerBlocked(finish)),
    }
    let parts = candidate.content.map(|content| content.parts).unwrap_or_default();
    let text: String =
        parts.into_iter().filter(|part| part.thought != Some(true)).filter_map(|part| part.text).collect();
    if text.trim().is_empty() {
        return Err(ModelError::Malformed("the answer is empty".into()));
    }
    let value = json::read(text.as_bytes()).map_err(|error| ModelError::Malformed(NotJson(error).into()))?;
    let usage = usage_metadata.unwrap_or_default();
    Ok(Generated {
        value,
        model: model_version.unwrap_or_else(|| "unknown".to_owned()),
        input_tokens: usage.prompt_token_count,
        output_tokens: usage.candidates_token_count.saturating_add(usage.thoughts_token_count),
    })
}

/// An answer that was to be JSON.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not JSON")]
struct NotJson(#[source] InvalidJson);

fn read_error(reply: &Reply, now: Timestamp) -> ModelError {
    // The error may be a single object or in an array of one, and may be no JSON at all. The array is parsed first,
    // because serde would read a struct from an array, too.
    let array = serde_json::from_slice::<Vec<ErrorBody>>(&reply.body).ok().and_then(|list| list.into_iter().next());
    let error = array.or_else(|| serde_json::from_slice(&reply.body).ok()).map(|body| body.error).unwrap_or_default();
    let status = reply.status.as_u16();
    let word = error.status.unwrap_or_else(|| "no status".to_owned());
    let message: String = error.message.unwrap_or_default().chars().take(300).collect();
    let said = format!("{status} {word}: {message}");
    match status {
        429 => {
            let daily = error.details.iter().flat_map(|d| &d.violations).any(|v| v.quota_id.contains("PerDay"));
            let requested = error.details.iter().find_map(|d| d.retry_delay.as_deref()).and_then(seconds);
            let wait = if daily {
                until_daily_reset(now)
            } else {
                requested.or_else(|| reply.retry_after(now)).unwrap_or_default()
            };
            ModelError::RateLimited { wait, cause: said.into() }
        }
        408 | 500 | 502 | 503 | 504 => ModelError::Unavailable(said.into()),
        _ => ModelError::Refused(said.into()),
    }
}

/// Reads a duration such as `22s` or `10.68s`.
fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

fn until_daily_reset(now: Timestamp) -> Duration {
    let now = now.to_zoned(jiff::tz::TimeZone::UTC);
    let today = now.date().at(DAILY_QUOTA_RESET_HOUR, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
    let reset = today.and_then(|today| {
        if today > now {
            Ok(today)
        } else {
            today.tomorrow()?.date().at(DAILY_QUOTA_RESET_HOUR, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)
        }
    });
    reset
        .ok()
        .and_then(|reset| Duration::try_from(reset.timestamp().duration_since(now.timestamp())).ok())
        .unwrap_or(Duration::from_secs(3600))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Usage>,
    model_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    thought: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Usage {
    prompt_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: WireError,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireError {
    message: Option<String>,
    status: Option<String>,
    details: Vec<Detail>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    violations: Vec<Violation>,
    retry_delay: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Violation {
    quota_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn check(status: u16, body: &str) -> Result<Generated, ModelError> {
        let reply = Reply {
            status: StatusCode::from_u16(status).expect("status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        Gemini.read(&reply, "2026-11-22T07:00:00Z".parse().expect("time"))
    }

    #[test]
    fn an_answer_is_read_without_the_models_thoughts() {
        let body = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"{\"a\""},{"text":":1}"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":14,"candidatesTokenCount":2,"thoughtsTokenCount":24,"totalTokenCount":40},"modelVersion":"gemini-3.8-flash"}"#;
        let answer = check(200, body).expect("readable");
        assert_eq!(answer.value, serde_json::json!({"a": 1}));
        assert_eq!((answer.input_tokens, answer.output_tokens), (14, 26));
        assert_eq!(answer.model, "gemini-3.8-flash");
    }

    #[test]
    fn blocked_cut_off_and_invalid_answers_are_classified() {
        let blocked = check(200, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#);
        assert_eq!(blocked, Err(ModelError::PromptBlocked("SAFETY".into())));
        let candidate = |reason: &str| check(200, &format!(r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#));
        assert_eq!(candidate("SAFETY"), Err(ModelError::AnswerBlocked("SAFETY".into())));
        assert_eq!(candidate("NEVER_HEARD_OF"), Err(ModelError::AnswerBlocked("NEVER_HEARD_OF".into())));
        assert_eq!(candidate("MAX_TOKENS"), Err(ModelError::CutOff));
        assert!(matches!(candidate("STOP"), Err(ModelError::Malformed(_))));
        assert!(matches!(check(200, "<html>"), Err(ModelError::Malformed(_))));
    }

    #[test]
    fn a_daily_quota_overrides_the_delay_that_an_error_names() {
        let limited = |quota: &str| {
            let body = format!(
                r#"[{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{{"@type":"q","violations":[{{"quotaId":"{quota}"}}]}},{{"@type":"r","retryDelay":"10.5s"}}]}}}}]"#
            );
            match check(429, &body) {
                Err(ModelError::RateLimited { wait, .. }) => wait,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(limited("RequestsPerMinute"), Duration::from_millis(10_500));
        assert_eq!(limited("GenerateRequestsPerDayPerProject"), Duration::from_secs(3600));
        assert!(matches!(
            check(503, r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#),
            Err(ModelError::Unavailable(_))
        ));
        assert!(matches!(check(502, "bad gateway"), Err(ModelError::Unavailable(_))));
        assert!(matches!(check(400, r#"{"error":{"status":"INVALID_ARGUMENT"}}"#), Err(ModelError::Refused(_))));
        assert!(matches!(check(404, ""), Err(ModelError::Refused(_))));
    }
}
