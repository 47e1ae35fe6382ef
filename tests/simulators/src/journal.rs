//! What a simulator received, oldest first, bounded in number and in size. Credentials never enter it.

use std::collections::VecDeque;

use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Requests kept; older ones are dropped but stay counted.
pub const ENTRIES_MAX: usize = 5_000;
/// Bytes of a body kept as it was; of a longer one only this much text is.
pub const BODY_TEXT_MAX: usize = 64 * 1024;

#[rustfmt::skip]
const CREDENTIAL_HEADERS: [&str; 7] = [
    "authorization", "proxy-authorization", "x-goog-api-key", "x-api-key", "api-key", "x-amz-security-token", "cookie",
];
const CREDENTIAL_PARAMETERS: [&str; 4] = ["key", "api_key", "access_token", "token"];

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: serde_json::Map<String, Value>,
    /// JSON when the body is JSON, else text; null when there was none.
    pub body: Value,
    /// Null until the answer has begun, and for ever when the client left before.
    pub status: Option<u16>,
}

impl Entry {
    /// A request to this path and query, as it came.
    pub fn new(
        at: Timestamp,
        method: &str,
        (path, query): (&str, Option<&str>),
        headers: &HeaderMap,
        bytes: &[u8],
    ) -> Self {
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.map(redacted_query));
        Self { at, method, path, query, headers: redacted_headers(headers), body: body(bytes), status: None }
    }
}

#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    count: u64,
}

impl Journal {
    /// Keeps an entry and returns its number, with which [`Journal::answered`] finds it again.
    pub fn push(&mut self, entry: Entry) -> u64 {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.count += 1;
        self.count
    }

    /// Adds the status to an entry; nothing happens when it was dropped or cleared meanwhile.
    pub fn answered(&mut self, number: u64, at: Timestamp, status: u16) {
        let behind = self.count.checked_sub(number).and_then(|behind| usize::try_from(behind).ok());
        let position = behind.and_then(|behind| self.entries.len().checked_sub(behind + 1));
        if let Some(entry) = position.and_then(|position| self.entries.get_mut(position))
            && entry.at == at
        {
            entry.status = Some(status);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Requests since the last clear, and the last `limit` of those that are kept.
    pub fn newest(&self, limit: usize) -> (u64, Vec<Entry>) {
        let skipped = self.entries.len().saturating_sub(limit);
        (self.count, self.entries.iter().skip(skipped).cloned().collect())
    }
}

/// The headers as text, with a short hash in the place of every credential: enough to compare two, never to use one.
pub fn redacted_headers(headers: &HeaderMap) -> serde_json::Map<String, Value> {
    let mut map = serde_json::Map::new();
    for name in headers.keys() {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| redacted_header(name, &String::from_utf8_lossy(value.as_bytes())))
            .collect();
        map.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    map
}

fn redacted_header(name: &HeaderName, value: &str) -> String {
    if CREDENTIAL_HEADERS.contains(&name.as_str()) { redacted(value) } else { value.to_owned() }
}

/// The query with the values of key parameters hashed.
pub fn redacted_query(query: &str) -> String {
    let parts: Vec<String> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, value)) if CREDENTIAL_PARAMETERS.contains(&name) => format!("{name}={}", redacted(value)),
            Some(_) | None => part.to_owned(),
        })
        .collect();
    parts.join("&")
}

/// `sha256:` and the first 12 hex digits of the hash.
pub fn redacted(secret: &str) -> String {
    let hash = hex::encode(Sha256::digest(secret.as_bytes()));
    format!("sha256:{}", hash.get(..12).unwrap_or_default())
}

/// A body as the journal keeps it.
pub fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    match bytes.get(..BODY_TEXT_MAX) {
        Some(start) if bytes.len() > BODY_TEXT_MAX => {
            Value::String(format!("{}… ({} bytes)", String::from_utf8_lossy(start), bytes.len()))
        }
        Some(_) | None => serde_json::from_slice(bytes)
            .unwrap_or_else(|_not_json| Value::String(String::from_utf8_lossy(bytes).into_owned())),
    }
}
