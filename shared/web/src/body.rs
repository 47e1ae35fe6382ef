//! JSON bodies: read once, with a limit, and refused with the name of the field and the rule.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use garde::Validate;
use http::{HeaderMap, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::problem::{FieldError, Problem};

/// The most bytes of a JSON body of the frontend's API.
pub const LIMIT: usize = 64 * 1024;
/// The most characters of an `Idempotency-Key`.
pub const KEY_LIMIT: usize = 128;

/// A body that was read and checked.
#[derive(Debug)]
pub struct Checked<T>(pub T);

impl<T, S> FromRequest<S> for Checked<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let json =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
                value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
            });
        if !json {
            return Err(Problem::not_json());
        }
        let body = bytes_up_to(request, LIMIT).await?;
        parse(&body, "").map(Self)
    }
}

/// A body that was read and checked, or the default where there is none.
#[derive(Debug)]
pub struct MaybeBody<T>(pub T);

impl<T, S> FromRequest<S> for MaybeBody<T>
where
    T: DeserializeOwned + Validate<Context = ()> + Default,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = bytes_up_to(Request::from_parts(parts.clone(), body), LIMIT).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, axum::body::Body::from(bytes));
        Checked::from_request(request, state).await.map(|Checked(value)| Self(value))
    }
}

/// Reads a body's raw bytes, up to a limit.
///
/// # Errors
/// 413 when it is longer, 400 when it cannot be read.
pub async fn bytes_up_to(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(Problem::too_large(limit));
    }
    // The only error of a body that is in memory is the limit itself.
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| Problem::too_large(limit))
}

/// Parses and checks JSON; `below` is the path of the value within the body, empty for the whole.
///
/// # Errors
/// 400 naming each field and rule.
pub fn parse<T: DeserializeOwned + Validate<Context = ()>>(json: &[u8], below: &str) -> Result<T, Problem> {
    // serde would read a struct from an array of its fields, too.
    if json.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::invalid_field(&field(below, ""), "type", "an object is expected, not an array"));
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        // serde_json calls some wrong types a syntax error; only text that is no JSON at all is one.
        Problem::invalid(vec![match serde_json::from_slice::<IgnoredAny>(json) {
            Ok(_) => explain(below, &path, error.inner()),
            Err(syntax) => FieldError { field: field(below, ""), rule: "json", detail: format!("not JSON: {syntax}") },
        }])
    })?;
    reader
        .end()
        .map_err(|_| Problem::invalid_field(&field(below, ""), "json", "there is text after the JSON value"))?;
    value.validate().map_err(|report| {
        let errors = report
            .iter()
            .map(|(path, error)| FieldError {
                field: field(below, &path.to_string()),
                rule: "invalid",
                detail: error.to_string(),
            })
            .collect();
        Problem::invalid(errors)
    })?;
    Ok(value)
}

fn field(below: &str, path: &str) -> String {
    match (below, if path == "." { "" } else { path }) {
        ("", "") => "body".to_owned(),
        ("", path) => path.to_owned(),
        (below, "") => below.to_owned(),
        (below, path) => format!("{below}.{path}"),
    }
}

/// Turns serde's message into a field and a rule. The messages are stable enough to be sorted; an unknown one stays whole.
fn explain(below: &str, path: &str, error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let quoted = || text.split('`').nth(1).unwrap_or_default().to_owned();
    let inside = |name: String| {
        let parent = if path == "." { String::new() } else { path.to_owned() };
        // For an unknown field the path already ends with its name; for a missing one it ends with the parent.
        if parent == name || parent.ends_with(&format!(".{name}")) || parent.is_empty() && name.is_empty() {
            field(below, &parent)
        } else if parent.is_empty() {
            field(below, &name)
        } else {
            field(below, &format!("{parent}.{name}"))
        }
    };
    if text.starts_with("missing field") {
        FieldError { field: inside(quoted()), rule: "missing", detail: "this field is required".to_owned() }
    } else if text.starts_with("unknown field") {
        FieldError { field: inside(quoted()), rule: "unknown", detail: text }
    } else if text.starts_with("duplicate field") {
        FieldError { field: inside(quoted()), rule: "duplicate", detail: text }
    } else if text.starts_with("unknown variant") {
        FieldError { field: field(below, path), rule: "unknown-value", detail: text }
    } else if error.is_syntax() {
        FieldError { field: field(below, path), rule: "type", detail: "the value has the wrong type".to_owned() }
    } else if text.starts_with("invalid type") || text.starts_with("invalid value") {
        FieldError { field: field(below, path), rule: "type", detail: text }
    } else {
        FieldError { field: field(below, path), rule: "invalid", detail: text }
    }
}

/// The `Idempotency-Key` header, when the client sent one.
///
/// # Errors
/// 400 when it is empty, too long or not printable ASCII.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    if text.is_empty() || text.len() > KEY_LIMIT || !printable {
        let detail = format!("1 to {KEY_LIMIT} printable ASCII characters without spaces");
        return Err(Problem::invalid_field("Idempotency-Key", "invalid", detail));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[garde(length(chars, min = 1, max = 3))]
        name: String,
    }

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[garde(dive)]
        inner: Inner,
        #[garde(skip)]
        count: u8,
    }

    fn check(json: &str, field: &str, rule: &str) {
        let problem = parse::<Outer>(json.as_bytes(), "").map(|o| (o.inner.name, o.count)).expect_err("refused");
        let [error] = problem.errors() else { panic!("one error expected: {problem:?}") };
        assert_eq!((error.field.as_str(), error.rule), (field, rule), "{json}: {error:?}");
    }

    #[test]
    fn every_kind_of_bad_body_names_field_and_rule() {
        check("", "body", "json");
        check("{", "body", "json");
        check("{} x", "body", "json");
        check("[]", "body", "type");
        check(r#"{"inner":{"name":"a"}}"#, "count", "missing");
        check(r#"{"inner":{},"count":1}"#, "inner.name", "missing");
        check(r#"{"inner":{"name":"a","x":1},"count":1}"#, "inner.x", "unknown");
        check(r#"{"inner":{"name":"a"},"count":1,"x":1}"#, "x", "unknown");
        check(r#"{"inner":{"name":1},"count":1}"#, "inner.name", "type");
        check(r#"{"inner":{"name":"a"},"count":300}"#, "count", "type");
        check(r#"{"inner":{"name":"abcd"},"count":1}"#, "inner.name", "invalid");
        check(r#"{"inner":{"name":"a"},"count":1,"count":1}"#, "count", "duplicate");
        check(r#"{"inner":{"name":"a"},"count":1} x"#, "body", "json");
    }

    #[test]
    fn idempotency_keys_are_bounded() {
        let mut headers = HeaderMap::new();
        assert_eq!(idempotency_key(&headers), Ok(None));
        headers.insert("idempotency-key", "k-1".parse().expect("header"));
        assert_eq!(idempotency_key(&headers), Ok(Some("k-1")));
        for bad in ["", "a b", &"k".repeat(KEY_LIMIT + 1)] {
            headers.insert("idempotency-key", bad.parse().expect("header"));
            assert!(idempotency_key(&headers).is_err(), "{bad} is refused");
        }
    }
}
