//! BambooHR's file against its simulator.

mod changes;
mod recorded;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ats::{Kind, ObjectRef, Observation};
use domain::connection::LoginMethod;
use providers::ats::{CallError, Next};
use serde_json::{Value, json};
use simulators::bamboohr::job::JobStatus;
use simulators::bamboohr::{Account as Company, World, simulator_of};
use simulators::world::{Account, Chance};

use super::harness::{Harness, clock, differences};

/// All kinds that BambooHR has.
const KINDS: [Kind; 3] = [Kind::Job, Kind::Candidate, Kind::Application];
const KEY: (&str, &str) = ("api_key", "local-bamboohr-key-acme");

/// A connection to a company of about so many objects.
async fn bamboohr(objects: usize) -> (Harness, Arc<Company>) {
    let (clock, now) = clock();
    let world = World::new(clock);
    let acme = world.account("acme").expect("an account");
    acme.grow(&mut Chance::new(7), objects);
    let mut harness = Harness::start(simulator_of(world), now).await;
    harness.with_login(LoginMethod::ApiKey, &[KEY]);
    (harness, acme)
}

fn steps(acme: &Company, chance: &mut Chance, count: usize) -> Vec<String> {
    (0..count).map(|_| acme.step(chance)).collect()
}

#[tokio::test]
async fn the_key_is_tried_and_a_wrong_one_is_said_without_it() {
    let (mut bamboohr, acme) = bamboohr(0).await;
    assert_eq!(bamboohr.check().await, Ok(()));
    assert!(bamboohr.with(|context| bamboohr.ats.grant(context)).expect("no grant").is_none(), "no token is needed");
    bamboohr.with_login(LoginMethod::ApiKey, &[("api_key", "wrong-s3cret")]);
    let refused = bamboohr.check().await.expect_err("refused");
    assert!(matches!(&refused, CallError::Unauthorised(why) if why.contains("401")), "{refused:?}");
    assert!(!format!("{refused:?} {refused}").contains("s3cret"));
    acme.with(|company| company.door.without_ats = vec!["wrong-s3cret".to_owned()]);
    let refused = bamboohr.check().await.expect_err("no access to applicant tracking");
    assert!(matches!(&refused, CallError::Unauthorised(why) if why.contains("ATS")), "{refused:?}");
    bamboohr.with_login(LoginMethod::ApiKey, &[]);
    assert!(matches!(bamboohr.check().await, Err(CallError::Unauthorised(why)) if why.contains("api_key")));
    bamboohr.with_login(LoginMethod::ApiKey, &[("api_key", "s3cret\nwith a line")]);
    bamboohr.with(|context| {
        let call = bamboohr.ats.call(context, "check").map(|call| format!("{call:?}"));
        let shown = format!("{call:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
    });
}

#[tokio::test]
async fn a_pass_through_everything_collects_what_there_is() {
    let (bamboohr, acme) = bamboohr(600).await;
    steps(&acme, &mut Chance::new(1), 250);
    let collected = bamboohr.pass_through(None).await;
    let found = differences(&bamboohr.origin, &collected.records, &acme.truth(), &KINDS);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!((collected.skipped.as_slice(), collected.present.len(), collected.gone.len()), (&[][..], 0, 0));
    let begun = collected.begun.expect("BambooHR tells its time");
    assert!(bamboohr.now().duration_since(begun).as_millis() < 1_000, "the clock of the world stands");
    let rejected = collected.records.values().filter(|record| record["status"] == "rejected").count();
    assert!(rejected > 10, "what is not shown without being asked for is there, too");
}

/// Reads what changed as the engine does: until a page has nothing new. Gives the number of pages.
async fn window(bamboohr: &Harness, known: &mut BTreeMap<(Kind, String), Value>) -> usize {
    let mut pages = 0;
    for stream in bamboohr.ats.streams(&bamboohr.settings) {
        let mut next = bamboohr.ats.first(&stream, &bamboohr.settings, Some(bamboohr.now()));
        while let Some(cursor) = next {
            let page = bamboohr.read(&cursor).await.expect("a page");
            pages += 1;
            let mut new = false;
            for seen in page.observations {
                let key = (seen.record.kind(), seen.record.provider_id().expect("an id").to_owned());
                let record = json!(seen.record);
                new |= known.insert(key, record.clone()).is_none_or(|before| before != record);
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
    let mut known = bamboohr.pass_through(None).await.records;
    let mut chance = Chance::new(3);
    for round in 0..8 {
        bamboohr.pass(Duration::from_secs(600));
        // The last round touches more than a page.
        let count = if round == 7 { 150 } else { 8 };
        let said = steps(&acme, &mut chance, count);
        let pages = window(&bamboohr, &mut known).await;
        assert!(pages <= 3 + count / 50, "round {round}: {pages} pages");
        let found = differences(&bamboohr.origin, &known, &acme.truth(), &KINDS);
        let changed: Vec<&String> = found.iter().filter(|line| !line.ends_with("is not at the provider")).collect();
        assert_eq!(changed, Vec::<&String>::new(), "round {round}: {said:?}");
    }
    assert_eq!(window(&bamboohr, &mut known).await, 2, "nothing changed: the jobs and one page");
}

#[tokio::test]
async fn what_is_there_is_told_and_what_is_not_is_gone() {
    let (bamboohr, acme) = bamboohr(200).await;
    let (kept, deleted) = acme.with(|company| {
        let mut ids = company.applications().keys().map(ToString::to_string);
        (ids.next().expect("one"), ids.next().expect("another"))
    });
    acme.with(|company| company.remove(deleted.parse().expect("a number")));
    let found = bamboohr.look_up(Kind::Application, &[&kept, &deleted, "1"]).await.expect("asked").expect("answered");
    let kinds: Vec<Kind> = found.records.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Candidate, Kind::Application], "with its applicant");
    let gone = [ObjectRef::new(Kind::Application, "1"), ObjectRef::new(Kind::Application, &deleted)];
    assert_eq!(found.gone.into_iter().collect::<Vec<_>>(), gone);
    let from_list = bamboohr.pass_through(None).await.records;
    assert!(found.records.iter().all(|(key, record)| from_list.get(key) == Some(record)), "both tell the same");

    let jobs: Vec<u64> = acme.with(|company| company.jobs().keys().copied().collect());
    acme.with(|company| company.change_job(jobs[1], |job| job.status = JobStatus::Deleted));
    let [kept, deleted] = [jobs[0], jobs[1]].map(|id| id.to_string());
    let found = bamboohr.look_up(Kind::Job, &[&kept, &deleted]).await.expect("asked").expect("answered");
    assert!(found.records.contains_key(&(Kind::Job, kept)));
    assert_eq!(found.gone.into_iter().collect::<Vec<_>>(), [ObjectRef::new(Kind::Job, &deleted)]);
    assert!(bamboohr.look_up(Kind::Candidate, &["1"]).await.is_none(), "an applicant has no address");
}

#[tokio::test]
async fn a_row_that_moves_over_the_border_of_a_page_is_found_by_its_name() {
    let (bamboohr, acme) = bamboohr(400).await;
    acme.set_page_size(20);
    let first = bamboohr.read("all:1").await.expect("a page");
    let on_it = first.observations.iter().find(|seen| seen.record.kind() == Kind::Application);
    let deleted = on_it.and_then(|seen| seen.record.provider_id()).expect("an application").to_owned();
    let moved = acme.with(|company| company.by_application().iter().nth(20).map(|(_, id)| id.to_string()));
    let moved = moved.expect("the first of the next page");
    acme.with(|company| company.remove(deleted.parse().expect("a number")));
    let second = bamboohr.read("all:2").await.expect("a page");
    let same =
        |seen: &Observation| (seen.record.kind(), seen.record.provider_id()) == (Kind::Application, Some(&*moved));
    assert!(!second.observations.iter().any(same), "it is missed");
    let found = bamboohr.look_up(Kind::Application, &[&moved, &deleted]).await.expect("asked").expect("answered");
    assert!(found.records.contains_key(&(Kind::Application, moved)));
    assert_eq!(found.gone.len(), 1);
    let streams = bamboohr.ats.streams(&bamboohr.settings);
    let complete = streams.last().expect("applications").complete;
    assert_eq!(complete, [Kind::Application, Kind::Candidate], "asking for an application tells of its candidate");
}

#[tokio::test]
async fn a_company_names_its_own_statuses_in_settings() {
    let (mut bamboohr, acme) = bamboohr(200).await;
    let id = acme.with(|company| {
        let id = *company.applications().keys().next().expect("one");
        company.move_to(id, 7);
        id.to_string()
    });
    let status = async |bamboohr: &Harness| {
        let found = bamboohr.look_up(Kind::Application, &[&id]).await.expect("asked").expect("answered");
        found.records[&(Kind::Application, id.clone())]["status"].clone()
    };
    assert_eq!(status(&bamboohr).await, "active");
    bamboohr.settings.insert("rejected_statuses".to_owned(), "No Show, put on hold".to_owned());
    assert_eq!(status(&bamboohr).await, "rejected");
    let check = |name: &str| bamboohr.ats.settings().iter().find(|setting| setting.name == name).expect("one").check;
    assert!(check("rejected_statuses")("No Show, Late").is_ok() && check("hired_statuses")("Signed,,").is_err());
    assert!(check("rejection_status")("9").is_ok() && check("rejection_status")("Not a Fit").is_err());
}
