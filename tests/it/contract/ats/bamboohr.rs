//! BambooHR's file against its simulator.

mod changes;
mod failures;
mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use domain::ats::{Kind, ObjectRef, Observation};
use domain::connection::LoginMethod;
use jiff::Timestamp;
use providers::ats::port::{AtsError, Next};
use serde_json::{Value, json};
use simulators::bamboohr::job::JobStatus;
use simulators::bamboohr::{Account as Company, World, simulator_of};
use simulators::world::{Account, Chance, Clock};

use super::harness::{Connection, Harness};

/// Monday, 2026-11-02 08:00 UTC.
const START_MS: i64 = 1_793_606_400_000;
const KEY: &str = "local-bamboohr-key-acme";

type Objects = BTreeMap<String, Value>;

/// A connection to a company of about so many objects.
pub(super) async fn bamboohr(objects: usize) -> (Harness, Arc<Company>) {
    connected(objects, vec![("api_key", KEY)], vec![]).await
}

async fn connected(
    objects: usize,
    secrets: Vec<(&'static str, &'static str)>,
    settings: Vec<(&'static str, &'static str)>,
) -> (Harness, Arc<Company>) {
    let clock = Arc::new(AtomicI64::new(START_MS));
    let world = World::new(Clock::manual(Arc::clone(&clock)));
    let acme = world.account("acme").expect("an account");
    acme.grow(&mut Chance::new(7), objects);
    let connection = Connection { account: "acme", login: LoginMethod::ApiKey, secrets, settings };
    (Harness::start("bamboohr", simulator_of(world), clock, connection).await, acme)
}

fn key(seen: &Observation) -> String {
    format!("{}/{}", seen.record.kind().as_str(), seen.record.provider_id().expect("an id"))
}

/// Looks objects up by their ids; returns those that exist, and those that are gone.
async fn look_up(bamboohr: &Harness, kind: Kind, ids: &[&str]) -> (Objects, BTreeSet<ObjectRef>) {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let (mut there, mut gone) = (Objects::new(), BTreeSet::new());
    for cursor in bamboohr.ats.lookup_cursors(kind, &ids).expect("it can be asked for") {
        let page = bamboohr.read(&cursor).await.expect("a page");
        there.extend(page.observations.iter().map(|seen| (key(seen), json!(seen.record))));
        gone.extend(page.gone);
    }
    if kind == Kind::Job {
        // The whole list is answered.
        there.retain(|place, _| ids.iter().any(|id| *place == format!("job/{id}")));
    }
    (there, gone)
}

fn steps(acme: &Company, chance: &mut Chance, count: usize) -> Vec<String> {
    (0..count).map(|_| acme.step(chance)).collect()
}

#[tokio::test]
async fn a_wrong_key_is_refused_without_printing_it() {
    let (mut bamboohr, acme) = bamboohr(0).await;
    assert_eq!(bamboohr.check().await, Ok(()));
    assert!(bamboohr.sign_in().await.expect("nothing to fetch").is_none(), "no token is needed");
    bamboohr.secret("api_key", "wrong-s3cret");
    let refused = bamboohr.check().await.expect_err("refused");
    assert!(matches!(&refused, AtsError::Unauthorised(reason) if reason.to_string().contains("401")), "{refused:?}");
    assert!(!format!("{refused:?} {refused}").contains("s3cret"));
    acme.with(|company| company.door.without_ats = vec!["wrong-s3cret".to_owned()]);
    let refused = bamboohr.check().await.expect_err("no access to applicant tracking");
    assert!(matches!(&refused, AtsError::Unauthorised(reason) if reason.to_string().contains("ATS")), "{refused:?}");
    for (key, encoded) in [("s3cret", "czNjcmV0"), ("s3cret\nwith a line", "s3cret")] {
        bamboohr.secret("api_key", key);
        let call = format!("{:?}", bamboohr.ats.build_request(&bamboohr.context(), "check"));
        assert!(!call.contains("s3cret") && !call.contains(encoded), "{call}");
    }
    let (bamboohr, _) = connected(0, vec![], vec![]).await;
    assert!(
        matches!(bamboohr.check().await, Err(AtsError::Unauthorised(reason)) if reason.to_string().contains("api_key"))
    );
}

#[tokio::test]
async fn a_pass_through_everything_collects_what_there_is() {
    let (bamboohr, acme) = bamboohr(600).await;
    steps(&acme, &mut Chance::new(1), 250);
    let passed = bamboohr.pass(None).await.expect("read");
    assert_eq!(bamboohr.differences(&passed.objects, &acme.truth()), Vec::<String>::new());
    assert_eq!((passed.skipped.as_slice(), passed.gone.len()), (&[][..], 0));
    assert_eq!(passed.began, Timestamp::from_millisecond(START_MS).ok(), "the clock of the world stands");
    let rejected = passed.objects.values().filter(|record| record["status"] == "rejected").count();
    assert!(rejected > 10, "what is not shown without being asked for is there, too");
}

/// Reads what changed as the engine does: until a page has nothing new. Gives the number of pages.
async fn window(bamboohr: &Harness, known: &mut Objects) -> usize {
    let mut pages = 0;
    let (settings, since) = (BTreeMap::new(), Timestamp::from_millisecond(START_MS).expect("a time"));
    for stream in bamboohr.ats.streams(&settings) {
        let mut next = bamboohr.ats.first_cursor(&stream, &settings, Some(since));
        while let Some(cursor) = next {
            let page = bamboohr.read(&cursor).await.expect("a page");
            pages += 1;
            let mut new = false;
            for seen in &page.observations {
                let record = json!(seen.record);
                new |= known.insert(key(seen), record.clone()).is_none_or(|before| before != record);
            }
            next = match page.next {
                Next::MoreWhileNew(cursor) if new => Some(cursor),
                Next::More(cursor) => Some(cursor),
                Next::MoreWhileNew(_) | Next::End => None,
            };
        }
    }
    pages
}

#[tokio::test]
async fn a_window_brings_every_change_and_ends_where_nothing_is_new() {
    let (bamboohr, acme) = bamboohr(2_000).await;
    let mut known = bamboohr.pass(None).await.expect("read").objects;
    let mut chance = Chance::new(3);
    for round in 0..8 {
        bamboohr.pass_time(Duration::from_secs(600));
        // The last round touches more than a page.
        let count = if round == 7 { 150 } else { 8 };
        let said = steps(&acme, &mut chance, count);
        let pages = window(&bamboohr, &mut known).await;
        assert!(pages <= 3 + count / 50, "round {round}: {pages} pages");
        let found = bamboohr.differences(&known, &acme.truth());
        let changed: Vec<&String> = found.iter().filter(|line| !line.ends_with("is not there")).collect();
        assert_eq!(changed, Vec::<&String>::new(), "round {round}: {said:?}");
    }
    assert_eq!(window(&bamboohr, &mut known).await, 2, "nothing changed: the jobs and one page");
}

#[tokio::test]
async fn existing_objects_are_read_and_others_are_gone() {
    let (bamboohr, acme) = bamboohr(200).await;
    let (existing, deleted) = acme.with(|company| {
        let mut ids = company.applications().keys().map(ToString::to_string);
        (ids.next().expect("one"), ids.next().expect("another"))
    });
    acme.with(|company| company.remove(deleted.parse().expect("a number")));
    let (there, gone) = look_up(&bamboohr, Kind::Application, &[&existing, &deleted, "1"]).await;
    assert!(there.len() == 2 && there.contains_key(&format!("application/{existing}")), "with its applicant");
    assert_eq!(gone, ["1", &deleted].map(|id| ObjectRef::new(Kind::Application, id)).into());
    let listed = bamboohr.pass(None).await.expect("read").objects;
    assert!(there.iter().all(|(place, record)| listed.get(place) == Some(record)), "both tell the same");

    let jobs: Vec<u64> = acme.with(|company| company.jobs().keys().copied().collect());
    acme.with(|company| company.change_job(jobs[1], |job| job.status = JobStatus::Deleted));
    let [existing, deleted] = [jobs[0], jobs[1]].map(|id| id.to_string());
    let (there, gone) = look_up(&bamboohr, Kind::Job, &[&existing, &deleted]).await;
    assert_eq!(there.into_keys().collect::<Vec<_>>(), [format!("job/{existing}")]);
    assert_eq!(gone, [ObjectRef::new(Kind::Job, &deleted)].into());
    assert!(bamboohr.ats.lookup_cursors(Kind::Candidate, &["1".to_owned()]).is_none(), "an applicant has no address");
}

#[tokio::test]
async fn a_row_that_moves_between_pages_is_looked_up() {
    let (bamboohr, acme) = bamboohr(400).await;
    acme.set_page_size(20);
    let ids: Vec<String> =
        acme.with(|company| company.ordered(|row| row.applied).iter().map(|(_, id)| id.to_string()).take(21).collect());
    let (deleted, moved) = (&ids[0], &ids[20]);
    let on = |page: &providers::ats::port::Page, id: &str| {
        page.observations.iter().any(|seen| key(seen) == format!("application/{id}"))
    };
    let first = bamboohr.read("all:1").await.expect("a page");
    assert!(on(&first, deleted) && !on(&first, moved), "the oldest come first");
    acme.with(|company| company.remove(deleted.parse().expect("a number")));
    let second = bamboohr.read("all:2").await.expect("a page");
    assert!(!on(&second, moved), "it is missed");
    let (there, gone) = look_up(&bamboohr, Kind::Application, &[moved, deleted]).await;
    assert!(there.contains_key(&format!("application/{moved}")));
    assert_eq!(gone.len(), 1);
    let streams = bamboohr.ats.streams(&BTreeMap::new());
    let complete = streams.last().expect("applications").complete;
    assert_eq!(complete, [Kind::Application, Kind::Candidate], "asking for an application tells of its candidate");
}

#[tokio::test]
async fn a_company_names_its_own_statuses_in_settings() {
    for (settings, wanted) in [(vec![], "active"), (vec![("rejected_statuses", "No Show, put on hold")], "rejected")] {
        let (bamboohr, acme) = connected(200, vec![("api_key", KEY)], settings).await;
        let id = acme.with(|company| {
            let id = *company.applications().keys().next().expect("one");
            company.move_to(id, 7);
            id.to_string()
        });
        let (there, _) = look_up(&bamboohr, Kind::Application, &[&id]).await;
        assert_eq!(there[&format!("application/{id}")]["status"], wanted);
    }
    let settings = providers::ats::find("bamboohr").expect("an ATS").api.settings();
    let check = |name: &str| settings.iter().find(|setting| setting.name == name).expect("one").check;
    assert!(check("rejected_statuses")("No Show, Late").is_ok() && check("hired_statuses")("Signed,,").is_err());
    assert!(check("rejection_status")("9").is_ok() && check("rejection_status")("Not a Fit").is_err());
}
