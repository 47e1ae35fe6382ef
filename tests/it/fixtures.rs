//! The provider files against recorded payloads and known signatures, where the folder with them is at hand.

use std::path::PathBuf;

use bytes::Bytes;
use domain::ats::Origin;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use providers::http::Reply;
use providers::model::ModelError;
use serde_json::Value;

/// Reads a recorded file. None where the folder is not at hand, as in a user's clone; `FIXTURES` names it.
pub(crate) fn read(name: &str) -> Option<Value> {
    let folder = std::env::var_os("FIXTURES").map(PathBuf::from)?;
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).expect("a recorded file is JSON"))
}

fn reply(status: u16, body: &Value) -> Reply {
    let status = StatusCode::from_u16(status).expect("a status");
    Reply { status, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) }
}

#[test]
fn the_recorded_greenhouse_signature_is_accepted() {
    let Some(known) = read("ats/gh_webhook_ping_known_answer.json") else { return };
    let body = known["raw_body"].as_str().expect("a body").as_bytes();
    let secret = known["secret"].as_str().expect("a secret").into();
    let mut headers = HeaderMap::new();
    headers.insert("signature", known["signature_header"].as_str().expect("a header").parse().expect("a value"));
    assert!(greenhouse().verify(&headers, body, &secret, Timestamp::UNIX_EPOCH).is_ok());
    assert!(greenhouse().verify(&headers, &body[1..], &secret, Timestamp::UNIX_EPOCH).is_err());
    assert_eq!(
        greenhouse().interpret(&origin(), body, Timestamp::UNIX_EPOCH).expect("readable").meaning,
        Meaning::Ping
    );
}

#[test]
fn every_documented_greenhouse_event_is_read() {
    let Some(samples) = read("ats/gh_webhooks_official_samples.json") else { return };
    let samples = samples.as_array().expect("a list");
    assert_eq!(samples.len(), 29);
    for sample in samples {
        let event = greenhouse()
            .interpret(&origin(), sample["body"].to_string().as_bytes(), Timestamp::UNIX_EPOCH)
            .expect("readable");
        assert_eq!(event.action, sample["body"]["action"]);
        assert_ne!(event.meaning, Meaning::Ping);
    }
}

fn origin() -> Origin {
    Origin {
        org: "acme".parse().expect("slug"),
        provider: "greenhouse".into(),
        connection: "gh".parse().expect("slug"),
    }
}

#[test]
fn the_recorded_gemini_answers_are_read() {
    let check = |name: &str, status: u16| {
        let recorded = read(&format!("providers/gemini/{name}.json"))?;
        let api = providers::find("gemini").and_then(|spec| spec.model).expect("gemini has a model");
        Some(api.read(&reply(status, &recorded), Timestamp::UNIX_EPOCH))
    };
    let Some(answer) = check("200_json_constrained", 200) else { return };
    assert_eq!(answer.expect("an answer").value[0]["name"], "Fuji Dawn");
    let is = |name: &str, status: u16, wanted: fn(&ModelError) -> bool| {
        let error = check(name, status).expect("recorded").expect_err("an error");
        assert!(wanted(&error), "{name}: {error:?}");
    };
    is("200_basic_reply", 200, |e| matches!(e, ModelError::Malformed(_)));
    is("200_prompt_blocked_safety", 200, |e| matches!(e, ModelError::PromptBlocked(reason) if reason == "SAFETY"));
    is("200_finish_reason_safety", 200, |e| matches!(e, ModelError::AnswerBlocked(_)));
    is("400_api_key_invalid", 400, |e| matches!(e, ModelError::Refused(_)));
    is("503_overloaded", 503, |e| matches!(e, ModelError::Unavailable(_)));
    is(
        "429_quota_per_minute_with_retryinfo",
        429,
        |e| matches!(e, ModelError::RateLimited { wait, .. } if wait.as_secs() == 46),
    );
}
