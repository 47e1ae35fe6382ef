//! The provider files against recorded payloads and known signatures, where the folder with them is at hand.

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use providers::model::port::ModelError;
use providers::transport::http::Reply;
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
fn the_recorded_gemini_answers_are_read() {
    let check = |name: &str, status: u16| {
        let recorded = read(&format!("providers/gemini/{name}.json"))?;
        let api = providers::model::find("gemini").expect("a model").api;
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
