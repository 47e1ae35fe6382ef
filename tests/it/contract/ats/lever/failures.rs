//! Signing in, and everything that goes wrong.

use std::time::Duration;

use domain::ats::{Kind, ObjectRef};
use domain::connection::LoginMethod;
use domain::write_back::Change;
use providers::ats::port::{AtsError, Next};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use simulators::faults::{Matching, Spec as Fault};

use super::connection::{KEYS, Lever, lever};

const OAUTH: [(&str, &str); 3] = [
    ("client_id", "local-lever-acme"),
    ("client_secret", "local-lever-secret-acme"),
    ("refresh_token", "local-lever-refresh-acme"),
];

#[tokio::test]
async fn a_key_signs_in_and_a_wrong_or_withdrawn_one_does_not() {
    let (mut lever, acme) = lever(10).await;
    assert_eq!(lever.check().await, Ok(()));
    assert!(lever.ats.token_grant(lever.context().login).is_none());
    lever.with_login(LoginMethod::ApiKey, &[("api_key", "local-wrong-key")]);
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))));
    lever.with_login(LoginMethod::ApiKey, &[]);
    assert!(
        matches!(lever.check().await, Err(AtsError::Unauthorised(reason)) if reason.to_string().contains("api_key"))
    );
    lever.with_login(LoginMethod::UserPassword, &KEYS);
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))));
    lever.with_login(LoginMethod::ApiKey, &KEYS);
    acme.state().vendor.gate.tokens.revoked = true;
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))));
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_replaced() {
    let (mut lever, acme) = lever(10).await;
    lever.with_login(LoginMethod::RefreshToken, &OAUTH);
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))), "there is no token yet");
    let granted = lever.sign_in().await.expect("an answer").expect("a token");
    assert_eq!(granted.expires_at.duration_since(lever.now()).as_secs(), 3_600);
    assert_eq!(lever.check().await, Ok(()));
    let next = granted.refresh_token.expect("another one");
    lever.secret("refresh_token", OAUTH[2].1);
    let again = lever.sign_in().await.map(|_| ()).expect_err("good once");
    assert!(matches!(again, AtsError::ReauthorizationRequired(_)), "{again:?}");
    lever.pass_time(Duration::from_secs(3_600));
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))), "the hour is over");
    lever.secret("refresh_token", next.expose_secret());
    lever.secret("client_secret", "wrong");
    assert!(matches!(lever.sign_in().await.map(|_| ()), Err(AtsError::Unauthorised(_))));
    lever.secret("client_secret", OAUTH[1].1);
    assert!(lever.sign_in().await.is_ok());
    assert_eq!(lever.check().await, Ok(()));
    acme.expire_tokens();
    assert!(matches!(lever.check().await, Err(AtsError::Unauthorised(_))));
    for (fault, wanted) in [
        (Fault { status: Some(500), ..Fault::default() }, "ask the provider: 500 InternalError"),
        (Fault { malformed: true, ..Fault::default() }, "read the reply"),
    ] {
        lever.fault(fault);
        let error = lever.sign_in().await.map(|_| ()).expect_err("no token");
        let chain = aws::telemetry::chain(&error).to_string();
        assert!(chain.starts_with(wanted), "{chain}");
    }
}

/// The result of the first page of users under a fault.
async fn met(lever: &Lever, fault: Fault) -> Result<usize, AtsError> {
    lever.fault(Fault { times: Some(1), ..fault });
    let stream = lever.ats.streams(&lever.settings)[0];
    let cursor = lever.ats.first_cursor(&stream, &lever.settings, None).expect("a cursor");
    lever.read(&cursor).await.map(|page| page.observations.len())
}

#[tokio::test]
async fn limits_outages_and_invalid_pages_are_classified() {
    let (lever, acme) = lever(10).await;
    let status = |status: u16| Fault { status: Some(status), ..Fault::default() };
    let body = |body: Value| Fault { status: Some(200), body: Some(body), ..Fault::default() };
    let limited = |wait, announced| AtsError::RateLimited { wait: Duration::from_secs(wait), stated: announced };
    let announced = Fault { headers: [("retry-after".to_owned(), "17".to_owned())].into(), ..status(429) };
    assert_eq!(met(&lever, announced).await, Err(limited(17, true)));
    assert_eq!(met(&lever, status(429)).await, Err(limited(1, false)));
    for number in [408, 500, 502, 503] {
        assert!(matches!(met(&lever, status(number)).await, Err(AtsError::Unavailable(_))), "{number}");
    }
    let page = Fault { status: Some(503), body: Some(json!("<html>maintenance</html>")), ..Fault::default() };
    assert!(matches!(met(&lever, page).await, Err(AtsError::Unavailable(_))));
    for number in [302, 400, 403, 404, 410] {
        assert!(matches!(met(&lever, status(number)).await, Err(AtsError::Refused(_))), "{number}");
    }
    for broken in [
        Fault { malformed: true, ..Fault::default() },
        body(json!("<html>sign in</html>")),
        body(json!({"surprise": []})),
        body(json!([])),
        body(json!({"data": {}, "hasNext": false})),
        body(json!({"data": [], "hasNext": true})),
    ] {
        assert!(matches!(met(&lever, broken.clone()).await, Err(AtsError::InvalidResponse(_))), "{broken:?}");
    }
    let torn = Fault { drop_after_bytes: Some(40), ..Fault::default() };
    assert!(matches!(met(&lever, torn).await, Err(AtsError::Unavailable(_))));
    let lost = json!({"code": "BadRequest", "message": "Invalid offset token: Offset token is invalid for sort"});
    let lost = Fault { status: Some(400), body: Some(lost), ..Fault::default() };
    assert!(matches!(met(&lever, lost).await, Err(AtsError::CursorExpired(_))));
    assert!(matches!(lever.read("page=2").await, Err(AtsError::CursorExpired(_))));

    acme.set_limit(Some((1, 1)));
    assert_eq!(lever.check().await, Ok(()));
    assert_eq!(lever.check().await, Err(limited(1, false)), "the limit itself says no more");
    acme.set_limit(None);
    acme.state().vendor.gate.maintenance = true;
    assert!(matches!(lever.check().await, Err(AtsError::Unavailable(_))));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_and_not_taken_for_gone() {
    let (lever, _) = lever(10).await;
    let data = json!([
        {"id": "good-1", "name": "Ada", "applications": []},
        {"id": "bad-1", "name": "Jane Smith", "emails": "jane@example.com"},
        {"id": "bad-2", "applications": ["not-expanded"]},
        {"id": 7, "name": "Jane Smith"},
        "Jane Smith",
        {"id": "a/b", "name": "Jane Smith"},
        {"id": "good-2", "name": null},
    ]);
    lever.fault(Fault {
        matching: Matching { path_contains: Some("/opportunities?".to_owned()), method: None },
        status: Some(200),
        body: Some(json!({"data": data, "hasNext": false})),
        ..Fault::default()
    });
    let stream = lever.ats.streams(&lever.settings)[2];
    let mut next = Next::More(lever.ats.first_cursor(&stream, &lever.settings, None).expect("a cursor"));
    let mut last = None;
    while let Next::More(cursor) = next {
        let page = lever.read(&cursor).await.expect("a page");
        next = page.next.clone();
        last = Some(page);
    }
    let page = last.expect("a page");
    let read: Vec<_> = page.observations.iter().filter_map(|seen| seen.record.provider_id()).collect();
    assert_eq!(read, ["good-1", "good-1", "good-2", "good-2"]);
    let both = |id: &str| [Kind::Candidate, Kind::Application].map(|kind| ObjectRef::new(kind, id));
    assert_eq!(page.present, [both("bad-1"), both("bad-2")].concat());
    assert_eq!(page.skipped.len(), 5, "{:?}", page.skipped);
    let words = page.skipped.join("\n");
    assert!(words.contains("bad-1") && !words.contains("Jane") && !words.contains('@'), "{words}");
}

#[tokio::test]
async fn no_error_and_no_debug_output_has_a_secret() {
    let (mut lever, _) = lever(10).await;
    let submit = Change::Submit {
        job: "p".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "L".to_owned(),
        email: "ada@example.com".to_owned(),
        phone: None,
    };
    let call = lever.write_back().change_request(&lever.context(), &submit, "write").expect("a request");
    let check = lever.ats.check_cursor(&lever.settings);
    let mut said = vec![format!("{call:?}")];
    said.push(format!("{:?}", lever.ats.build_request(&lever.context(), &check).expect("a request")));
    lever.with_login(LoginMethod::RefreshToken, &OAUTH);
    said.push(format!("{:?}", lever.token_grant().token_request(&lever.context()).expect("a request")));
    let granted = lever.sign_in().await.expect("an answer").expect("a token").access_token;
    said.push(format!("{:?}", lever.ats.build_request(&lever.context(), &check).expect("a request")));
    let body = json!({"error": "invalid_grant", "error_description": "local-lever-secret-acme Jane"});
    lever.fault(Fault { status: Some(403), body: Some(body), ..Fault::default() });
    said.push(format!("{:?}", lever.sign_in().await.map(|_| ())));
    let body = json!({"code": "Jane Smith", "message": "local-lever-secret-acme Jane"});
    lever.fault(Fault { status: Some(400), body: Some(body), ..Fault::default() });
    said.push(format!("{:?}", lever.check().await));
    let key = "bG9jYWwtbGV2ZXIta2V5";
    for text in &said {
        for secret in [granted.expose_secret(), "local-lever-", key, "Jane"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
