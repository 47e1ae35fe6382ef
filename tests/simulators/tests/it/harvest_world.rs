//! The changing world of an account of Greenhouse: its truth is what its lists tell, and webhooks tell what they must.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use simulators::{
    greenhouse::{sign, table::Table},
    world::{Account as _, Chance, Delivery, Truth},
};

use crate::{
    fixture,
    harvest::{Stage, stage},
    missing, post,
};

const SECRET: &str = "local-webhook-secret-gh-acme";

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

fn action(delivery: &Delivery) -> String {
    body(delivery).get("action").and_then(Value::as_str).unwrap().to_owned()
}

/// All rows of the lists that a client reads, by list and id.
async fn rows(stage: &Stage, token: &str) -> BTreeMap<String, BTreeMap<u64, Value>> {
    let mut lists = BTreeMap::new();
    for table in Table::ALL {
        let path = match table {
            Table::Users => "users?show_service_accounts=true&per_page=500".to_owned(),
            Table::RejectionReasons => "rejection_reasons?include_defaults=true&per_page=500".to_owned(),
            table => format!("{}?per_page=500", table.path()),
        };
        let rows = stage.all(token, &path).await.into_iter();
        let by_id = rows.map(|row| (row.get("id").and_then(Value::as_u64).unwrap(), row)).collect();
        lists.insert(table.path().to_owned(), by_id);
    }
    lists
}

/// The truth as a client makes it of the rows alone, for what is easily told wrong.
fn from_lists(lists: &BTreeMap<String, BTreeMap<u64, Value>>) -> Truth {
    let mut truth = Truth::new();
    let text = |id: Option<&Value>| json!(id.and_then(Value::as_u64).map(|id| id.to_string()));
    for (id, row) in &lists["applications"] {
        let status = match row["status"].as_str().unwrap() {
            "in_process" => "active",
            "converted" => "unknown",
            other => other,
        };
        let fields = json!({
            "candidate": text(row.get("candidate_id")), "job": text(row.get("job_id")), "status": status,
            "provider_status": row["status"], "stage": row["stage_name"], "applied_at": row["created_at"],
        });
        truth.insert(format!("application/{id}"), fields.as_object().unwrap().clone());
    }
    for (id, row) in &lists["openings"] {
        let status = if row["open"] == json!(true) { "open" } else { "closed" };
        let fields = json!({"job": text(row.get("job_id")), "status": status});
        truth.insert(format!("opening/{id}"), fields.as_object().unwrap().clone());
    }
    for (id, row) in &lists["scorecards"] {
        let recommendation = match row["candidate_rating"].as_str() {
            None | Some("no_decision") => "none".to_owned(),
            Some("definitely_not") => "strong-no".to_owned(),
            Some(other) => other.replace('_', "-"),
        };
        let fields = json!({
            "application": text(row.get("application_id")), "recommendation": recommendation,
            "provider_recommendation": row["candidate_rating"], "submitted_by": text(row.get("submitter_id")),
            "submitted_at": row["submitted_at"],
        });
        truth.insert(format!("scorecard/{id}"), fields.as_object().unwrap().clone());
    }
    truth
}

#[tokio::test]
async fn the_truth_equals_the_lists_after_any_changes() {
    let stage = stage(600);
    stage.account.set_limit(None);
    let mut chance = Chance::new(11);
    let token = stage.access().await;
    for _ in 0..3 {
        for _ in 0..400 {
            stage.account.step(&mut chance);
        }
        let lists = rows(&stage, &token).await;
        let truth = stage.account.truth();
        for (id, fields) in from_lists(&lists) {
            assert_eq!(truth.get(&id), Some(&fields), "{id}");
        }
        for (kind, list) in [
            ("job", "jobs"),
            ("opening", "openings"),
            ("post", "job_posts"),
            ("candidate", "candidates"),
            ("application", "applications"),
            ("interview", "interviews"),
            ("offer", "offers"),
            ("scorecard", "scorecards"),
            ("department", "departments"),
            ("office", "offices"),
            ("user", "users"),
        ] {
            let reported: BTreeSet<String> = lists[list].keys().map(|id| format!("{kind}/{id}")).collect();
            let known: BTreeSet<String> =
                truth.keys().filter(|id| id.starts_with(&format!("{kind}/"))).cloned().collect();
            assert_eq!(reported, known);
            for row in lists[list].values().filter(|_| kind == "interview" || kind == "offer" || kind == "scorecard") {
                let application = row["application_id"].as_u64().unwrap();
                assert!(lists["applications"].contains_key(&application), "nothing hangs in the air");
            }
        }
    }
}

#[test]
fn a_seed_repeats_a_world_and_stamps_only_increase() {
    let made = |seed| {
        let stage = stage(300);
        let mut chance = Chance::new(seed);
        let said: Vec<String> = (0..300).map(|_| stage.account.step(&mut chance)).collect();
        (said, stage.account.truth())
    };
    assert!(made(3) == made(3));
    assert!(made(3) != made(4));
    let stage = stage(300);
    let stamps = || {
        stage.account.with(|state| {
            let rows = Table::ALL.iter().flat_map(|table| state.store.rows(*table).values());
            rows.map(|row| row.updated).collect::<Vec<i64>>()
        })
    };
    let all = stamps();
    assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "no two rows have one");
    let newest = all.into_iter().max().unwrap();
    let mut chance = Chance::new(1);
    let deleting = (0..200).filter(|_| stage.account.step(&mut chance).contains("deleted")).count();
    assert!((4..60).contains(&deleting), "{deleting} of 200 delete");
    assert!(stamps().into_iter().max().unwrap() > newest);
}

#[test]
fn every_action_is_reported_in_the_documented_shape() {
    let stage = stage(800);
    let mut chance = Chance::new(5);
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    // Some actions are rare: the world goes on until each was seen, within a bound.
    for _ in 0..300 {
        if found.len() == 29 {
            break;
        }
        for _ in 0..100 {
            stage.account.step(&mut chance);
        }
        for delivery in stage.account.deliveries(SECRET) {
            let header = |name: &str| delivery.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
            assert_eq!(header("signature"), sign(SECRET, &delivery.body));
            assert!(ids.insert(header("greenhouse-event-id")), "each event has an id of its own");
            let text = std::str::from_utf8(&delivery.body).unwrap();
            assert!(text.is_ascii() && !text.contains(['<', '>', '&']), "escaped before it was signed");
            found.entry(action(&delivery)).or_insert_with(|| body(&delivery));
        }
        assert_eq!(stage.account.deliveries(SECRET), []);
    }
    let Some(samples) = fixture("ats/gh_webhooks_official_samples.json") else { return };
    // Names of custom fields are the customer's, and lists that are empty here have elements in the samples.
    let without = [
        ".custom_fields.",
        ".educations[]",
        ".employments[]",
        "addresses[]",
        ".coordinator.",
        ".questions[]",
        ".rejection_details.",
        ".hiring_team.",
        ".offices[]",
        ".departments[]",
        ".interviews[]",
        ".offer.",
        ".child_ids[]",
        "phone_numbers[]",
        ".tags[]",
    ];
    for sample in samples.as_array().unwrap() {
        let documented = sample.get("body").unwrap();
        let action = documented.get("action").and_then(Value::as_str).unwrap();
        let made = found.get(action).unwrap_or_else(|| panic!("{action} does not happen"));
        assert_eq!(missing(documented, made, &without), Vec::<String>::new(), "{action}");
    }
    assert_eq!(found.len(), 29);
}

#[tokio::test]
async fn deleting_and_merging_people_is_reported_once() {
    let stage = stage(300);
    let (gone, applications) = stage.account.with(|state| {
        let of = |id: &u64| state.store.of(Table::Candidates, *id, Table::Applications);
        let id = *state.store.rows(Table::Candidates).keys().find(|id| of(id).len() > 1).unwrap();
        (id, of(&id))
    });
    stage.account.with(|state| assert!(state.delete_candidate(gone)));
    let reported = stage.account.deliveries(SECRET);
    assert_eq!(reported.iter().map(action).collect::<Vec<_>>(), ["delete_candidate"]);
    assert_eq!(body(&reported[0]).pointer("/payload/person/deleted_application_ids"), Some(&json!(applications)));
    let truth = stage.account.truth();
    assert!(!truth.contains_key(&format!("candidate/{gone}")));
    assert!(applications.iter().all(|id| !truth.contains_key(&format!("application/{id}"))));
    let (gone, survivor) = stage.account.with(|state| {
        let mut ids = state.store.rows(Table::Candidates).keys().copied();
        (ids.next().unwrap(), ids.next().unwrap())
    });
    let moved = stage.account.with(|state| state.store.of(Table::Candidates, gone, Table::Applications));
    stage.account.with(|state| assert!(state.merge(gone, survivor)));
    let reported = post(&stage.app, "/_control/greenhouse/acme/deliveries", json!({"secret": SECRET})).await.json();
    let reported: Value =
        serde_json::from_str(reported.pointer("/items/0/body").and_then(Value::as_str).unwrap()).unwrap();
    assert_eq!(reported.get("action"), Some(&json!("merge_candidate")));
    assert_eq!(reported.pointer("/payload/person/new_candidate_id"), Some(&json!(survivor)));
    let truth = stage.account.truth();
    for id in moved {
        assert_eq!(truth[&format!("application/{id}")].get("candidate"), Some(&json!(survivor.to_string())));
    }
}

#[tokio::test]
async fn control_grows_and_changes_each_account_by_itself() {
    let app = simulators::app();
    let order = json!({"seed": 1, "count": 200});
    assert_eq!(post(&app, "/_control/greenhouse/acme/grow", order.clone()).await.status, 204);
    let done = post(&app, "/_control/greenhouse/acme/step", json!({"seed": 2, "count": 5})).await.json();
    assert_eq!(done.get("done").and_then(Value::as_array).map(Vec::len), Some(5));
    let truth = crate::get(&app, "/_control/greenhouse/acme/truth").await.json();
    let size = truth.as_object().map(serde_json::Map::len).unwrap();
    assert!((195..=225).contains(&size), "{size}");
    let other = crate::get(&app, "/_control/greenhouse/globex/truth").await.json();
    assert!(other.as_object().is_some_and(|other| other.len() < 50));
    post(&app, "/_control/greenhouse/reset", json!({})).await;
    let fresh = crate::get(&app, "/_control/greenhouse/acme/truth").await.json();
    assert!(fresh.as_object().is_some_and(|fresh| fresh.len() < 50));
}
