//! Lever's file against its simulator.

mod changes;
mod connection;
mod failures;
mod recorded;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::ats::{Kind, ObjectRef};
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::transport::webhook::{ChangedObjects, Event, Meaning, NotAuthentic, WebhookSource};
use secrecy::{ExposeSecret as _, SecretString};
use simulators::lever::Company;
use simulators::world::{Account, Chance, Delivery};

use self::connection::lever;
use super::harness::{Harness, place};

/// All kinds that Lever has.
const KINDS: [Kind; 6] = [Kind::Job, Kind::Candidate, Kind::Application, Kind::Interview, Kind::Offer, Kind::User];

/// A connection to an account of about so many objects, without a limit.
pub(super) async fn connected(objects: usize) -> (Harness, Arc<Company>) {
    let (lever, acme) = lever(objects).await;
    (lever.into(), acme)
}

fn steps(acme: &Company, chance: &mut Chance, count: usize) {
    (0..count).for_each(|_| drop(acme.step(chance)));
}

#[tokio::test]
async fn a_pass_through_everything_collects_what_there_is() {
    let (lever, acme) = lever(400).await;
    steps(&acme, &mut Chance::new(1), 150);
    let collected = lever.pass_through(None).await;
    let found = lever.unequal(&collected.records, &acme.truth(), &KINDS);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!((collected.skipped.as_slice(), collected.present.len(), collected.gone.len()), (&[][..], 0, 0));
    let begun = collected.begun.expect("Lever tells its time");
    assert!(lever.now().duration_since(begun).as_millis() < 1_000, "the clock of the world stands");
}

#[tokio::test]
async fn what_is_confidential_is_left_out_when_a_setting_says_so() {
    let (mut lever, _) = lever(300).await;
    let all = lever.pass_through(None).await.records.len();
    lever.settings.insert("confidential".to_owned(), "no".to_owned());
    let fewer = lever.pass_through(None).await.records.len();
    assert!(fewer < all, "{fewer} of {all}");
    let settings = lever.ats.settings();
    let check = settings.iter().find(|setting| setting.name == "confidential").expect("a setting").check;
    assert!(check("no").is_ok() && check("perhaps").is_err());
}

#[tokio::test]
async fn a_setting_selects_the_interviews_and_offers() {
    let (mut lever, acme) = lever(300).await;
    let truth = acme.truth();
    let active = |place: &str| truth[&format!("application/{place}")]["status"] == "active";
    let parts = |keep: &dyn Fn(&str) -> bool| {
        let found =
            truth.keys().filter_map(|place| place.split('/').nth(1).filter(|_| place.matches('/').count() == 2));
        found.filter(|opportunity| keep(opportunity)).count()
    };
    for (whose, wanted, complete) in [("all", parts(&|_| true), 2), ("active", parts(&active), 0), ("none", 0, 2)] {
        lever.settings.insert("interviews".to_owned(), whose.to_owned());
        let collected = lever.pass_through(None).await;
        let part = |place: &&String| place.starts_with("interview/") || place.starts_with("offer/");
        let read = collected.records.keys().filter(part).count();
        assert_eq!(read, wanted, "{whose}");
        // A list that may be incomplete does not make its missing objects gone.
        let last = lever.ats.streams(&lever.settings).pop().expect("a stream");
        assert_eq!(last.complete.len(), complete, "{whose}");
    }
    assert_eq!(lever.ats.streams(&lever.settings).len(), 3);
}

#[tokio::test]
async fn a_window_brings_what_changed_and_little_else() {
    let (lever, acme) = lever(400).await;
    let mut chance = Chance::new(3);
    let mut records = lever.pass_through(None).await;
    for round in 0..6 {
        let since = records.begun.expect("a time");
        lever.pass_time(Duration::from_secs(600));
        steps(&acme, &mut chance, 8);
        let window = lever.pass_through(Some(since)).await;
        let seen: BTreeSet<&String> = window.records.keys().filter(|place| place.starts_with("application/")).collect();
        assert!(seen.len() <= 2 * 8 + 8, "round {round}: {} of eight steps", seen.len());
        // An overlap of two minutes brings nothing of ten minutes ago.
        assert!(window.requests < 70, "{} requests", window.requests);
        for gone in window.gone {
            records.records.remove(&place(&gone));
        }
        records.records.extend(window.records);
        records.begun = window.begun;
        // Only webhooks and the next full pass report interviews.
        let kinds = [Kind::Job, Kind::Candidate, Kind::Application, Kind::User];
        let found = lever.unequal(&records.records, &acme.truth(), &kinds);
        assert_eq!(found, Vec::<String>::new(), "round {round}");
    }
}

#[tokio::test]
async fn objects_are_looked_up_by_id_and_missing_ones_are_gone() {
    let (lever, acme) = lever(500).await;
    let records = lever.pass_through(None).await.records;
    let of = |kind: Kind| {
        let prefix = format!("{}/", kind.as_str());
        records.keys().filter_map(|place| place.strip_prefix(prefix.as_str())).collect::<Vec<_>>()
    };
    for kind in KINDS {
        let ids = of(kind);
        let ids: Vec<&str> = ids.iter().take(7).copied().collect();
        assert!(!ids.is_empty(), "{kind:?}");
        let found = lever.look_up(kind, &ids).await.expect("can be asked").expect("pages");
        assert!(found.gone.is_empty(), "{kind:?}");
        for id in ids {
            let key = place(&ObjectRef::new(kind, id));
            assert_eq!(found.records.get(&key), records.get(&key), "{kind:?} {id}");
        }
    }
    assert!(lever.ats.lookup_cursors(Kind::Department, &["1".to_owned()]).is_none());
    // Two opportunities, one of them deleted, and with it all that it had.
    let interview = of(Kind::Interview)[0];
    let (gone, part) = interview.split_once('/').expect("an opportunity and an interview");
    let stays = of(Kind::Application).into_iter().find(|id| *id != gone).expect("another one");
    acme.with(|state| state.delete_opportunity(state.number_of(gone)));
    let found = lever.look_up(Kind::Application, &[gone, stays]).await.expect("asked").expect("pages");
    let refs = [Kind::Candidate, Kind::Application].map(|kind| ObjectRef::new(kind, gone));
    assert_eq!(found.gone, refs.into());
    assert!(found.records.contains_key(&format!("candidate/{stays}")));
    let missing = format!("{stays}/{part}");
    let found = lever.look_up(Kind::Interview, &[interview, &missing]).await.expect("asked").expect("pages");
    assert_eq!(found.gone, [interview, &missing].map(|id| ObjectRef::new(Kind::Interview, id)).into());
    for (kind, id) in [(Kind::Offer, missing.as_str()), (Kind::Job, "none"), (Kind::User, "none")] {
        let found = lever.look_up(kind, &[id]).await.expect("asked").expect("pages");
        assert_eq!((found.gone, found.records.len()), ([ObjectRef::new(kind, id)].into(), 0));
    }
}

fn headers(delivery: &Delivery) -> HeaderMap {
    let pair = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    delivery.headers.iter().map(pair).collect()
}

#[tokio::test]
async fn webhooks_are_created_verified_and_name_their_objects() {
    let (lever, acme) = lever(200).await;
    let source: &dyn WebhookSource = lever.provider.webhooks.expect("Lever calls us");
    let mut secrets = Vec::new();
    for event in lever.subscriptions().events() {
        let call = lever.subscriptions().subscription_request(&lever.context(), event, "https://hooks.example/lever");
        let reply = lever.send(call.expect("a request")).await.expect("a reply");
        let secret = lever.subscriptions().parse_subscription(&lever.context(), &reply).expect("a secret");
        secrets.push(secret.expose_secret().to_owned());
    }
    assert_eq!((secrets.len(), secrets.iter().collect::<BTreeSet<_>>().len()), (8, 8));
    let secret = SecretString::from(secrets.join("\n"));
    let mut records = lever.pass_through(None).await.records;
    // The world meanwhile, while the deliveries were on the way.
    let _before = acme.deliveries("");
    steps(&acme, &mut Chance::new(9), 120);
    let deliveries = acme.deliveries(&secrets[3]);
    assert!(deliveries.len() > 60);
    for delivery in &deliveries {
        let (headers, body) = (headers(delivery), delivery.body.as_slice());
        let id = source.verify(&headers, body, &secret, lever.now()).expect("authentic");
        assert_eq!(source.verify(&headers, body, &secret, lever.now()), Ok(id), "a retry has the same id");
        assert_eq!(source.verify(&headers, body, &"other".into(), lever.now()), Err(NotAuthentic));
        let Event { meaning, .. } = source.interpret(&lever.origin, body, lever.now()).expect("readable");
        let Meaning::Changed(ChangedObjects { reported, gone, about, .. }) = meaning else { continue };
        assert!(reported.is_empty() && gone.is_empty());
        for ObjectRef { kind, provider_id } in about {
            let found = lever.look_up(kind, &[&provider_id]).await.expect("asked").expect("pages");
            for gone in found.gone {
                records.remove(&place(&gone));
            }
            records.extend(found.records);
        }
    }
    // Only webhooks report interviews; those of a deleted opportunity the next full pass finds.
    let truth = acme.truth();
    records.retain(|place, _| {
        let opportunity = place.strip_prefix("interview/").and_then(|id| id.split('/').next());
        opportunity.is_some_and(|opportunity| truth.contains_key(&format!("application/{opportunity}")))
    });
    assert_eq!(lever.unequal(&records, &truth, &[Kind::Interview]), Vec::<String>::new());
    let late = deliveries.last().expect("one");
    lever.pass_time(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!(source.verify(&headers(late), &late.body, &secret, lever.now()), Err(NotAuthentic));
}
