//! Workday: how it is signed in to, what is read of it, and what its errors become.

mod changes;
mod shapes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{AtsError, Next, Page};
use serde_json::json;
use simulators::faults::Spec as Fault;
use simulators::workday::tenant::Tenant;
use simulators::workday::{World, simulator_of};
use simulators::world::{Account, Chance, Clock};

use super::harness::{Connection, Harness};

/// Monday, 2026-11-02 08:00 UTC.
const BEGIN_MS: i64 = 1_793_606_400_000;

/// A connection that signs in with each request, and the tenant at its other end, which has no limit.
async fn connected() -> (Harness, Arc<Tenant>) {
    let clock = Arc::new(AtomicI64::new(BEGIN_MS));
    let world = World::new(Clock::manual(Arc::clone(&clock)));
    let tenant = world.account("acme").expect("a tenant");
    tenant.state().gate.window.limit = None;
    let connection = Connection {
        account: "acme",
        login: LoginMethod::UserPassword,
        secrets: vec![
            ("client_id", "local-workday-client"),
            ("client_secret", "local-workday-secret-acme"),
            ("refresh_token", "local-workday-refresh-acme"),
            ("username", "ISU_hiring"),
            ("password", "local-workday-password-acme"),
        ],
        settings: vec![("host", "wd2-impl-services1.workday.com")],
    };
    (Harness::start("workday", simulator_of(world), clock, connection).await, tenant)
}

/// The same with about so many objects.
pub(super) async fn grown(objects: usize) -> (Harness, Arc<Tenant>) {
    let (harness, tenant) = connected().await;
    tenant.grow(&mut Chance::new(1), objects);
    (harness, tenant)
}

/// Looks objects of a kind up by their ids.
async fn look_up(harness: &Harness, kind: Kind, ids: &[&str]) -> Option<Page> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let cursors = harness.ats.lookup_cursors(kind, &ids)?;
    assert_eq!(cursors.len(), 1);
    Some(harness.read(&cursors[0]).await.expect("answered"))
}

fn fault(order: serde_json::Value) -> Fault {
    serde_json::from_value(order).expect("a fault")
}

#[tokio::test]
async fn both_logins_work_and_a_wrong_secret_is_no_revoked_grant() {
    let (mut harness, tenant) = connected().await;
    assert_eq!(harness.check().await, Ok(()));
    assert!(harness.sign_in().await.expect("nothing to do").is_none(), "each request has the password");
    harness.secret("password", "s3cret-wrong");
    let refused = harness.check().await.expect_err("refused");
    assert!(matches!(&refused, AtsError::Unauthorised(said) if !said.to_string().contains("s3cret")), "{refused}");

    harness.connection.login = LoginMethod::RefreshToken;
    assert!(matches!(harness.check().await, Err(AtsError::Unauthorised(_))), "there is no token yet");
    let granted = harness.sign_in().await.expect("granted").expect("a token");
    let begin = Timestamp::from_millisecond(BEGIN_MS).expect("a time");
    assert_eq!(granted.expires_at, begin + SignedDuration::from_hours(1));
    assert!(granted.refresh_token.is_none(), "the one that was sent stays good");
    assert_eq!(harness.check().await, Ok(()));
    harness.pass_time(Duration::from_secs(3_600));
    assert!(matches!(harness.check().await, Err(AtsError::Unauthorised(_))), "it passed");
    harness.sign_in().await.expect("granted again");
    assert_eq!(harness.check().await, Ok(()));

    tenant.state().gate.refresh_token = "another".to_owned();
    assert!(matches!(harness.sign_in().await, Err(AtsError::ReauthorizationRequired(_))));
    tenant.state().gate.client_secret = "another".to_owned();
    assert!(matches!(harness.sign_in().await, Err(AtsError::Unauthorised(_))));
    harness.fault(fault(json!({"status": 503, "times": 1})));
    assert!(matches!(harness.sign_in().await, Err(AtsError::Unavailable(_))));
}

#[tokio::test]
async fn no_request_prints_a_secret() {
    let (mut harness, _) = connected().await;
    let printed = |harness: &Harness| {
        let cursor = harness.ats.check_cursor(&harness.settings);
        let call = harness.ats.build_request(&harness.context(), &cursor).expect("a request");
        let body = String::from_utf8(call.body.to_vec()).expect("text");
        (format!("{call:?}"), body)
    };
    let (debug, body) = printed(&harness);
    assert!(body.contains("local-workday-password-acme") && body.contains("ISU_hiring@acme"));
    assert!(!debug.contains("local-workday"), "{debug}");
    harness.connection.login = LoginMethod::RefreshToken;
    harness.token = Some("t0ken".to_owned().into());
    let (debug, body) = printed(&harness);
    assert!(!debug.contains("t0ken") && !body.contains("Security"), "{debug}");
    let grant = harness.token_grant().token_request(&harness.context()).expect("a request");
    assert!(!format!("{grant:?}").contains("local-workday-secret"), "{grant:?}");
}

#[tokio::test]
async fn a_complete_pass_has_exactly_what_there_is() {
    for descriptors in [true, false] {
        let (harness, tenant) = connected().await;
        tenant.grow(&mut Chance::new(1), 700);
        for seed in 0..80 {
            tenant.step(&mut Chance::new(seed));
        }
        tenant.state().descriptors = descriptors;
        let all = harness.pass(None).await.expect("a pass");
        assert_eq!((harness.differences(&all.objects, &tenant.truth()), all.skipped), (vec![], vec![]));
        assert!(all.requests > 6 && all.gone.is_empty(), "several pages: {}", all.requests);
    }
}

#[tokio::test]
async fn a_pass_sees_one_time_whatever_happens_while_it_reads() {
    let (harness, tenant) = connected().await;
    tenant.grow(&mut Chance::new(2), 500);
    let mut chance = Chance::new(3);
    for stream in harness.ats.streams(&harness.settings) {
        let mut cursor = harness.ats.first_cursor(&stream, &harness.settings, None);
        let mut seen = BTreeMap::new();
        let mut truth = None;
        while let Some(current) = cursor {
            let page = harness.read(&current).await.expect("a page");
            // The first page is the time as of which all others are.
            let truth = truth.get_or_insert_with(|| tenant.truth());
            for seen_now in page.observations {
                let id = seen_now.record.provider_id().expect("an id");
                let place = format!("{}/{id}", seen_now.record.kind().as_str());
                assert!(truth.contains_key(&place), "{place}");
                assert!(seen_now.version_ms.is_some(), "the version is the time as of which it was");
                assert!(seen.insert(place, json!(seen_now.record)).is_none(), "nothing comes twice");
            }
            for _ in 0..15 {
                harness.pass_time(Duration::from_secs(1));
                tenant.step(&mut chance);
            }
            cursor = match page.next {
                Next::End => None,
                Next::More(next) | Next::MoreWhileNew(next) => Some(next),
            };
        }
        let mut truth = truth.expect("a page");
        truth.retain(|place, _| stream.complete.iter().any(|kind| place.starts_with(kind.as_str())));
        assert_eq!(harness.differences(&seen, &truth), Vec::<String>::new());
    }
}

#[tokio::test]
async fn failures_are_classified() {
    type Kind = fn(&AtsError) -> bool;
    let (harness, tenant) = connected().await;
    let cursor = harness.ats.check_cursor(&harness.settings);
    let table: [(serde_json::Value, Kind); 9] = [
        (
            json!({"status": 429, "headers": {"retry-after": "7"}}),
            |error| matches!(error, AtsError::RateLimited { wait, stated: true } if wait.as_secs() == 7),
        ),
        (json!({"status": 429}), |error| matches!(error, AtsError::RateLimited { stated: false, .. })),
        (json!({"status": 503}), |error| matches!(error, AtsError::Unavailable(_))),
        (json!({"status": 500, "body": "<html>oops</html>"}), |error| matches!(error, AtsError::Unavailable(_))),
        (json!({"status": 403}), |error| matches!(error, AtsError::Refused(_))),
        (json!({"status": 302}), |error| matches!(error, AtsError::Refused(_))),
        (json!({"body": "<html><p>hello"}), |error| matches!(error, AtsError::InvalidResponse(_))),
        (json!({"malformed": true}), |error| matches!(error, AtsError::InvalidResponse(_))),
        (json!({"drop_after_bytes": 90}), |error| matches!(error, AtsError::Unavailable(_))),
    ];
    for (order, kind) in table {
        harness.fault(fault(order.clone()));
        let error = harness.read(&cursor).await.expect_err("an error");
        assert!(kind(&error), "{order}: {error:?}");
    }
    harness.control.faults().clear();
    tenant.state().gate.window.limit = Some(1);
    assert_eq!(harness.read(&cursor).await.expect("a page").pause, Some(Duration::from_secs(1)));
    let error = harness.read(&cursor).await.expect_err("limited");
    assert_eq!(error, AtsError::RateLimited { wait: Duration::from_secs(1), stated: true });
    let lost = harness.read("7").await.expect_err("no cursor of ours");
    assert!(matches!(lost, AtsError::CursorExpired(_)));
}

#[tokio::test]
async fn a_place_in_the_list_that_is_too_old_is_begun_again() {
    let (harness, tenant) = connected().await;
    tenant.grow(&mut Chance::new(1), 300);
    let stream = harness.ats.streams(&harness.settings).remove(1);
    let first = harness.ats.first_cursor(&stream, &harness.settings, None).expect("a cursor");
    let Next::More(second) = harness.read(&first).await.expect("a page").next else { panic!("there is more") };
    harness.pass_time(Duration::from_secs(25 * 3_600));
    let error = harness.read(&second).await.expect_err("too old");
    assert!(matches!(error, AtsError::CursorExpired(_)), "{error}");
}

#[tokio::test]
async fn an_invalid_row_is_reported_without_its_values() {
    let (harness, _) = connected().await;
    let stream = harness.ats.streams(&harness.settings).remove(1);
    let first = harness.ats.first_cursor(&stream, &harness.settings, None).expect("a cursor");
    let Next::More(cursor) = harness.read(&first).await.expect("a page").next else { panic!("there is more") };
    let good = harness.read(&cursor).await.expect("a page");
    let reply = {
        let call = harness.ats.build_request(&harness.context(), &cursor).expect("a request");
        harness.send(call).await.expect("a reply")
    };
    let text = String::from_utf8(reply.body.to_vec()).expect("text");
    let poisoned = text.replacen("<wd:Job_Application_Date>20", "<wd:Job_Application_Date>Jane 20", 1);
    let poisoned = poisoned.replacen("<wd:Candidate_Reference", "<wd:Other_Reference", 1);
    let poisoned = poisoned.replacen("</wd:Candidate_Reference", "</wd:Other_Reference", 1);
    harness.fault(fault(json!({"body": poisoned, "times": 1})));
    let page = harness.read(&cursor).await.expect("a page");
    assert!((1..=2).contains(&page.skipped.len()), "{:?}", page.skipped);
    assert!(page.skipped.iter().all(|said| !said.contains("Jane")), "{:?}", page.skipped);
    let lost = good.observations.len() - page.observations.len();
    assert!((1..=4).contains(&lost), "{lost} lost");
    assert!(page.observations.iter().all(|seen| good.observations.contains(seen)));
}

#[tokio::test]
async fn what_is_looked_up_is_there_or_gone() {
    let (harness, tenant) = connected().await;
    let truth = tenant.truth();
    let one = |kind: &str| truth.keys().find_map(|key| key.strip_prefix(kind)).expect("one").to_owned();
    let (job, candidate) = (one("job/"), one("candidate/"));
    for (kind, there) in [(Kind::Job, &job), (Kind::Candidate, &candidate)] {
        let gone = "0123456789abcdef0123456789abcdef";
        let found = look_up(&harness, kind, &[there, gone]).await.expect("can be asked");
        let ids: Vec<_> = found.observations.iter().filter(|seen| seen.record.kind() == kind).collect();
        assert_eq!(ids.iter().filter_map(|seen| seen.record.provider_id()).collect::<Vec<_>>(), [there]);
        assert_eq!(found.gone.iter().map(|object| object.provider_id.as_str()).collect::<Vec<_>>(), [gone]);
    }
    assert!(look_up(&harness, Kind::Application, &["a"]).await.is_none(), "its id does not say whose it is");
    let wid = {
        let mut state = tenant.state();
        let (number, at) = (state.people.open[0], state.stamp());
        state.people.purge(at, number);
        state.person_wid(number)
    };
    let found = look_up(&harness, Kind::Candidate, &[&wid]).await.expect("can be asked");
    assert!(found.observations.is_empty() && found.gone.len() == 1);
}
