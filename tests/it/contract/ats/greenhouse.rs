//! Greenhouse: signing in, lists, limits, what is broken, webhooks.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use domain::ats::Kind;
use domain::connection::LoginMethod;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use providers::ats::port::{AtsError, Next};
use providers::transport::webhook::{ChangedObjects, Meaning, NotAuthentic};
use secrecy::SecretString;
use serde_json::json;
use simulators::faults::{Matching, Spec as Fault};
use simulators::greenhouse::table::Table;
use simulators::greenhouse::{Account, World, simulator_of};
use simulators::world::{Account as _, Chance, Clock, Delivery};

use super::harness::{Connection, Harness, place};

const SECRET: &str = "s3cret-of-the-hook";
/// Whether an error is the one that is expected.
type Right = fn(&AtsError) -> bool;
/// Ten seconds after a full half minute.
const START_MS: i64 = 1_790_000_020_000;

pub(super) async fn connected(login: LoginMethod, objects: usize) -> (Harness, Arc<Account>) {
    let clock = Arc::new(AtomicI64::new(START_MS));
    let world = World::new(Clock::manual(Arc::clone(&clock)));
    let account = world.account("acme").expect("an account");
    account.grow(&mut Chance::new(5), objects);
    let connection = Connection {
        account: "acme",
        login,
        secrets: vec![
            ("client_id", "local-greenhouse-acme"),
            ("client_secret", "local-greenhouse-secret-acme"),
            ("refresh_token", "local-greenhouse-refresh-acme"),
            ("board_api_key", "local-greenhouse-board-acme"),
        ],
        settings: vec![("user_id", "1")],
    };
    (Harness::start("greenhouse", simulator_of(world), clock, connection).await, account)
}

/// A connection that is signed in.
pub(super) async fn ready(objects: usize) -> (Harness, Arc<Account>) {
    let (mut harness, account) = connected(LoginMethod::ClientCredentials, objects).await;
    harness.sign_in().await.expect("signed in");
    (harness, account)
}

/// The same without a limit.
pub(super) async fn unlimited(objects: usize) -> (Harness, Arc<Account>) {
    let (harness, account) = ready(objects).await;
    account.set_limit(None);
    (harness, account)
}

#[tokio::test]
async fn client_credentials_give_a_token_for_an_hour() {
    let (mut harness, account) = connected(LoginMethod::ClientCredentials, 10).await;
    let granted = harness.sign_in().await.expect("signed in").expect("a token");
    let hour = Timestamp::from_millisecond(START_MS + 3_600_000).expect("a time");
    assert_eq!((granted.expires_at, granted.refresh_token.is_none()), (hour, true));
    assert_eq!(harness.check().await, Ok(()));
    harness.pass_time(Duration::from_secs(3_600));
    assert!(matches!(harness.check().await, Err(AtsError::Unauthorised(_))), "it has passed");
    harness.sign_in().await.expect("signed in again");
    assert_eq!(harness.check().await, Ok(()));
    account.expire_tokens();
    assert!(matches!(harness.read("jobs").await, Err(AtsError::Unauthorised(_))));
    harness.secret("client_secret", "wr0ng");
    let refused = harness.sign_in().await.map(|_| ()).expect_err("refused");
    assert!(matches!(&refused, AtsError::Unauthorised(said) if !said.to_string().contains("wr0ng")), "{refused}");
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_the_old_one_is_revoked() {
    let (mut harness, account) = connected(LoginMethod::RefreshToken, 10).await;
    for _ in 0..3 {
        assert!(harness.sign_in().await.expect("signed in").expect("a token").refresh_token.is_some());
        assert_eq!(harness.check().await, Ok(()));
    }
    let last = harness.credentials.clone();
    harness.secret("refresh_token", "local-greenhouse-refresh-acme");
    assert!(matches!(harness.sign_in().await.map(|_| ()), Err(AtsError::ReauthorizationRequired(_))), "it was used");
    harness.credentials = last;
    harness.pass_time(Duration::from_secs(24 * 3_600));
    assert!(
        matches!(harness.sign_in().await.map(|_| ()), Err(AtsError::ReauthorizationRequired(_))),
        "it was idle for a day"
    );
    account.authorize();
    harness.secret("refresh_token", "local-greenhouse-refresh-acme");
    harness.sign_in().await.expect("authorised again");
    account.state().vendor.gate.revoke();
    assert!(matches!(harness.sign_in().await.map(|_| ()), Err(AtsError::Unauthorised(_))), "the client is withdrawn");
}

#[tokio::test]
async fn a_complete_pass_brings_exactly_what_there_is() {
    let (harness, account) = ready(3_000).await;
    account.set_limit(None);
    let mut chance = Chance::new(8);
    for _ in 0..500 {
        account.step(&mut chance);
    }
    let passed = harness.pass(None).await.expect("passed");
    assert_eq!(harness.differences(&passed.objects, &account.truth()), Vec::<String>::new());
    assert_eq!((passed.skipped.len(), passed.gone.len()), (0, 0));
    assert!(passed.requests < 30, "pages are as large as can be: {}", passed.requests);
}

#[tokio::test]
async fn a_window_brings_what_changed_in_it_and_nothing_else() {
    let (harness, account) = ready(1_000).await;
    account.set_limit(None);
    let mut objects = harness.pass(None).await.expect("passed").objects;
    harness.pass_time(Duration::from_secs(600));
    let began = harness.pass(None).await.expect("passed").began.expect("the provider's time");
    let since = began.checked_sub(SignedDuration::from_secs(120)).expect("a time");
    let mut chance = Chance::new(9);
    for _ in 0..300 {
        account.step(&mut chance);
    }
    let passed = harness.pass(Some(since)).await.expect("passed");
    let changed: usize = account.with(|state| {
        let lists = simulators::greenhouse::truth::KINDS;
        let rows = lists.iter().flat_map(|(_, table)| state.store.rows(*table).values());
        rows.filter(|row| row.updated >= since.as_millisecond()).count()
    });
    assert_eq!(passed.objects.len() + passed.gone.len(), changed, "nothing else is asked for");
    objects.extend(passed.objects);
    // Only webhooks report what is gone.
    let mut gone: Vec<String> = passed.gone.iter().map(place).collect();
    for delivery in account.deliveries(SECRET) {
        gone.extend(reported_change(&harness, &delivery).gone.iter().map(place));
    }
    for place in &gone {
        objects.remove(place);
    }
    let left: Vec<String> = harness.differences(&objects, &account.truth());
    // No event reports the objects of an application that is gone: a complete pass finds that.
    let hanging = ["interview/", "offer/", "scorecard/", "opening/", "post/"];
    let unexplained: Vec<&String> = left
        .iter()
        .filter(|said| !(said.ends_with("is not there") && hanging.iter().any(|kind| said.starts_with(kind))))
        .collect();
    assert_eq!(unexplained, Vec::<&String>::new());
    let passed = harness.pass(None).await.expect("passed");
    assert_eq!(harness.differences(&passed.objects, &account.truth()), Vec::<String>::new());
}

fn reported_change(harness: &Harness, delivery: &Delivery) -> ChangedObjects {
    let source = harness.provider.webhooks.expect("webhooks");
    let event = source.interpret(&harness.origin, &delivery.body, Timestamp::UNIX_EPOCH).expect("readable");
    match event.meaning {
        Meaning::Changed(changed) => changed,
        Meaning::Ping | Meaning::Ignored { .. } => ChangedObjects::default(),
    }
}

#[tokio::test]
async fn objects_are_looked_up_by_id_and_missing_ones_are_gone() {
    let (harness, account) = ready(300).await;
    account.set_limit(None);
    let ids: Vec<u64> = account.with(|state| state.store.rows(Table::Candidates).keys().copied().collect());
    let deleted = ids[3];
    account.with(|state| assert!(state.delete_candidate(deleted)));
    let ids: Vec<String> = ids.iter().map(u64::to_string).chain(["no number".to_owned()]).collect();
    let mut there = 0;
    let mut gone = Vec::new();
    let cursors = harness.ats.lookup_cursors(Kind::Candidate, &ids).expect("it can be asked");
    assert_eq!(cursors.len(), ids.len().div_ceil(50));
    for cursor in cursors {
        let page = harness.read(&cursor).await.expect("a page");
        assert_eq!(page.next, Next::End);
        there += page.observations.len();
        gone.extend(page.gone.iter().map(place));
    }
    assert_eq!(there, ids.len() - 2);
    assert_eq!(gone, [format!("candidate/{deleted}"), "candidate/no number".to_owned()]);
    let post = account.with(|state| {
        let id = *state.store.rows(Table::JobPosts).keys().next().expect("a post");
        state.delete_post(id);
        id.to_string()
    });
    let cursor = harness.ats.lookup_cursors(Kind::Post, std::slice::from_ref(&post)).expect("it can be asked");
    let page = harness.read(&cursor[0]).await.expect("a page");
    assert_eq!(page.gone.iter().map(place).collect::<Vec<_>>(), [format!("post/{post}")]);
}

#[tokio::test]
async fn limits_are_obeyed_with_and_without_a_time() {
    let (harness, account) = ready(10).await;
    account.set_limit(Some(3));
    let pauses = [harness.read("jobs").await, harness.read("jobs").await, harness.read("jobs").await];
    let pauses = pauses.map(|page| page.expect("a page").pause);
    // The next half minute is 20 s away, and one more for clocks that differ.
    assert_eq!(pauses, [None, None, Some(Duration::from_secs(21))]);
    let limited = |wait, stated| Err(AtsError::RateLimited { wait: Duration::from_secs(wait), stated });
    assert_eq!(harness.read("jobs").await, limited(20, true));
    account.state().vendor.gate.retry_after = false;
    assert_eq!(harness.read("jobs").await, limited(21, false));
    harness.pass_time(Duration::from_secs(21));
    assert!(harness.read("jobs").await.is_ok());
}

#[tokio::test]
async fn failures_are_classified_and_quote_no_values() {
    let (harness, _account) = ready(10).await;
    let html = json!("<html><body>Ada King, ada@example.com</body></html>");
    let is_unavailable = |error: &AtsError| matches!(error, AtsError::Unavailable(_));
    let is_malformed = |error: &AtsError| matches!(error, AtsError::InvalidResponse(_));
    let status = |status| Fault { status: Some(status), body: Some(html.clone()), ..Fault::default() };
    let table: [(Fault, Right); 8] = [
        (status(500), is_unavailable),
        (status(503), is_unavailable),
        (status(408), is_unavailable),
        (status(403), |error| matches!(error, AtsError::Refused(_))),
        (status(200), is_malformed),
        (Fault { malformed: true, ..Fault::default() }, is_malformed),
        (Fault { drop_after_bytes: Some(20), ..Fault::default() }, is_unavailable),
        (Fault { body: Some(json!({"surprise": []})), ..Fault::default() }, is_malformed),
    ];
    for (fault, right) in table {
        harness.fault(fault.clone());
        let error = harness.read("jobs").await.map(|_| ()).expect_err("it fails");
        assert!(right(&error) && !format!("{error:?}").contains("Ada"), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_poisoned_row_is_left_out_of_its_page() {
    let (harness, _account) = ready(10).await;
    let rows = json!([
        {"id": 3, "candidate_id": 7, "status": "in_process", "updated_at": "2026-09-01T00:00:00.000Z"},
        {"id": 2, "candidate_id": "Ada King"},
        {"id": 1, "candidate_id": 7, "status": "hired"},
    ]);
    harness.fault(Fault { body: Some(rows), ..Fault::default() });
    let page = harness.read("applications").await.expect("a page");
    let versions: Vec<Option<i64>> = page.observations.iter().map(|seen| seen.version_ms).collect();
    assert_eq!(versions, [Some(1_788_220_800_000), None]);
    assert_eq!(page.present.iter().map(place).collect::<Vec<_>>(), ["application/2"]);
    assert!(page.skipped.len() == 1 && !page.skipped[0].contains("Ada"), "{:?}", page.skipped);
}

#[tokio::test]
async fn a_cursor_that_the_provider_forgot_restarts_its_list() {
    let (harness, account) = ready(200).await;
    account.set_limit(None);
    assert!(matches!(harness.read("candidates>nonsense").await, Err(AtsError::CursorExpired(_))));
    let fault = Fault { status: Some(422), body: Some(json!({"errors": ["no"]})), ..Fault::default() };
    let matching = Matching { path_contains: Some("cursor=".to_owned()), method: None };
    harness.fault(Fault { matching, ..fault });
    assert!(harness.read("candidates").await.is_ok());
}

#[tokio::test]
async fn webhooks_are_verified_over_their_bytes_and_name_what_changed() {
    let (harness, account) = ready(400).await;
    let source = harness.provider.webhooks.expect("webhooks");
    let headers = |delivery: &Delivery| {
        let pairs = delivery.headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        });
        pairs.collect::<HeaderMap>()
    };
    let mut chance = Chance::new(2);
    for _ in 0..600 {
        account.step(&mut chance);
    }
    let truth = account.truth();
    let now = harness.context().now;
    for delivery in account.deliveries(SECRET) {
        let sent = headers(&delivery);
        let id = source.verify(&sent, &delivery.body, &SecretString::from(SECRET), now).expect("good");
        assert_eq!(
            source.verify(&sent, &delivery.body, &SecretString::from(SECRET), now),
            Ok(id),
            "a retry has its id"
        );
        assert_eq!(source.verify(&sent, &delivery.body, &SecretString::from("other"), now), Err(NotAuthentic));
        // Written again, the same JSON is not what was signed.
        let again = serde_json::from_slice::<serde_json::Value>(&delivery.body).expect("JSON").to_string();
        if again.as_bytes() != delivery.body {
            assert_eq!(source.verify(&sent, again.as_bytes(), &SecretString::from(SECRET), now), Err(NotAuthentic));
        }
        let changed = reported_change(&harness, &delivery);
        assert!(changed.gone.iter().all(|gone| !truth.contains_key(&place(gone))), "what is gone stays gone");
        let named: Vec<String> = changed.about.iter().map(place).collect();
        for seen in &changed.reported {
            let id = seen.record.provider_id().expect("an id");
            assert!(named.contains(&format!("{}/{id}", seen.record.kind().as_str())), "what is told is asked for");
        }
    }
}

#[tokio::test]
async fn secrets_are_in_no_error_and_in_no_debug_text() {
    let (mut harness, account) = connected(LoginMethod::RefreshToken, 10).await;
    let mut texts = Vec::new();
    let grant = harness.token_grant().token_request(&harness.context()).expect("a request");
    texts.push(format!("{grant:?}"));
    harness.sign_in().await.expect("signed in");
    texts.push(format!("{:?}", harness.ats.build_request(&harness.context(), "jobs").expect("a call")));
    account.state().vendor.gate.revoke();
    texts.push(format!("{:?}", harness.read("jobs").await));
    texts.push(format!("{:?}", harness.sign_in().await.map(|_| ())));
    for text in &texts {
        for secret in ["local-greenhouse-secret", "local-greenhouse-refresh", "access.acme", "bG9jYWw"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
