//! A report as a service: its rows name the candidates that changed, who are then looked up.
//!
//! Names of a report's fields are its author's. So it is read for one thing only, the WID of the candidate of each row, and what
//! is true of a candidate is always what `Get_Candidates` says.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cursor::{Cursor, LOOKED_UP};
use super::soap;
use crate::ats::port::{AtsError, Context, Page};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The most candidates of one report: their ids are stored in the checkpoint, which has its limits.
const MOST: usize = 5_000;

/// Whether the settings name a report.
pub(super) fn is_configured(settings: &BTreeMap<String, String>) -> bool {
    ["raas_owner", "raas_report", "raas_mapping"].iter().all(|name| settings.contains_key(*name))
}

/// Says what is wrong with a name in the report's URL.
pub(super) fn name(text: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@');
    let dots = text.bytes().all(|byte| byte == b'.');
    if !dots && text.len() <= 200 && text.bytes().all(good) {
        Ok(())
    } else {
        Err("must be a name as in the report's URL: letters, digits, _, -, . and @".to_owned())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    candidate: String,
}

/// Says what is wrong with a mapping.
pub(super) fn mapping_check(text: &str) -> Result<(), String> {
    mapping(text).map(|_| ())
}

fn mapping(text: &str) -> Result<Mapping, String> {
    serde_json::from_str(text).map_err(|_| "must be JSON like {\"candidate\": \"Candidate_WID\"}".to_owned())
}

fn setting<'a>(context: &Context<'a>, name: &str) -> Result<&'a str, AtsError> {
    let found = context.settings.get(name).map(String::as_str);
    found.ok_or_else(|| AtsError::Refused(format!("the setting `{name}` is missing").into()))
}

/// The request for the report.
///
/// # Errors
/// When a secret or a setting is missing.
pub(super) fn call(context: &Context<'_>, since: Option<Timestamp>) -> Result<HttpRequest, AtsError> {
    let (owner, report) = (setting(context, "raas_owner")?, setting(context, "raas_report")?);
    for part in [owner, report] {
        name(part).map_err(|wrong| AtsError::Refused(wrong.into()))?;
    }
    let path = format!("/ccx/service/customreport2/{}/{owner}/{report}", soap::tenant(context)?);
    let mut url = soap::url(context, &path)?;
    url.query_pairs_mut().append_pair("format", "json");
    if let (Some(prompt), Some(since)) = (context.settings.get("raas_prompt"), since) {
        url.query_pairs_mut().append_pair(prompt, &since.to_string());
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let authorization = match context.login {
        LoginMethod::RefreshToken => soap::bearer(context)?,
        _ => {
            let secret = |name: &str| context.credentials.get(name).map(SecretString::expose_secret);
            let pair = format!("{}:{}", secret("username")?, secret("password")?);
            soap::sensitive(format!("Basic {}", BASE64_STANDARD.encode(pair)))?
        }
    };
    headers.insert(header::AUTHORIZATION, authorization);
    Ok(HttpRequest { method: Method::GET, url, headers, body: Bytes::new() })
}

#[derive(Deserialize)]
struct Report {
    #[serde(rename = "Report_Entry")]
    rows: Vec<Value>,
}

/// Parses the response: the candidates to look up.
///
/// # Errors
/// When it is an error or no report.
pub(super) fn read(context: &Context<'_>, reply: &Reply) -> Result<Page, AtsError> {
    if let Some(error) = soap::by_status(reply, context.now) {
        return Err(error);
    }
    if !reply.status.is_success() {
        return Err(AtsError::Unavailable(format!("it answered {}", reply.status).into()));
    }
    let field = mapping(setting(context, "raas_mapping")?).map_err(|wrong| AtsError::Refused(wrong.into()))?.candidate;
    let report: Report = json::read(&reply.body)?;
    let mut page = Page { server_time: date(reply), ..Page::default() };
    let mut found = BTreeSet::new();
    for (number, row) in report.rows.iter().enumerate() {
        match row.as_object().and_then(|row| wid(row, &field)) {
            Some(wid) => {
                found.insert(wid.to_owned());
            }
            None => page.skipped.push(format!("row {number} of the report has no `{field}`")),
        }
    }
    if found.len() > MOST {
        let rest = found.len() - MOST;
        page.skipped.push(format!("the report names {rest} more candidates, whom a complete pass finds"));
    }
    let looked_up: Vec<String> = found.into_iter().take(MOST).collect();
    page.follow = looked_up.chunks(LOOKED_UP).map(|ids| Cursor::Candidates { ids: ids.to_vec() }.to_string()).collect();
    Ok(page)
}

fn wid<'a>(row: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    row.get(field).and_then(Value::as_str).filter(|wid| !wid.is_empty())
}

/// The date of a response.
pub(super) fn date(reply: &Reply) -> Option<Timestamp> {
    let text = reply.headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_before_they_are_part_of_a_url() {
        for (text, good) in
            [("Job_Applications", true), ("a/../b", false), ("..", false), ("a b", false), ("jane@acme", true)]
        {
            assert_eq!(name(text).is_ok(), good, "{text}");
        }
        assert!(mapping_check(r#"{"candidate":"Candidate_WID"}"#).is_ok());
        for text in ["", "{}", r#"{"candidate":1}"#, r#"{"candidate":"a","stage":"b"}"#] {
            assert!(mapping_check(text).is_err(), "{text}");
        }
    }
}
