//! What goes wrong at BambooHR, and what it means.

use std::time::Duration;

use domain::ats::Kind;
use providers::ats::port::AtsError;
use serde_json::{Value, json};
use simulators::bamboohr::gate::{Limit, Refusal};
use simulators::faults::Spec;

use super::bamboohr;

#[tokio::test]
async fn a_limit_is_understood_in_each_of_its_ways() {
    let (bamboohr, acme) = bamboohr(0).await;
    let limited = |seconds: u64| AtsError::RateLimited { wait: Duration::from_secs(seconds), stated: true };
    for (refusal, wanted) in [
        (Refusal::TooManyRequests, Some(limited(17))),
        (Refusal::Unavailable, Some(limited(17))),
        (Refusal::Untold, None),
        (Refusal::InsideOfOk, None),
    ] {
        acme.state().door.refusal = refusal;
        acme.state().door.limit = Some(Limit { remaining: 0, retry_after_s: 17, until: None });
        for cursor in ["check", "jobs", "all:1", "changed:1", "application:1"] {
            let limited = bamboohr.read(cursor).await.expect_err("limited");
            match &wanted {
                Some(wanted) => assert_eq!(&limited, wanted, "{cursor}"),
                None => {
                    assert!(matches!(limited, AtsError::RateLimited { stated: false, .. }), "{cursor}: {limited:?}")
                }
            }
        }
        bamboohr.pass_time(Duration::from_secs(17));
        assert!(bamboohr.read("all:1").await.is_ok(), "{refusal:?}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_never_taken_for_one() {
    let (bamboohr, acme) = bamboohr(0).await;
    let one = acme.with(|company| company.applications().keys().next().map(|id| format!("application:{id}")));
    let one = one.expect("an application");
    let body = |body: Value| Spec { body: Some(body), ..Spec::default() };
    let status = |status: u16| Spec { status: Some(status), ..Spec::default() };
    type Meant = fn(&AtsError) -> bool;
    let unavailable: Meant = |error| matches!(error, AtsError::Unavailable(_));
    let malformed: Meant = |error| matches!(error, AtsError::InvalidResponse(_));
    let table: [(Spec, Meant); 12] = [
        (status(500), unavailable),
        (status(502), unavailable),
        (status(503), unavailable),
        (status(408), unavailable),
        (Spec { drop_after_bytes: Some(40), ..Spec::default() }, unavailable),
        (body(json!({"error": {"code": 500, "message": "x"}})), unavailable),
        (Spec { malformed: true, ..Spec::default() }, malformed),
        (body(json!("<html>maintenance</html>")), malformed),
        (body(json!({"surprise": []})), malformed),
        (body(json!({"applications": []})), malformed),
        (status(302), |error| matches!(error, AtsError::Refused(_))),
        (status(403), |error| matches!(error, AtsError::Unauthorised(_))),
    ];
    for (fault, meant) in table {
        bamboohr.fault(fault.clone());
        for cursor in ["jobs", "all:1", "changed:1", &one] {
            let error = bamboohr.read(cursor).await.expect_err("no page");
            assert!(meant(&error), "{cursor} with {fault:?}: {error:?}");
        }
    }
    bamboohr.control.faults().clear();
    assert!(bamboohr.read("all:1").await.is_ok());
    for strange in ["", "all:0", "candidates:1"] {
        assert!(matches!(bamboohr.read(strange).await, Err(AtsError::CursorExpired(_))), "{strange}");
    }
}

#[tokio::test]
async fn a_poisoned_row_is_left_out_of_its_page() {
    let (bamboohr, acme) = bamboohr(0).await;
    let id = acme.with(|company| {
        let id = *company.applications().keys().nth(3).expect("one");
        company.change(id, |detail| {
            detail["appliedDate"] = json!("the day before yesterday");
            detail["applicant"]["firstName"] = json!("Secret");
        });
        id.to_string()
    });
    let passed = bamboohr.pass(None).await.expect("read");
    assert!(!passed.objects.contains_key(&format!("application/{id}")));
    let applications = passed.objects.keys().filter(|place| place.starts_with("application/")).count();
    assert_eq!(applications + 1, acme.with(|company| company.applications().len()));
    let [said] = passed.skipped.as_slice() else { panic!("one row: {:?}", passed.skipped) };
    assert!(said.contains(&id) && !said.contains("Secret") && !said.contains("yesterday"), "{said}");
    let page = bamboohr.read("changed:1").await.expect("a page");
    let present: Vec<Kind> = page.present.iter().map(|object| object.kind).collect();
    assert_eq!(present, [Kind::Application, Kind::Candidate], "they are there, and only cannot be read");
    assert_eq!(page.present[0].provider_id, id);
}
