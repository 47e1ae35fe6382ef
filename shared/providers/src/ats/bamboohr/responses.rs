//! Replies to the requests of cursors, and what a reply that is no page means.

use std::time::Duration;

use domain::ats::{Kind, ObjectRef, Observation};
use http::StatusCode;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cursor::{Cursor, MAX_PAGES};
use super::mapping;
use super::wire::{Inside, List};
use crate::ats::port::{AtsError, Context, Next, Page};
use crate::transport::http::Reply;
use crate::transport::json;

/// First wait after a 429 that does not say how long.
const WAIT: Duration = Duration::from_secs(5);
/// The most characters of an error's reason.
const LONGEST_REASON: usize = 200;

/// The time of BambooHR's response.
fn server_time(reply: &Reply) -> Option<Timestamp> {
    let date = reply.headers.get(http::header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

/// A number as a provider id, from a number or a text of digits.
pub(super) fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) => text.parse::<u64>().ok().map(|number| number.to_string()),
        _ => None,
    }
}

/// Reads the reply to the request of a cursor.
pub(super) fn page(context: &Context<'_>, cursor: Cursor, reply: &Reply) -> Result<Page, AtsError> {
    let mut page = Page { server_time: server_time(reply), ..Page::default() };
    if let (Cursor::Application(id), StatusCode::NOT_FOUND) = (&cursor, reply.status) {
        page.gone.push(ObjectRef::new(Kind::Application, id));
        return Ok(page);
    }
    if let Some(error) = refused(context, reply, true) {
        return Err(error);
    }
    match cursor {
        Cursor::Check => {
            json::read::<Vec<Value>>(&reply.body)?;
        }
        Cursor::Jobs(wanted) => jobs(context, &mut page, reply, wanted)?,
        Cursor::All(number) => {
            let more = applications(context, &mut page, reply, number)?;
            page.next = more.map_or(Next::End, |number| Next::More(Cursor::All(number).text()));
        }
        Cursor::Changed(number) => {
            let more = applications(context, &mut page, reply, number)?;
            page.next = more.map_or(Next::End, |number| Next::MoreWhileNew(Cursor::Changed(number).text()));
        }
        Cursor::Application(wanted) => {
            let body: Value = json::read(&reply.body)?;
            if id(body.get("id")).as_ref() != Some(&wanted) {
                return Err(AtsError::InvalidResponse("another application was answered than was asked for".into()));
            }
            application(context, &mut page, body);
        }
    }
    Ok(page)
}

/// The error of a response: by its status, or inside of a 200. `reported` says whether its reason may be repeated: not
/// when it could quote the request.
pub(super) fn refused(context: &Context<'_>, reply: &Reply, reported: bool) -> Option<AtsError> {
    let status = match reply.status {
        StatusCode::OK => {
            let Inside { error } = json::read(&reply.body).ok()?;
            let code = id(error?.code.as_ref()).and_then(|code| code.parse().ok()).unwrap_or(500);
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        status => status,
    };
    let reason = reply.headers.get("x-bamboohr-error-message").and_then(|value| value.to_str().ok());
    let reason: String = reason.filter(|_| reported).unwrap_or_default().chars().take(LONGEST_REASON).collect();
    let words = format!("{} {reason}", status.as_u16()).trim_end().to_owned();
    let wait = reply.retry_after(context.now);
    Some(match (status, wait) {
        // 503 was the limit's status until 2026-09-16, and had this header.
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
            AtsError::RateLimited { wait, stated: true }
        }
        (StatusCode::TOO_MANY_REQUESTS, None) => AtsError::RateLimited { wait: WAIT, stated: false },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => AtsError::Unauthorised(words.into()),
        (StatusCode::REQUEST_TIMEOUT, _) => AtsError::Unavailable(words.into()),
        (other, _) if other.is_server_error() => AtsError::Unavailable(words.into()),
        _ => AtsError::Refused(words.into()),
    })
}

/// A page of a list, with the number of the next one: counted here, since `nextPageUrl` could lead anywhere.
pub(super) fn list(reply: &Reply, number: u32) -> Result<(Vec<Value>, Option<u32>), AtsError> {
    let List { applications, pagination_complete } = json::read(&reply.body)?;
    let malformed = |text: &str| AtsError::InvalidResponse(text.into());
    let rows = applications.ok_or_else(|| malformed("there is no list of applications"))?;
    let complete = pagination_complete.ok_or_else(|| malformed("it does not say whether there are more pages"))?;
    if complete || rows.is_empty() {
        return Ok((rows, None));
    }
    let next = number.checked_add(1).filter(|next| *next <= MAX_PAGES);
    Ok((
        rows,
        Some(next.ok_or_else(|| {
            AtsError::InvalidResponse(format!("the list does not end after {MAX_PAGES} pages").into())
        })?),
    ))
}

fn applications(context: &Context<'_>, page: &mut Page, reply: &Reply, number: u32) -> Result<Option<u32>, AtsError> {
    let (rows, next) = list(reply, number)?;
    for row in rows {
        application(context, page, row);
    }
    Ok(next)
}

fn application(context: &Context<'_>, page: &mut Page, body: Value) {
    let named = [(Kind::Application, id(body.get("id"))), (Kind::Candidate, id(body.pointer("/applicant/id")))];
    row(page, named, body, |wire| mapping::application(context.origin, context.settings, wire));
}

/// Reads a row; one that cannot be read is left out and said, and what it names is not gone.
fn row<T: DeserializeOwned, O: IntoIterator<Item = Observation>>(
    page: &mut Page,
    named: impl IntoIterator<Item = (Kind, Option<String>)>,
    body: Value,
    observed: impl FnOnce(T) -> O,
) {
    match json::read_value(body) {
        Ok(wire) => page.observations.extend(observed(wire)),
        Err(error) => {
            let named: Vec<ObjectRef> =
                named.into_iter().filter_map(|(kind, id)| Some(ObjectRef::new(kind, id?))).collect();
            let of = named.first().map_or_else(
                || "a row without an id".to_owned(),
                |first| format!("{} {}", first.kind.as_str(), first.provider_id),
            );
            page.skipped.push(format!("{of} cannot be read: {error}"));
            page.present.extend(named);
        }
    }
}

/// The jobs; those that are wanted and not there are gone.
fn jobs(context: &Context<'_>, page: &mut Page, reply: &Reply, wanted: Vec<String>) -> Result<(), AtsError> {
    let rows: Vec<Value> = json::read(&reply.body)?;
    for body in rows {
        row(page, [(Kind::Job, id(body.get("id")))], body, |wire| mapping::job(context.origin, wire));
    }
    let reported = page.observations.iter().filter_map(|seen| seen.record.provider_id());
    let there: Vec<&str> = reported.chain(page.present.iter().map(|present| present.provider_id.as_str())).collect();
    let gone: Vec<ObjectRef> =
        wanted.into_iter().filter(|id| !there.contains(&id.as_str())).map(|id| ObjectRef::new(Kind::Job, id)).collect();
    page.gone = gone;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use domain::ats::{Origin, Record};
    use domain::connection::LoginMethod;
    use domain::stage::Stage;
    use http::{HeaderMap, HeaderValue, header};
    use secrecy::SecretString;
    use serde_json::json;

    use super::super::requests;
    use super::*;
    use crate::ats::port::Credentials;
    use crate::transport::access::Hosts;

    /// The values that a context borrows.
    pub(in super::super) struct Fixture {
        origin: Origin,
        hosts: Hosts,
        pub(in super::super) settings: BTreeMap<String, String>,
        credentials: Credentials,
    }

    impl Fixture {
        pub(in super::super) fn new() -> Self {
            let hosts = super::super::PROVIDER.hosts;
            Self {
                origin: Origin {
                    org: "acme".parse().expect("slug"),
                    provider: "bamboohr".to_owned(),
                    connection: "b".parse().expect("slug"),
                },
                hosts: Hosts::resolve(Stage::Prod, ("bamboohr", hosts), ("acme", None), None).expect("hosts"),
                settings: BTreeMap::new(),
                credentials: Credentials::new([("api_key".to_owned(), SecretString::from("key-1"))].into()),
            }
        }

        pub(in super::super) fn context(&self) -> Context<'_> {
            Context {
                origin: &self.origin,
                hosts: &self.hosts,
                account: "acme",
                settings: &self.settings,
                login: LoginMethod::ApiKey,
                credentials: &self.credentials,
                token: None,
                now: Timestamp::UNIX_EPOCH,
            }
        }
    }

    pub(in super::super) fn reply(status: u16, body: &Value) -> Reply {
        let body = if let Value::String(text) = body { text.clone() } else { body.to_string() };
        Reply {
            status: StatusCode::from_u16(status).expect("status"),
            headers: HeaderMap::new(),
            body: Bytes::from(body),
        }
    }

    fn read(cursor: Cursor, reply: &Reply) -> Result<Page, AtsError> {
        page(&Fixture::new().context(), cursor, reply)
    }

    fn row() -> Value {
        json!({"id": 58, "appliedDate": "2026-10-20T17:53:57+00:00", "status": {"id": 1, "label": "New"}, "rating": null,
            "applicant": {"id": 114, "firstName": "Ines", "lastName": "Marín", "avatar": "", "email": "ines@example.com",
            "source": null}, "job": {"id": 19, "title": {"id": null, "label": "Accountant"}}})
    }

    #[test]
    fn pages_follow_our_own_count_and_end_when_the_provider_says_so() {
        let body = |rows: Value, complete: bool| json!({"paginationComplete": complete, "applications": rows, "nextPageUrl": "https://elsewhere.example/"});
        let mut first = reply(200, &body(json!([row()]), false));
        let date = HeaderValue::from_static("Fri, 29 May 2026 14:26:50 GMT");
        first.headers.insert(header::DATE, date);
        let page = read(Cursor::All(1), &first).expect("readable");
        assert_eq!(page.next, Next::More("all:2".to_owned()));
        assert_eq!(page.server_time, "2026-05-29T14:26:50Z".parse().ok());
        let [candidate, application] = page.observations.as_slice() else { panic!("two records") };
        let Record::Candidate(candidate) = &candidate.record else { panic!("a candidate") };
        let Record::Application(application) = &application.record else { panic!("an application") };
        assert_eq!((candidate.name.as_str(), application.stage.as_deref()), ("Ines Marín", Some("New")));
        assert_eq!(application.applied_at, "2026-10-20T17:53:57Z".parse().ok());
        let changed = read(Cursor::Changed(3), &first).expect("readable");
        assert_eq!(changed.next, Next::MoreWhileNew("changed:4".to_owned()));
        for last in [body(json!([row()]), true), body(json!([]), true), body(json!([]), false)] {
            assert_eq!(read(Cursor::All(2), &reply(200, &last)).map(|page| page.next), Ok(Next::End));
        }
        let loops = read(Cursor::All(MAX_PAGES), &first);
        assert!(matches!(loops, Err(AtsError::InvalidResponse(_))), "a loop is noticed");
    }

    #[test]
    fn one_bad_row_is_left_out_and_is_not_gone() {
        let mut bad = row();
        *bad.pointer_mut("/appliedDate").expect("there") = json!("Ines Marín");
        let rows = json!({"paginationComplete": true, "applications": [{"id": "x"}, bad, row(), 7]});
        let page = read(Cursor::All(1), &reply(200, &rows)).expect("readable");
        assert_eq!(page.observations.len(), 2);
        let present = [ObjectRef::new(Kind::Application, "58"), ObjectRef::new(Kind::Candidate, "114")];
        assert_eq!(page.present, present);
        assert_eq!(page.skipped.len(), 3);
        assert!(page.skipped.iter().all(|said| !said.contains("Ines")), "{:?}", page.skipped);
    }

    #[test]
    fn what_was_looked_up_and_is_not_there_is_gone() {
        let gone = read(Cursor::Application("58".to_owned()), &reply(404, &json!("")));
        assert_eq!(gone.map(|page| page.gone), Ok(vec![ObjectRef::new(Kind::Application, "58")]));
        let there = read(Cursor::Application("58".to_owned()), &reply(200, &row())).expect("readable");
        assert_eq!((there.observations.len(), there.gone.len()), (2, 0));
        assert!(matches!(
            read(Cursor::Application("59".to_owned()), &reply(200, &row())),
            Err(AtsError::InvalidResponse(_))
        ));
        let jobs =
            json!([{"id": 14, "title": {"label": "Baker"}, "status": {"label": "Open"}}, {"id": 15, "title": 1}]);
        let wanted = ["14", "15", "16"].map(str::to_owned).to_vec();
        let page = read(Cursor::Jobs(wanted), &reply(200, &jobs)).expect("readable");
        assert_eq!(page.gone, [ObjectRef::new(Kind::Job, "16")]);
        assert_eq!((page.observations.len(), page.present.len(), page.skipped.len()), (1, 1, 1));
    }

    #[test]
    fn errors_are_sorted_by_what_to_do() {
        let list = |reply: &Reply| read(Cursor::All(1), reply);
        let waits = |status: u16| {
            let mut reply = reply(status, &json!(""));
            reply.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            reply
        };
        let reported = Err(AtsError::RateLimited { wait: Duration::from_secs(30), stated: true });
        assert_eq!(list(&waits(429)), reported);
        assert_eq!(list(&waits(503)), reported, "as it was before");
        let untold = |found: Result<Page, AtsError>| matches!(found, Err(AtsError::RateLimited { stated: false, .. }));
        assert!(untold(list(&reply(429, &json!("")))));
        assert!(untold(list(&reply(200, &json!({"error": {"code": 429, "message": "slow down"}})))));
        assert!(untold(list(&reply(200, &json!({"error": {"code": "429"}})))));
        for status in [401, 403] {
            assert!(matches!(list(&reply(status, &json!(""))), Err(AtsError::Unauthorised(_))));
        }
        for status in [408, 500, 503] {
            assert!(matches!(list(&reply(status, &json!(""))), Err(AtsError::Unavailable(_))));
        }
        for status in [302, 400, 404] {
            assert!(matches!(list(&reply(status, &json!(""))), Err(AtsError::Refused(_))));
        }
        for broken in [json!(""), json!("{"), json!("<html>"), json!([]), json!({}), json!({"applications": [row()]})] {
            assert!(matches!(list(&reply(200, &broken)), Err(AtsError::InvalidResponse(_))), "{broken}");
        }
        let mut explained = reply(400, &json!(""));
        explained.headers.insert("x-bamboohr-error-message", HeaderValue::from_static("sortBy is unknown"));
        assert_eq!(list(&explained), Err(AtsError::Refused("400 sortBy is unknown".into())));
    }

    #[test]
    fn the_key_is_sent_as_basic_auth_and_never_printed() {
        let fixture = Fixture::new();
        let call = requests::of(&fixture.context(), &Cursor::Changed(3)).expect("a request");
        assert_eq!(
            call.url.as_str(),
            "https://acme.bamboohr.com/api/v1/applicant_tracking/applications?page=3&applicationStatus=ALL\
             &jobStatusGroups=ALL&sortBy=last_updated&sortOrder=DESC"
        );
        assert_eq!(call.headers.get(header::AUTHORIZATION).expect("header"), "Basic a2V5LTE6eA==");
        assert!(!format!("{call:?}").contains("a2V5LTE6eA"), "redacted");
        let strange =
            requests::of(&fixture.context(), &Cursor::Application("../../x?y".to_owned())).expect("a request");
        assert_eq!(strange.url.path(), "/api/v1/applicant_tracking/applications/..%2F..%2Fx%3Fy");
    }
}
