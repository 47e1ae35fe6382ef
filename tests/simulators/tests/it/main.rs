//! The simulators seen from outside: over their router, or over a real port where the connection itself matters.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bamboohr;
mod bamboohr_world;
mod control;
mod gemini;
mod greenhouse;
mod harvest;
mod harvest_world;
mod harvest_write;
mod lever;
mod mail;
mod mail_events;
mod whole_messages;
mod workday;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::Value;
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One request to the router; `body` null means none.
async fn call(app: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Value::Null => Body::empty(),
        Value::String(text) => Body::from(text.clone()),
        value => Body::from(value.to_string()),
    };
    let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn get(app: &Router, path: &str) -> Answer {
    call(app, "GET", path, &[], &Value::Null).await
}

async fn post(app: &Router, path: &str, body: Value) -> Answer {
    call(app, "POST", path, &[], &body).await
}

/// Serves a router on a port of the system's choice and answers its base URL.
async fn served(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// A recorded file, where the folder of recordings is present: `FIXTURES`, or next to the repository.
fn fixture(name: &str) -> Option<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = std::env::var_os("FIXTURES").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// Every path of a value, with `[]` for the places of a list: two bodies of one shape have the same set.
fn paths(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, place: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let place = format!("{place}.{name}");
                    found.insert(place.clone());
                    walk(value, &place, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, &format!("{place}[]"), found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", &mut found);
    found
}

/// The recorded paths that a simulated body lacks, without those that are known to be of another product or optional.
fn missing(recorded: &Value, simulated: &Value, without: &[&str]) -> Vec<String> {
    let simulated = paths(simulated);
    paths(recorded)
        .into_iter()
        .filter(|path| !simulated.contains(path) && !without.iter().any(|known| path.contains(known)))
        .collect()
}
