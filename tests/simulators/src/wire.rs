//! What the third parties have in common on the wire: credentials, forms, signatures and JSON.

use std::collections::BTreeMap;

use axum::{
    Json, RequestExt,
    extract::{FromRequest, Path, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded;

/// Names and values of a form.
pub type Form = BTreeMap<String, String>;

/// A refusal of an API: its status, and its body, where a string is sent as text.
#[derive(Debug, PartialEq)]
pub struct Refusal(pub StatusCode, pub Value);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.1 {
            Value::String(text) => (self.0, text).into_response(),
            body => (self.0, Json(body)).into_response(),
        }
    }
}

/// One request of an API, as its handlers read it.
#[derive(Debug)]
pub struct Call {
    /// The values of the path's parameters, in their order.
    pub path: Vec<String>,
    /// The query, empty when there is none.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// A parameter of the path; empty when the path does not have so many.
    pub fn at(&self, position: usize) -> &str {
        self.path.get(position).map(String::as_str).unwrap_or_default()
    }

    /// A parameter of the path that is a number; 0, which is no id, when it is not one.
    pub fn number(&self, position: usize) -> u64 {
        self.at(position).parse().unwrap_or_default()
    }

    /// Host and port as the client wrote them.
    pub fn host(&self) -> &str {
        self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1")
    }
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Response;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let path = request.extract_parts::<Path<Vec<String>>>().await.map(|Path(path)| path).unwrap_or_default();
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self { path, query, headers, body })
    }
}

fn credentials<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(rest.trim()).filter(|_| scheme.eq_ignore_ascii_case(wanted))
}

/// The token of a Bearer header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "bearer")
}

/// User name and password of a Basic header.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let pair = String::from_utf8(BASE64_STANDARD.decode(credentials(headers, "basic")?).ok()?).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// The fields of an urlencoded text.
pub fn urlencoded(text: &[u8]) -> Form {
    form_urlencoded::parse(text).into_owned().collect()
}

/// The texts of a JSON object, the fields of an urlencoded form, or those parts of a multipart form that are no files. None when
/// the body is not what its type says.
pub fn form(headers: &HeaderMap, body: &[u8]) -> Option<Form> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if kind.starts_with("application/json") {
        let fields: BTreeMap<String, Value> = serde_json::from_slice(body).ok()?;
        return Some(fields.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect());
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        return Some(urlencoded(body));
    }
    let (_, boundary) = kind.strip_prefix("multipart/form-data")?.split_once("boundary=")?;
    multipart(body, boundary.trim_matches('"'))
}

fn multipart(body: &[u8], boundary: &str) -> Option<Form> {
    let text = String::from_utf8_lossy(body);
    let mut form = Form::new();
    for part in text.split(&format!("--{boundary}")).skip(1) {
        if part.starts_with("--") {
            return Some(form);
        }
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next())?;
        if !head.contains("filename=") {
            form.insert(name.to_owned(), value.strip_suffix("\r\n")?.to_owned());
        }
    }
    None
}

/// The HMAC-SHA256 of these parts one after the other, in hex.
pub fn hmac_sha256(key: &str, parts: &[&[u8]]) -> String {
    // HMAC takes a key of every length, so the error of this constructor cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    parts.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

/// A JSON object with further fields.
pub fn with(mut object: Value, further: Value) -> Value {
    if let (Value::Object(fields), Value::Object(further)) = (&mut object, further) {
        fields.extend(further);
    }
    object
}

/// A field that is only there when it has a value.
pub fn given(name: &str, value: Option<impl Serialize>) -> Value {
    value.map_or_else(|| json!({}), |value| json!({name: value}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_fields_of_a_multipart_form_are_read_without_files() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda L\r\n--xyz\r\nContent-Disposition: \
                    form-data; name=\"resume\"; filename=\"cv.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--xyz--\r\n";
        let form = multipart(body.as_bytes(), "xyz");
        assert_eq!(form, Some(Form::from([("name".to_owned(), "Ada L".to_owned())])));
        assert_eq!(multipart(&body.as_bytes()[..60], "xyz"), None);
    }

    #[test]
    fn a_form_of_parts_is_read_like_an_urlencoded_one() {
        let read = |kind: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            form(&headers, body.as_bytes())
        };
        let parts = "--x\r\nContent-Disposition: form-data; name=\"firstName\"\r\n\r\nAda\r\n--x\r\n\
            Content-Disposition: form-data; name=\"jobId\"\r\nContent-Type: text/plain\r\n\r\n7\r\n--x--\r\n";
        let both = read("multipart/form-data; boundary=x", parts);
        assert_eq!(both, read("application/x-www-form-urlencoded", "firstName=Ada&jobId=7"));
        assert_eq!(both.map(|form| form.len()), Some(2));
        assert_eq!(read("text/plain", "{}"), None);
    }
}
