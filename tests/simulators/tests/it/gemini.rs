//! What Gemini refuses and answers.

use axum::Router;
use serde_json::{Value, json};

use crate::{Answer, call, fixture, missing, post};

const MODEL: &str = "gemini-3.8-flash";

async fn generate(app: &Router, model: &str, key: &str, body: &Value) -> Answer {
    let path = format!("/gemini/v1beta/models/{model}:generateContent");
    let headers = if key.is_empty() { vec![] } else { vec![("x-goog-api-key", key)] };
    call(app, "POST", &path, &headers, body).await
}

fn prompt(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn with_schema(field: &str, schema: &Value) -> Value {
    let mut body = prompt("Candidate name: Priya Raman\nJob title: Backend Engineer\nExperience: 6 years of Rust");
    body.as_object_mut()
        .unwrap()
        .insert("generationConfig".to_owned(), json!({"responseMimeType": "application/json", field: schema}));
    body
}

fn text(answer: &Value) -> &str {
    answer.pointer("/candidates/0/content/parts/0/text").and_then(Value::as_str).unwrap()
}

#[tokio::test]
async fn refusals_have_the_envelope_of_the_api() {
    let app = simulators::app();
    let config = |config: Value| {
        let mut body = prompt("x");
        body.as_object_mut().unwrap().insert("generationConfig".to_owned(), config);
        body
    };
    let bounded = json!({"type": "object", "properties": {"list": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/one"}}}, "$defs": {"one": {"type": "object"}}});
    // (model, key, body, status, name, part of the message)
    let table = [
        (MODEL, "", prompt("x"), 400, "INVALID_ARGUMENT", "API key not valid"),
        (MODEL, "invalid", prompt("x"), 400, "INVALID_ARGUMENT", "API key not valid"),
        ("gemini-2.0-flash", "k", prompt("x"), 404, "NOT_FOUND", "models/gemini-2.0-flash"),
        (MODEL, "k", json!("{"), 400, "INVALID_ARGUMENT", "Invalid JSON"),
        (MODEL, "k", json!([]), 400, "INVALID_ARGUMENT", "Invalid JSON"),
        (MODEL, "k", json!({}), 400, "INVALID_ARGUMENT", "contents is not specified"),
        (MODEL, "k", json!({"contents": [], "labels": {}}), 400, "INVALID_ARGUMENT", "\"labels\""),
        (
            MODEL,
            "k",
            json!({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}),
            400,
            "INVALID_ARGUMENT",
            "valid role",
        ),
        (MODEL, "k", json!({"contents": [{"parts": []}]}), 400, "INVALID_ARGUMENT", "parts"),
        (MODEL, "k", config(json!({"maxTokens": 5})), 400, "INVALID_ARGUMENT", "'generation_config'"),
        (MODEL, "k", config(json!({"temperature": 2.5})), 400, "INVALID_ARGUMENT", "temperature"),
        (MODEL, "k", config(json!({"maxOutputTokens": 0})), 400, "INVALID_ARGUMENT", "max_output_tokens"),
        (MODEL, "k", config(json!({"responseJsonSchema": {}})), 400, "INVALID_ARGUMENT", "response_mime_type"),
        (
            MODEL,
            "k",
            config(json!({"thinkingConfig": {"thinkingBudget": 0, "thinkingLevel": "LOW"}})),
            400,
            "INVALID_ARGUMENT",
            "thinking",
        ),
        (
            "gemini-2.5-pro",
            "k",
            config(json!({"thinkingConfig": {"thinkingLevel": "LOW"}})),
            400,
            "INVALID_ARGUMENT",
            "Thinking level",
        ),
        (MODEL, "k", with_schema("responseJsonSchema", &bounded), 400, "INVALID_ARGUMENT", "maxItems"),
    ];
    for (model, key, body, status, name, part) in table {
        let answer = generate(&app, model, key, &body).await;
        let error = answer.json();
        let said = error.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        assert!(said.contains(part), "{part}: {said}");
        assert_eq!(
            (answer.status.as_u16(), error.pointer("/error/code"), error.pointer("/error/status")),
            (status, Some(&json!(status)), Some(&json!(name))),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_shapes_are_the_recorded_ones() {
    // The recorded answers are partly of another product of Google, which adds the fields named here.
    let table = [
        ("ok", 200, "200_basic_reply.json", &["avgLogprobs"][..]),
        ("ok", 200, "200_json_constrained.json", &[]),
        ("prompt_blocked", 200, "200_prompt_blocked_safety.json", &["blockReasonMessage"]),
        ("answer_blocked", 200, "200_finish_reason_safety.json", &["avgLogprobs"]),
        ("quota_per_minute", 429, "429_quota_per_minute_with_retryinfo.json", &[]),
        ("overloaded", 503, "503_overloaded.json", &[]),
    ];
    let app = simulators::app();
    for (scenario, status, file, without) in table {
        post(&app, "/_control/gemini/scenario", json!({"name": scenario, "times": 1})).await;
        let answer = generate(&app, MODEL, "k", &prompt("x")).await;
        assert_eq!(answer.status, status, "{scenario}");
        if let Some(recorded) = fixture(&format!("providers/gemini/{file}")) {
            assert_eq!(missing(&recorded, &answer.json(), without), Vec::<String>::new(), "{file}");
        }
        assert_eq!(generate(&app, MODEL, "k", &prompt("x")).await.status, 200, "one time only");
    }
    if let Some(recorded) = fixture("providers/gemini/400_api_key_invalid.json") {
        let answer = generate(&app, MODEL, "invalid", &prompt("x")).await.json();
        assert_eq!(missing(&recorded, &answer, &[]), Vec::<String>::new());
    }
}

#[tokio::test]
async fn scenarios_say_what_a_client_must_distinguish() {
    let app = simulators::app();
    let get = async |order: Value| {
        post(&app, "/_control/gemini/scenario", order).await;
        generate(&app, MODEL, "k", &prompt("x")).await.json()
    };
    let day = get(json!({"name": "quota_per_day"})).await;
    let quota = day.pointer("/error/details/0/violations/0/quotaId").and_then(Value::as_str).unwrap();
    assert!(quota.contains("PerDay"), "{quota}");
    assert_eq!(day.pointer("/error/details/2/retryDelay"), Some(&json!("22s")));
    let minute = get(json!({"name": "quota_per_minute", "retry_delay_s": 0.5})).await;
    assert_eq!(minute.pointer("/error/details/2/retryDelay"), Some(&json!("0.5s")));
    let blocked = get(json!({"name": "prompt_blocked"})).await;
    assert!(blocked.get("candidates").is_none());
    let empty = get(json!({"name": "max_tokens_empty"})).await;
    assert_eq!(empty.pointer("/candidates/0/finishReason"), Some(&json!("MAX_TOKENS")));
    assert!(empty.pointer("/candidates/0/content/parts").is_none());
    let unknown = get(json!({"name": "unknown_finish_reason"})).await;
    assert_eq!(unknown.pointer("/candidates/0/finishReason"), Some(&json!("REASON_OF_NEXT_YEAR")));
}

#[tokio::test]
async fn the_answer_satisfies_the_schema_and_is_the_same_again() {
    let app = simulators::app();
    let schema = json!({
        "type": "object",
        "required": ["summary", "strengths", "verdict", "score", "share", "sure", "people", "note", "at"],
        "additionalProperties": false,
        "properties": {
            "summary": {"type": "string", "maxLength": 90},
            "strengths": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "verdict": {"enum": ["yes", "no", "maybe"]},
            "score": {"type": "integer", "minimum": 3, "maximum": 4},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "sure": {"type": "boolean"},
            "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
            "note": {"type": ["null", "string"]},
            "at": {"type": "string", "format": "date-time"},
        },
        "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/person"}}}},
    });
    let body = with_schema("responseJsonSchema", &schema);
    let answer = generate(&app, MODEL, "k", &body).await.json();
    let made: Value = serde_json::from_str(text(&answer)).unwrap();
    let summary = made.get("summary").and_then(Value::as_str).unwrap();
    assert!(summary.contains("Priya Raman") && summary.chars().count() <= 90, "{summary}");
    let strengths = made.get("strengths").and_then(Value::as_array).unwrap();
    assert!(strengths.len() == 2 && strengths.first() != strengths.last() && strengths.iter().all(Value::is_string));
    assert!(
        made.get("verdict").and_then(Value::as_str).is_some_and(|verdict| ["yes", "no", "maybe"].contains(&verdict))
    );
    assert!(made.get("score").and_then(Value::as_u64).is_some_and(|score| (3..=4).contains(&score)));
    assert!(made.get("share").and_then(Value::as_f64).is_some_and(|share| (0.0..=1.0).contains(&share)));
    assert!(made.get("sure").is_some_and(Value::is_boolean) && made.get("note").is_some_and(Value::is_string));
    assert!(made.pointer("/people/1/name").is_some_and(Value::is_string), "{made}");

    let again = generate(&app, MODEL, "k", &body).await.json();
    assert_eq!(text(&answer), text(&again));
    assert_ne!(answer.get("responseId"), again.get("responseId"));
    // The OpenAPI form of a schema has its types in capitals.
    let openapi =
        json!({"type": "OBJECT", "properties": {"summary": {"type": "STRING"}, "rating": {"type": "INTEGER"}}});
    let answer = generate(&app, MODEL, "k", &with_schema("responseSchema", &openapi)).await.json();
    let made: Value = serde_json::from_str(text(&answer)).unwrap();
    assert!(made.get("rating").is_some_and(Value::is_u64), "{made}");
}

#[tokio::test]
async fn tokens_add_up_and_the_budget_cuts() {
    let app = simulators::app();
    let count = |answer: &Value, name: &str| {
        answer.pointer(&format!("/usageMetadata/{name}")).and_then(Value::as_u64).unwrap_or(0)
    };
    // (budget, thinking off, finish reason)
    for (budget, off, reason) in
        [(4_000, false, "STOP"), (4_000, true, "STOP"), (10, true, "MAX_TOKENS"), (5, false, "MAX_TOKENS")]
    {
        let mut body =
            prompt("Name: Ada\nJob title: Analyst, and a text that is somewhat longer than the budget of a few tokens");
        let thinking = if off { json!({"thinkingBudget": 0}) } else { json!({}) };
        body.as_object_mut()
            .unwrap()
            .insert("generationConfig".to_owned(), json!({"maxOutputTokens": budget, "thinkingConfig": thinking}));
        let answer = generate(&app, "gemini-flash-latest", "k", &body).await.json();
        assert_eq!(answer.pointer("/candidates/0/finishReason"), Some(&json!(reason)));
        assert_eq!(answer.get("modelVersion"), Some(&json!("gemini-3.8-flash")));
        let (candidates, thoughts) = (count(&answer, "candidatesTokenCount"), count(&answer, "thoughtsTokenCount"));
        assert_eq!(count(&answer, "totalTokenCount"), count(&answer, "promptTokenCount") + candidates + thoughts);
        assert!(candidates + thoughts <= budget && (thoughts == 0) == off, "{answer}");
    }
}
